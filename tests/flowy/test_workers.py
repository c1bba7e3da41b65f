from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from flowy import (
    Activity,
    ActivityContext,
    ActivityProxy,
    ActivityWorker,
    ConfigurationError,
    TaskFailed,
    Workflow,
    WorkflowWorker,
    activity,
    outcome,
    run_workers,
    start,
    workflow,
)
from flowy_sim import Limits, Simulation
from tests.support.example_workflows import Add, Chain, Double, SumOfDoubles
from tests.support.history_builder import Past
from tests.support.worker_loops import DOMAIN, attributes, carried_out, history, types, workers


@pytest.fixture(autouse=True)
def _every_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="flowy")


def single(cls: type[Activity]) -> type[Workflow]:
    """A workflow of one activity."""

    @workflow("single", 1, "decisions")
    class Single(Workflow):
        only = ActivityProxy(cls)

        def run(self, *args: Any) -> Any:
            return self.only(*args)

    return Single


def ended(client: Any, cls: type[Activity], *args: Any) -> Any:
    both = workers(client, [cls], [single(cls)])
    return carried_out(client, start(client, DOMAIN, ("single", 1), *args), both)


# Activities


def test_a_poll_without_a_task_does_nothing(client: Any) -> None:
    for worker in workers(client, [Double], [Chain]):
        assert worker.run_once() is False


def test_a_result_that_cannot_be_sent_fails_the_activity(client: Any) -> None:
    @activity("odd", 1, "numbers")
    class Odd(Activity):
        def run(self) -> Any:
            return object()

    reason = ended(client, Odd).reason
    assert reason.startswith("odd 1 (odd-1) failed: the result of odd 1 cannot be sent as JSON: ")


def test_wrong_arguments_fail_the_activity(client: Any) -> None:
    reason = ended(client, Double, 1, 2).reason
    assert "TypeError: Double.run() takes 2 positional arguments but 3 were given" in reason


def test_an_input_that_cannot_be_read_fails_the_activity_and_not_the_worker(client: Any) -> None:
    _, worker = workers(client, [Double], [single(Double)])
    token = scheduled_by_hand(client, "double", "1", "photo.jpg")
    assert worker.run_once()
    events = history(client, token)
    failed = attributes(events, "ActivityTaskFailed")[0]
    assert failed["reason"].startswith("the input of double 1 is not in flowy's form")


def test_an_activity_that_the_worker_does_not_know_is_failed_with_a_sentence(client: Any) -> None:
    workers(client, [Double, Add], [single(Double)])
    worker = ActivityWorker(client, DOMAIN, "numbers", [Add])
    execution = scheduled_by_hand(client, "double", "1", "[[1], {}]")
    assert worker.run_once()
    failed = attributes(history(client, execution), "ActivityTaskFailed")[0]
    assert (
        failed["reason"] == "the worker on numbers does not know the activity double 1, only add 1"
    )


def scheduled_by_hand(client: Any, name: str, version: str, input: str) -> Any:
    execution = start(client, DOMAIN, ("single", 1))
    task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
    decision = {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": "by-hand",
            "activityType": {"name": name, "version": version},
            "input": input,
        },
    }
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
    return execution


def test_an_exception_without_end_is_cut_to_what_the_service_takes(client: Any) -> None:
    @activity("verbose", 1, "numbers")
    class Verbose(Activity):
        def run(self) -> None:
            raise ValueError("x" * 100_000)

    both = workers(client, [Verbose], [single(Verbose)])
    execution = start(client, DOMAIN, ("single", 1))
    carried_out(client, execution, both)
    failed = attributes(history(client, execution), "ActivityTaskFailed")[0]
    assert len(failed["reason"]) == 256
    assert len(failed["details"]) == 32_768
    assert failed["details"].startswith("Traceback")
    assert failed["details"].endswith("xxx\n")


