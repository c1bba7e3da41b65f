"""Whole executions, on every service at hand."""

from __future__ import annotations

from typing import Any

import pytest

from flowy import Activity, ActivityProxy, TaskError, Workflow, activity, start, workflow
from flowy.replay import replay
from tests.support.example_workflows import Add, Chain, Divide, Double, Ratio, SumOfDoubles
from tests.support.worker_loops import DOMAIN, attributes, carried_out, history, types, workers


@activity("show", 1, "numbers")
class Show(Activity):
    def run(self, *args: Any, **kwargs: Any) -> Any:
        return [args, kwargs]


@activity("broken", 1, "numbers", retry=2)
class Broken(Activity):
    tries = 0

    def run(self, times: int) -> int:
        Broken.tries += 1
        if Broken.tries <= times:
            raise ValueError(f"broken the {Broken.tries}. time")
        return Broken.tries


@workflow("everything", 1, "decisions")
class Everything(Workflow):
    show = ActivityProxy(Show)
    broken = ActivityProxy(Broken, error_handling=True)
    missing = ActivityProxy("missing", 1, error_handling=True)

    def run(self, times: int, *, greeting: str) -> Any:
        self.show("nobody waits for me")
        errors = []
        tried = self.broken(times)
        missing = self.missing()
        for result in (tried, missing):
            try:
                result.result()
            except TaskError as error:
                errors.append(f"{type(error).__name__}: {error}")
        return {"shown": self.show(greeting, deep={"er": [self.show()]}), "errors": errors}


@pytest.fixture(autouse=True)
def _unbroken() -> None:
    Broken.tries = 0


def test_results_flow_from_activity_to_activity(client: Any) -> None:
    both = workers(client, [Double, Add], [SumOfDoubles, Chain])
    execution = start(client, DOMAIN, SumOfDoubles, 3, 4)
    assert carried_out(client, execution, both) == ("COMPLETED", 14, "", "")
    chain = start(client, DOMAIN, ("chain", 1), 1, times=10)
    assert carried_out(client, chain, both) == ("COMPLETED", 1024, "", "")
    replay(SumOfDoubles, history(client, execution))
    replay(Chain, history(client, chain))


def test_what_the_service_and_activities_refuse_comes_back_as_errors(client: Any) -> None:
    both = workers(client, [Show, Broken], [Everything])
    execution = start(client, DOMAIN, Everything, 2, greeting="hej")
    ended = carried_out(client, execution, both)
    assert ended.status == "COMPLETED"
    assert ended.result == {
        "shown": [["hej"], {"deep": {"er": [[[], {}]]}}],
        "errors": [
            "TaskFailed: broken 1 (broken-2.2) failed: ValueError: broken the 2. time",
            "TaskNotScheduled: missing 1 (missing-3) was not scheduled: "
            "ACTIVITY_TYPE_DOES_NOT_EXIST",
        ],
    }
    replay(Everything, history(client, execution))


def test_an_attempt_that_failed_is_followed_by_another(client: Any) -> None:
    both = workers(client, [Show, Broken], [Everything])
    execution = start(client, DOMAIN, Everything, 1, greeting="hej")
    result = carried_out(client, execution, both).result
    assert [error.split(":")[0] for error in result["errors"]] == ["TaskNotScheduled"]
    replay(Everything, history(client, execution))


def test_an_unhandled_failure_fails_the_execution(client: Any) -> None:
    @workflow("failing", 1, "decisions")
    class Failing(Workflow):
        broken = ActivityProxy(Broken)

        def run(self) -> Any:
            return self.broken(2)

    both = workers(client, [Broken], [Failing])
    execution = start(client, DOMAIN, Failing)
    ended = carried_out(client, execution, both)
    assert (ended.status, ended.reason) == (
        "FAILED",
        "broken 1 (broken-1.2) failed: ValueError: broken the 2. time",
    )
    assert 'raise ValueError(f"broken the' in ended.details
    replay(Failing, history(client, execution))


