"""The command ``flowy-sim explore``. What is slow to import is imported when the command runs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from functools import partial
from inspect import isfunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from flowy_sim._cli import exploration_report, options, program

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from flowy_sim._report.exploration import ReportedExploration
    from flowy_sim.explore import Failure
    from flowy_sim.explore._attempt import Test
    from flowy_sim.faults import InjectedFault

_EXAMPLES = """\b
Examples:
  flowy-sim explore shop.orders:Order 42
  flowy-sim explore shop.orders:Order 42 --completes --fault worker-dies-late
  flowy-sim explore shop:Order 42 --signal approve --fault cancel-request
  flowy-sim explore --decider shop:decide --worker shop:work --start order:1
  flowy-sim explore shop.checks:no_order_is_lost --processes 0
  flowy-sim explore shop.orders:Order 42 --shard 3/16 --json > shard-3.json
  flowy-sim explore --merge shard-*.json

The exit status is 0 if no failure was found, 1 if one was, and 2 for wrong options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreOptions:
    """The options of the command."""

    activities: tuple[str, ...]
    deciders: tuple[str, ...]
    loop_workers: tuple[str, ...]
    setups: tuple[str, ...]
    starts: str | None
    text: str | None
    task_list: str | None
    cancel: str | None
    domain: str
    invariants: tuple[str, ...]
    real: bool
    completes: bool
    faults: tuple[str, ...]
    signals: tuple[str, ...]
    most_faults: int
    workers: int | None
    any_result: bool
    any_arguments: bool
    start_after: tuple[float, ...]
    ends_within: str | None
    limits: str | None
    runs: int
    seconds: float
    processes: int
    executor: str | None
    shard: str | None
    merge: bool
    corpus: str | None
    story: str
    test_file: Path | None
    report: Path | None
    redact: bool
    must_happen: bool
    seed: int
    choices: str | None
    as_json: bool


