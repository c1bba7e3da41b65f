"""Workers and a service that throttles, fails, or cannot be reached."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from flowy import ActivityWorker, WorkflowWorker, outcome, run_workers, start
from flowy._workers.loop import Backoff, is_transient
from flowy_sim import Limits, Simulation
from tests.support.example_workflows import Chain, Double
from tests.support.worker_loops import DOMAIN, attributes, history, types

NOWHERE = "http://127.0.0.1:1"


def fault(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PollForActivityTask",
    )


PASSING = [
    fault("ThrottlingException"),
    fault("ServiceUnavailable", 503),
    fault("InternalFailure", 500),
    fault("502", 502),
    fault("ExpiredTokenException"),
    EndpointConnectionError(endpoint_url=NOWHERE),
    ConnectTimeoutError(endpoint_url=NOWHERE),
    ReadTimeoutError(endpoint_url=NOWHERE),
    CredentialRetrievalError(provider="role", error_msg="not now"),
    ConnectionResetError("by peer"),
    TimeoutError(),
]

LASTING = [
    fault("UnknownResourceFault"),
    fault("OperationNotPermittedFault"),
    fault("ValidationException"),
    NoCredentialsError(),
    ParamValidationError(report="no"),
    KeyError("taskToken"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_transient_errors_are_retried(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_permanent_errors_are_not_retried(error: Exception) -> None:
    assert not is_transient(error)


def test_waits_double_up_to_a_minute_and_start_over_after_a_success() -> None:
    backoff = Backoff(uniform=lambda: 1.0)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next() == 1


@given(st.integers(0, 2_000), st.floats(0, 1))
def test_a_wait_is_a_random_time_between_half_of_it_and_all_of_it(failures: int, at: float) -> None:
    backoff = Backoff(uniform=lambda: at)
    backoff.failures = failures
    whole = min(60, 2.0 ** min(failures, 30))
    assert whole / 2 <= backoff.next() <= whole


class Waits:
    """Does not wait, and records for how long it should have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, event: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        return event.is_set()


class Troubled:
    """A client whose calls of one operation first raise the given errors."""

    def __init__(self, client: Any, operation: str, errors: list[Exception]) -> None:
        self._client = client
        self._operation = operation
        self._errors = errors

    def __getattr__(self, name: str) -> Any:
        if name != self._operation:
            return getattr(self._client, name)

        def call(**request: Any) -> Any:
            if self._errors:
                raise self._errors.pop(0)
            return getattr(self._client, name)(**request)

        return call


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_poll_that_fails_is_tried_again_after_ever_longer_waits(
    simulated: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    waits = Waits()
    client = Troubled(simulated, "poll_for_activity_task", [error] * 3)

    def wait(event: threading.Event, seconds: float) -> bool:
        waits(event, seconds)
        if len(waits.seconds) == 3:
            worker.stop()
        return False

    worker = ActivityWorker(client, DOMAIN, "numbers", [Double], wait=wait)  # type: ignore[arg-type]
    worker.run()
    assert [0.5 * 2**n <= s <= 2**n for n, s in enumerate(waits.seconds)] == [True] * 3
    assert "activity worker on numbers: " in caplog.text
    assert "; next poll in " in caplog.text


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_an_error_that_lasts_ends_the_worker(simulated: Any, error: Exception) -> None:
    client = Troubled(simulated, "poll_for_activity_task", [error])
    worker = ActivityWorker(client, DOMAIN, "numbers", [Double], wait=Waits())  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        worker.run()


@pytest.mark.parametrize(
    "operation", ["respond_activity_task_completed", "respond_decision_task_completed"]
)
def test_a_result_is_not_lost_when_the_connection_breaks(simulated: Any, operation: str) -> None:
    client, waits = Troubled(simulated, operation, [*PASSING[:7]]), Waits()
    both = [
        WorkflowWorker(client, DOMAIN, "decisions", [Chain], wait=waits),  # type: ignore[arg-type]
        ActivityWorker(client, DOMAIN, "numbers", [Double], wait=waits),  # type: ignore[arg-type]
    ]
    for worker in both:
        worker.register()
    execution = start(simulated, DOMAIN, Chain, 1, 1)
    for worker in (both[0], both[1], both[0]):
        worker.stop()  # the current task is finished
        assert worker.run_once()
    ended = outcome(simulated, DOMAIN, execution)
    assert ended is not None
    assert ended.result == 2
    assert len(waits.seconds) == 7


def test_an_answer_that_never_gets_through_is_dropped_and_the_worker_continues(
    simulated: Any, caplog: pytest.LogCaptureFixture
) -> None:
    waits = Waits()
    client = Troubled(simulated, "respond_activity_task_completed", PASSING[:1] * 99)
    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [Chain])
    worker = ActivityWorker(client, DOMAIN, "numbers", [Double], wait=waits)  # type: ignore[arg-type]
    decider.register()
    worker.register()
    execution = start(simulated, DOMAIN, Chain, 1, 1)
    decider.run_once()
    assert worker.run_once()
    assert len(waits.seconds) == 7
    assert 60 < sum(waits.seconds) < 130
    assert ": double-1 (double 1): the service refused the answer" in caplog.text
    assert "ActivityTaskCompleted" not in types(history(simulated, execution))


def test_the_next_page_of_a_history_is_asked_for_again() -> None:
    client = Simulation(limits=Limits(decision_poll_page=3)).client(poll_seconds=0)
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    waits = Waits()
    decider = WorkflowWorker(client, DOMAIN, "decisions", [Chain], wait=waits)
    worker = ActivityWorker(client, DOMAIN, "numbers", [Double])
    decider.register()
    worker.register()
    execution = start(client, DOMAIN, Chain, 1, 1)
    decider.run_once()
    worker.run_once()
    decider._client = Interrupted(client)  # type: ignore[assignment]
    assert decider.run_once()
    assert attributes(history(client, execution), "WorkflowExecutionCompleted")[0]["result"] == "2"
    assert len(waits.seconds) == 2


class Interrupted:
    """A client whose polls for further pages fail every other time."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._fails = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def poll_for_decision_task(self, **request: Any) -> Any:
        if "nextPageToken" in request:
            self._fails = not self._fails
            if not self._fails:
                raise ConnectionResetError
        return self._client.poll_for_decision_task(**request)


def test_waiting_ends_when_the_worker_is_stopped(simulated: Any) -> None:
    """This waits in real time, until another worker stops this one."""
    client = Troubled(simulated, "poll_for_activity_task", [ConnectionResetError()] * 999)
    waiting = ActivityWorker(client, DOMAIN, "numbers", [Double])  # type: ignore[arg-type]
    lasting = Troubled(simulated, "poll_for_activity_task", [KeyError()])
    ending = ActivityWorker(lasting, DOMAIN, "numbers", [Double])  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        run_workers([waiting, ending])