class LeavingMessage(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class NoTraceback(Exception):
    @property
    def __traceback__(self) -> Any:
        raise ValueError("no")


def chained(number: int) -> ValueError:
    """Return the last of many errors, each of which was caused by the one before."""
    error = ValueError("first")
    for _ in range(number):
        following = ValueError("last")
        following.__cause__ = error
        error = following
    return error


HOSTILE: dict[str, Callable[[], Exception]] = {
    "LeavingMessage: its message cannot be shown": LeavingMessage,
    "NoTraceback: cut": lambda: NoTraceback("cut"),
    "ValueError: last": lambda: chained(3_000),
}


@pytest.mark.parametrize("reason", HOSTILE)
@pytest.mark.parametrize("where", ["activity", "workflow"])
def test_an_exception_that_is_hard_to_show_fails_the_task_and_not_the_worker(
    client: Any, reason: str, where: str
) -> None:
    make = HOSTILE[reason]

    @activity("hostile", 1, "numbers")
    def hostile() -> None:
        error = make()
        raise error

    @workflow("single", 1, "decisions", guard=False)
    class Hostile(Workflow):
        only = ActivityProxy(hostile)

        def run(self) -> Any:
            if where == "workflow":
                error = make()
                raise error
            return self.only()

    both = workers(client, [hostile], [Hostile])
    assert reason in carried_out(client, start(client, DOMAIN, ("single", 1)), both).reason


def test_a_remote_traceback_begins_with_the_authors_own_lines(simulated: Any) -> None:
    @activity("broken", 1, "numbers")
    def broken() -> None:
        raise ValueError("no")

    @workflow("asks", 1, "decisions")
    class Asks(Workflow):
        asked = ActivityProxy(broken, error_handling=True)

        def run(self) -> str:
            with pytest.raises(TaskFailed) as caught:
                self.asked().result()
            return caught.value.remote_traceback

    for worker in (both := workers(simulated, [broken], [Asks])):
        worker.register()
    execution = start(simulated, DOMAIN, Asks)
    details = carried_out(simulated, execution, both).result
    first, frame, *_ = details.splitlines()
    assert first.startswith("Traceback")
    assert "in broken" in frame


def test_a_heartbeat_is_recorded_and_says_to_continue(client: Any) -> None:
    went_on: list[bool] = []

    @activity("beating", 1, "numbers", heartbeat=5)
    class Beating(Activity):
        def run(self) -> None:
            went_on.append(self.heartbeat())
            went_on.append(self.heartbeat("x" * 3_000))

    assert ended(client, Beating).status == "COMPLETED"
    assert went_on == [True, True]


class Heard:
    """A client that records heartbeats, and returns or raises what it was given."""

    def __init__(self, answer: bool | Exception = False) -> None:
        self.answer = answer
        self.details: list[str | None] = []

    def record_activity_task_heartbeat(self, **request: Any) -> Any:
        self.details.append(request.get("details"))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"cancelRequested": self.answer}


def beating(client: Heard) -> ActivityContext:
    worker = ActivityWorker(client, DOMAIN, "numbers", [Double])  # type: ignore[arg-type]
    task = {
        "taskToken": "t",
        "activityId": "double-1",
        "activityType": {"name": "double", "version": "1"},
        "workflowExecution": {"workflowId": "one", "runId": "r"},
    }
    send = partial(worker._heartbeat, task)
    return ActivityContext("double 1", "double-1", send=send)


def test_a_heartbeat_says_to_stop_when_cancellation_is_requested() -> None:
    context = beating(Heard(True))
    assert not context.cancel_requested
    assert not context.heartbeat()
    assert context.cancel_requested


def test_a_lost_heartbeat_does_not_stop_the_activity(
    caplog: pytest.LogCaptureFixture,
) -> None:
    context = beating(Heard(fault("ThrottlingException")))
    assert context.heartbeat()
    assert "one: double-1 (double 1): a heartbeat was lost" in caplog.text


def test_a_heartbeat_that_the_service_refuses_for_another_reason_is_an_error() -> None:
    with pytest.raises(Exception, match="OperationNotPermitted"):
        beating(Heard(fault("OperationNotPermittedFault"))).heartbeat()


def test_nothing_is_sent_once_the_activity_is_no_longer_awaited() -> None:
    client = Heard(fault("UnknownResourceFault"))
    context = beating(client)
    assert [context.heartbeat(), context.heartbeat(), context.repeat()] == [False] * 3
    assert not context.cancel_requested
    assert len(client.details) == 1


