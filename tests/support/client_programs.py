"""Programs that use other clients, each a process whose environment has the endpoint."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from flowy_sim._server.endpoint import Endpoint

#: Where `nox -s clients` installs the clients; an ordinary run of the tests has none.
CLIENTS = Path(os.environ.get("FLOWY_CLIENTS", os.devnull))
AWS = CLIENTS / "awscli" / "bin" / "aws"
OLDER_FLOWY = CLIENTS / "older-flowy" / "bin" / "python"
SIMPLEFLOW = Path(sysconfig.get_path("scripts"), "simpleflow")
NODE_MODULES = CLIENTS / "node" / "node_modules"
GO = CLIENTS / "go"
JAVA = CLIENTS / "java"

HERE = Path(__file__).parents[1] / "clients"
SECONDS = 200  # How long a program may take before a test fails instead of hanging.


def _needs(what: str, is_there: bool) -> pytest.MarkDecorator:
    """Skip tests whose client is missing, and say how to get it."""
    reason = f"{what} is not installed" if CLIENTS.is_dir() else "run: nox -s clients"
    return pytest.mark.skipif(not is_there, reason=reason)


needs_aws = _needs("the AWS command line", AWS.exists())
needs_older_flowy = _needs("flowy 0.4.1", OLDER_FLOWY.exists())
needs_simpleflow = _needs("simpleflow", SIMPLEFLOW.exists())
needs_javascript = _needs(
    "Node.js or npm",
    shutil.which("node") is not None and (NODE_MODULES / "@aws-sdk" / "client-swf").exists(),
)
needs_javascript_v2 = _needs(
    "Node.js or npm", shutil.which("node") is not None and (NODE_MODULES / "aws-sdk").exists()
)
needs_go = _needs("Go", GO.exists())
needs_java = _needs("a JDK or Maven", shutil.which("java") is not None and JAVA.exists())


def needs_module(name: str) -> pytest.MarkDecorator:
    """Skip tests that use a module which is not installed."""
    return _needs(name, find_spec(name) is not None)


class Programs:
    """Runs programs against one endpoint.

    Args:
        endpoint: the simulation that they call.
        folder: their working directory and home directory.
    """

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **endpoint.environment,
            "HOME": str(folder),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "NODE_PATH": str(NODE_MODULES),
            "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1",
            "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "true",
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *command: str | Path, **environment: str) -> str:
        """Run a program that must succeed; return its standard output."""
        with self._started(command, environment) as process:
            return _end_of(process)

    @contextmanager
    def ending(self, *command: str | Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run a program during the block; after it, the program must end when its input does."""
        with self._started(command, environment) as process:
            yield process
            _end_of(process)

    @contextmanager
    def running(self, *command: str | Path, **environment: str) -> Iterator[None]:
        """Run a program during the block; after it, the program must end on SIGTERM."""
        with self._started(command, environment) as process:
            yield
            assert process.poll() is None, f"it ended early: {process.communicate()}"
            process.terminate()
            _end_of(process)

    @contextmanager
    def killed_after(self, *command: str | Path, **environment: str) -> Iterator[None]:
        """Run a program during the block, and kill it then: it may wait for a poll to end."""
        with self._started(command, environment) as process:
            yield
            assert process.poll() is None, f"it ended early: {process.communicate()}"

    @contextmanager
    def _started(
        self, command: Sequence[str | Path], environment: dict[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env={**self._environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                # Its child processes may still run.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _end_of(process: subprocess.Popen[str]) -> str:
    """Wait until a program has succeeded; return its standard output."""
    written, problems = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, f"{process.args!r} said: {written}{problems}"
    return written