def test_the_delay_before_another_attempt_is_a_timer(simulated: Any) -> None:
    both = workers(simulated, [Divide], [Ratio])
    execution = start(simulated, DOMAIN, Ratio, 1, by=0)
    ended = carried_out(simulated, execution, both)
    assert ended.reason == "divide 1.5 (divide-1.2) failed: ZeroDivisionError: division by zero"
    events = history(simulated, execution)
    assert attributes(events, "TimerStarted") == [
        {
            "decisionTaskCompletedEventId": attributes(events, "TimerFired")[0]["startedEventId"]
            - 1,
            "startToFireTimeout": "10",
            "timerId": "divide-1.2-delay",
        }
    ]
    replay(Ratio, events)


@pytest.mark.parametrize(
    ("which", "options"),
    [
        ("SCHEDULE_TO_START", {"schedule_to_start": 5}),
        ("SCHEDULE_TO_CLOSE", {"schedule_to_close": 5}),
        ("START_TO_CLOSE", {"start_to_close": 5}),
        ("HEARTBEAT", {"heartbeat": 5}),
    ],
)
def test_each_time_out_reaches_the_workflow(
    simulated: Any, simulation: Any, which: str, options: dict[str, Any]
) -> None:
    @workflow("waiting", 1, "decisions")
    class Waiting(Workflow):
        show = ActivityProxy(Show, **options)

        def run(self) -> Any:
            return self.show()

    decider, _ = workers(simulated, [Show], [Waiting])
    execution = start(simulated, DOMAIN, Waiting)
    assert decider.run_once()
    if which in ("START_TO_CLOSE", "HEARTBEAT"):
        simulated.poll_for_activity_task(domain=DOMAIN, taskList={"name": "numbers"})
    simulation.clock.advance(5.1)
    ended = carried_out(simulated, execution, [decider])
    assert ended.reason == f"show 1 (show-1) timed out: {which}"
    replay(Waiting, history(simulated, execution))


def test_news_during_the_last_decision_make_it_be_decided_again(simulated: Any) -> None:
    @workflow("disturbed", 1, "decisions")
    class Disturbed(Workflow):
        def run(self) -> str:
            if not signals:
                signals.append("wait")
                simulated.signal_workflow_execution(
                    domain=DOMAIN, workflowId="one", signalName="wait"
                )
            return "done"

    signals: list[str] = []
    decider, _ = workers(simulated, [Double], [Disturbed])
    execution = start(simulated, DOMAIN, Disturbed, workflow_id="one")
    assert carried_out(simulated, execution, [decider]).result == "done"
    events = history(simulated, execution)
    assert attributes(events, "CompleteWorkflowExecutionFailed")[0]["cause"] == "UNHANDLED_DECISION"
    assert types(events)[-1] == "WorkflowExecutionCompleted"
    replay(Disturbed, events)


@pytest.mark.parametrize("suspended", [0, 10])
def test_a_signal_during_the_last_decision_is_there_when_it_is_made_again(
    simulated: Any, suspended: int
) -> None:
    @workflow("disturbed", 1, "decisions")
    class Disturbed(Workflow):
        show = ActivityProxy(Show)

        def run(self) -> str:
            last = self.signal("last", str)
            self.show().result()
            if not sent:
                sent.append("last")
                simulated.signal_workflow_execution(
                    domain=DOMAIN, workflowId="one", signalName="last", input='"in time"'
                )
            return last.result() if last.done else "nothing"

    sent: list[str] = []
    decider, worker = workers(simulated, [Show], [Disturbed], suspended=suspended)
    execution = start(simulated, DOMAIN, Disturbed, workflow_id="one")
    assert carried_out(simulated, execution, [decider, worker]).result == "in time"
    events = history(simulated, execution)
    assert attributes(events, "CompleteWorkflowExecutionFailed")[0]["cause"] == "UNHANDLED_DECISION"
    replay(Disturbed, events)