def _fault_names(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    from flowy_sim.faults import BY_NAME

    names = ("everyday", "help", "none", *BY_NAME)
    return [name for name in names if name.startswith(incomplete)]


@click.command(short_help="Search for orders and faults that break a workflow.", epilog=_EXAMPLES)
@options.words
@options.activities
@program.options
@click.option(
    "--domain", default=program.DOMAIN, show_default=True, help="Domain in which everything runs."
)
@click.option(
    "--invariants",
    metavar="MODULE",
    multiple=True,
    help="Another module with functions decorated with @invariant; can be given several times.",
)
@click.option("--real", is_flag=True, help="Run the real activities instead of stubs.")
@click.option(
    "--completes", is_flag=True, help="Report a failure if the workflow does not complete."
)
@click.option(
    "--fault",
    "faults",
    metavar="NAME",
    multiple=True,
    shell_complete=_fault_names,
    help="Fault to inject, instead of the everyday ones: a name that --fault help lists, none, or "
    "everyday; can be given several times.",
)
@click.option(
    "--signal",
    "signals",
    metavar="NAME[=VALUE][@SECONDS]",
    multiple=True,
    help="Signal to send, at any moment or after simulated seconds. VALUE is JSON, or else text; "
    "with --decider it is text.",
)
@options.whole_number("--most-faults", "Number of faults in one run.", least=0, default=2)
@options.whole_number(
    "--workers",
    "Number of workers on each task list.  [default: as many as there are tasks]",
    least=1,
)
@click.option(
    "--any-result",
    is_flag=True,
    help="Also let stubs return all other values of their types: each member of an enum, None for "
    "an optional value, empty and long collections.",
)
@click.option(
    "--arguments",
    "any_arguments",
    is_flag=True,
    help="Also start the workflow with other values of the type hints of its run.",
)
@click.option(
    "--start-after",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    multiple=True,
    help="Number of simulated seconds after which the workflow is also started; can be given "
    "several times.",
)
@click.option(
    "--ends-within",
    metavar="SECONDS",
    shell_complete=lambda *_: ["derived"],
    help="Number of simulated seconds within which an execution must end after the last fault; "
    "derived to take it from its own timers and time-outs.",
)
@click.option(
    "--limits",
    type=click.Choice(["small", "slow"]),
    help="Quotas that are scaled down: small ones for histories, payloads and open tasks, or slow "
    "rates of calls.",
)
@options.whole_number("--runs", "Number of runs after which to stop.", least=1, default=100_000)
@click.option(
    "--seconds",
    metavar="S",
    type=click.FloatRange(min=0),
    default=10,
    show_default=True,
    help="Number of seconds after which to stop.",
)
@options.whole_number(
    "--processes", "Number of processes; 0 for one on each core.", least=0, default=1
)
@click.option(
    "--executor",
    metavar="MODULE:FUNCTION",
    help="Function that returns a concurrent.futures.Executor, whose workers explore. --processes "
    "is then the number of workers to keep busy.",
)
@click.option(
    "--shard",
    metavar="K/N",
    help="Part of the space to explore, such as 3/16, to share the work among several jobs.",
)
@click.option(
    "--corpus",
    metavar="FOLDER",
    help="Folder that keeps what is worth trying first and what was not tried, to go on from there "
    "next time.",
)
@click.option(
    "--merge",
    is_flag=True,
    help="Merge the reports of shards, which --json has written. The arguments are their files.",
)
@click.option(
    "--story",
    type=click.Choice(["short", "full"]),
    default="short",
    show_default=True,
    help="How much to tell of the run that fails.",
)
@click.option(
    "--write-test",
    "test_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write a test to that repeats the run that fails, without exploring.",
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write a page to, about what was found, tried and covered: HTML without other "
    "files.",
)
@click.option("--redact", is_flag=True, help="Leave inputs, results and details out of the page.")
@click.option(
    "--must-happen",
    is_flag=True,
    help="Report a failure if a condition of Runner.sometimes was true in no run.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the samples of a large space."
)
@click.option("--choices", help="Choices of the only run to make, from the report of a failure.")
@options.as_json
def explore(words: tuple[str, ...], **given: Any) -> None:
    """Run a workflow in many orders and under many faults, until it fails.

    WORKFLOW is module:Class, as for flowy-sim run. Its activities are stubbed and return the
    simplest value of their type. Failures are: it gets stuck, it is not deterministic, it never
    ends, or it violates an invariant. WORKFLOW may also be module:function, a test that receives
    a runner (see docs/exploring.md). Without arguments, the tutorial's workflow is explored.

    The report shows the shortest run that fails in the same way, and the command that repeats it.
    """
    sys.exit(_perform(words, ExploreOptions(**given)))


def _perform(words: tuple[str, ...], options: ExploreOptions) -> int:
    """Explore and print the report; return the exit status.

    Raises:
        click.ClickException: an argument or option is wrong.
    """
    from rich.console import Console

    from flowy._cli import errors_as_messages
    from flowy._safe_text import safe_lines
    from flowy_sim._cli.progress import ExplorationProgress
    from flowy_sim.explore import find
    from flowy_sim.faults import BY_NAME

    if "help" in options.faults:
        click.echo("\n".join(f"{name:<18}{kind.title}" for name, kind in BY_NAME.items()))
        return 0
    if options.redact and options.report is None:
        raise click.UsageError("--redact is for the page of --report; add --report FILE.")
    if options.report is not None and not options.report.absolute().parent.is_dir():
        raise click.UsageError(f"The folder of the report does not exist: {options.report}")
    if options.merge:
        return exploration_report.merge(words, options.as_json)
    output = sys.stdout
    # With --json, what the user's code prints must not be in the output.
    aside = redirect_stdout(sys.stderr) if options.as_json else nullcontext()
    with errors_as_messages(), aside:
        faults = list(_faults(options))
        subject = _subject(words, options)
        if not options.as_json:
            click.echo(_introduction(subject, faults, options))
        console = Console(stderr=True)
        with (
            _executor(options.executor) as executor,
            ExplorationProgress(console, options.runs, options.seconds) as progress,
        ):
            found = find(
                subject.test,
                faults=faults,
                most_faults=options.most_faults,
                invariants=subject.invariants,
                runs=options.runs,
                seconds=options.seconds,
                processes=options.processes or None,
                executor=executor,
                shard=options.shard,
                corpus=options.corpus,
                full_story=options.story == "full",
                seed=options.seed,
                choices=options.choices,
                report=partial(_write_report, subject.name, options) if options.report else None,
                repeat=lambda written: _repeating_command(words, options, written),
                on_progress=progress.update,
                workers=options.workers,
                **_what_else(options),
                **subject.runner,
            )
    if options.as_json:
        report = json.dumps(exploration_report.as_data(found, options.shard), indent=2)
    else:
        is_one_run = options.choices is not None
        report = safe_lines("\n".join(exploration_report.lines(found, is_one_run)))
    click.echo(report, file=output)
    if options.report is not None and not options.as_json:
        click.echo(f"The report is in {options.report}")
    if options.test_file is not None and found.failure is not None:
        _write_test(found.failure, words, options, options.test_file)
    failed = found.failure is not None or (options.must_happen and found.never_met)
    return 1 if failed else 0


def _write_report(name: str, options: ExploreOptions, reported: ReportedExploration) -> None:
    """Write the page of --report.

    Raises:
        click.ClickException: the file cannot be written.
    """
    from flowy_sim._report.exploration import page

    assert options.report is not None
    text = page([reported._replace(name=name)], (), f"Exploring {name}", redact=options.redact)
    try:
        options.report.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"The report cannot be saved: {options.report}: {error.strerror}."
        ) from error