def test_heartbeats_of_an_activity_run_by_hand_are_not_sent() -> None:
    assert Double().heartbeat("half") is True
    assert ActivityContext().heartbeat() is True


def test_an_activity_that_timed_out_is_asked_to_stop_and_its_answer_is_dropped(
    simulated: Any, simulation: Any, caplog: pytest.LogCaptureFixture
) -> None:
    went_on: list[bool] = []

    @activity("slow", 1, "numbers", start_to_close=10)
    class Slow(Activity):
        def run(self) -> None:
            went_on.append(self.heartbeat())
            simulation.clock.advance(11)
            went_on.append(self.heartbeat())

    assert ended(simulated, Slow).reason == "slow 1 (slow-1) timed out: START_TO_CLOSE"
    assert went_on == [True, False]
    assert ": slow-1 (slow 1) is no longer awaited" in caplog.text
    assert "answered too late" in caplog.text


def test_each_task_gets_an_instance_of_its_own(client: Any) -> None:
    @activity("remembering", 1, "numbers")
    class Remembering(Activity):
        times = 0

        def run(self) -> int:
            self.times += 1
            return self.times

    assert [ended(client, Remembering).result for _ in range(2)] == [1, 1]


# Decisions


def test_a_workflow_that_the_worker_does_not_know_fails_with_a_sentence(client: Any) -> None:
    workers(client, [Double], [Chain, SumOfDoubles])
    worker = WorkflowWorker(client, DOMAIN, "decisions", [SumOfDoubles])
    execution = start(client, DOMAIN, Chain, 1, 2)
    assert worker.run_once()
    failed = outcome(client, DOMAIN, execution)
    assert failed is not None
    assert failed.reason == "the worker on decisions does not know the workflow chain 1, only sum 1"


def test_an_input_that_cannot_be_read_fails_the_workflow_and_not_the_worker(client: Any) -> None:
    decider, _ = workers(client, [Double], [Chain])
    client.start_workflow_execution(
        domain=DOMAIN,
        workflowId="odd",
        workflowType={"name": "chain", "version": "1"},
        input="photo.jpg",
    )
    task = client.poll_for_decision_task
    assert decider.run_once()
    assert task(domain=DOMAIN, taskList={"name": "decisions"}).get("taskToken") is None


