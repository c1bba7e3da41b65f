"""Threads that have called a simulation sleep in simulated time, if that is asked for."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import operator
import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from time import sleep as pause
from typing import Any
from weakref import finalize

import boto3
import pytest
from freezegun import freeze_time

from flowy_sim import ScaledClock, Simulation, mock_swf
from flowy_sim._simulation import thread_sleep
from flowy_sim._simulation.time_functions import really_monotonic, really_perf_counter
from tests.support.poll_loops import released_by_warning
from tests.support.shop import (
    decide_once,
    event_types,
    is_open,
    poll_for_activity,
    register,
    start,
)

Client = Any


def work_slowly(client: Client, rest: Callable[[], object]) -> None:
    """Work on a task, and rest while holding it."""
    task = poll_for_activity(client)
    if task.get("taskToken"):
        rest()
        client.respond_activity_task_completed(taskToken=task["taskToken"], result=task["input"])


def seconds_of(simulation: Simulation, run_id: str) -> float:
    found = simulation.engine().executions[run_id]
    assert found.closed_at is not None
    return (found.closed_at - found.started_at) / 1000


def run_order(simulation: Simulation, rest: Callable[[], object], steps: int = 2) -> float:
    """Run an order with a decider in a thread; return the simulated seconds that it took."""
    client = boto3.client("swf")
    register(client)
    run_id = start(client, steps=steps)
    over = threading.Event()

    def decide() -> None:
        while is_open(client, run_id):
            decide_once(client)

    def work() -> None:
        while not over.is_set():
            work_slowly(client, rest)

    decider = threading.Thread(target=decide)
    worker = threading.Thread(target=work)
    decider.start()
    worker.start()
    decider.join()
    over.set()
    worker.join()
    assert event_types(client, run_id)["WorkflowExecutionCompleted"] == 1
    return seconds_of(simulation, run_id)


RESTS = {
    "time.sleep": lambda: time.sleep(20),
    "sleep imported by name": lambda: pause(20),
    "Event.wait": lambda: threading.Event().wait(20),
    "Condition.wait": lambda: wait_for_a_condition(20),
    "asyncio.sleep": lambda: asyncio.run(asyncio.sleep(20)),
    "asyncio.wait_for": lambda: asyncio.run(wait_in_vain(20)),
}


def wait_for_a_condition(seconds: float) -> None:
    condition = threading.Condition()
    with condition, condition:  # Its lock can be acquired twice.
        assert not condition.wait(seconds)


async def wait_in_vain(seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


@pytest.mark.parametrize("rest", RESTS.values(), ids=RESTS)
def test_a_thread_sleeps_in_simulated_time_while_it_holds_a_task(rest: Any) -> None:
    began = time.monotonic()
    with mock_swf(virtual_sleep=True) as simulation:
        assert run_order(simulation, rest) == pytest.approx(40, abs=1)
    assert time.monotonic() - began < 40


def test_a_loop_that_sleeps_between_polls_finishes_its_order() -> None:
    with mock_swf(virtual_sleep=True) as simulation:
        client = boto3.client("swf")
        register(client)
        run_id = start(client, steps=1)
        while is_open(client, run_id):
            decide_once(client)
            work_slowly(client, lambda: None)
            time.sleep(3600)
        assert seconds_of(simulation, run_id) < 3 * 3600


def test_a_thread_can_be_woken_by_another() -> None:
    woken: list[bool] = []
    with mock_swf(virtual_sleep=True) as simulation:
        client = boto3.client("swf")
        register(client)
        event = threading.Event()
        started = simulation.clock.milliseconds

        def wake() -> None:
            client.list_domains(registrationStatus="REGISTERED")
            time.sleep(7)
            event.set()

        thread = threading.Thread(target=wake)
        thread.start()
        woken.append(event.wait(3600))
        thread.join()
        assert simulation.clock.milliseconds - started < 3_600_000
    assert woken == [True]


def test_only_threads_that_have_called_sleep_virtually() -> None:
    real: list[float] = []

    def stranger() -> None:
        began = time.monotonic()
        time.sleep(0.05)
        threading.Event().wait(0.05)
        asyncio.run(asyncio.sleep(0.05))
        real.append(time.monotonic() - began)

    with mock_swf(virtual_sleep=True) as simulation:
        register(boto3.client("swf"))
        before = simulation.clock.milliseconds
        thread = threading.Thread(target=stranger)
        thread.start()
        thread.join()
        assert simulation.clock.milliseconds == before
    assert real[0] >= 0.15


def test_sleeps_are_real_unless_it_is_asked_for() -> None:
    with mock_swf() as simulation:
        register(boto3.client("swf"))
        before = simulation.clock.milliseconds
        time.sleep(0.01)
        assert simulation.clock.milliseconds == before


def test_everything_is_restored_afterwards() -> None:
    was = time.sleep, threading.Condition.wait, asyncio.BaseEventLoop.run_forever, pause
    with mock_swf(virtual_sleep=True):
        register(boto3.client("swf"))
        time.sleep(1000)
    assert was == (time.sleep, threading.Condition.wait, asyncio.BaseEventLoop.run_forever, pause)
    assert pause is time.sleep
    assert not [each for each in threading.enumerate() if each.name.startswith("flowy_sim")]


def test_sleeps_follow_a_scaled_clock() -> None:
    simulation = Simulation(clock=ScaledClock(3600))
    began = time.monotonic()
    with mock_swf(simulation, virtual_sleep=True):
        register(boto3.client("swf"))
        before = simulation.clock.milliseconds
        time.sleep(60)
        assert simulation.clock.milliseconds >= before + 60_000
    assert time.monotonic() - began < 60


def test_an_event_loop_that_runs_already_follows_too() -> None:
    async def main() -> float:
        with mock_swf(virtual_sleep=True) as simulation:
            register(boto3.client("swf"))
            before = simulation.clock.milliseconds
            async with asyncio.timeout(7200):
                await asyncio.sleep(3600)
            return (simulation.clock.milliseconds - before) / 1000

    assert asyncio.run(main()) == pytest.approx(3600, abs=1)


def test_a_wait_that_takes_real_time_is_logged_with_its_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_sleep, "_MANY", 4)
    caplog.set_level(logging.WARNING)
    lock = released_by_warning(thread_sleep._log, monkeypatch)
    with mock_swf(virtual_sleep=True):
        register(boto3.client("swf"))
        assert lock.acquire(timeout=60)
        with pytest.raises(queue.Empty):
            queue.Queue[int]().get(timeout=600)
    lines = [record.getMessage() for record in caplog.records]
    assert any("'MainThread' waits in real time at" in each for each in lines), lines
    assert all("test_virtual_sleep.py:" in each for each in lines if "real time" in each)
    assert len([each for each in lines if "real time" in each]) == 1


def test_looking_where_threads_wait_keeps_nothing_of_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thread_sleep, "_WATCH", 0.001)
    looked = threading.Semaphore(0)
    monkeypatch.setattr(thread_sleep, "place_of_wait", lambda frame: looked.release() or "")
    monkeypatch.setattr(thread_sleep, "_MANY", 0)

    class Kept:
        pass

    def wait() -> None:
        kept = Kept()
        finalize(kept, died.set)
        boto3.client("swf").list_domains(registrationStatus="REGISTERED")
        entered.release()
        leave.acquire()

    died, entered, leave = threading.Event(), threading.Semaphore(0), threading.Lock()
    leave.acquire()
    gc.collect()
    gc.disable()
    try:
        with mock_swf(virtual_sleep=True):
            thread = threading.Thread(target=wait)
            thread.start()
            entered.acquire()
            assert looked.acquire(timeout=30)
            leave.release()
            thread.join()
        assert died.is_set()
    finally:
        gc.enable()


@pytest.mark.swf(virtual_sleep=True)
def test_the_marker_applies_to_the_fixture(swf: Any, swf_boto3: Any) -> None:
    register(swf_boto3.client("swf"))
    before = swf.clock.milliseconds
    time.sleep(86_400)
    assert swf.clock.milliseconds >= before + 86_400_000


def compute() -> str:
    """Compute for a few real milliseconds."""
    return hashlib.pbkdf2_hmac("sha256", b"a", b"b", 20_000).hex()


def receive() -> bytes:
    """Wait for another thread, at a socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = threading.Thread(target=lambda: (compute(), theirs.send(b"x")))
        answer.start()
        received = ours.recv(1)
        answer.join()
    return received


