"""Processes that poll loops start work in real time; simulated time waits for them."""

from __future__ import annotations

import multiprocessing
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import suppress
from typing import Any

import boto3
import pytest

from flowy_sim import Simulation, StuckError, mock_swf
from flowy_sim.testing import Runner
from tests.support.poll_loops import Client, decider, poll, register, run, start

Task = dict[str, Any]
Work = Callable[[Client, Task], object]
ENDPOINT = "AWS_ENDPOINT_URL_SWF"
FORK: Any = multiprocessing.get_context("fork" if hasattr(os, "fork") else None)


def worker(work: Work) -> Callable[[Client], None]:
    """Return a worker with a thread that polls, and does its work in another process."""

    def serve(client: Client) -> None:
        while True:
            task = poll(client, "work")
            if task.get("taskToken"):
                result = str(work(client, task))
                with suppress(client.exceptions.UnknownResourceFault):
                    client.respond_activity_task_completed(
                        taskToken=task["taskToken"], result=result
                    )

    def main(client: Client) -> None:
        thread = threading.Thread(target=serve, args=(client,))
        thread.start()
        thread.join()

    return main


def double(number: int, results: Any = None) -> int:
    time.sleep(0.01)
    if results is not None:
        results.put(2 * number)
    return 2 * number


def in_own_process(client: Client, task: Task) -> object:
    results = multiprocessing.Queue()
    process = multiprocessing.Process(target=double, args=(4, results))
    process.start()
    while True:
        try:
            result = results.get(timeout=15)
        except queue.Empty:
            client.record_activity_task_heartbeat(taskToken=task["taskToken"])
        else:
            process.join()
            return result


def in_joined_process(client: Client, task: Task) -> object:
    process = multiprocessing.Process(target=double, args=(4,))
    process.start()
    process.join()
    return process.exitcode


def in_pool(client: Client, task: Task) -> object:
    with ProcessPoolExecutor(1) as pool:
        future = pool.submit(double, 4)
        while not wait([future], timeout=15).done:
            client.record_activity_task_heartbeat(taskToken=task["taskToken"])
        return future.result()


def in_multiprocessing_pool(client: Client, task: Task) -> object:
    with multiprocessing.Pool(1) as pool:
        return pool.apply_async(double, (4,)).get(timeout=15)


def in_program(client: Client, task: Task) -> object:
    return subprocess.run(
        [sys.executable, "-c", "print(8)"], check=True, capture_output=True, text=True
    ).stdout.strip()


def in_watched_program(client: Client, task: Task) -> object:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as program:
        while program.poll() is None:
            time.sleep(5)
            client.record_activity_task_heartbeat(taskToken=task["taskToken"])
        return program.returncode


@pytest.mark.parametrize(
    ("work", "result"),
    [
        (in_own_process, 8),
        (in_joined_process, 0),
        (in_pool, 8),
        (in_multiprocessing_pool, 8),
        (in_program, 8),
        (in_watched_program, 0),
    ],
)
def test_no_simulated_time_out_passes_while_a_process_works(work: Work, result: object) -> None:
    ended = run(decider(("one", "work")), worker(work))
    assert ended.status == "COMPLETED"
    [call] = ended.calls("step")
    assert (call.outcome, str(call.result)) == ("completed", str(result))
    assert ended.simulated_seconds < 6


def died(client: Client, task: Task) -> object:
    process = multiprocessing.Process(target=sys.exit, args=(3,))
    results: Any = multiprocessing.Queue()
    process.start()
    try:
        return results.get(timeout=15)
    except queue.Empty:
        return f"died with {process.exitcode}"


def test_a_wait_for_a_process_that_died_takes_simulated_time() -> None:
    ended = run(decider(("one", "work")), worker(died))
    [call] = ended.calls("step")
    assert call.result == "died with 3"
    assert 15 <= ended.simulated_seconds < 16


def sleeps_forever() -> None:
    while True:
        time.sleep(3600)


def decides_elsewhere(client: Client) -> None:
    process = multiprocessing.Process(target=sleeps_forever, name="the decider")
    process.start()
    process.join()


def calls_elsewhere(client: Client) -> None:
    process = FORK.Process(target=poll, args=(client, "work"), name="the decider")
    process.start()
    process.join()
    threading.Event().wait()


@pytest.mark.swf(patience=0)
@pytest.mark.parametrize("code", [decides_elsewhere, calls_elsewhere])
def test_a_stuck_test_names_the_processes_that_its_code_has_started(
    swf_run: Runner, code: Callable[[Client], None]
) -> None:
    swf_run.loop(code)
    client = swf_run.simulation.client()
    register(client)
    with pytest.raises(StuckError, match=r"other processes \(the decider\).*swf_endpoint"):
        swf_run.finish(start(client))


def test_processes_end_with_their_loops() -> None:
    runner = Runner(Simulation(patience=0), times_out=True)
    runner.loop(decides_elsewhere)
    register(runner.simulation.client())
    runner.finish(start(runner.simulation.client()))
    started = [each for each in multiprocessing.active_children() if each.name == "the decider"]
    assert started

    runner.scheduler.worker_pools.discard_loops()

    for each in started:
        each.join()
        assert each.exitcode == -9


def test_time_waits_for_a_process_only_for_the_patience(caplog: pytest.LogCaptureFixture) -> None:
    def wait_too_long(client: Client, task: Task) -> object:
        process = multiprocessing.Process(target=sleeps_forever, name="slow")
        process.start()
        process.join(601)
        works.append(wait_briefly)
        return process.exitcode

    def wait_briefly(client: Client, task: Task) -> object:
        return "at last"

    works: list[Work] = [wait_too_long]
    work = worker(lambda client, task: works[-1](client, task))
    ended = run(decider(("one", "work")), work, simulation=Simulation(patience=0))

    assert [call.outcome for call in ended.calls("step")] == ["timed out", "completed"]
    assert "The process slow has not finished within 0 real seconds" in caplog.text


ASKS = """
import os, boto3
print(os.environ.get("AWS_ENDPOINT_URL_SWF"), boto3.client("swf", "eu-west-1").meta.endpoint_url)
"""


def asked() -> list[str]:
    """Return what another process knows about the address of the service."""
    return subprocess.run(
        [sys.executable, "-c", ASKS], check=True, capture_output=True, text=True
    ).stdout.split()


@mock_swf()
def test_clients_of_other_processes_cannot_call_aws() -> None:
    address = "http://other-processes-need-swf-endpoint.invalid"
    assert asked() == [address, address]
    own = boto3.client("swf", "eu-west-1")
    assert own.meta.endpoint_url == "https://swf.eu-west-1.amazonaws.com"


def test_the_address_of_other_processes_is_as_before_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    with mock_swf():
        assert ENDPOINT in os.environ
        with mock_swf():
            pass
        assert ENDPOINT in os.environ
    assert ENDPOINT not in os.environ
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4567")
    with mock_swf():
        assert os.environ[ENDPOINT] == "http://127.0.0.1:4567"
    assert os.environ[ENDPOINT] == "http://127.0.0.1:4567"