class Canned:
    """A client that hands out one decision task, in pages, and keeps the answers."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages
        self.polls: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def poll_for_decision_task(self, **request: Any) -> dict[str, Any]:
        self.polls.append(request)
        page = int(request.get("nextPageToken", 0))
        reply: dict[str, Any] = {
            "taskToken": f"token of page {page}",
            "events": self.pages[page],
            "workflowExecution": {"workflowId": "one", "runId": "1"},
            "workflowType": {"name": "chain", "version": "1"},
        }
        if page + 1 < len(self.pages):
            reply["nextPageToken"] = str(page + 1)
        return reply

    def respond_decision_task_completed(self, **answer: Any) -> dict[str, Any]:
        self.answers.append(answer)
        if self.error is not None:
            raise self.error
        return {}


def long_history() -> list[dict[str, Any]]:
    past = Past("[[1, 9], {}]")
    past.decision_started()
    number = 1
    for step in range(1, 9):
        past.decided()
        scheduled = past.scheduled(f"double-{step}", "double", f"[[{number}], {{}}]")
        number *= 2
        past.done(scheduled, str(number))
        past.turn()
    return past.events


def test_a_history_of_several_pages_is_read_whole_and_answered_by_the_first_token() -> None:
    events = long_history()
    client = Canned(events[:20], events[20:40], events[40:])
    worker = WorkflowWorker(
        client,  # type: ignore[arg-type]
        DOMAIN,
        "decisions",
        [Chain],
        identity="me",
        suspended=0,
    )
    assert worker.run_once()
    where = {"domain": DOMAIN, "taskList": {"name": "decisions"}, "identity": "me"}
    assert client.polls == [
        where,
        {**where, "nextPageToken": "1"},
        {**where, "nextPageToken": "2"},
    ]
    (answer,) = client.answers
    assert answer["taskToken"] == "token of page 0"
    (decision,) = answer["decisions"]
    assert decision["scheduleActivityTaskDecisionAttributes"]["input"] == "[[256], {}]"
    assert len(client.pages[0]) == 20, "what the client gave is left alone"


def test_a_history_whose_pages_do_not_end_is_not_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Endless(Canned):
        def poll_for_decision_task(self, **request: Any) -> dict[str, Any]:
            return {**super().poll_for_decision_task(), "nextPageToken": "again"}

    client: Any = Endless(long_history())
    worker = WorkflowWorker(client, DOMAIN, "decisions", [Chain], wait=lambda *_: False)
    assert worker.run_once()
    assert client.answers == []
    assert "the pages of poll_for_decision_task do not end" in caplog.text


def test_long_histories_are_read_whole_from_the_service() -> None:
    client = Simulation(limits=Limits(decision_poll_page=10)).client(poll_seconds=0)
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    both = workers(client, [Double], [Chain])
    execution = start(client, DOMAIN, Chain, 1, 20)
    assert carried_out(client, execution, both).result == 2**20


def test_a_difference_from_the_history_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    past = Past("[[1, 9], {}]")
    past.decision_started()
    past.decided()
    past.scheduled("triple-1", "triple", "[[1], {}]")
    past.turn()
    client = Canned(past.events)
    worker = WorkflowWorker(client, DOMAIN, "decisions", [Chain])  # type: ignore[arg-type]
    assert worker.run_once()
    assert client.answers == []
    assert "one: not answered: event 5 of the history shows ActivityTaskScheduled(triple-1" in (
        caplog.text
    )


def test_an_invalid_history_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    client = Canned(Past().events)
    worker = WorkflowWorker(client, DOMAIN, "decisions", [Chain])  # type: ignore[arg-type]
    assert worker.run_once()
    assert client.answers == []
    assert "one: not answered, because deciding raised an error" in caplog.text


def fault(code: str) -> Exception:
    error = Exception(f"An error occurred ({code})")
    error.response = {"Error": {"Code": code}}  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("UnknownResourceFault", "one: answered too late, the task has ended"),
        ("ValidationException", "one: the service refused the answer"),
    ],
)
def test_an_answer_that_the_service_does_not_take_does_not_stop_the_worker(
    caplog: pytest.LogCaptureFixture, code: str, sentence: str
) -> None:
    client = Canned(long_history())
    client.error = fault(code)
    worker = WorkflowWorker(client, DOMAIN, "decisions", [Chain])  # type: ignore[arg-type]
    assert worker.run_once()
    assert sentence in caplog.text


def test_a_decision_that_takes_too_long_is_made_by_another_worker(
    simulated: Any, simulation: Any, caplog: pytest.LogCaptureFixture
) -> None:
    slow: list[int] = [61, 0]

    @workflow("thinking", 1, "decisions")
    class Thinking(Workflow):
        def run(self) -> str:
            simulation.clock.advance(slow.pop(0))
            return "thought"

    both = workers(simulated, [Double], [Thinking])
    execution = start(simulated, DOMAIN, Thinking)
    assert carried_out(simulated, execution, both).result == "thought"
    assert "DecisionTaskTimedOut" in types(history(simulated, execution))
    assert "answered too late" in caplog.text


# What workers are given


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((DOMAIN, "numbers", []), "there is no activity to work on"),
        ((DOMAIN, "numbers", [Chain]), "not a class decorated with @activity"),
        ((DOMAIN, "numbers", [Activity]), "not a class decorated with @activity"),
        (("", "numbers", [Double]), "domain must be text"),
        ((DOMAIN, None, [Double]), "task_list must be text"),
    ],
)
def test_a_worker_is_refused_as_soon_as_it_is_made(
    arguments: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        ActivityWorker(None, *arguments)  # type: ignore[arg-type]


def test_two_classes_of_one_type_are_refused() -> None:
    @activity("double", "1", "elsewhere")
    class Twice(Activity):
        def run(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Twice and Double both declare .* double 1"):
        ActivityWorker(None, DOMAIN, "numbers", [Double, Twice])  # type: ignore[arg-type]


def test_the_identity_is_kept_in_the_history(simulated: Any) -> None:
    workers(simulated, [Double], [Chain])
    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [Chain], identity="the decider")
    worker = ActivityWorker(simulated, DOMAIN, "numbers", [Double], identity="the worker")
    execution = start(simulated, DOMAIN, Chain, 1, 1)
    carried_out(simulated, execution, [decider, worker])
    events = history(simulated, execution)
    assert attributes(events, "DecisionTaskStarted")[0]["identity"] == "the decider"
    assert attributes(events, "ActivityTaskStarted")[0]["identity"] == "the worker"


# Running


@pytest.fixture
def handlers() -> Iterator[None]:
    """Check that signals are handled afterwards as before."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in signals]
    yield
    assert [signal.getsignal(number) for number in signals] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_worker_after_the_task_in_hand(
    simulated: Any, handlers: None, number: int
) -> None:
    finished: list[bool] = []

    @activity("signaling", 1, "numbers")
    class Signaling(Activity):
        def run(self) -> str:
            os.kill(os.getpid(), number)
            finished.append(True)
            return "done"

    decider, worker = workers(simulated, [Signaling], [single(Signaling)])
    execution = start(simulated, DOMAIN, ("single", 1))
    decider.run_once()
    worker.run(handle_signals=True)
    assert finished == [True]
    assert attributes(history(simulated, execution), "ActivityTaskCompleted")[0]["result"] == (
        '"done"'
    )


