"""Worker processes at an endpoint, one of which dies in the middle of a task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowy import ActivityWorker, activity, connect, start
from tests.support.worker_loops import DOMAIN

pytest.importorskip("uvicorn")

EXECUTIONS = 40 if "FLOWY_SOAK" in os.environ else 8

WORK = """
import os, signal
from pathlib import Path
from flowy import ActivityProxy, Retry, Workflow, activity, workflow

@activity("risky", 1, "everything", start_to_close=30)
def risky(number: int) -> int:
    if number % 4 == 1:
        try:
            Path(f"died-over-{number}").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return number + 1

@workflow("both", 1, "everything")
class Both(Workflow):
    risky = ActivityProxy(risky, retry=Retry(attempts=30))
    tell = ActivityProxy("tell", 1)

    def run(self, number):
        return self.tell(number, self.risky(number)).result()
"""


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs; it is ended with the test, and whatever it started."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.slow
def test_executions_end_well_though_processes_die_and_all_stop_gently(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    told: list[tuple[int, int]] = []

    @activity("tell", 1, "told")
    def tell(number: int, result: int) -> None:
        told.append((number, result))

    serve = ("flowy_sim", "serve", "--port", "0", "--clock", "virtual")
    with running(tmp_path, *serve) as server:
        assert server.stdout is not None
        url = server.stdout.readline().partition(" at ")[2].partition(";")[0]
        client = connect(url)
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        listener = ActivityWorker(client, DOMAIN, "told", [tell])
        listener.register()
        command = ("flowy", "worker", "--domain", DOMAIN, "--task-list", "everything")
        options = ("--processes", "2", "--threads", "2", "--endpoint-url", url, "work")
        with running(tmp_path, *command, *options) as worker:
            assert worker.stdout is not None
            said = [worker.stdout.readline() for _ in range(10)]  # by now all is registered
            assert any("registered the workflow both 1" in line for line in said), said
            for number in range(EXECUTIONS):
                start(client, DOMAIN, ("both", 1), number)
            while len(told) < EXECUTIONS:
                listener.run_once()
            worker.terminate()
            lines = []
            for line in worker.stdout:
                lines.append(line)
                if "stopping after the current polls and tasks" in line:
                    server.terminate()  # which answers the polls; each takes a minute else
            rest = "".join(lines)
            worker.wait()
    assert worker.returncode == 0, rest
    assert sorted(told) == [(number, number + 1) for number in range(EXECUTIONS)]
    deaths = len(list(tmp_path.glob("died-over-*")))
    assert deaths == EXECUTIONS // 4
    assert rest.count("was killed by SIGKILL; it is replaced") == deaths
