"""A real server is killed while clients call it, again and again: nothing answered is lost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from tests.support.killed_server import (
    DOMAIN,
    ORDER,
    Client,
    InternalFailure,
    Told,
    open_executions,
    register,
)

resource = pytest.importorskip("resource")

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def served(path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server and its port; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flowy_sim", "serve", "--port", "0", "--db", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.slow
def test_whatever_was_answered_is_there_after_the_server_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    told = Told()
    for round_number in range(3):
        with served(path) as (process, port), closing(Client(port)) as client:
            if round_number == 0:
                register(client)
            told.check(client)
            told = Told()
            workers = [
                threading.Thread(target=told.work, args=(port, f"{round_number}-{number}"))
                for number in range(8)
            ]
            for worker in workers:
                worker.start()
            while told.count < 40:
                workers[0].join(0.01)
            process.kill()
            for worker in workers:
                worker.join()
    with served(path) as (_, port), closing(Client(port)) as client:
        told.check(client)


@pytest.mark.slow
def test_what_falls_due_while_the_server_is_down_has_happened_at_its_own_instant(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kept.db"
    with served(path) as (_, port), closing(Client(port)) as client:
        register(client)
        run_id = client.call(
            "StartWorkflowExecution", domain=DOMAIN, workflowId="order", workflowType=ORDER
        )["runId"]
        timer = {"timerId": "1", "startToFireTimeout": "1"}
        task = client.call("PollForDecisionTask", domain=DOMAIN, taskList={"name": "decisions"})
        client.call(
            "RespondDecisionTaskCompleted",
            taskToken=task["taskToken"],
            decisions=[{"decisionType": "StartTimer", "startTimerDecisionAttributes": timer}],
        )
        before = client.history("order", run_id)
    # To start takes about as long as the timer.
    with served(path) as (_, port), closing(Client(port)) as client:
        task = client.call("PollForDecisionTask", domain=DOMAIN, taskList={"name": "decisions"})

    *known, fired, _, _ = task["events"]
    assert known == before[: len(known)]  # On a busy machine it fires before the server is killed.
    assert fired["eventType"] == "TimerFired"
    assert fired["eventTimestamp"] == pytest.approx(known[-1]["eventTimestamp"] + 1, abs=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs limits on another process")
def test_on_a_full_disk_calls_fail_and_change_nothing_until_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with served(path) as (process, port), closing(Client(port)) as client:
        register(client)
        written = path.with_name("kept.db-wal").stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (written + 200_000, -1))
        started = set()

        def start() -> None:
            workflow_id = f"order-{len(started)}"
            client.call(
                "StartWorkflowExecution",
                domain=DOMAIN,
                workflowId=workflow_id,
                workflowType=ORDER,
                input="x" * 10_000,
            )
            started.add(workflow_id)

        def start_many() -> None:
            while True:
                start()

        with pytest.raises(InternalFailure):
            start_many()
        assert started
        assert open_executions(client) == started
        with pytest.raises(InternalFailure):
            start()
        assert open_executions(client) == started

        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        before, deadline = len(started), monotonic() + 30
        while len(started) == before and monotonic() < deadline:
            with suppress(InternalFailure):
                start()
        assert len(started) > before
    with served(path) as (_, port), closing(Client(port)) as client:
        assert open_executions(client) == started


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flowy_sim", *words],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
def test_a_snapshot_of_a_file_in_use_comes_from_its_server_and_is_complete_by_itself(
    tmp_path: Path,
) -> None:
    path, copy = tmp_path / "kept.db", tmp_path / "copy.db"
    with served(path) as (_, port), closing(Client(port)) as client:
        register(client)
        client.call("StartWorkflowExecution", domain=DOMAIN, workflowId="1", workflowType=ORDER)
        made = command("snapshot", "--db", str(path), "-o", str(copy))
        assert (made.returncode, made.stderr) == (0, "")
    with served(copy) as (_, port), closing(Client(port)) as client:
        assert open_executions(client) == {"1"}


@pytest.mark.slow
def test_after_a_crash_a_server_without_its_log_starts_only_if_the_loss_is_accepted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kept.db"
    with served(path) as (_, port), closing(Client(port)) as client:
        register(client)
    path.with_name("kept.db-wal").unlink()

    refused = command("serve", "--port", "0", "--db", str(path))
    accepted = command("serve", "--db", str(path), "--accept-loss", "--", "true")
    again = command("serve", "--db", str(path), "--", "true")

    assert refused.returncode == 1
    (sentence,) = refused.stderr.splitlines()
    assert "kept.db-wal hold none of the 3 changes that kept.db-progress names; all, " in sentence
    assert accepted.returncode == 0
    assert "The loss is accepted." in accepted.stderr
    assert (again.returncode, again.stderr) == (0, "")
