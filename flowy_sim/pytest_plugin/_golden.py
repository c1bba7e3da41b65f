"""Golden histories: kept in files, and replayed by the code of today at every prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from flowy._client import Execution
from flowy.errors import NonDeterminismError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import load, save
from flowy_sim.testing._replay import replay_prefixes, type_of
from flowy_sim.testing._run import Run

FOLDER = "histories"
"""Where histories are kept, beside the tests."""

Workflows = Mapping[tuple[str, str], type[Workflow]]


class GoldenError(AssertionError):
    """The history of a test does not replay any more, or there is none."""


def check(test: Path, name: str, runner: Runner, *, record: bool) -> None:
    """Replay the golden histories of a test, or record them.

    Args:
        test: the file of the test.
        name: the test's name in there.
        runner: has run the test's workflows.
        record: whether to record.

    Raises:
        GoldenError: the code decides otherwise than was recorded; nothing is kept; it is of
            a workflow that is not run any more; or the test has run none.
    """
    if not runner.runs:
        raise GoldenError(
            "this test is marked as golden and has run no workflow by swf_run, so there is no "
            "history to keep; let it run one, or take golden=True away"
        )
    golden = Golden(test, name)
    if record:
        golden.record(runner.runs)
        return
    known = runner.scheduler.registry
    golden.replay({} if known is None else known.workflows, runner.payloads)


class Golden:
    """The golden histories of one test.

    Args:
        test: the file of the test.
        name: the test's name in there, such as ``TestOrders::test_gift[3]``.
    """

    def __init__(self, test: Path, name: str) -> None:
        """Look for nothing yet."""
        self._folder = test.parent / FOLDER / test.stem
        self._stem = re.sub(r"[^\w.-]+", "_", name).strip("_")

    def record(self, runs: Iterable[Run]) -> None:
        """Keep the histories of runs, in place of those that were kept before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self.paths():
            path.unlink()
        for number, run in enumerate(runs, 1):
            save(self._path(number), run.history, Execution(run.workflow_id, run.run_id))

    def replay(self, workflows: Workflows, payloads: Payloads = PLAIN) -> None:
        """Replay what is kept.

        Args:
            workflows: the workflows that the test runs, by name and version.
            payloads: how arguments and results travelled.

        Raises:
            GoldenError: the code decides otherwise than was recorded; nothing is kept; or it is
                of a workflow that is not run any more.
        """
        paths = self.paths()
        if not paths:
            raise GoldenError(
                f"no history of this test is kept as {self._path(1)}; record it once with "
                "pytest --swf-record, and keep the file with the test"
            )
        for path in paths:
            events, execution = load(path)
            workflow = workflows.get(type_of(events))
            if workflow is None:
                name, version = type_of(events)
                raise GoldenError(
                    f"{path} is a history of {name} {version}, which this test does not run; if "
                    "that is meant, record it again with pytest --swf-record"
                )
            try:
                replay_prefixes(workflow, events, payloads, execution)
            except NonDeterminismError as error:
                raise GoldenError(
                    f"{path} does not replay any more: {error}\n"
                    "if no such execution is open any more, record it again: pytest --swf-record"
                ) from error

    def paths(self) -> list[Path]:
        """Return the files that are kept, in order."""
        paths: list[Path] = []
        while (path := self._path(len(paths) + 1)).exists():
            paths.append(path)
        return paths

    def _path(self, number: int) -> Path:
        return self._folder / (
            f"{self._stem}.json" if number == 1 else f"{self._stem}.{number}.json"
        )