def in_asyncio(work: Callable[[], object]) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(work)

    asyncio.run(main())


def in_pool(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert not wait([pool.submit(work)], timeout=30).not_done


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("work", [compute, receive])
@pytest.mark.parametrize("run", [in_asyncio, in_pool])
def test_no_simulated_time_passes_while_a_thread_of_a_pool_works(run: Any, work: Any) -> None:
    with mock_swf(virtual_sleep=True) as simulation:
        boto3.client("swf").list_domains(registrationStatus="REGISTERED")
        before = simulation.clock.now
        run(work)
        assert simulation.clock.now == before


def test_a_poll_in_a_pool_does_not_hold_up_time_even_when_the_pool_ends() -> None:
    with mock_swf(Simulation(patience=3600), virtual_sleep=True) as simulation:
        client = boto3.client("swf")
        register(client)
        before = simulation.clock.now

        async def main() -> None:
            polling = asyncio.create_task(asyncio.to_thread(poll_for_activity, client))
            await asyncio.sleep(20)
            assert (simulation.clock.now - before).total_seconds() == pytest.approx(20, abs=1)
            polling.cancel()

        asyncio.run(main())


def give_to_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a thread that then waits for more, like one of anyio."""
    work: queue.SimpleQueue[Any] = queue.SimpleQueue()
    loop, result = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    work.put(lambda: loop.call_soon_threadsafe(result.set_result, function(*arguments)))
    there = {"__name__": "anyio._backends", "work": work}
    exec("def run():\n    while job := work.get():\n        job()", there)
    threading.Thread(target=there["run"], daemon=True).start()
    return result


@pytest.mark.parametrize("give", [asyncio.to_thread, give_to_thread])
def test_time_passes_while_a_coroutine_sleeps_whose_task_a_pool_has_polled(
    give: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(client: Client) -> None:
        task = await give(poll_for_activity, client)
        await asyncio.sleep(20)
        client.respond_activity_task_completed(taskToken=task["taskToken"], result=task["input"])

    with mock_swf(virtual_sleep=True) as simulation:
        client = boto3.client("swf")
        register(client)
        run_id = start(client, steps=1)
        decide_once(client)
        decide_once(client)
        asyncio.run(work(client))
        decide_once(client)
    assert 20 <= seconds_of(simulation, run_id) < 21
    assert caplog.messages == []


@mock_swf(virtual_sleep=True)
def test_a_loop_that_polls_until_a_time_is_up_ends() -> None:
    client = boto3.client("swf")
    register(client)
    run_id = start(client)
    deadline, polls = time.time() + 15 * 60, 0
    while time.time() < deadline:
        polls += 1
        decide_once(client)
        work_slowly(client, lambda: None)
    assert not is_open(client, run_id)
    assert 8 <= polls < 20  # Each time, two polls take a minute each.


@pytest.mark.parametrize(("minutes", "is_left_open"), [(15, True), (3600, False)])
def test_a_loop_beside_an_open_execution_ends_too(minutes: int, is_left_open: bool) -> None:
    with mock_swf(virtual_sleep=True) as simulation:
        client = boto3.client("swf")
        register(client)
        run_id = start(client)
        before = simulation.clock.now
        deadline = time.time() + minutes * 60
        while time.time() < deadline:
            poll_for_activity(client)
        assert is_open(client, run_id) == is_left_open
        if is_left_open:
            assert 0 <= (simulation.clock.now - before).total_seconds() - minutes * 60 < 60


def test_time_that_is_frozen_around_a_simulation_stays_frozen() -> None:
    with mock_swf(virtual_sleep=True):
        pass  # It has found what refers to the functions of `time`.
    with freeze_time("2001-02-03"):
        frozen = time.time()
        with mock_swf(virtual_sleep=True):
            swf = boto3.client("swf", region_name="us-east-1")
            swf.list_domains(registrationStatus="REGISTERED")
            time.sleep(60)
            assert time.time() == frozen
        assert time.time() == frozen == datetime(2001, 2, 3, tzinfo=UTC).timestamp()
    assert time.time() > frozen + 1e8


def test_what_waits_in_real_time_does_so_while_time_is_frozen() -> None:
    before = really_monotonic(), really_perf_counter()
    with freeze_time("2001-02-03"):
        frozen = really_monotonic(), really_perf_counter()
    after = really_monotonic(), really_perf_counter()
    assert all(map(operator.lt, before, frozen))
    assert all(map(operator.lt, frozen, after))
