"""The replay of histories in another process, where hashes, time and environment differ.

A workflow's history is replayed by another worker, on another machine, after a restart. The values
that must not matter there are always the same within one process: the order of a set, the time
zone, the locale, the environment, the process ID, the working directory, the state of a module. So
some histories of an exploration are replayed in a child process in which all of these differ.
Variables of the environment are added or changed there, never removed.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from flowy._client import Execution
from flowy.errors import FlowyError, HistoryError
from flowy.payloads import PLAIN, Payloads
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import replay_prefixes

_SECONDS = 60
_MOST_RUNS = 4
"""The most histories of a workflow that are replayed."""

_OTHER = {
    "PYTHONHASHSEED": "4711",
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "LANG": "C",
    "HOSTNAME": "another-host",
    "USER": "another",
    "LOGNAME": "another",
    "PYTHONSAFEPATH": "1",
}
"""The variables of the environment that differ."""

_REPLAYED: set[tuple[str, str]] = set()
"""The workflows whose histories this process has had replayed: once is enough for most tests."""


class OtherProcessError(AssertionError):
    """A workflow makes different decisions in another process; the message names them."""

    __module__ = "flowy_sim.explore"


class _Recorded(NamedTuple):
    """A history to be replayed.

    Attributes:
        module, name: where the workflow's class is.
        execution: the IDs of the execution.
        events: its history.
        payloads: decodes its arguments and results.
    """

    module: str
    name: str
    execution: Execution
    events: list[Any]
    payloads: Payloads


class OtherProcess:
    """Collects histories of an exploration, and replays them in another process."""

    def __init__(self) -> None:
        self._recorded: dict[tuple[str, str], list[_Recorded]] = {}
        self._child: _Child | None = None

    def add(self, runner: Runner) -> None:
        """Add the executions of a run, if their workflows can be imported and are not known."""
        registry = runner.scheduler.worker_pools.registry
        if registry is None or runner.scheduler.worker_pools.has_redeployed:
            return
        for run in runner.runs:
            name, _, version = run.type.rpartition(" ")
            cls = registry.workflows.get((name, version))
            if cls is None:
                continue
            key = cls.__module__, cls.__qualname__
            found = self._recorded.setdefault(key, [])
            if key not in _REPLAYED and len(found) < _MOST_RUNS and _is_importable(cls):
                ids = Execution(run.workflow_id, run.run_id)
                found.append(_Recorded(*key, ids, list(run.history), run.payloads))

    def begin(self) -> None:
        """Begin to replay the histories that were added so far, while more runs are made.

        Code that cannot be imported or pickled for another process is not tried.
        """
        recorded = [each for several in self._recorded.values() for each in several]
        if self._child is not None or not recorded:
            return
        self._recorded.clear()
        _REPLAYED.update(each[:2] for each in recorded)
        try:
            sent = pickle.dumps((sys.path, recorded))
        except Exception:  # Anything can be wrong with payloads of the author's.
            sent = pickle.dumps((sys.path, [each._replace(payloads=PLAIN) for each in recorded]))
        with suppress(OSError, subprocess.SubprocessError):
            self._child = _Child(sent)

    def look(self) -> OtherProcessError | None:
        """Return the error if a workflow has been found that decides differently."""
        return self._answer() if self._child is not None and self._child.has_ended else None

    def replay(self) -> OtherProcessError | None:
        """Replay all histories; return the error if a workflow decides differently."""
        error = self._answer()
        if error is None:
            self.begin()
            error = self._answer()
        return error

    def stop(self) -> None:
        """Stop replaying."""
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def _answer(self) -> OtherProcessError | None:
        child, self._child = self._child, None
        answered = None if child is None else child.answer()
        return None if answered is None else OtherProcessError(answered)


class _Child:
    """A child process that replays histories.

    Args:
        sent: what `main` reads.

    Raises:
        OSError, SubprocessError: it cannot be started.
    """

    def __init__(self, sent: bytes) -> None:
        path = str(Path(__file__).parents[2])
        code = f"import sys; sys.path.append({path!r}); from {__name__} import main; main()"
        self._folder = tempfile.TemporaryDirectory()
        with tempfile.TemporaryFile() as written:
            written.write(sent)
            written.seek(0)
            self._process = subprocess.Popen(  # noqa: S603 - our own code
                [sys.executable, "-c", code],
                stdin=written,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_OTHER},
                cwd=self._folder.name,
            )

    @property
    def has_ended(self) -> bool:
        """Whether it has replayed everything."""
        return self._process.poll() is not None

    def answer(self) -> str | None:
        """Return how a workflow differs there; None if none does, or it cannot be told."""
        try:
            output, _ = self._process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            output = b""
        self.stop()
        return output.decode("utf-8", "replace") or None if self._process.returncode == 1 else None

    def stop(self) -> None:
        """End the process, if it has not ended."""
        with self._process:
            self._process.kill()
        self._folder.cleanup()


def main() -> None:
    """Replay the histories that standard input holds, and print the first difference."""
    path, recorded = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the parent process
    sys.path[:] = [*path, *(each for each in sys.path if each not in path)]
    sentence = _difference(recorded)
    if sentence:
        sys.stdout.buffer.write(sentence.encode())
        sys.stdout.flush()
        raise SystemExit(1)


def _difference(recorded: Iterable[_Recorded]) -> str:
    for each in recorded:
        try:
            workflow: Any = import_module(each.module)
            for name in each.name.split("."):
                workflow = getattr(workflow, name)
        except Exception:  # noqa: S112 - what cannot be imported is not tried
            continue
        try:
            replay_prefixes(workflow, each.events, each.payloads, each.execution)
        except HistoryError:
            continue
        except FlowyError as error:
            return (
                f"{each.name} decides differently in another process, with another hash seed, time "
                f"zone, locale, environment, process ID and working directory: {error}"
            )
    return ""


def _is_importable(cls: type[Any]) -> bool:
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        return False
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls
