"""Golden histories: recorded in files, and replayed by the current code after every decision."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from flowy._client import Execution
from flowy.errors import NonDeterminismError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import load, replay_prefixes, save, type_of
from flowy_sim.testing._loop_replay import replay_loop
from flowy_sim.testing._polling_code import PollingCode
from flowy_sim.testing._recorded_decisions import Tolerance
from flowy_sim.testing._run import Run

FOLDER = "histories"
"""The folder of the histories, next to the tests."""

Workflows = Mapping[tuple[str, str], type[Workflow]]


class GoldenError(AssertionError):
    """A golden history is missing or does not replay."""


def check(
    test: Path,
    name: str,
    runner: Runner,
    *,
    record: bool,
    tolerance: Tolerance | None = None,
    freeze: bool = False,
) -> None:
    """Replay the golden histories of a test, or record them.

    Args:
        test: the file of the test.
        name: the test's name in that file.
        runner: the runner that has run the test's workflows.
        record: whether to record.
        tolerance: the differences that do not matter to deciders that poll with their own loops.
        freeze: whether these see the time of each recorded decision.

    Raises:
        GoldenError: the test has run no workflow; or a history is missing, belongs to a workflow
            that the test does not run, or does not replay.
    """
    if not runner.runs:
        raise GoldenError(
            "this test is marked as golden and has run no workflow by swf_run, so it has no "
            "history; run one, or remove golden=True"
        )
    golden = GoldenHistories(test, name)
    if record:
        golden.record(runner.runs)
        return
    known = runner.scheduler.worker_pools.registry
    workflows = {} if known is None else known.workflows
    golden.replay(workflows, runner.payloads, runner.loops, tolerance, freeze)


class GoldenHistories:
    """The golden histories of one test: a file for each execution that it runs.

    Args:
        test: the file of the test.
        name: the test's name in that file, such as ``TestOrders::test_gift[3]``.
    """

    def __init__(self, test: Path, name: str) -> None:
        self._folder = test.parent / FOLDER / test.stem
        self._stem = re.sub(r"[^\w.-]+", "_", name).strip("_")

    def record(self, runs: Iterable[Run]) -> None:
        """Write the histories of runs to files, and delete those that were there before.

        Raises:
            GoldenError: they cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in self.paths():
                path.unlink()
            for number, run in enumerate(runs, 1):
                save(self._path(number), run.history, Execution(run.workflow_id, run.run_id))
        except OSError as error:
            raise GoldenError(
                f"the golden histories in {self._folder} cannot be recorded: {error.strerror}"
            ) from error

    def replay(
        self,
        workflows: Workflows,
        payloads: Payloads = PLAIN,
        loops: Sequence[PollingCode] = (),
        tolerance: Tolerance | None = None,
        freeze: bool = False,
    ) -> None:
        """Replay the recorded histories.

        Args:
            workflows: the workflows that the test runs, by name and version.
            payloads: how arguments and results were serialized.
            loops: the code of the test that polls with its own loop. It replays the histories of
                all other workflows.
            tolerance: the differences that do not matter to that code.
            freeze: whether it sees the time of each recorded decision.

        Raises:
            GoldenError: a history is missing, belongs to a workflow that the test does not run, or
                does not replay.
        """
        paths = self.paths()
        if not paths:
            raise GoldenError(
                f"this test has no golden history {self._path(1)}; record it with "
                "pytest --swf-record, and commit the file"
            )
        for path in paths:
            events, execution = load(path)
            workflow = workflows.get(type_of(events))
            try:
                if workflow is not None:
                    replay_prefixes(workflow, events, payloads, execution)
                elif not any(
                    replay_loop(loop, events, execution, tolerance, same_list=True, freeze=freeze)
                    for loop in loops
                ):
                    name, version = type_of(events)
                    raise GoldenError(
                        f"{path} is a history of {name} {version}, which this test does not run; "
                        "if that is intended, record it again with pytest --swf-record"
                    )
            except NonDeterminismError as error:
                raise GoldenError(
                    f"{path} no longer replays: {error}\n"
                    "if no such execution is open any more, record it again: pytest --swf-record"
                ) from error

    def paths(self) -> list[Path]:
        """Return the files that exist, in the order of the executions."""
        paths: list[Path] = []
        while (path := self._path(len(paths) + 1)).exists():
            paths.append(path)
        return paths

    def _path(self, number: int) -> Path:
        return self._folder / (
            f"{self._stem}.json" if number == 1 else f"{self._stem}.{number}.json"
        )
