"""The tutorial's workflow with starter, decider and worker in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from flowy import Execution, outcome
from flowy.tutorial import SAMPLE
from flowy_sim._server.endpoint import Endpoint

DOMAIN = ("--domain", "flowy_tutorial")
TASKS = (*DOMAIN, "--task-list", "image_processing")
SECONDS = 60  # How long a process may take before the test fails instead of hanging.


class Commands:
    """Runs ``flowy`` in processes that find Amazon SWF by their environment."""

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            **endpoint.environment,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command, and kill it at the end if it is still running."""
        with subprocess.Popen(
            [sys.executable, "-m", "flowy", *arguments],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str) -> str:
        """Run a command to its end; return what it wrote to its standard output."""
        with self.running(*arguments) as process:
            written, problems = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, problems
        return written


@pytest.fixture
def commands(swf_endpoint: Endpoint, tmp_path: Path) -> Commands:
    return Commands(swf_endpoint, tmp_path)


@pytest.mark.slow
def test_starter_decider_and_worker_file_a_photograph_together(
    swf_endpoint: Endpoint, commands: Commands, tmp_path: Path
) -> None:
    commands.run("register-domain", "flowy_tutorial", "--retention", "7")
    with (
        commands.running("worker", *TASKS, "flowy.tutorial.workflows") as decider,
        commands.running("worker", *TASKS, "--activities", "flowy.tutorial") as worker,
    ):
        read_until(decider, "workflow worker polls image_processing")
        read_until(worker, "activity worker polls image_processing")
        image = ("flowy.tutorial.workflows:ImageCategorization", str(SAMPLE), "100")
        started = Execution(**json.loads(commands.run("start", *DOMAIN, "--json", *image)))
        assert swf_endpoint.settle(SECONDS)
        ended = outcome(swf_endpoint.client(), "flowy_tutorial", started)
        decider.terminate()
        worker.terminate()
        # Each stops after its poll, which takes a minute of simulated time.
        swf_endpoint.set_clock("x600")
        assert (decider.wait(SECONDS), worker.wait(SECONDS)) == (0, 0)
    assert ended is not None
    assert ended.status == "COMPLETED"
    filed = Path(ended.result)
    assert filed.parent == tmp_path / "flowy-images" / "blue"
    with Image.open(filed) as small:
        assert small.size == (100, 67)


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read what a process logs until it says something."""
    assert process.stderr is not None
    logged: list[str] = []
    while text not in (line := process.stderr.readline()):
        assert line, logged
        logged.append(line)
