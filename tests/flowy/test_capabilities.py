"""Each feature of workflows, by the same test on every service at hand.

moto's SWF has no children, no signals and requests to cancel from workflow to workflow, no new
runs, and names the event of a canceled timer differently. It has everything else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import boto3
import pytest
from moto import mock_aws

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    ActivityWorker,
    ExecutionCanceled,
    Retry,
    TaskError,
    WorkflowProxy,
    WorkflowWorker,
    activity,
    replay,
)
from flowy.executions import history
from flowy_sim import Simulation, mock_swf
from tests.support.replayed_runs import made
from tests.support.worker_loops import DOMAIN, attributes


class Service(NamedTuple):
    """An SWF client, and how time passes if polls do not skip it."""

    client: Any
    let_time_pass: Callable[[], object]
    whole: bool
    """Whether it has all that Amazon SWF has."""
    happened: list[Any]
    """The events of the execution, when it has ended."""


class FiredByHand:
    """A fake of the threads that wait for moto's timers."""

    waiting: ClassVar[deque[Callable[[], None]]]

    def __init__(self, seconds: float, fire: Any, args: Any) -> None:
        self._fire = lambda: fire(*args)

    def start(self) -> None:
        self.waiting.append(self._fire)

    def cancel(self) -> None:
        self.waiting.remove(self._fire)


