"""What an activity starts ends with it: when it is canceled, times out, or its worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from flowy import ActivityCanceled, ActivityContext, NotAwaitedError
from flowy.activity import HeartbeatReply

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")

# A command with a child that ignores SIGTERM; both write their ids down and then wait.
TREE = """
trap '' TERM
(echo $BASHPID >> "$1"; while true; do sleep 30; done) &
echo $$ >> "$1"
wait
sleep 30
"""


def tree(pids: Path) -> list[str]:
    return ["bash", "-c", TREE, "tree", str(pids)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # Processes of the system are waited for, whose time is real.


def alive(pids: Path) -> list[int]:
    """Return the processes of a tree that still run; none is a zombie."""
    return [pid for pid in map(int, pids.read_text().split()) if state(pid) not in ("Z", "")]


def state(pid: int) -> str:
    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return ps.stdout.strip()[:1]


def started(pids: Path) -> bool:
    return pids.exists() and len(pids.read_text().split()) == 2


def test_a_command_runs_to_its_end() -> None:
    ended = ActivityContext().run_process(
        [sys.executable, "-c", "import os; print('é', os.getcwd(), os.environ['A'])"],
        capture_output=True,
        cwd="/",
        env={"A": "1", "PYTHONUTF8": "1"},
    )
    assert ended.returncode == 0
    assert ended.stdout == "é / 1\n"


@pytest.mark.parametrize(
    ("script", "status"), [("exit 3", 3), ("kill -KILL $$", 137), ("exec /no/such/program", 127)]
)
def test_the_exit_status_is_that_of_a_shell(script: str, status: int) -> None:
    command = ["bash", "-c", script]
    ended = ActivityContext().run_process(command, check=False, capture_output=True)
    assert ended.returncode == status
    with pytest.raises(subprocess.CalledProcessError) as error:
        ActivityContext().run_process(command, capture_output=True)
    assert error.value.returncode == status


def test_a_command_that_does_not_exist_has_status_127() -> None:
    ended = ActivityContext().run_process(["no-such-program"], check=False, capture_output=True)
    assert (ended.returncode, ended.stderr) == (127, "no-such-program: No such file or directory\n")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (HeartbeatReply(canceled=True), ActivityCanceled),
        (HeartbeatReply(missed=True), NotAwaitedError),
    ],
)
def test_a_command_ends_with_its_children_when_the_activity_should_stop(
    tmp_path: Path, reply: HeartbeatReply, error: type[Exception]
) -> None:
    pids = tmp_path / "pids"

    def send(details: str | None) -> HeartbeatReply:
        return reply if started(pids) else HeartbeatReply()

    context = ActivityContext(send=send)
    with pytest.raises(error, match="the command bash was ended"):
        context.run_process(tree(pids), heartbeat=0, grace=0.2)
    until(lambda: alive(pids) == [])  # What was killed may not have ended yet.


def test_a_command_sends_heartbeats_even_if_the_activity_declares_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids, now = tmp_path / "pids", [0.0]
    monkeypatch.setattr("flowy._process_tree._POLL_SECONDS", 0.05)
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(sys.modules["flowy.activity"], "time", clock)
    sent: list[float] = []

    def send(details: str | None) -> HeartbeatReply:
        sent.append(now[0])
        return HeartbeatReply(missed=True)

    def later() -> None:
        until(lambda: started(pids))
        now[0] = 10.0

    thread = threading.Thread(target=later)
    thread.start()
    with pytest.raises(NotAwaitedError):
        ActivityContext(send=send).run_process(tree(pids), grace=0.2)
    thread.join()
    assert sent == [10.0]
    until(lambda: alive(pids) == [])


def test_what_a_command_leaves_running_is_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 30 & echo $! > {pids}"
    ActivityContext().run_process(["bash", "-c", script], capture_output=True)
    until(lambda: alive(pids) == [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_ends_with_its_children_when_the_worker_dies(
    tmp_path: Path, number: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    program = (
        "import sys; from flowy import ActivityContext;"
        "ActivityContext().run_process(sys.argv[1:], grace=0.2)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program, *tree(pids)])
    until(lambda: started(pids))
    assert len(alive(pids)) == 2
    worker.send_signal(number)
    worker.wait()
    until(lambda: alive(pids) == [])