def test_a_worker_stops_on_request(simulated: Any, handlers: None) -> None:
    @activity("stopping", 1, "numbers")
    class Stopping(Activity):
        def run(self) -> None:
            worker.stop()

    decider, worker = workers(simulated, [Stopping], [single(Stopping)])
    start(simulated, DOMAIN, ("single", 1))
    start(simulated, DOMAIN, ("single", 1))
    assert [decider.run_once(), decider.run_once()] == [True, True]
    worker.run()
    assert worker.run_once(), "the second task is still there"


def test_several_workers_work_side_by_side_until_a_signal_stops_them_all(
    simulated: Any, handlers: None
) -> None:
    done: list[int] = []

    @workflow("counted", 1, "decisions", guard=False)
    class Counted(Chain):
        def run(self, number: int, times: int) -> int:
            done.append(super().run(number, times))
            if len(done) == 10:
                os.kill(os.getpid(), signal.SIGTERM)
            return done[-1]

    both = workers(simulated, [Double], [Counted])
    more = [ActivityWorker(simulated, DOMAIN, "numbers", [Double]) for _ in range(3)]
    executions = [start(simulated, DOMAIN, Counted, 1, 5) for _ in range(10)]
    run_workers([*both, *more], handle_signals=True)
    results = [outcome(simulated, DOMAIN, execution) for execution in executions]
    assert [ended.result for ended in results if ended] == [32] * 10


def test_a_signal_that_reaches_the_thread_of_a_worker_stops_all(
    simulated: Any, handlers: None
) -> None:
    @activity("struck", 1, "numbers")
    class Struck(Activity):
        def run(self) -> None:
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    both = workers(simulated, [Struck], [single(Struck)])
    execution = start(simulated, DOMAIN, ("single", 1))
    run_workers(both, handle_signals=True)
    assert "ActivityTaskCompleted" in types(history(simulated, execution))


def test_signals_are_left_alone_in_other_threads(simulated: Any, handlers: None) -> None:
    _, worker = workers(simulated, [Double], [Chain])
    worker.stop()
    thread = threading.Thread(target=worker.run, kwargs={"handle_signals": True})
    thread.start()
    thread.join()


def test_an_exception_for_the_process_ends_all_workers(
    simulated: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Stop(BaseException):
        pass

    @activity("ending", 1, "numbers")
    def ending() -> None:
        raise Stop

    both = workers(simulated, [ending], [single(ending)])
    start(simulated, DOMAIN, ("single", 1))
    with pytest.raises(Stop):
        run_workers(both)
    assert "the worker on numbers ended: Stop" in caplog.text


def test_an_error_of_one_worker_ends_all(simulated: Any) -> None:
    both = workers(simulated, [Double], [Chain])
    lost = ActivityWorker(simulated, "nowhere", "numbers", [Double])
    with pytest.raises(Exception, match="Unknown domain: nowhere"):
        run_workers([*both, lost])
