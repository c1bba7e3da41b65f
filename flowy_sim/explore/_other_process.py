"""Replaying histories in another process, where hashes, time and environment differ.

A workflow's history is replayed by another worker, on another machine, after a restart. What must
not make a difference there, does not differ within one process: the order of a set, the time zone,
the locale, the environment, the process ID, the working directory, what a module has kept. So some
histories of an exploration are replayed in a child process in which all of that differs. Variables
of the environment are added or changed there, never removed.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable
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
    """A workflow makes other decisions in another process; the message says which."""

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

    def replay(self) -> OtherProcessError | None:
        """Replay the histories; return the error if a workflow decides differently.

        Code that cannot be imported or pickled for another process is not tried.
        """
        recorded = [each for several in self._recorded.values() for each in several]
        _REPLAYED.update(each[:2] for each in recorded)
        if not recorded:
            return None
        try:
            sent = pickle.dumps((sys.path, recorded))
        except Exception:  # Anything can be wrong with payloads of the author's.
            sent = pickle.dumps((sys.path, [each._replace(payloads=PLAIN) for each in recorded]))
        with tempfile.TemporaryDirectory() as folder:
            answered = _run(sent, folder)
        return None if answered is None else OtherProcessError(answered)


def _run(sent: bytes, folder: str) -> str | None:
    """Replay histories in a child process; return how a workflow differs there, or None."""
    path = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.append({path!r}); from {__name__} import main; main()"
    try:
        child = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-c", code],
            input=sent,
            env={**os.environ, **_OTHER},
            cwd=folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return child.stdout.decode("utf-8", "replace") or None if child.returncode == 1 else None


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


def forget_replayed() -> None:
    """Replay the histories of all workflows again."""
    _REPLAYED.clear()