@pytest.fixture(params=["simulation", "boto3 on the simulation", "moto"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    match request.param:
        case "simulation":
            yield Service(Simulation().client(poll_seconds=1), lambda: None, True, [])
        case "boto3 on the simulation":
            with mock_swf():
                yield Service(boto3.client("swf"), lambda: None, True, [])
        case "moto":
            waiting = FiredByHand.waiting = deque()
            monkeypatch.setattr("moto.swf.models.sleep", lambda seconds: None)
            monkeypatch.setattr("moto.swf.models.workflow_execution.ThreadingTimer", FiredByHand)
            with mock_aws():
                fire: Any = lambda: waiting and waiting.popleft()()  # noqa: E731
                yield Service(boto3.client("swf"), fire, False, [])


@activity("one", 1, "numbers")
class One(Activity):
    def run(self, *numbers: int) -> int:
        return sum(numbers) if numbers else 1


@activity("two", 1, "numbers")
class Two(Activity):
    def run(self) -> int:
        return 2


@activity("flaky", 1, "numbers")
class Flaky(Activity):
    def run(self, failures: int) -> str:
        attempt = int(self.context.activity_id.partition(".")[2] or 1)
        if attempt <= failures:
            raise ValueError(f"no {attempt}")
        return f"in attempt {attempt}"


def carried_out(
    service: Service, script: Any, *outside: Any, others: Any = (), **members: Any
) -> Any:
    """What a script returns, or what its execution ended with.

    Args:
        service: where it is carried out.
        script: the body of its ``run``.
        *outside: actions from outside, one each time that nothing is left to do.
        others: other workflows that workers run.
        **members: of the workflow's class.
    """
    client = service.client
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    cls = made(script, flaky=ActivityProxy(Flaky, error_handling=True), **members)
    workers = [
        WorkflowWorker(client, DOMAIN, "decisions", [cls, *others]),
        ActivityWorker(client, DOMAIN, "numbers", [One, Two, Flaky]),
    ]
    for worker in workers:
        worker.register()
    execution = flowy.start(client, DOMAIN, cls, workflow_id="scripted-1")
    actions, ended = deque(outside), None
    while ended is None:
        busy = [worker.run_once() for worker in workers]
        if not any(busy):
            actions.popleft()(client) if actions else service.let_time_pass()
        ended = flowy.outcome(client, DOMAIN, execution)
        if ended is not None:
            events = history(client, DOMAIN, execution)
            replay.replay(cls, events, execution=execution)
            service.happened.extend(events)
            if ended.status == "CONTINUED_AS_NEW":
                new = events[-1]["workflowExecutionContinuedAsNewEventAttributes"]
                execution, ended = execution._replace(run_id=new["newExecutionRunId"]), None
    return ended.result if ended.status == "COMPLETED" else (ended.status, ended.reason)


def signals(name: str, *values: object) -> Any:
    def send(client: Any) -> None:
        for value in values:
            client.signal_workflow_execution(
                domain=DOMAIN, workflowId="scripted-1", signalName=name, input=json.dumps(value)
            )

    return send


def whole(service: Service) -> Any:
    if not service.whole:
        pytest.skip("moto's SWF does not have it")
    return service


def test_results_in_arguments(service: Service) -> None:
    def script(self: Any) -> Any:
        return {"sum": self.one(self.two(), self.one(self.two(), 5))}

    assert carried_out(service, script) == {"sum": 9}


def test_waiting_for_several(service: Service) -> None:
    def script(self: Any) -> Any:
        results = [self.one(number) for number in range(4)]
        flowy.wait(*results)
        early = flowy.first(*results).result() in range(4)
        order = sorted(each.result() for each in flowy.finish_order(*results))
        return [early, flowy.gather(*results), order, flowy.parallel_reduce(self.one, results)]

    assert carried_out(service, script) == [True, [0, 1, 2, 3], [0, 1, 2, 3], 6]


def test_errors(service: Service) -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskError) as caught:
            self.flaky(9).result()
        return str(caught.value)

    assert carried_out(service, script) == "flaky 1 (flaky-1) failed: ValueError: no 1"


def test_an_unhandled_error(service: Service) -> None:
    def script(self: Any) -> None:
        self.flaky.options(error_handling=False)(9)

    failed = ("FAILED", "flaky 1 (flaky-1) failed: ValueError: no 1")
    assert carried_out(service, script) == failed


def test_a_type_that_does_not_exist(service: Service) -> None:
    def script(self: Any) -> Any:
        missing = self.missing()
        flowy.wait(missing)
        return type(missing.error).__name__

    missing = ActivityProxy("missing", 1, error_handling=True)
    assert carried_out(service, script, missing=missing) == "TaskNotScheduled"


@pytest.mark.parametrize("policy", [Retry(3), Retry(3, delay=5, backoff=2, jitter=0.5)])
def test_retries(service: Service, policy: Retry) -> None:
    def script(self: Any) -> Any:
        with self.options(retry=policy):
            return self.flaky(2)

    assert carried_out(service, script) == "in attempt 3"


def test_options(service: Service) -> None:
    def script(self: Any) -> Any:
        with self.options(heartbeat=77):
            return self.one.options(schedule_to_close=88)()

    assert carried_out(service, script) == 1
    (scheduled,) = attributes(service.happened, "ActivityTaskScheduled")
    assert scheduled["heartbeatTimeout"] == "77"
    assert scheduled["scheduleToCloseTimeout"] == "88"


def test_timers(service: Service) -> None:
    def script(self: Any) -> Any:
        self.sleep(10)
        answer, deadline = self.signal("never"), self.timer(5)
        return [flowy.first(answer, deadline) is deadline, self.one(self.two(), 0)]

    assert carried_out(service, script) == [True, 2]


def test_signals(service: Service) -> None:
    def script(self: Any) -> Any:
        first = self.signal("a", int).result()
        return [first, self.one(self.signal("a"), self.signal("b")), self.signal("a").result()]

    told = carried_out(service, script, signals("b", 5), signals("a", 1, 2, 3))
    assert told == [1, 7, 3]


def test_randomness_side_effects_markers_and_patches(service: Service) -> None:
    def script(self: Any) -> Any:
        drawn = [self.random.random(), str(self.uuid()), str(self.now())]
        read = self.side_effect(lambda: object.__hash__(self))
        self.marker("stage", "two")
        self.two().result()
        again = [self.random.random(), str(self.uuid()), str(self.now())]
        return [len({*drawn[:2], *again[:2]}), isinstance(read, int), self.patched("new")]

    assert carried_out(service, script) == [4, True, True]


def test_timers_that_are_canceled(service: Service) -> None:
    def script(self: Any) -> Any:
        timer = self.timer(1_000)
        self.two().result()
        timer.cancel()
        return timer.done

    assert carried_out(whole(service), script) is True


def test_activities_that_are_canceled(service: Service) -> None:
    def script(self: Any) -> Any:
        work = self.one.options(task_list="nobody")()
        self.sleep(5)
        work.cancel()
        flowy.wait(work)
        return str(work.error)

    assert carried_out(whole(service), script) == "one 1 (one-1) was canceled"


def test_children(service: Service) -> None:
    def script(self: Any) -> Any:
        children = [self.child(number) for number in range(3)]
        children[0].signal("go", self.two())
        children[1].cancel()
        children[2].signal("go", 5)
        flowy.wait(*children)
        return [str(each.error or each.result()) for each in children]

    def waits(self: Any, number: int) -> Any:
        return [number, self.signal("go").result()]

    cls = made(waits, "child")
    proxy = WorkflowProxy(cls, error_handling=True)
    told = carried_out(whole(service), script, others=[cls], child=proxy)
    assert told[0] == "[0, 2]"
    assert told[1].endswith("was canceled")
    assert told[2] == "[2, 5]"


def test_sending_signals(service: Service) -> None:
    def script(self: Any) -> Any:
        self.send_signal(self.workflow_id, "a", {"b": self.two()})
        return self.signal("a").result()

    assert carried_out(whole(service), script) == {"b": 2}


def test_requests_to_cancel(service: Service) -> None:
    def script(self: Any) -> Any:
        try:
            self.sleep(1_000)
        except ExecutionCanceled:
            self.two().result()
            raise

    def asks_itself(self: Any) -> Any:
        self.request_cancel(self.workflow_id)
        return script(self)

    assert carried_out(whole(service), asks_itself) == ("CANCELED", "")


def test_new_runs(service: Service) -> None:
    def script(self: Any, number: int = 0) -> Any:
        if number == 0:
            self.send_signal(self.workflow_id, "a", "kept").result()
            self.restart(self.one(number, 1))
        return [number, self.signal("a").result()]

    assert carried_out(whole(service), script) == [1, "kept"]
