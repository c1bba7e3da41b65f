"""The command ``flowy-sim write-test``. Slow imports are made only when it runs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

import click

from flowy_sim._cli import options

if TYPE_CHECKING:
    from flowy_sim._console.drawn import DrawnRun, Job
    from flowy_sim.testing._history_files import LoadedHistory
    from flowy_sim.testing._test_writer import TestedCode

_EXAMPLES = """\b
Examples:
  flowy history --domain shop order-7 --output order-7.json
  flowy-sim write-test shop.orders:Order order-7.json -o tests/test_order_7.py
  flowy-sim write-test --decider shop:decide order-7.json -o test_order_7.py"""


@click.command(epilog=_EXAMPLES, short_help="Write a test that repeats a recorded run.")
@click.argument("words", metavar="[WORKFLOW] HISTORY", nargs=-1, required=True)
@options.decider
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the test. The history is written beside it, ending in .json.",
)
def write_test(words: tuple[str, ...], decider: str | None, output: Path) -> None:
    """Write a pytest test that repeats a recorded run.

    WORKFLOW is module:Class. HISTORY is the history of a closed execution in JSON. The test
    contains, as readable code, the answer of each activity, child workflow and Lambda function and
    how long it took, and the times of signals and cancel requests. It checks that the run ends in
    the same way. A second test replays the history.

    An existing file is not overwritten.
    """
    from flowy.errors import HistoryError
    from flowy_sim.testing._history_files import load

    if len(words) != (1 if decider else 2):
        raise click.UsageError("Give a WORKFLOW and one HISTORY; or --decider and one HISTORY.")
    target = decider_target(decider) if decider else workflow_target(words[0])
    try:
        history = load(Path(words[-1]))
        if not decider:
            _check_type(history, words[0], words[-1])
        save_test(history, target, output)
    except HistoryError as error:
        raise click.ClickException(f"{error}.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(
            f"{words[-1]} is not a history as Amazon SWF writes it: {error!r}."
        ) from error
    click.echo(f"Wrote {output}. Run it: pytest {output}")


def _check_type(history: LoadedHistory, path: str, file: str) -> None:
    """Refuse a history of another workflow.

    Raises:
        click.ClickException: it is of another one.
    """
    from flowy._workers.registration import load_workflow
    from flowy_sim.testing._history_files import type_of

    recorded, given = " ".join(type_of(history.events)), str(load_workflow(path).flowy_type)
    if recorded != given:
        raise click.ClickException(
            f"{file} is a history of {recorded}, and {path} is {given}; name the workflow that "
            "the history is of."
        )


def workflow_target(path: str) -> TestedCode:
    """Return the workflow that a path ``module:Class`` names.

    Raises:
        click.ClickException: the path names no workflow.
    """
    from flowy._workers.registration import load_workflow
    from flowy.errors import ConfigurationError
    from flowy_sim.testing._test_writer import TestedCode

    try:
        cls = load_workflow(path)
    except (ConfigurationError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    return TestedCode(path.partition(":")[0], cls.__name__, is_workflow=True)


def decider_target(path: str, freeze: bool = False) -> TestedCode:
    """Return the code that polls with its own loop that a path ``module:name`` names.

    Args:
        path: the path.
        freeze: whether it sees the simulated time.

    Raises:
        click.ClickException: the path names no such code.
    """
    from flowy_sim._cli.targets import polling_code
    from flowy_sim.testing._test_writer import TestedCode

    polling_code(path)
    module, _, name = path.partition(":")
    return TestedCode(module, name, is_workflow=False, freeze=freeze)


def check_files(path: Path, option: str) -> Path:
    """Return the file of the history that is written beside a test; neither may exist yet.

    Args:
        path: the file of the test.
        option: the option that names it.

    Raises:
        click.ClickException: one of them exists, or the folder does not.
    """
    beside = path.with_suffix(".json")
    for each in (path, beside):
        if each.exists():
            raise click.ClickException(f"{each} exists already; choose another name with {option}.")
    if not path.absolute().parent.is_dir():
        raise click.ClickException(f"The folder of the test does not exist: {path}")
    return beside


def save_test(history: LoadedHistory, target: TestedCode, path: Path) -> None:
    """Write a test into a file, and its history beside it.

    Raises:
        click.ClickException: one of the files exists already, or cannot be written.
        HistoryError: the execution of the history is still open.
    """
    from flowy_sim.testing import _history_files, _test_writer

    beside = check_files(path, "--output")
    code = _test_writer.write_test(history, target, path)
    try:
        path.write_text(code, encoding="utf-8")
        _history_files.save(beside, history.events, history.execution)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error


def zipped_test(run: DrawnRun, job: Job, name: str, code: str, is_workflow: bool) -> bytes:
    """Return a ZIP file with a test and its history, for the console.

    Args:
        run: the run to repeat.
        job: its IDs.
        name: the name of the files, without an ending.
        code: where the code to test is imported from, such as ``shop.orders:Order``.
        is_workflow: whether it is a flowy workflow, and not code that polls with its own loop.

    Raises:
        HistoryError: the execution of the history is still open.
    """
    from flowy._client import Execution
    from flowy_sim._events.history import History
    from flowy_sim.testing import _history_files, _test_writer

    history = _history_files.LoadedHistory(
        History(run.events), Execution(job.workflow_id, job.run_id)
    )
    module, _, attribute = code.partition(":")
    target = _test_writer.TestedCode(module, attribute, is_workflow)
    test = _test_writer.write_test(history, target, Path(f"{name}.py"))
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.py", test.encode())
        archive.writestr(f"{name}.json", _history_files.written(*history).encode())
    return packed.getvalue()