def _what_else(options: ExploreOptions) -> dict[str, Any]:
    """Return the options of `find` that say what else to try and to require.

    Raises:
        click.UsageError: ``--ends-within`` is neither a number nor ``derived``.
    """
    found: dict[str, Any] = {}
    if options.any_arguments:
        found["arguments"] = True
    if options.start_after:
        found["starts"] = (0, *options.start_after)
    if options.limits is not None:
        found["limits"] = options.limits
    if options.ends_within is not None:
        found["ends_within"] = options.ends_within == "derived" or _seconds(options.ends_within)
    return found


def _seconds(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        raise click.UsageError(
            f"--ends-within takes a number of seconds or derived, not {written!r}."
        ) from None


def _write_test(
    failure: Failure, words: tuple[str, ...], options: ExploreOptions, path: Path
) -> None:
    """Write a test that repeats the first execution that ended in a failure.

    Raises:
        click.ClickException: none ended, or its code is not known.
    """
    from flowy._workers.registration import scan
    from flowy.errors import HistoryError
    from flowy_sim._cli.targets import TUTORIAL
    from flowy_sim._cli.write_test import decider_target, save_test, workflow_target
    from flowy_sim._events.schema import attributes_of

    if not failure.histories:
        raise click.ClickException("No test was written: no execution was started.")
    history = failure.histories[0]
    if options.deciders:
        target = decider_target(options.deciders[0])
    else:
        path_of_code = words[0] if words else TUTORIAL
        started = attributes_of(history.events[0])["workflowType"]
        module = path_of_code.partition(":")[0]
        name = [
            f"{module}:{cls.__name__}"
            for cls in scan(module).workflows
            if (cls.flowy_type.name, cls.flowy_type.version) == tuple(started.values())
        ]
        target = workflow_target(name[0] if name else path_of_code)
    try:
        save_test(history, target, path)
    except HistoryError as error:
        raise click.ClickException(f"No test was written: {error}.") from error
    click.echo(f"Wrote {path}. Run it: pytest {path}", err=True)


@contextmanager
def _executor(name: str | None) -> Iterator[Executor | None]:
    """Make the executor that a function returns, and shut it down at the end."""
    from flowy_sim._cli.targets import found_at

    if name is None:
        yield None
        return
    make = found_at(name)
    if not callable(make):
        raise click.UsageError(
            f"--executor names {make!r}, which cannot be called; name a function that returns a "
            "concurrent.futures.Executor."
        )
    with make() as executor:
        yield executor


class _Subject(NamedTuple):
    """What is explored.

    Attributes:
        name: its name.
        test: the test that each run makes.
        invariants: the invariants to check.
        runner: arguments of the runners.
        stubbed: the activities and Lambda functions that are stubbed.
    """

    name: str
    test: Test
    invariants: list[Callable[..., object]]
    runner: dict[str, Any]
    stubbed: list[str]


def _subject(words: tuple[str, ...], options: ExploreOptions) -> _Subject:
    """Return the test or the workflow that the arguments name."""
    from flowy._cli import parse_argument
    from flowy_sim._cli.targets import find, found_at
    from flowy_sim.explore import WorkflowTest

    timed = [each for each in map(program.read_signal, options.signals) if each.seconds is not None]
    loops = _program(options, timed)
    if loops is not None:
        if words:
            raise click.UsageError("Give a WORKFLOW or --decider, not both.")
        if options.any_result or options.any_arguments or options.start_after:
            raise click.UsageError(
                "--any-result, --arguments and --start-after are for a WORKFLOW, not for --decider."
            )
        modules = dict.fromkeys(code.__module__ for code in (*loops.deciders, *loops.workers))
        found = [each for module in modules for each in _invariants(module, options)]
        return _Subject(
            loops.__name__, loops, list(dict.fromkeys(found)), {"domain": options.domain}, []
        )
    cancel = None if options.cancel is None else program.read_cancel(options.cancel)
    function = found_at(words[0]) if words else None
    if isfunction(function):
        _check_test(function, words)
        if options.any_result:
            raise click.UsageError("--any-result is for a workflow; a test stubs by itself.")
        if timed or cancel is not None:
            raise click.UsageError(
                "@SECONDS and --cancel are for a workflow; a test calls runner.after(SECONDS, …)."
            )
        activities = list(options.activities) or None
        invariants = _invariants(function.__module__, options)
        return _Subject(words[0], function, invariants, {"activities": activities}, [])
    target = find(words, options.activities)
    test = WorkflowTest(
        target.workflow,
        target.arguments,
        target.workflows,
        target.activities,
        options.real,
        options.completes,
        partial(program.send_later, signals=timed, cancel=cancel, read=parse_argument),
        options.any_result,
    )
    sources = {"activities": test.activities, "workflows": test.workflows}
    invariants = _invariants(target.workflow.__module__, options)
    return _Subject(str(target.workflow.flowy_type), test, invariants, sources, test.stubbed)


def _program(
    options: ExploreOptions, signals: Iterable[program.SignalAt]
) -> program.LoopProgram | None:
    return program.program(
        options.deciders,
        options.loop_workers,
        options.setups,
        options.starts,
        options.text,
        options.task_list,
        signals,
        options.cancel,
        options.completes,
    )


def _check_test(function: Callable[..., object], words: tuple[str, ...]) -> None:
    from flowy.activity import activity_class

    if isinstance(activity_class(function), type):
        raise click.UsageError(
            f"{words[0]} is an activity; name a workflow, or a test that receives a runner."
        )
    if len(words) > 1:
        raise click.UsageError("A test receives a runner; leave other arguments out.")
    try:
        signature(function).bind(None)
    except TypeError:
        raise click.UsageError(
            f"{words[0]} has the parameters {signature(function)}, but a test receives one "
            "argument, a runner. Tests with fixtures of pytest are explored with "
            "@pytest.mark.swf(explore=…)."
        ) from None


def _invariants(module: str, options: ExploreOptions) -> list[Callable[..., object]]:
    from flowy_sim._cli.targets import imported
    from flowy_sim.testing._invariants import invariants_in

    modules = dict.fromkeys([module, *options.invariants])
    return [each for name in modules for each in invariants_in(imported(name))]


def _faults(options: ExploreOptions) -> Iterator[InjectedFault]:
    from flowy._cli import parse_argument
    from flowy_sim.faults import BY_NAME, EVERYDAY, Signal

    for name in options.faults or ("everyday",):
        if name == "everyday":
            yield from EVERYDAY
        elif name in BY_NAME:
            yield BY_NAME[name]()
        elif name != "none":
            raise click.UsageError(
                f"There is no fault {name!r}; the faults are {', '.join(BY_NAME)}, everyday and "
                "none."
            )
    for name, given, seconds in map(program.read_signal, options.signals):
        if seconds is None:
            text = given if not given or options.deciders else json.dumps(parse_argument(given))
            yield Signal(name, text or None)


def _introduction(subject: _Subject, faults: list[InjectedFault], options: ExploreOptions) -> str:
    from flowy_sim.faults import EVERYDAY

    lines = [f"Exploring {subject.name}."]
    if subject.stubbed:
        lines.append(f"Stubbed: {', '.join(subject.stubbed)}.")
    if subject.invariants:
        lines.append(f"Invariants: {', '.join(each.__name__ for each in subject.invariants)}.")
    if faults and options.most_faults:
        everyday = f"the {len(EVERYDAY)} everyday ones (--fault help lists them)"
        shown = [each.describe() for each in faults if options.faults or each not in EVERYDAY]
        which = "; ".join([everyday] * (not options.faults) + shown)
        lines.append(f"Faults, at most {options.most_faults} in a run: {which}.")
    return "\n".join(lines)


def _repeating_command(words: tuple[str, ...], options: ExploreOptions, choices: str) -> str:
    """Return the command that makes one run again."""
    from flowy_sim.testing._runner import MOST_FAULTS

    line = [*words]
    line += [f"--activities={name}" for name in options.activities]
    line += [f"--decider={name}" for name in options.deciders]
    line += [f"--worker={name}" for name in options.loop_workers]
    line += [f"--setup={name}" for name in options.setups]
    one = {"start": options.starts, "input": options.text, "task-list": options.task_list}
    one |= {"cancel": options.cancel, "ends-within": options.ends_within, "limits": options.limits}
    line += [f"--{name}={value}" for name, value in one.items() if value is not None]
    if options.domain != program.DOMAIN:
        line.append(f"--domain={options.domain}")
    line += [f"--invariants={name}" for name in options.invariants]
    line += [f"--fault={name}" for name in options.faults]
    line += [f"--signal={name}" for name in options.signals]
    line += ["--real"] * options.real + ["--completes"] * options.completes
    line += ["--any-result"] * options.any_result + ["--arguments"] * options.any_arguments
    line += [f"--start-after={seconds:g}" for seconds in options.start_after]
    if options.workers is not None:
        line.append(f"--workers={options.workers}")
    if options.most_faults != MOST_FAULTS:
        line.append(f"--most-faults={options.most_faults}")
    return shlex.join(["flowy-sim", "explore", *line, "--choices", choices])
