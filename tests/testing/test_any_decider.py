"""Deciders that do not use flowy: executions by name, and stubs of what they call."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from flowy import ActivityProxy, Workflow, workflow
from flowy.errors import ConfigurationError, StartError
from flowy_sim import Simulation
from flowy_sim.explore import FoundError, explore
from flowy_sim.testing import Runner, Stubs, StuckError, UnexpectedCallError
from flowy_sim.testing._coverage import Coverage, observe

TIMEOUTS = {
    "executionStartToCloseTimeout": "3600",
    "taskStartToCloseTimeout": "60",
    "childPolicy": "TERMINATE",
}


def register(client: Any, domain: str) -> None:
    client.register_workflow_type(
        domain=domain,
        name="order",
        version="1",
        defaultTaskList={"name": "deciders"},
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )


def schedule(name: str, number: int, text: str | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "activityId": f"{name}-{number}",
        "activityType": {"name": name, "version": "1"},
        "taskList": {"name": "workers"},
    }
    if text is not None:
        attributes["input"] = text
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": attributes,
    }


def child(name: str, text: str) -> dict[str, Any]:
    attributes = {
        "workflowId": name,
        "workflowType": {"name": name, "version": "1"},
        "taskList": {"name": "deciders"},
        "input": text,
        **TIMEOUTS,
        "executionStartToCloseTimeout": "600",
    }
    return {
        "decisionType": "StartChildWorkflowExecution",
        "startChildWorkflowExecutionDecisionAttributes": attributes,
    }


def complete(text: str) -> dict[str, Any]:
    return {
        "decisionType": "CompleteWorkflowExecution",
        "completeWorkflowExecutionDecisionAttributes": {"result": text},
    }


def attributes(event: dict[str, Any]) -> dict[str, Any]:
    kind = event["eventType"]
    return event[f"{kind[0].lower()}{kind[1:]}EventAttributes"]  # type: ignore[no-any-return]


class Decider:
    """Makes the first decision at once, and completes with what it is answered."""

    domain = "simulated"
    list_name = "deciders"
    first: Any = None
    registers = False

    def __init__(self) -> None:
        self.registered = False

    def __call__(self, client: Any) -> None:
        if self.registers and not self.registered:
            register(client, self.domain)
            self.registered = True
        task = client.poll_for_decision_task(domain=self.domain, taskList={"name": self.list_name})
        if not task.get("taskToken"):
            return
        events = task["events"]
        types = [event["eventType"] for event in events]
        started = attributes(events[0])
        ended = [
            attributes(event)
            for event in events
            if event["eventType"].startswith(
                ("ActivityTask", "ChildWorkflow", "WorkflowExecutionSig")
            )
            and event["eventType"].endswith(("Completed", "Failed", "TimedOut", "Signaled"))
        ]
        if ended:
            last = ended[-1]
            found = last.get(
                "result", last.get("reason", last.get("timeoutType", last.get("input")))
            )
            decisions = [complete(found or "none")]
        elif types.count("DecisionTaskCompleted") == 0 and self.first is not None:
            decisions = [self.first(started.get("input"))]
        elif "WorkflowExecutionCancelRequested" in types:
            decisions = [complete("canceled it")]
        else:
            waits = self.waits or self.first is not None
            decisions = [] if waits else [complete(started["input"])]
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

    waits = False


def decider(**members: Any) -> type[Decider]:
    members = {k: staticmethod(v) if k == "first" else v for k, v in members.items()}
    return type("Decider", (Decider,), members)


@pytest.fixture
def other(runner: Runner) -> Runner:
    register(runner.simulation.client(), runner.domain)
    return runner


def test_an_execution_is_started_by_name_and_version_with_text(other: Runner) -> None:
    other.loop(decider())
    run = other(("order", "1"), input="42 bottles", task_list="deciders", tags=["blue"])
    assert run.result == run.raw_result == "42 bottles"
    assert run.workflow_id == "order-1"
    assert run.history.attributes()[0]["input"] == "42 bottles"


def test_a_result_that_is_json_is_decoded(other: Runner) -> None:
    other.loop(decider())
    run = other(("order", 1), input='{"bottles": 42}')
    assert (run.result, run.raw_result) == ({"bottles": 42}, '{"bottles": 42}')


def test_code_may_register_its_types_before_it_polls(runner: Runner) -> None:
    runner.loop(decider(registers=True))
    assert runner(("order", "1"), input="late").result == "late"


def test_a_type_that_is_never_registered_cannot_be_started(runner: Runner) -> None:
    runner.loop(decider())
    with pytest.raises(StartError, match="not registered"):
        runner(("order", "1"))


@pytest.mark.parametrize(("args", "kwargs"), [((42,), {}), ((), {"bottles": 42})])
def test_arguments_of_a_function_are_refused(other: Runner, args: Any, kwargs: Any) -> None:
    with pytest.raises(ConfigurationError, match="input='…'"):
        other(("order", "1"), *args, **kwargs)


def test_an_input_that_is_not_text_is_refused(other: Runner) -> None:
    with pytest.raises(ConfigurationError, match="input must be text, not 42"):
        other(("order", "1"), input=42)


def test_the_domain_is_registered_when_it_is_first_read() -> None:
    runner = Runner(Simulation(), domain="shop")
    client = runner.simulation.client()
    assert client.list_domains(registrationStatus="REGISTERED")["domainInfos"] == []
    assert client.describe_domain(name=runner.domain)["domainInfo"]["name"] == "shop"


def test_the_domain_is_registered_when_a_call_names_it_or_by_the_code_itself() -> None:
    named, registering = Runner(Simulation(), domain="shop"), Runner(Simulation(), domain="shop")
    register(named.simulation.client(), "shop")
    client = registering.simulation.client()
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
    register(client, registering.domain)
    with pytest.raises(ClientError, match="Unknown domain: bank"):
        register(client, "bank")


def test_code_may_poll_another_domain(stubs: Stubs) -> None:
    runner = Runner(Simulation(), stubs=stubs, domain="shop")
    register(runner.simulation.client(), runner.domain)
    runner.loop(decider(domain="shop"))
    assert runner(("order", "1"), input="42").result == 42


def test_a_poll_in_a_domain_that_does_not_exist_fails(other: Runner) -> None:
    other.loop(decider(domain="shop"))
    with pytest.raises(ClientError, match="Unknown domain: shop") as raised:
        other(("order", "1"), input="42")
    assert "executions run in the domain 'simulated'" in raised.value.__notes__[0]


def test_a_list_in_another_domain_is_named(other: Runner) -> None:
    class Stubborn(Decider):
        domain = "shop"

        def __call__(self, client: Any) -> None:
            while True:
                with suppress(ClientError):
                    super().__call__(client)
                time.sleep(1)

    other.loop(Stubborn)
    with pytest.raises(StuckError, match="only 'deciders of the domain shop'"):
        other(("order", "1"), input="42")


def test_a_signal_carries_text_as_it_is(other: Runner) -> None:
    other.loop(decider(waits=True))
    execution = other.start(("order", "1"), input="x")
    other.advance()
    other.signal(execution, "approve", "by Ann")
    assert other.finish(execution).result == "by Ann"


def test_a_cancel_request_arrives(other: Runner) -> None:
    other.loop(decider(waits=True))
    execution = other.start(("order", "1"), input="x")
    other.advance()
    other.cancel(execution)
    assert other.finish(execution).result == "canceled it"


@pytest.mark.parametrize("method", ["signal", "cancel"])
def test_signals_and_requests_need_an_execution(runner: Runner, method: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{method} takes an Execution"):
        getattr(runner, method)("order-1", *["approve"] * (method == "signal"))


def test_a_stub_answers_with_text_on_any_list(other: Runner, stubs: Stubs) -> None:
    stubs("charge", "1", result="ok", takes=40)
    other.loop(decider(first=lambda text: schedule("charge", 1, text)))
    run = other(("order", "1"), input="card 7")
    assert run.result == "ok"
    assert round(run.simulated_seconds) == 40
    [call] = run.calls("charge")
    assert (call.args, call.result, call.seconds) == (("card 7",), "ok", 40)
    assert run.history.find("ActivityTaskScheduled").attributes()[0]["taskList"] == {
        "name": "workers"
    }
    assert run.calls("nothing of that name") == []


def test_a_stub_does_not_take_other_tasks_from_the_list(other: Runner, stubs: Stubs) -> None:
    def worker(client: Any) -> None:
        task = client.poll_for_activity_task(domain="simulated", taskList={"name": "workers"})
        if task.get("taskToken"):
            assert task["activityType"]["name"] == "ship"
            client.respond_activity_task_completed(taskToken=task["taskToken"], result="shipped")

    other.simulation.client().register_activity_type(
        domain=other.domain, name="ship", version="1", **unlimited("workers")
    )
    stubs("charge", "1", result="ok")
    other.loop(worker)
    numbers = itertools.count()
    other.loop(decider(first=lambda text: schedule("ship" if next(numbers) else "charge", 1, text)))
    assert other(("order", "1"), input="x").result == "ok"
    assert other(("order", "1"), input="x").result == "shipped"


def unlimited(task_list: str) -> dict[str, Any]:
    return {
        "defaultTaskList": {"name": task_list},
        "defaultTaskHeartbeatTimeout": "NONE",
        "defaultTaskScheduleToCloseTimeout": "NONE",
        "defaultTaskScheduleToStartTimeout": "NONE",
        "defaultTaskStartToCloseTimeout": "NONE",
    }


def test_a_type_keeps_the_defaults_with_which_the_code_registers_it(
    other: Runner, stubs: Stubs
) -> None:
    stubs("charge", "1", timeout="START_TO_CLOSE")
    client = other.simulation.client()
    once = iter([True])

    def worker(mine: Any) -> None:
        for _ in once:
            mine.register_activity_type(
                domain=other.domain,
                name="charge",
                version="1",
                **(unlimited("workers") | {"defaultTaskStartToCloseTimeout": "77"}),
            )
        mine.poll_for_activity_task(domain="simulated", taskList={"name": "workers"})

    other.loop(worker)
    other.loop(decider(first=lambda text: schedule("charge", 1, text)))
    run = other(("order", "1"), input="x")
    assert (run.result, round(run.simulated_seconds)) == ("START_TO_CLOSE", 77)
    described = client.describe_activity_type(
        domain=other.domain, activityType={"name": "charge", "version": "1"}
    )
    assert described["configuration"]["defaultTaskStartToCloseTimeout"] == "77"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"function": lambda text: f"{text}!"}, "x!"),
        ({"function": lambda text: {"given": text}}, '{"given": "x"}'),
        ({"result": 7}, "7"),
        ({}, "none"),
        ({"error": OSError("no money")}, "OSError: no money"),
    ],
)
def test_answers_of_stubs_are_plain_text(
    other: Runner, stubs: Stubs, answer: Any, expected: str
) -> None:
    stubs("charge", "1", **answer)
    other.loop(decider(first=lambda text: schedule("charge", 1, text)))
    assert other(("order", "1"), input="x").raw_result == expected


def in_a_thread(call: Callable[[], object]) -> None:
    with ThreadPoolExecutor(max_workers=1) as threads:
        threads.submit(call).result()


def test_stubs_answer_what_a_thread_of_the_decider_schedules(other: Runner, stubs: Stubs) -> None:
    class Threaded(Decider):
        first = staticmethod(lambda text: schedule("charge", 1, text))

        def __call__(self, client: Any) -> None:
            respond = client.respond_decision_task_completed
            client.respond_decision_task_completed = lambda **request: in_a_thread(
                lambda: respond(**request)
            )
            super().__call__(client)
            client.respond_decision_task_completed = respond

    stubs("charge", "1", function=lambda card: f"{card} is charged")
    other.loop(Threaded)
    assert other(("order", "1"), input="card 7").result == "card 7 is charged"


def test_an_unexpected_call_of_a_thread_fails_the_test(other: Runner, stubs: Stubs) -> None:
    class Threaded(Decider):
        def __call__(self, client: Any) -> None:
            task = client.poll_for_decision_task(
                domain=self.domain, taskList={"name": self.list_name}
            )
            if task.get("taskToken"):
                decision = schedule("charge", 1, "card 8")
                answer = {"taskToken": task["taskToken"], "decisions": [decision]}
                in_a_thread(lambda: client.respond_decision_task_completed(**answer))

    stubs("charge", "1").when("card 7").then(result="ok")
    other.loop(Threaded)
    with pytest.raises(UnexpectedCallError, match="card 8"):
        other(("order", "1"), input="x")


def test_a_loop_that_changes_its_client_changes_it_for_no_other(
    other: Runner, stubs: Stubs
) -> None:
    def wrapper(client: Any) -> None:
        client.respond_decision_task_completed = client.respond_activity_task_completed = None
        client.poll_for_activity_task(domain="simulated", taskList={"name": "nothing"})

    stubs("charge", "1", result="ok")
    other.loop(wrapper)
    other.loop(decider(first=lambda text: schedule("charge", 1, text)))
    assert other(("order", "1"), input="x").result == "ok"


def test_cases_compare_the_text(other: Runner, stubs: Stubs) -> None:
    stubs("charge", "1").when("x").then(result="a").when("y").then(result="b")
    other.loop(decider(first=lambda text: schedule("charge", 1, text)))
    assert [other(("order", "1"), input=each).result for each in "xy"] == ["a", "b"]
    with pytest.raises(UnexpectedCallError, match="'z'"):
        other(("order", "1"), input="z")


def test_a_sequence_of_answers_is_given_in_order(other: Runner, stubs: Stubs) -> None:
    stubs("charge", "1", result="a").then(error=OSError("b")).then(result="c")
    other.loop(decider(first=lambda text: schedule("charge", 1, text)))
    results = [other(("order", "1"), input="x").raw_result for _ in range(3)]
    assert results == ["a", "OSError: b", "c"]


def test_a_child_is_stubbed_in_plain_text_on_the_list_of_the_decider(
    other: Runner, stubs: Stubs
) -> None:
    stubs.child("ship", "1", function=lambda text: f"shipped {text}", takes=9)
    other.loop(decider(first=lambda text: child("ship", text)))
    run = other(("order", "1"), input="bottles")
    assert (run.result, int(run.simulated_seconds)) == ("shipped bottles", 9)


def test_a_child_may_fail_or_time_out(other: Runner, stubs: Stubs) -> None:
    stubs.child("ship", "1", error=OSError("lost")).then(timeout="START_TO_CLOSE")
    other.loop(decider(first=lambda text: child("ship", text)))
    assert other(("order", "1"), input="x").result == "OSError: lost"
    assert other(("order", "1"), input="x").result == "START_TO_CLOSE"


@workflow("flowys", 1, "deciders")
class Flowys(Workflow):
    charge = ActivityProxy("charge", 1, task_list="workers")

    def run(self, amount: int) -> int:
        return self.charge(amount, currency="EUR").result()  # type: ignore[no-any-return]


def test_the_same_stub_answers_flowys_deciders_in_flowys_encoding(
    runner: Runner, stubs: Stubs
) -> None:
    given: list[Any] = []
    stubs("charge", "1", function=lambda *args, **kwargs: given.append((args, kwargs)) or 7)
    register(runner.simulation.client(), runner.domain)
    others = decider(first=lambda text: schedule("charge", 1, text))
    others.list_name = "others"
    runner.loop(others)
    run = runner(Flowys, 5)
    assert runner(("order", "1"), input="x", task_list="others").raw_result == "7"
    assert run.result == 7
    assert given == [((5,), {"currency": "EUR"}), (("x",), {})]


@pytest.mark.parametrize("given", [False, True])
def test_an_empty_poll_returns_an_empty_token_if_the_simulation_is_set_up_so(given: bool) -> None:
    runner = Runner(Simulation(empty_poll_token=given))
    client = runner.simulation.client(poll_seconds=3)
    polled: dict[str, Any] = {"domain": runner.domain, "taskList": {"name": "any"}}
    for poll in (client.poll_for_decision_task, client.poll_for_activity_task):
        reply = poll(**polled)
        assert reply.get("taskToken") == ("" if given else None)
        assert reply["startedEventId"] == 0


def test_whether_an_empty_token_is_returned_is_true_or_false() -> None:
    with pytest.raises(TypeError, match="empty_poll_token"):
        Simulation(empty_poll_token="yes")  # type: ignore[arg-type]


def unrelenting(client: Any, most: int = 1000) -> None:
    task = client.poll_for_decision_task(
        domain="simulated", taskList={"name": "deciders"}, reverseOrder=True
    )
    if task.get("taskToken"):
        ids = [
            attributes(e)["activityId"]
            for e in task["events"]
            if "ActivityTaskS" in e["eventType"] and "activityId" in attributes(e)
        ]
        count = 1 + int(ids[0].partition("-")[2]) if ids else 0
        again = schedule("charge", count, "x")
        again["scheduleActivityTaskDecisionAttributes"]["scheduleToStartTimeout"] = "3600"
        decisions = [again] if count < most else [complete("given up")]
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)


@pytest.fixture
def without_worker(runner: Runner) -> Runner:
    client = runner.simulation.client()
    register(client, runner.domain)
    client.register_activity_type(
        domain=runner.domain, name="charge", version="1", **unlimited("workers")
    )
    return runner


def test_a_decider_that_reschedules_on_every_time_out_is_stuck_after_a_day(
    without_worker: Runner,
) -> None:
    without_worker.loop(unrelenting)
    with pytest.raises(StuckError, match="no worker has taken a task from 'workers'") as error:
        without_worker(("order", "1"), execution_start_to_close=30_000_000)
    assert error.value.run.simulated_seconds < 2 * 24 * 3600


def test_a_decider_that_gives_up_within_a_day_is_not_stuck(without_worker: Runner) -> None:
    without_worker.loop(lambda client: unrelenting(client, most=20))
    run = without_worker(("order", "1"), execution_start_to_close=30_000_000)
    assert run.result == "given up"


def test_time_outs_of_a_stub_are_no_reason_to_be_stuck(
    without_worker: Runner, stubs: Stubs
) -> None:
    stubs("charge", "1", timeout="SCHEDULE_TO_START")
    without_worker.loop(lambda client: unrelenting(client, most=40))
    run = without_worker(("order", "1"), execution_start_to_close=30_000_000)
    assert (run.result, len(run.calls("charge"))) == ("given up", 40)


def test_outcomes_are_counted_whichever_decider_schedules(other: Runner, stubs: Stubs) -> None:
    stubs("charge", "1", result="ok").then(error=OSError("no"))
    stubs.child("ship", "1", result="ok")
    first = iter([schedule("charge", 1, "x"), schedule("charge", 1, "x"), child("ship", "x")])
    other.loop(decider(first=lambda text: next(first)))
    for _ in range(3):
        other(("order", "1"), input="x")
    coverage = Coverage()
    observe(coverage, other.simulation, other)
    report = "\n".join(coverage.report())
    assert "activity charge 1  completed 1, failed 1" in report
    assert "child ship 1       completed 1" in report


def call_function(text: str | None) -> dict[str, Any]:
    attributes = {"id": "rate", "name": "rate", "input": text or "null"}
    return {
        "decisionType": "ScheduleLambdaFunction",
        "scheduleLambdaFunctionDecisionAttributes": attributes,
    }


class CallsFunction(Decider):
    first = staticmethod(call_function)

    def __call__(self, client: Any) -> None:
        task = client.poll_for_decision_task(domain=self.domain, taskList={"name": self.list_name})
        if not task.get("taskToken"):
            return
        ended = [e for e in task["events"] if e["eventType"].startswith("LambdaFunction")][2:]
        started = attributes(task["events"][0])
        decision = call_function(started["input"])
        if ended:
            last = attributes(ended[-1])
            decision = complete(last.get("result", last.get("reason", last.get("timeoutType"))))
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"function": lambda event: {"rate": event["card"]}, "takes": 3}, {"rate": 7}),
        ({"error": ValueError("no rate")}, "UnhandledError"),
        ({"timeout": "START_TO_CLOSE"}, "START_TO_CLOSE"),
    ],
)
def test_a_lambda_function_is_stubbed_for_any_decider(
    other: Runner, stubs: Stubs, answer: dict[str, Any], result: object
) -> None:
    stubs.lambda_function("rate", **answer)
    other.loop(CallsFunction)
    run = other(("order", "1"), input='{"card": 7}', lambda_role="arn:aws:iam::123456789012:role/r")
    assert run.result == result
    assert len(run.calls("rate")) == 1


def test_a_handler_of_aws_lambda_is_called_for_any_decider(other: Runner) -> None:
    other.simulation.lambdas["rate"] = lambda event, context: [context.function_name, event]
    other.loop(CallsFunction)
    run = other(("order", "1"), input="7", lambda_role="arn:aws:iam::123456789012:role/r")
    assert run.result == ["rate", 7]


@pytest.mark.parametrize(
    ("answer", "result", "seconds"),
    [
        ({"timeout": "HEARTBEAT"}, "HEARTBEAT", 30),
        ({"result": "ok", "takes": 100, "heartbeat": 20}, "ok", 100),
        ({"result": "ok", "takes": 100}, "HEARTBEAT", 30),
    ],
)
def test_a_stub_sends_heartbeats_for_any_decider(
    other: Runner, stubs: Stubs, answer: dict[str, Any], result: str, seconds: float
) -> None:
    defaults = unlimited("workers") | {"defaultTaskHeartbeatTimeout": "30"}
    other.simulation.client().register_activity_type(
        domain=other.domain, name="charge", version="1", **defaults
    )
    stubs("charge", "1", **answer)
    other.loop(decider(first=lambda text: schedule("charge", 1, text)))
    run = other(("order", "1"), input="x")
    assert (run.result, int(run.simulated_seconds)) == (result, seconds)


@pytest.mark.parametrize(("identity", "shown"), [("mailer 7", "mailer 7"), ("x" * 99, "a worker")])
def test_a_failure_names_a_worker_unless_its_name_is_long(identity: str, shown: str) -> None:
    def worker(client: Any) -> None:
        task = client.poll_for_activity_task(
            domain="simulated", taskList={"name": "workers"}, identity=identity
        )
        if task.get("taskToken"):
            client.respond_activity_task_completed(taskToken=task["taskToken"], result="ok")

    def pays(runner: Runner) -> None:
        client = runner.simulation.client()
        register(client, runner.domain)
        client.register_activity_type(
            domain=runner.domain, name="charge", version="1", **unlimited("workers")
        )
        runner.loop(worker)
        runner.loop(decider(first=lambda text: schedule("charge", 1, text)))
        assert runner(("order", "1"), input="x").result != "ok"

    with pytest.raises(FoundError) as raised:
        explore(pays)
    assert f"{shown} takes charge-1" in str(raised.value)
