"""Faults strike where the schedule says, and flowy's workers survive them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    TaskFailed,
    Workflow,
    WorkflowProxy,
    activity,
    first,
    wait,
    workflow,
)
from flowy._workers.loop import Backoff
from flowy.errors import ConfigurationError
from flowy_sim import FirstChoice, RandomChoice, Simulation
from flowy_sim._clients.in_process import Reply
from flowy_sim.explore import explore, find
from flowy_sim.explore._choices import DeviatingSchedule, Deviation
from flowy_sim.faults import (
    EVERYDAY,
    ActivityFails,
    AnsweredTwice,
    AnswerLate,
    AnswerLost,
    CallLate,
    CancelRequest,
    ChildFails,
    ClockJumps,
    DeciderDies,
    Deploy,
    FaultTarget,
    HeartbeatLate,
    InjectedFault,
    Killed,
    Moment,
    NetworkError,
    Outage,
    ReplyLost,
    Restart,
    Signal,
    SlowWork,
    TaskLate,
    TaskUntaken,
    Termination,
    Throttled,
    WorkerCall,
    WorkerDies,
    WorkerDiesLate,
    WorkFails,
)
from flowy_sim.testing import Run, Runner


@activity("pick", 1, "store", start_to_close=60, heartbeat=30, retry=3)
class Pick(Activity):
    def run(self, article: str) -> str:
        self.heartbeat()
        return f"one {article}"


@workflow("delivery", 1, "deliveries", execution_start_to_close=86_400)
class Delivery(Workflow):
    pick = ActivityProxy(Pick)

    def run(self, article: str) -> Any:
        return self.pick(article).result()


@workflow("delivery", 1, "deliveries", execution_start_to_close=86_400)
class NewDelivery(Workflow):
    pick = ActivityProxy(Pick)

    def run(self, article: str) -> Any:
        return f"{self.pick(article).result()}, wrapped"


def struck(fault: InjectedFault, number: int = 1, takes: float = 0) -> tuple[Run, list[str]]:
    """Run a delivery; the fault strikes at the given one of its opportunities."""
    accidents: list[str] = []
    schedule = DeviatingSchedule([Deviation(fault.describe(), number, 1)])
    runner = Runner(
        Simulation(schedule=schedule),
        activities=[Pick],
        faults=[fault],
        on_fault=accidents.append,
    )
    if takes:
        runner.stubs(Pick, result="one lamp", takes=takes, heartbeat=20)
    return runner(Delivery, "lamp"), accidents


def causes(run: Run) -> list[str]:
    return [event["eventType"] for event in run.history]


@pytest.mark.parametrize("takes", [0, 45])
@pytest.mark.parametrize("fault", EVERYDAY, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_workflow_with_retries_survives_every_everyday_fault(
    fault: InjectedFault, number: int, takes: float
) -> None:
    run, _ = struck(fault, number, takes)
    assert run.result == "one lamp"


@pytest.mark.parametrize("seed", range(20))
def test_it_survives_random_ones(seed: int) -> None:
    simulation = Simulation(schedule=RandomChoice(seed))
    runner = Runner(simulation, activities=[Pick], faults=EVERYDAY)
    assert runner(Delivery, "lamp").result == "one lamp"


@pytest.mark.parametrize("chance", [0.01, 0.99])
def test_how_long_workers_wait_before_they_retry_is_deterministic(
    chance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff.__init__, "__defaults__", (1.0, 60.0, lambda: chance))
    lost = AnswerLost(most=7)
    schedule = DeviatingSchedule([Deviation(lost.describe(), number, 1) for number in range(1, 8)])
    runner = Runner(Simulation(schedule=schedule), activities=[Pick], faults=[lost], most_faults=7)
    assert runner(Delivery, "lamp").simulated_seconds == 1 + 2 + 4 + 8 + 16 + 32 + 32


def test_no_fault_strikes_with_the_default_schedule() -> None:
    plain = Runner(Simulation(), activities=[Pick])(Delivery, "lamp")
    spared = Runner(Simulation(schedule=FirstChoice()), activities=[Pick], faults=EVERYDAY)
    assert spared(Delivery, "lamp").history == plain.history


@pytest.mark.parametrize("fault", [WorkerDies(), WorkerDiesLate()])
def test_the_task_of_a_dead_worker_times_out(fault: InjectedFault) -> None:
    run, accidents = struck(fault)
    assert "ActivityTaskTimedOut" in causes(run)
    assert accidents == [f"worker 1 (pick-1): {fault.describe()}"]


@pytest.mark.parametrize("fault", [DeciderDies(), AnswerLate(), TaskLate()])
def test_the_task_of_a_dead_or_slow_decider_times_out(fault: InjectedFault) -> None:
    assert "DecisionTaskTimedOut" in causes(struck(fault)[0])


def test_a_worker_that_dies_is_replaced_even_if_it_is_the_only_one() -> None:
    schedule = DeviatingSchedule([Deviation(WorkerDies.title, 1, 1)])
    runner = Runner(
        Simulation(schedule=schedule), activities=[Pick], faults=[WorkerDies()], workers=1
    )
    identities = {
        event["activityTaskStartedEventAttributes"]["identity"]
        for event in runner(Delivery, "lamp").history
        if event["eventType"] == "ActivityTaskStarted"
    }
    assert identities == {"worker 1", "worker 2"}


def test_work_that_is_done_can_be_reported_as_failed() -> None:
    assert "ActivityTaskFailed" in causes(struck(WorkFails())[0])


def test_an_activity_can_fail_more_often_than_it_is_tried() -> None:
    run, accidents = struck(Outage(times=10))
    assert causes(run).count("ActivityTaskFailed") == 3
    assert (run.status, len(accidents)) == ("FAILED", 3)


def test_an_outage_ends() -> None:
    run, accidents = struck(Outage(times=2))
    assert causes(run).count("ActivityTaskFailed") == 2
    assert (run.result, len(accidents)) == ("one lamp", 2)


@dataclass(frozen=True)
class LateAndFails(InjectedFault):
    """A task arrives late, and fails at once."""

    title = "the task arrives late"
    moment = Moment.TASK
    operations = ("PollForActivityTask",)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        target.simulation.clock.advance(90)
        return ActivityFails().strike(target, call)


def test_a_task_that_has_timed_out_cannot_fail_any_more() -> None:
    run, _ = struck(LateAndFails())
    assert run.result == "one lamp"
    assert "ActivityTaskFailed" not in causes(run)


@activity("carry", 1, "store", start_to_close=600, schedule_to_start=30)
def carry(article: str) -> str:
    return f"carried {article}"


@workflow("carrying", 1, "deliveries", execution_start_to_close=86_400)
class Carrying(Workflow):
    carry = ActivityProxy(carry, error_handling=True)

    def run(self, article: str) -> Any:
        carried, deadline = self.carry(article), self.timer(45)
        is_late = first(carried, deadline) is deadline
        wait(carried)
        return carried.error.timeout_type if carried.error else is_late


def carried(fault: InjectedFault) -> Run:
    schedule = DeviatingSchedule([Deviation(fault.describe(), 1, 1)])
    return Runner(Simulation(schedule=schedule), faults=[fault])(Carrying, "lamp")


def test_a_task_that_no_worker_takes_times_out_before_it_starts() -> None:
    assert carried(TaskUntaken()).result == "SCHEDULE_TO_START"


def test_only_tasks_with_a_limit_are_left_untaken() -> None:
    found = find(lambda runner: runner(Delivery, "lamp"), faults=[TaskUntaken()])
    assert found.complete
    assert found.never_struck == [TaskUntaken.title]


def test_slow_work_completes_just_after_the_next_timer() -> None:
    run = carried(SlowWork())
    assert run.result is True
    assert run.simulated_seconds == pytest.approx(46)


def test_work_is_not_slow_without_a_timer_that_it_could_outlast() -> None:
    found = find(lambda runner: runner(Delivery, "lamp"), faults=[SlowWork()])
    assert found.never_struck == [SlowWork.title]


@workflow("ordering", 1, "deliveries", execution_start_to_close=86_400)
class Ordering(Workflow):
    deliver = WorkflowProxy(Delivery, error_handling=True)

    def run(self) -> str:
        try:
            return str(self.deliver("lamp").result())
        except TaskFailed:
            return "not delivered"


@pytest.mark.parametrize("stubbed", [True, False])
def test_only_children_that_are_stubbed_fail(stubbed: bool) -> None:
    def it_is_delivered(runner: Runner) -> None:
        if stubbed:
            runner.stubs(Delivery, result="one lamp")
        assert runner(Ordering).result == "one lamp"

    found = find(it_is_delivered, faults=[ChildFails()], most_faults=1)
    assert (found.failure is not None) == stubbed


def test_a_late_heartbeat_arrives_after_the_time_out() -> None:
    run, _ = struck(HeartbeatLate())
    timed_out = next(e for e in run.history if e["eventType"] == "ActivityTaskTimedOut")
    assert timed_out["activityTaskTimedOutEventAttributes"]["timeoutType"] == "HEARTBEAT"


SWEPT = {"domain": "simulated", "workflowId": "job"}


def sweep_after_an_hour(client: Any) -> None:
    """Terminate the run that has been open for almost an hour, which it may not be any more."""
    time.sleep(3_590)
    found = client.list_open_workflow_executions(
        domain="simulated", startTimeFilter={"oldestDate": 0}
    )["executionInfos"]
    for each in found:
        client.terminate_workflow_execution(**SWEPT, reason=each["execution"]["runId"])
    time.sleep(1e6)


@workflow("hourly", 1, "deliveries", execution_start_to_close=86_400)
class Hourly(Workflow):
    def run(self, hour: int) -> None:
        self.sleep(3_600)
        self.restart(hour + 1)


def only_the_run_that_was_found_is_terminated(runner: Runner) -> None:
    runner.loop(sweep_after_an_hour)
    run = runner(Hourly, 0, workflow_id="job")
    assert run.reason == run.run_id


def test_a_late_call_arrives_after_what_was_read_before_is_out_of_date() -> None:
    failure = find(only_the_run_that_was_found_is_terminated, faults=[CallLate()]).failure
    assert failure is not None
    story = str(failure)
    assert "! sweep_after_an_hour 1 at TerminateWorkflowExecution: the call arrives late" in story
    assert story.index("arrives late") < story.index("continues as new")


def test_a_late_task_is_told_when_it_arrives() -> None:
    _, accidents = struck(TaskLate(seconds=5), number=2)
    assert accidents == [
        "worker 1 (pick-1): the task arrives late",
        "worker 1 (pick-1): the late task is here",
    ]


def test_a_task_that_is_a_little_late_does_no_harm() -> None:
    run, _ = struck(TaskLate(seconds=5), number=2)
    assert run.simulated_seconds == 5
    assert "ActivityTaskTimedOut" not in causes(run)


@pytest.mark.parametrize("fault", [AnswerLost(), NetworkError(), Throttled()])
def test_an_answer_that_does_not_arrive_is_sent_again(fault: InjectedFault) -> None:
    run, accidents = struck(fault, number=2)
    assert causes(run).count("ActivityTaskScheduled") == 1
    assert accidents


@pytest.mark.parametrize("fault", [AnsweredTwice(), ReplyLost()])
def test_a_second_answer_changes_nothing(fault: InjectedFault) -> None:
    run, _ = struck(fault, number=2)
    assert causes(run).count("ActivityTaskCompleted") == 1


def test_a_restart_loses_the_tasks_that_workers_hold() -> None:
    run, accidents = struck(Restart(), number=5, takes=45)
    assert accidents == ["all workers are restarted"]
    assert "ActivityTaskTimedOut" in causes(run)


@dataclass(frozen=True)
class DiesAtHeartbeat(InjectedFault):
    title = "the worker dies at a heartbeat"
    operations = ("RecordActivityTaskHeartbeat",)

    def strike(self, target: FaultTarget, call: WorkerCall) -> Reply:
        raise Killed(self.title)


def test_a_worker_can_die_at_a_heartbeat_of_a_stub_and_is_replaced() -> None:
    run, accidents = struck(DiesAtHeartbeat(), takes=50)
    assert accidents == ["worker 1 (pick-1): the worker dies at a heartbeat"]
    assert causes(run).count("ActivityTaskTimedOut") == 1
    assert (run.result, run.simulated_seconds) == ("one lamp", 30 + 50)


def test_heartbeats_go_on_while_an_answer_is_late() -> None:
    run, _ = struck(AnswerLate(seconds=5), 2, takes=50)
    assert (run.result, run.simulated_seconds) == ("one lamp", 55)
    run, _ = struck(AnswerLate(), 2, takes=50)
    [timed_out] = run.history.find("ActivityTaskTimedOut").attributes()
    assert (timed_out["timeoutType"], run.simulated_seconds) == ("START_TO_CLOSE", 60 + 50)


class OwnError(Exception):
    """What an author's code raises in place of the client's errors."""


@pytest.mark.parametrize("chained", [True, False])
def test_an_injected_error_that_the_code_translates_is_not_blamed_on_the_test(
    chained: bool,
) -> None:
    def decide(client: Any) -> None:
        try:
            task = client.poll_for_decision_task(
                domain="simulated", taskList={"name": "deliveries"}
            )
            if task.get("taskToken"):
                client.respond_decision_task_completed(
                    taskToken=task["taskToken"],
                    decisions=[{"decisionType": "CompleteWorkflowExecution"}],
                )
        except (ClientError, EndpointConnectionError) as error:
            if chained:
                raise OwnError("the service") from error
            raise OwnError("the service") from None

    def it_completes(runner: Runner) -> None:
        runner.simulation.client().register_workflow_type(
            domain=runner.domain,
            name="plain",
            version="1",
            defaultTaskList={"name": "deliveries"},
            defaultExecutionStartToCloseTimeout="600",
            defaultTaskStartToCloseTimeout="60",
            defaultChildPolicy="TERMINATE",
        )
        runner.loop(decide)
        assert runner(("plain", "1")).status == "COMPLETED"

    assert explore(it_completes, faults=[Throttled(), NetworkError()]).complete


def test_new_code_continues_what_old_code_began() -> None:
    run, _ = struck(Deploy((NewDelivery,)), number=5)
    assert run.result == "one lamp, wrapped"


def test_time_passes_while_all_workers_sleep() -> None:
    run, _ = struck(ClockJumps(100))
    assert run.simulated_seconds >= 100


def test_an_execution_can_be_terminated_at_any_moment() -> None:
    assert struck(Termination())[0].status == "TERMINATED"


def test_cancellation_can_be_requested_at_any_moment() -> None:
    assert "WorkflowExecutionCancelRequested" in causes(struck(CancelRequest())[0])


def test_a_signal_can_arrive_at_any_moment() -> None:
    run, accidents = struck(Signal("hurry", input="now"), number=3)
    assert "WorkflowExecutionSignaled" in causes(run)
    assert accidents == ["the signal 'hurry' arrives"]


def test_no_more_faults_strike_than_most_faults() -> None:
    accidents: list[str] = []
    always = DeviatingSchedule(Deviation(NetworkError.title, number, 1) for number in range(1, 100))
    runner = Runner(
        Simulation(schedule=always),
        activities=[Pick],
        faults=[NetworkError(most=50)],
        most_faults=3,
        on_fault=accidents.append,
    )
    assert runner(Delivery, "lamp").status == "COMPLETED"
    assert len([each for each in accidents if "crashes" not in each]) == 3


def test_the_same_seed_brings_the_same_faults() -> None:
    def history() -> object:
        simulation = Simulation(schedule=RandomChoice(3))
        runner = Runner(simulation, activities=[Pick], faults=[Throttled(), AnswerLost()])
        return runner(Delivery, "lamp").history

    assert history() == history()


@pytest.mark.parametrize(
    ("fault", "given", "sentence"),
    [
        (WorkerDies, {"most": 0}, "most of WorkerDies must be a whole number from 1"),
        (ClockJumps, {"seconds": "1 h"}, "seconds of ClockJumps must be a number"),
        (TaskLate, {"seconds": -1}, "seconds of TaskLate must be a number of at least 0"),
        (Signal, {"input": {"by": 7}}, "the input of the Signal 'signal' must be text"),
        (Signal, {"name": ""}, "the name of a Signal must be text"),
        (Deploy, {"workflows": Delivery}, r"takes a tuple of .*Deploy\(\(NewOrder,\)\)"),
        (Deploy, {"workflows": (Pick,)}, "Pick'> is not a class decorated with @workflow"),
    ],
)
def test_a_wrong_argument_of_a_fault_is_refused_at_once(
    fault: Callable[..., InjectedFault], given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        fault(**given)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"faults": [WorkerDies]}, r"WorkerDies is a class, write WorkerDies\(\)"),
        ({"faults": "everyday"}, "faults must be a list of faults such as"),
        ({"most_faults": "2"}, "most_faults must be a whole number"),
    ],
)
def test_a_runner_refuses_faults_that_are_not_faults(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Runner(Simulation(), **given)


@workflow("patience", 1, "deliveries")
class Patience(Workflow):
    def run(self) -> Any:
        bell, deadline = self.signal("bell"), self.timer(7_200)
        return "nobody came" if first(bell, deadline) is deadline else bell.result()


def test_delayed_calls_happen_although_all_workers_are_restarted() -> None:
    def somebody_rings(runner: Runner) -> None:
        def ring() -> None:
            runner.simulation.client().signal_workflow_execution(
                domain=runner.domain, workflowId="patience-1", signalName="bell"
            )

        runner.after(3_600, ring)
        execution = runner.start(Patience)
        runner.advance(60)
        run = runner.finish(execution)
        assert run.result is None
        # Each of the two faults can delay the decision by its time-out of a minute.
        assert run.simulated_seconds in (3_600, 3_660, 3_720)

    assert explore(somebody_rings, faults=[Restart(most=2), DeciderDies()]).complete


@workflow("deadline", 1, "orders", execution_start_to_close=120)
class Deadline(Workflow):
    """Waits for a minute, or forever."""

    def run(self) -> None:
        flowy.wait(self.timer(60))
        self.signal("never", str).result()


def _signal(runner: Runner, execution: flowy.Execution) -> None:
    runner.signal(execution, "now")


def _cancel(runner: Runner, execution: flowy.Execution) -> None:
    runner.cancel(execution)


def _terminate(runner: Runner, execution: flowy.Execution) -> None:
    runner.simulation.client().terminate_workflow_execution(
        domain=runner.domain, workflowId=execution.workflow_id
    )


OUTSIDE = {
    "WorkflowExecutionSignaled": (Signal("now"), _signal),
    "WorkflowExecutionCancelRequested": (CancelRequest(), _cancel),
    "WorkflowExecutionTerminated": (Termination(), _terminate),
}


@pytest.mark.parametrize("event_type", OUTSIDE)
def test_what_comes_from_outside_arrives_just_before_and_just_after_a_timer(
    event_type: str,
) -> None:
    def test(runner: Runner) -> None:
        run = runner(Deadline)
        [arrived] = run.history.find(event_type) or [None]
        [fired] = run.history.find("TimerFired") or [None]
        if arrived is not None:
            after = fired is not None and fired["eventId"] < arrived["eventId"]
            began = run.history[0]["eventTimestamp"]
            moments.add((after, (arrived["eventTimestamp"] - began).total_seconds()))

    moments: set[tuple[bool, float]] = set()
    find(test, faults=[OUTSIDE[event_type][0]], times_out=True)
    assert {(False, 59.999), (True, 60)} <= moments


@pytest.mark.parametrize("event_type", OUTSIDE)
def test_an_action_and_a_timer_that_are_due_at_once_happen_in_both_orders(event_type: str) -> None:
    def test(runner: Runner) -> None:
        execution = runner.start(Deadline)
        runner.after(60, lambda: OUTSIDE[event_type][1](runner, execution))
        types = runner.finish(execution).history.types()
        orders.add("TimerFired" in types[: types.index(event_type)])

    orders: set[bool] = set()
    find(test, times_out=True)
    assert orders == {False, True}
