"""The command ``flowy-sim explore``. Slow imports are made only when it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowy_sim._cli import exploration_report, options, program
from flowy_sim._cli.exploration_subject import (
    DEPLOYMENTS,
    ExploreOptions,
    Subject,
    faults_of,
    repeating_command,
    subject_of,
)

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from flowy_sim._report.exploration import ReportedExploration
    from flowy_sim.explore import Exploration, Failure
    from flowy_sim.faults import InjectedFault

_EXAMPLES = """\b
Examples:
  flowy-sim explore shop.orders:Order 42
  flowy-sim explore shop.orders:Order 42 --completes --fault worker-dies-late
  flowy-sim explore shop:Order 42 --signal approve --fault cancel-request
  flowy-sim explore shop:Order 42 --fault gradual-deploy=shop.next:Order
  flowy-sim explore --decider shop:decide --worker shop:work --start order:1
  flowy-sim explore shop.checks:no_order_is_lost --processes 0
  flowy-sim explore shop.checks:no_order_is_lost --report order.html
  flowy-sim explore shop.orders:Order 42 --shard 3/16 --json > shard-3.json
  flowy-sim explore --merge shard-*.json

The exit status is 0 if no failure was found, 1 if one was, and 2 for wrong options."""


def _fault_names(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    from flowy_sim.faults import BY_NAME

    names = ("everyday", "help", "none", *BY_NAME, *(f"{name}=" for name in DEPLOYMENTS))
    return [name for name in names if name.startswith(incomplete)]


@click.command(short_help="Search for orders and faults that break a workflow.", epilog=_EXAMPLES)
@options.words
@options.activities
@program.options
@options.domain_option("Domain in which everything runs.", program.DOMAIN)
@options.region_option("AWS region in which everything runs, if the environment does not set it.")
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
    "everyday; deploy=MODULE:NAME,… deploys new code. Can be given several times.",
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
@options.freeze
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
    type=options.Number(min=0),
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
    help="Folder to keep the runs to repeat first and the space left to try, from which the next "
    "exploration continues.",
)
@click.option(
    "--merge",
    is_flag=True,
    help="Merge the reports of shards; the arguments are files that --json has written.",
)
@click.option(
    "--story",
    type=click.Choice(["short", "full"]),
    default="short",
    show_default=True,
    help="Whether to show some or all lines of what happened in the failing run.",
)
@click.option(
    "--write-test",
    "test_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for a test that repeats the failing run without exploring.",
)
@options.report("about what was found, tried and covered")
@options.redact
@click.option(
    "--must-happen",
    is_flag=True,
    help="Report a failure if a condition of Runner.sometimes was true in no run.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the samples of a large space."
)
@click.option("--choices", help="Choices of a single run to make, as a failure reports them.")
@options.as_json
def explore(words: tuple[str, ...], **given: Any) -> None:
    """Run a workflow in many orders and under many faults, until it fails.

    WORKFLOW is module:Class, as for flowy-sim run. Its activities are stubbed and return the
    simplest value of their type. A run fails if the workflow gets stuck, is not deterministic,
    never ends, or violates an invariant. WORKFLOW may also be module:function, a test that receives
    a runner (see docs/exploring.md). Without arguments, the tutorial's workflow is explored.

    The report shows the shortest run that fails in the same way, and the command that repeats it.
    """
    sys.exit(_perform(words, ExploreOptions(**given)))


def _perform(words: tuple[str, ...], options: ExploreOptions) -> int:
    """Explore and print the report; return the exit status.

    Raises:
        click.ClickException: an argument or option is wrong.
    """
    from flowy._safe_text import safe_lines
    from flowy_sim.faults import BY_NAME, Deploy, GradualDeploy

    if "help" in options.faults:
        deployments = zip(DEPLOYMENTS, (Deploy, GradualDeploy), strict=True)
        kinds: dict[str, type[InjectedFault]] = dict(BY_NAME)
        kinds |= {f"{name}=…": kind for name, kind in deployments}
        width = max(map(len, kinds)) + 2
        click.echo("\n".join(f"{name:<{width}}{kind.title}" for name, kind in kinds.items()))
        return 0
    with _wrong_input():
        _check(options)
    if options.merge:
        with _wrong_input():
            return exploration_report.merge(words, options.as_json)
    output = sys.stdout
    # With --json, what the user's code prints must not be in the output.
    aside = redirect_stdout(sys.stderr) if options.as_json else nullcontext()
    with _wrong_input(), aside:
        found = _explored(words, options)
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


def _explored(words: tuple[str, ...], options: ExploreOptions) -> Exploration:
    """Explore, and show the progress.

    Raises:
        click.ClickException, FlowyError: an argument or option is wrong.
    """
    from rich.console import Console

    from flowy.errors import StartError
    from flowy_sim._cli.progress import ExplorationProgress
    from flowy_sim.explore import find

    faults = list(faults_of(options))
    what_else = _what_else(options)
    subject = subject_of(words, options)
    with _executor(options.executor) as executor:
        if not options.as_json:
            click.echo(_introduction(subject, faults, options))
        with ExplorationProgress(Console(stderr=True), options.runs, options.seconds) as progress:
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
                repeat=lambda written: repeating_command(words, options, written),
                on_progress=progress.update,
                workers=options.workers,
                **what_else,
                **subject.runner,
            )
    failure = found.failure
    if failure is not None and not failure.choices and isinstance(failure.error, StartError):
        raise failure.error  # It never starts, whatever is tried.
    return found


@contextmanager
def _wrong_input() -> Iterator[None]:
    """Exit with status 2, as for wrong options, if input is wrong; status 1 reports a failure."""
    from flowy._cli import errors_as_messages

    try:
        with errors_as_messages():
            yield
    except click.UsageError:
        raise
    except click.ClickException as error:
        raise _InputError(error.message) from error


class _InputError(click.ClickException):
    """What is to be explored is wrong."""

    exit_code = click.UsageError.exit_code


def _check(options: ExploreOptions) -> None:
    """Refuse options that are wrong, before anything is run.

    Raises:
        ConfigurationError, click.ClickException: one of them is wrong.
    """
    from flowy_sim._cli.write_test import check_files
    from flowy_sim.explore._choices import parse_choices
    from flowy_sim.explore._distribution import parse_shard

    if options.redact and options.report is None:
        raise click.UsageError("--redact is for the page of --report; add --report FILE.")
    if options.report is not None and options.merge:
        raise click.UsageError("--merge makes no runs that a page could show; leave --report out.")
    if options.report is not None and not options.report.absolute().parent.is_dir():
        raise click.UsageError(f"The folder of the report does not exist: {options.report}")
    if options.shard is not None:
        parse_shard(options.shard)
    if options.choices is not None:
        parse_choices(options.choices)
    if options.test_file is not None:
        check_files(options.test_file, "--write-test")


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
    if options.freeze:
        found["freeze"] = True
    if options.limits is not None:
        found["limits"] = options.limits
    if options.ends_within is not None:
        found["ends_within"] = options.ends_within == "derived" or _seconds(options.ends_within)
    return found


def _seconds(written: str) -> float:
    try:
        seconds = float(written)
    except ValueError:
        seconds = -1
    if not seconds >= 0:  # This refuses nan as well.
        raise click.UsageError(
            f"--ends-within takes a number of seconds or derived, not {written!r}."
        )
    return seconds


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
        target = decider_target(options.deciders[0], options.freeze)
    else:
        path_of_code = words[0] if words else TUTORIAL
        started = attributes_of(history.events[0])["workflowType"]
        module = path_of_code.partition(":")[0]
        name = [
            f"{module}:{cls.__name__}"
            for cls in scan(module).workflows
            if (cls.flowy_type.name, cls.flowy_type.version) == tuple(started.values())
        ]
        try:
            target = workflow_target(name[0] if name else path_of_code)
        except click.UsageError as error:
            raise click.ClickException(
                f"No test was written: no workflow of {module} is {' '.join(started.values())}. "
                "A decider without flowy is explored with --decider MODULE:FUNCTION and --start "
                "NAME:VERSION."
            ) from error
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
            f"{name} is not a function; --executor needs one that returns a "
            "concurrent.futures.Executor."
        )
    made = make()
    if not isinstance(made, AbstractContextManager):
        raise click.UsageError(
            f"The function of --executor, {name}, returns {made!r}; it has to return a "
            "concurrent.futures.Executor."
        )
    with made as executor:
        yield executor


def _introduction(subject: Subject, faults: list[InjectedFault], options: ExploreOptions) -> str:
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
