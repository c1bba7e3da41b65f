"""How ``flowy-sim run`` and ``explore`` use deciders and workers with poll loops of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from flowy._client import Execution
    from flowy_sim.testing import Run, Runner

DOMAIN = "simulated"
"""The domain in which everything runs by default."""

_AT = re.compile(r"(.+)@([0-9]+(?:\.[0-9]+)?)", re.DOTALL)

_WRONG_SECONDS = re.compile(r"@(|-[0-9.]+|[0-9.]+(e[0-9]+|ms|s|sec|m|min|h|d))$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOptions:
    """The options that the commands ``run`` and ``explore`` have in common."""

    activities: tuple[str, ...]
    deciders: tuple[str, ...]
    loop_workers: tuple[str, ...]
    setups: tuple[str, ...]
    starts: str | None
    text: str | None
    task_list: str | None
    signals: tuple[str, ...]
    cancel: str | None
    region: str | None
    workers: int | None
    freeze: bool
    report: Path | None
    redact: bool
    as_json: bool


class SignalAt(NamedTuple):
    """A signal that is sent.

    Attributes:
        name: its name.
        text: its value, as text; None for no value.
        seconds: the simulated seconds from the start; None if that is left open.
    """

    name: str
    text: str | None
    seconds: float | None


def read_signal(written: str) -> SignalAt:
    """Return a signal that was written as ``NAME[=VALUE][@SECONDS]``.

    >>> read_signal("approve=by Ann@60")
    SignalAt(name='approve', text='by Ann', seconds=60.0)
    >>> read_signal("mail=ann@example.org")
    SignalAt(name='mail', text='ann@example.org', seconds=None)

    Raises:
        click.UsageError: it has no name, or ends with seconds in another form, such as ``@60s``.
    """
    wrong = _WRONG_SECONDS.search(written)
    if wrong is not None:
        raise click.UsageError(
            f"--signal takes a number of seconds, such as @60, not {wrong[0]!r}."
        )
    timed = _AT.fullmatch(written)
    rest = written if timed is None else timed[1]
    name, equals, text = rest.partition("=")
    if not name:
        raise click.UsageError(f"--signal takes NAME, NAME=VALUE or NAME@SECONDS, not {written!r}.")
    return SignalAt(name, text if equals else None, None if timed is None else float(timed[2]))


def read_cancel(written: str) -> float:
    """Return the seconds of ``@SECONDS``.

    Raises:
        click.UsageError: it is not of that form.
    """
    timed = _AT.fullmatch(f"-{written}")
    if timed is None or timed[1] != "-":
        raise click.UsageError(f"--cancel takes @SECONDS, such as @60, not {written!r}.")
    return float(timed[2])


def check_packages(*, loops: bool, freeze: bool) -> None:
    """Check that what deciders and workers that poll with their own loops need is installed.

    Args:
        loops: whether there are such deciders or workers.
        freeze: whether code sees the simulated time.

    Raises:
        click.ClickException: greenlet or freezegun is missing.
    """
    from flowy_sim.testing._loop_pools import check_greenlet
    from flowy_sim.testing._turn_loop import freezegun

    try:
        if loops:
            check_greenlet()
        if freeze:
            freezegun()
    except ImportError as error:
        raise click.ClickException(f"{error}.") from error


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of deciders and workers that poll with their own loops to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = [
    click.option(
        "--decider",
        "deciders",
        metavar="MODULE:NAME",
        multiple=True,
        help="Decider with its own poll loop: a function or class. Can be given several times.",
    ),
    click.option(
        "--worker",
        "loop_workers",
        metavar="MODULE:NAME",
        multiple=True,
        help="Worker that polls with its own loop; can be given several times.",
    ),
    click.option(
        "--setup",
        "setups",
        metavar="MODULE:NAME",
        multiple=True,
        help="Function to call first with a client, to register types; can be given several times.",
    ),
    click.option(
        "--start",
        "starts",
        metavar="NAME:VERSION",
        help="Workflow type to start, for --decider.",
    ),
    click.option("--input", "text", metavar="TEXT", help="Input of that workflow."),
    click.option(
        "--task-list", metavar="NAME", help="Task list of that workflow's decision tasks."
    ),
    click.option(
        "--cancel",
        "cancel",
        metavar="@SECONDS",
        help="Number of simulated seconds after which to request the cancellation.",
    ),
]


@dataclass(frozen=True)
class LoopProgram:
    """Deciders and workers that poll with their own loops, and what is started. It can be pickled.

    Attributes:
        deciders, workers: the code that polls with its own loop.
        setups: functions that are called before, with a client.
        type: the name and version of the workflow.
        text: its input.
        task_list: the task list of its decision tasks; None for that of its type.
        signals: the signals that are sent.
        cancel: the seconds after which the cancellation is requested; None for never.
        completes: whether the execution must complete.
    """

    deciders: tuple[Any, ...]
    workers: tuple[Any, ...]
    setups: tuple[Any, ...]
    type: tuple[str, str]
    text: str | None
    task_list: str | None
    signals: tuple[SignalAt, ...] = ()
    cancel: float | None = None
    completes: bool = False

    @property
    def __name__(self) -> str:
        return ":".join(self.type)

    def __call__(self, runner: Runner) -> Run:
        """Run the workflow to its end."""
        from flowy._client import fault_code
        from flowy.errors import StartError
        from flowy_sim._clients.mock_swf import mock_swf
        from flowy_sim.testing._polling_code import takes_client

        for code in (*self.deciders, *self.workers):
            runner.loop(code)
        client = runner.simulation.client()
        with mock_swf(runner.simulation):
            for setup in self.setups:
                setup(*([client] if takes_client(setup) else []))
        given = {} if self.task_list is None else {"task_list": self.task_list}
        try:
            execution = runner.start(self.type, input=self.text, **given)
        except StartError as error:
            cause = error.__cause__
            if not isinstance(cause, Exception) or fault_code(cause) != "UnknownResourceFault":
                raise
            raise StartError(
                f"{' '.join(self.type)} is not registered in the domain {runner.domain!r}; let the "
                "decider register it before it polls, or name a function that does so: "
                "--setup MODULE:NAME"
            ) from error
        send_later(runner, execution, self.signals, self.cancel)
        run = runner.finish(execution)
        assert not self.completes or run.status == "COMPLETED", run.describe()
        return run


def send_later(
    runner: Runner,
    execution: Execution,
    signals: Iterable[SignalAt],
    cancel: float | None,
    read: Callable[[str], Any] = str,
) -> None:
    """Send signals and a request to cancel to an execution, if it is open then.

    Args:
        runner: runs the execution.
        execution: its IDs.
        signals: the signals.
        cancel: the seconds after which its cancellation is requested; None for never.
        read: returns the value of a signal, given its text.
    """
    for each in signals:
        value = None if each.text is None else read(each.text)
        send = partial(runner.signal, execution, each.name, value)
        runner.after(each.seconds or 0, partial(_if_open, send))
    if cancel is not None:
        runner.after(cancel, partial(_if_open, partial(runner.cancel, execution)))


def _if_open(send: Callable[[], None]) -> None:
    from flowy.errors import UnknownExecutionError

    with suppress(UnknownExecutionError):
        send()


def program(
    options: SharedOptions, signals: Iterable[SignalAt], completes: bool = False
) -> LoopProgram | None:
    """Return what the options ask to run; None if they name no decider.

    Args:
        options: the options.
        signals: those of the signals that are sent at a fixed time.
        completes: whether the execution must complete.

    Raises:
        click.ClickException: an option is wrong, or the code cannot be found.
    """
    from flowy_sim._cli.targets import polling_code

    deciders = tuple(map(polling_code, options.deciders))
    starts, text, task_list = options.starts, options.text, options.task_list
    if not deciders:
        if starts or text is not None or task_list or options.loop_workers or options.setups:
            raise click.UsageError(
                "--worker, --setup, --start, --input and --task-list need --decider MODULE:NAME."
            )
        return None
    name, colon, version = (starts or "").rpartition(":")
    if not (name and colon and version):
        raise click.UsageError("--decider needs --start NAME:VERSION, such as --start order:1.")
    return LoopProgram(
        deciders,
        tuple(map(polling_code, options.loop_workers)),
        tuple(map(polling_code, options.setups)),
        (name, version),
        text,
        task_list,
        tuple(signals),
        None if options.cancel is None else read_cancel(options.cancel),
        completes,
    )
