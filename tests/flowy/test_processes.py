"""Workers in processes of their own."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowy._workers.loop import Backoff
from flowy._workers.processes import run_processes
from tests.support.worker_processes import always_crashing, crashing_once, stubborn


@pytest.fixture(autouse=True)
def _handlers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that signals are handled afterwards as before."""
    caplog.set_level(logging.INFO, logger="flowy")
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in signals]
    yield
    assert [signal.getsignal(number) for number in signals] == before


def test_a_process_that_dies_is_replaced_and_all_stop_gently_at_a_signal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_processes(2, crashing_once, tmp_path)
    works = {path.name.partition("-")[2] for path in tmp_path.glob("works-*")}
    stopped = {path.name.partition("-")[2] for path in tmp_path.glob("stopped-*")}
    assert len(works) == 2
    assert works == stopped
    assert "ended with status 3; it is replaced in 0.0 s" in caplog.text
    assert "stopping after the current polls and tasks" in caplog.text


@pytest.mark.slow
def test_a_process_that_dies_again_and_again_is_replaced_ever_more_slowly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_processes(
        1, always_crashing, tmp_path, backoff=lambda: Backoff(first=0.02, uniform=lambda: 1.0)
    )
    messages = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert messages[:3] == [
        "worker process 1 was killed by SIGKILL; it is replaced in 0.0 s",
        "worker process 1 was killed by SIGKILL; it is replaced in 0.0 s",
        "worker process 1 was killed by SIGKILL; it is replaced in 0.1 s",
    ]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_second_signal_ends_processes_that_do_not_stop(tmp_path: Path) -> None:
    run_processes(1, stubborn, tmp_path)
