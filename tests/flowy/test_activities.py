"""Activities other than a class that returns a result: functions, completed later, canceled."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flowy import (
    LATER,
    Activity,
    ActivityCanceled,
    ActivityContext,
    ActivityProxy,
    ActivityWorker,
    ConfigurationError,
    Execution,
    NotAwaitedError,
    Payloads,
    SerializationError,
    Workflow,
    WorkflowWorker,
    activity,
    async_completion,
    outcome,
    replay,
    scan,
    start,
    workflow,
)
from tests.support.worker_loops import DOMAIN, attributes, carried_out, history, workers


def single(cls: Any) -> type[Workflow]:
    @workflow("single", 1, "decisions")
    class Single(Workflow):
        only = ActivityProxy(cls)

        def run(self, *args: Any, **kwargs: Any) -> Any:
            return self.only(*args, **kwargs)

    return Single


def ended(client: Any, cls: Any, *args: Any, **kwargs: Any) -> Any:
    both = workers(client, [cls], [single(cls)])
    return carried_out(client, start(client, DOMAIN, ("single", 1), *args, **kwargs), both)


# Functions


@activity("triple", 1, "numbers")
def triple(number: int, times: int = 3) -> int:
    return times * number


@activity("tell", 1, "numbers", heartbeat=60)
def tell(task: ActivityContext, name: str, *, when: datetime) -> list[str]:
    assert task.heartbeat("half")
    return [task.type, task.activity_id, task.workflow_id, name, str(when.year)]


def test_a_function_is_an_activity_and_still_a_function(client: Any) -> None:
    assert triple(2) == 6
    assert ended(client, triple, 2).result == 6
    assert ended(client, triple, 2, times=5).result == 10


def test_a_function_gets_its_task_and_arguments_as_hinted(client: Any) -> None:
    execution = ended(client, tell, "you", when=datetime(2024, 1, 1, tzinfo=UTC))
    assert execution.status == "COMPLETED", execution
    kind, activity_id, workflow_id, name, year = execution.result
    assert (kind, activity_id, name, year) == ("tell 1", "tell-1", "you", "2024")
    assert workflow_id.startswith("single-")
    assert tell(ActivityContext(), "you", when=datetime(2024, 1, 1))[-1] == "2024"


def test_functions_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scan(sys.modules[__name__]).activities
    assert {"tell 1", "triple 1"} <= {str(cls.flowy_type) for cls in found}
    named = {cls.__name__: cls for cls in found}
    assert (named["triple"].__module__, named["triple"].__doc__) == (__name__, triple.__doc__)


def test_a_function_may_have_its_parameters_by_position_only(client: Any) -> None:
    @activity("minus", 1, "numbers")
    def minus(one: int, other: Decimal, /) -> str:
        return str(one - other)

    assert ended(client, minus, 3, Decimal("0.5")).result == "2.5"


def test_a_function_without_parameters_is_one_too(client: Any) -> None:
    @activity("nothing", 1, "numbers")
    def nothing() -> None: ...

    assert ended(client, nothing).result is None


async def coroutine() -> None: ...


def generator() -> Any:
    yield


@pytest.mark.parametrize("function", [coroutine, generator])
def test_a_function_that_a_worker_could_not_call_is_refused(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="is a coroutine or generator"):
        activity("a", 1, "l")(function)


# Arguments and results as hinted


@dataclass
class Order:
    path: Path
    price: Decimal


@activity("double order", 1, "numbers")
class DoubleOrder(Activity):
    def run(self, order: Order) -> Order:
        return Order(order.path / "twice", order.price * 2)


@workflow("ordering", 1, "decisions")
class Ordering(Workflow):
    double = ActivityProxy(DoubleOrder)

    def run(self, order: Order, since: datetime | None = None) -> Order:
        once = self.double(order)
        assert once.result() == Order(order.path / "twice", order.price * 2)
        return self.double(once).result()


def test_values_are_as_hinted_in_activities_workflows_and_outcomes(client: Any) -> None:
    both = workers(client, [DoubleOrder], [Ordering])
    execution = start(client, DOMAIN, Ordering, Order(Path("a"), Decimal("1.05")))
    assert carried_out(client, execution, both).status == "COMPLETED"
    last = outcome(client, DOMAIN, execution, workflow=Ordering)
    assert last is not None
    assert last.result == Order(Path("a/twice/twice"), Decimal("4.20"))
    replay.replay(Ordering, history(client, execution))


def test_an_argument_that_is_not_as_hinted_fails_the_activity(client: Any) -> None:
    reason = ended(client, DoubleOrder, {"path": "a"}).reason
    assert "argument 1 (order) of double order 1 does not match its type hint" in reason


def test_long_values_travel_through_a_store(client: Any, tmp_path: Path) -> None:
    payloads = Payloads(store=tmp_path)

    @activity("repeat", 1, "numbers")
    def repeat(text: str) -> str:
        return text * 2

    @workflow("repeating", 1, "decisions")
    class Repeating(Workflow):
        again = ActivityProxy(repeat)

        def run(self, text: str) -> str:
            return self.again(self.again(text).result()).result()

    both: list[Any] = [
        WorkflowWorker(client, DOMAIN, "decisions", [Repeating], payloads=payloads),
        ActivityWorker(client, DOMAIN, "numbers", [repeat], payloads=payloads),
    ]
    for worker in both:
        worker.register()
    text = "x" * 40_000
    execution = start(client, DOMAIN, Repeating, text, payloads=payloads)
    while outcome(client, DOMAIN, execution, payloads=payloads) is None:
        busy = [worker.run_once() for worker in both]
        assert any(busy)
    last = outcome(client, DOMAIN, execution, payloads=payloads)
    assert last is not None
    assert last.result == text * 4
    replay.replay(Repeating, history(client, execution), payloads)
    with pytest.raises(SerializationError, match="is in a store, and this process has none"):
        outcome(client, DOMAIN, execution)


# Finished elsewhere


@activity("approve", 1, "numbers")
class Approve(Activity):
    tokens: list[str] = []  # noqa: RUF012

    def run(self) -> object:
        self.tokens.append(self.context.token)
        return LATER


@pytest.fixture
def waiting(client: Any) -> Any:
    """An execution that waits for an activity to be finished elsewhere, and the token."""
    both = workers(client, [Approve], [single(Approve)])
    execution = start(client, DOMAIN, ("single", 1))
    for worker in both:
        assert worker.run_once()
    assert both[1].run_once() is False, "the worker is free again"
    return execution, Approve.tokens.pop(), both[0]


def skip_moto(request: pytest.FixtureRequest) -> None:
    if "moto" in request.node.name:
        pytest.skip("moto does not know RespondActivityTaskCanceled")


def test_an_activity_is_completed_elsewhere(client: Any, waiting: Any) -> None:
    execution, token, decider = waiting
    assert async_completion.heartbeat(client, token) is True
    assert async_completion.heartbeat(client, token, "half") is True
    async_completion.complete(client, token, {"by": Decimal(1)})
    assert carried_out(client, execution, [decider]).result == {"by": "1"}


def test_an_activity_is_failed_elsewhere(client: Any, waiting: Any) -> None:
    execution, token, decider = waiting
    async_completion.fail(client, token, "no " * 999, "because")
    failed = attributes(history(client, execution), "ActivityTaskFailed")[0]
    assert (len(failed["reason"]), failed["details"]) == (256, "because")
    assert carried_out(client, execution, [decider]).status == "FAILED"


def test_an_activity_is_failed_elsewhere_with_an_exception(client: Any, waiting: Any) -> None:
    execution, token, _ = waiting
    async_completion.fail(client, token, ValueError("no"))
    failed = attributes(history(client, execution), "ActivityTaskFailed")[0]
    assert failed["reason"] == "ValueError: no"
    assert failed["details"].endswith("ValueError: no\n")


def test_an_activity_is_canceled_elsewhere(
    client: Any, waiting: Any, request: pytest.FixtureRequest
) -> None:
    skip_moto(request)
    execution, token, _ = waiting
    async_completion.cancel(client, token, "not wanted")
    canceled = attributes(history(client, execution), "ActivityTaskCanceled")[0]
    assert canceled["details"] == "not wanted"


@pytest.mark.parametrize(
    "finish",
    [async_completion.complete, async_completion.heartbeat, async_completion.cancel],
)
def test_an_activity_that_has_ended_cannot_be_finished(
    client: Any, waiting: Any, finish: Any, request: pytest.FixtureRequest
) -> None:
    if finish is async_completion.cancel:
        skip_moto(request)
    _, token, _ = waiting
    async_completion.complete(client, token)
    with pytest.raises(NotAwaitedError, match="this activity is no longer awaited"):
        finish(client, token)


def test_another_error_of_finishing_elsewhere_is_passed_on() -> None:
    with pytest.raises(AttributeError):
        async_completion.complete(None, "token")  # type: ignore[arg-type]


def test_an_unsendable_result_leaves_the_activity_open(client: Any, waiting: Any) -> None:
    _, token, _ = waiting
    with pytest.raises(SerializationError, match="the result of the activity cannot be sent"):
        async_completion.complete(client, token, object())
    async_completion.complete(client, token, 1)


# Canceled


def asked_to_cancel(client: Any, execution: Execution) -> None:
    """Let the decider ask for the cancellation of the only activity."""
    client.signal_workflow_execution(
        domain=DOMAIN, workflowId=execution.workflow_id, signalName="any"
    )
    task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
    scheduled = attributes(task["events"], "ActivityTaskScheduled")[0]
    decision = {
        "decisionType": "RequestCancelActivityTask",
        "requestCancelActivityTaskDecisionAttributes": {"activityId": scheduled["activityId"]},
    }
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])


def test_an_activity_that_is_asked_to_cancel_may_stop_and_say_so(simulated: Any) -> None:
    executions: list[Execution] = []

    @activity("stopping", 1, "numbers", heartbeat=30)
    def stopping(context: ActivityContext) -> None:
        assert context.heartbeat()
        assert context.goes_on
        asked_to_cancel(simulated, executions[0])
        assert not context.heartbeat()
        assert context.cancel_requested
        raise ActivityCanceled("nothing was sent")

    decider, worker = workers(simulated, [stopping], [single(stopping)])
    executions.append(start(simulated, DOMAIN, ("single", 1)))
    assert [decider.run_once(), worker.run_once()] == [True, True]
    events = history(simulated, executions[0])
    assert attributes(events, "ActivityTaskCanceled")[0]["details"] == "nothing was sent"


def test_leaving_the_process_fails_the_activity_and_not_the_worker(client: Any) -> None:
    @activity("leaving", 1, "numbers")
    def leaving() -> None:
        sys.exit("no more")

    assert "leaving 1 (leaving-1) failed: SystemExit: no more" in ended(client, leaving).reason


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("leave", [lambda: None, sys.exit])
def test_a_forked_process_that_leaves_the_activity_ends_and_answers_nothing(
    client: Any, leave: Any
) -> None:
    test = os.getpid()

    @activity("forking", 1, "numbers")
    def forking() -> int:
        child = os.fork()
        if child == 0:
            leave()
            return -1
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    result = ended(client, forking).result
    if os.getpid() != test:
        os._exit(2)
    assert result == 1


def test_a_canceled_coroutine_fails_the_activity_and_not_the_worker(client: Any) -> None:
    @activity("resting", 1, "numbers")
    def resting() -> None:
        async def rest() -> None:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            await asyncio.sleep(0)

        asyncio.run(rest())

    assert "resting 1 (resting-1) failed: CancelledError" in ended(client, resting).reason


# Automatic heartbeats


def test_automatic_heartbeats_continue_while_the_activity_works(simulated: Any) -> None:
    beats: list[Any] = []
    begun, enough, asked = threading.Event(), threading.Event(), threading.Event()
    waits: list[float] = []
    executions: list[Execution] = []

    class Listening:
        def __getattr__(self, name: str) -> Any:
            return getattr(simulated, name)

        def record_activity_task_heartbeat(self, **request: Any) -> Any:
            beats.append(request.get("details"))
            if len(beats) == 2:
                raise ConnectionResetError
            if len(beats) == 3:
                raise ValueError("a bug")
            reply = simulated.record_activity_task_heartbeat(**request)
            if len(beats) >= 6:
                enough.set()
            return reply

    def wait(event: threading.Event, seconds: float) -> bool:
        waits.append(seconds)
        assert begun.wait(60)
        return event.wait(0.001)

    @activity("long", 1, "numbers", heartbeat=30, automatic_heartbeat=True)
    class Long(Activity):
        def run(self) -> str:
            self.heartbeat("half")
            begun.set()
            assert enough.wait(60)
            enough.clear()
            asked_to_cancel(simulated, executions[0])
            asked.set()
            assert enough.wait(60)
            enough.clear()
            assert enough.wait(60)
            assert self.context.cancel_requested
            return "went on"

    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [single(Long)])
    worker = ActivityWorker(Listening(), DOMAIN, "numbers", [Long], wait=wait)  # type: ignore[arg-type]
    decider.register()
    worker.register()
    executions.append(start(simulated, DOMAIN, ("single", 1)))
    assert [decider.run_once(), worker.run_once()] == [True, True]
    assert set(waits) == {10.0}
    assert set(beats) == {"half"}, "the last details are sent again"
    events = history(simulated, executions[0])
    assert attributes(events, "ActivityTaskCompleted")[0]["result"] == '"went on"'
    assert threading.active_count() == 1 or not any(
        thread.name.startswith("heartbeats of") for thread in threading.enumerate()
    )


def test_automatic_heartbeats_end_when_the_activity_is_no_longer_awaited(
    simulated: Any, simulation: Any
) -> None:
    ended = threading.Event()

    def wait(event: threading.Event, seconds: float) -> bool:
        return event.wait(0.001)

    @activity("overdue", 1, "numbers", heartbeat=30, start_to_close=60, automatic_heartbeat=True)
    def overdue(context: ActivityContext) -> None:
        simulation.clock.advance(61)
        while context.goes_on:
            ended.wait(0.001)
        assert not context.cancel_requested

    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [single(overdue)])
    worker = ActivityWorker(simulated, DOMAIN, "numbers", [overdue], wait=wait)
    decider.register()
    worker.register()
    start(simulated, DOMAIN, ("single", 1))
    assert [decider.run_once(), worker.run_once()] == [True, True]


@pytest.mark.parametrize("heartbeat", [None, 0])
def test_automatic_heartbeats_need_a_time_out_to_keep(heartbeat: int | None) -> None:
    with pytest.raises(ConfigurationError, match="automatic_heartbeat needs a heartbeat time-out"):
        activity("a", 1, "l", heartbeat=heartbeat, automatic_heartbeat=True)
    with pytest.raises(ConfigurationError, match="automatic_heartbeat must be True or False"):
        activity("a", 1, "l", heartbeat=1, automatic_heartbeat="yes")  # type: ignore[arg-type]


@activity("steady", 1, "numbers", heartbeat=30, automatic_heartbeat=True)
class Steady(Activity):
    def run(self) -> None:
        pass


@pytest.mark.parametrize("seconds", [0, 1, 10])
def test_a_heartbeat_within_the_automatic_interval_is_refused(simulated: Any, seconds: int) -> None:
    sentence = f"heartbeat={seconds} is too short: every call would time out"
    with pytest.raises(ConfigurationError, match=sentence):
        ActivityProxy(Steady, heartbeat=seconds)

    @workflow("of one call", 1, "decisions")
    class OfOneCall(Workflow):
        steady = ActivityProxy(Steady)

        def run(self) -> None:
            self.steady.options(heartbeat=seconds)()

    both = workers(simulated, [Steady], [OfOneCall])
    failed = carried_out(simulated, start(simulated, DOMAIN, OfOneCall), both)
    assert failed.status == "FAILED"
    assert sentence in failed.reason

    @workflow("of a block", 1, "decisions")
    class OfABlock(Workflow):
        steady = ActivityProxy(Steady)

        def run(self) -> None:
            with self.options(heartbeat=seconds):
                self.steady()

    both = workers(simulated, [Steady], [OfABlock])
    failed = carried_out(simulated, start(simulated, DOMAIN, OfABlock), both)
    assert failed.status == "FAILED"
    assert sentence in failed.reason


@pytest.mark.parametrize("heartbeat", [11, 300, None])
def test_a_heartbeat_beyond_the_automatic_interval_is_accepted(heartbeat: int | None) -> None:
    assert ActivityProxy(Steady, heartbeat=heartbeat)
    assert ActivityProxy("steady", 1, heartbeat=3), "the class is not known here"


@pytest.mark.parametrize(("heartbeat", "every"), [(3, 1.0), (90, 30.0), (None, 10.0)])
def test_the_automatic_interval_is_a_third_of_the_time_out_of_the_call(
    simulated: Any, heartbeat: int | None, every: float
) -> None:
    @workflow("by name", 1, "decisions")
    class ByName(Workflow):
        steady = ActivityProxy("steady", 1, heartbeat=heartbeat)

        def run(self) -> None:
            self.steady().result()

    worker, task = polled(simulated, ByName)
    assert worker._heartbeat_interval(task, Steady.flowy_type) == every


def test_the_automatic_interval_is_the_declared_one_if_the_history_cannot_be_read(
    simulated: Any,
) -> None:
    worker, task = polled(simulated, single(Steady))

    class Forbidding:
        def get_workflow_execution_history(self, **request: Any) -> Any:
            raise PermissionError

    worker._client = Forbidding()
    assert worker._heartbeat_interval(task, Steady.flowy_type) == 10


def polled(client: Any, workflow_class: Any) -> tuple[Any, Any]:
    decider = WorkflowWorker(client, DOMAIN, "decisions", [workflow_class])
    worker = ActivityWorker(client, DOMAIN, "numbers", [Steady])
    decider.register()
    worker.register()
    start(client, DOMAIN, workflow_class)
    assert decider.run_once()
    task = client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "numbers"})
    return worker, task
