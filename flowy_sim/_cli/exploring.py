"""Exploring from the command line, and the report on it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext, redirect_stdout
from inspect import isfunction, signature
from typing import Any, NamedTuple

import click
from rich.console import Console

from flowy._cli import argument, one_sentence
from flowy.activity import activity_class
from flowy_sim._cli.explore import ExploreOptions
from flowy_sim._cli.progress import ExplorationProgress
from flowy_sim._cli.targets import find, found_at, imported
from flowy_sim.explore import Exploration, WorkflowTest
from flowy_sim.explore import find as find_failure
from flowy_sim.explore._attempt import Test
from flowy_sim.faults import BY_NAME, EVERYDAY, InjectedFault, Signal
from flowy_sim.testing import MOST_FAULTS
from flowy_sim.testing._invariants import invariants_in

_SHOWN = 10


def perform(words: tuple[str, ...], options: ExploreOptions) -> int:
    """Explore and report.

    Args:
        words: what is explored, and its arguments.
        options: what else was said.

    Returns:
        The exit status.

    Raises:
        click.ClickException: something that was given is wrong.
    """
    if "help" in options.faults:
        click.echo("\n".join(f"{name:<18}{kind.title}" for name, kind in BY_NAME.items()))
        return 0
    output = sys.stdout
    # Where a program reads the output, what the user's code prints must go elsewhere.
    aside = redirect_stdout(sys.stderr) if options.as_json else nullcontext()
    with one_sentence(), aside:
        faults = list(_faults(options))
        subject = _subject(words, options)
        if not options.as_json:
            click.echo(_introduction(subject, faults, options))
        with ExplorationProgress(Console(stderr=True), options.runs, options.seconds) as gauge:
            found = find_failure(
                subject.test,
                faults=faults,
                most_faults=options.most_faults,
                invariants=subject.invariants,
                runs=options.runs,
                seconds=options.seconds,
                processes=options.processes or None,
                seed=options.seed,
                choices=options.choices,
                repeat=lambda written: _repeat(words, options, written),
                on_progress=gauge.tell,
                workers=options.workers,
                **subject.runner,
            )
    report = _as_json(found) if options.as_json else "\n".join(_report(found, options))
    click.echo(report, file=output)
    return 0 if found.failure is None else 1


class _Subject(NamedTuple):
    """What is explored.

    Attributes:
        name: what it is called.
        test: what is run.
        invariants: what is held to be true.
        runner: what runners are given.
        stubbed: the activities and Lambda functions that are stubbed.
    """

    name: str
    test: Test
    invariants: list[Callable[..., object]]
    runner: dict[str, Any]
    stubbed: list[str]


def _subject(words: tuple[str, ...], options: ExploreOptions) -> _Subject:
    function = found_at(words[0]) if words else None
    if isfunction(function) and isinstance(activity_class(function), type):
        raise click.UsageError(
            f"{words[0]} is an activity; name a workflow, or a test that is given a runner."
        )
    if isfunction(function):
        if len(words) > 1:
            raise click.UsageError("A test is given a runner, and no other arguments.")
        try:
            signature(function).bind(None)
        except TypeError:
            raise click.UsageError(
                f"{words[0]} takes {signature(function)}, and is given one argument, a runner; "
                "tests with fixtures of pytest are explored by @pytest.mark.swf(explore=…)."
            ) from None
        invariants = _invariants(function.__module__, options)
        activities = list(options.activities) or None
        return _Subject(words[0], function, invariants, {"activities": activities}, [])
    target = find(words, options.activities)
    whole = WorkflowTest(
        target.workflow,
        target.arguments,
        target.workflows,
        target.activities,
        options.real,
        options.completes,
    )
    sources = {"activities": whole.activities, "workflows": whole.workflows}
    invariants = _invariants(target.workflow.__module__, options)
    return _Subject(str(target.workflow.flowy_type), whole, invariants, sources, whole.stubbed)


def _invariants(module: str, options: ExploreOptions) -> list[Callable[..., object]]:
    modules = dict.fromkeys([module, *options.invariants])
    return [each for name in modules for each in invariants_in(imported(name))]


def _faults(options: ExploreOptions) -> Iterator[InjectedFault]:
    for name in options.faults or ("everyday",):
        if name == "everyday":
            yield from EVERYDAY
        elif name in BY_NAME:
            yield BY_NAME[name]()
        elif name != "none":
            raise click.UsageError(
                f"There is no fault {name!r}; they are {', '.join(BY_NAME)}, everyday and none."
            )
    for signal in options.signals:
        name, _, given = signal.partition("=")
        yield Signal(name, json.dumps(argument(given)) if given else None)


def _introduction(subject: _Subject, faults: list[InjectedFault], options: ExploreOptions) -> str:
    lines = [f"Exploring {subject.name}."]
    if subject.stubbed:
        lines.append(f"Stubbed: {', '.join(subject.stubbed)}.")
    if subject.invariants:
        lines.append(f"Invariants: {', '.join(each.__name__ for each in subject.invariants)}.")
    if faults and options.most_faults:
        everyday = f"the {len(EVERYDAY)} everyday ones (--fault help lists them)"
        told = [each.describe() for each in faults if options.faults or each not in EVERYDAY]
        which = "; ".join([everyday] * (not options.faults) + told)
        lines.append(f"Faults, at most {options.most_faults} in a run: {which}.")
    return "\n".join(lines)


def _report(found: Exploration, options: ExploreOptions) -> Iterator[str]:
    yield ""
    if found.failure is not None:
        yield str(found.failure)
        if options.choices is None:
            yield f"found in {found}"
        return
    yield "No failure." if options.choices is not None else f"No failure in {found}."
    if found.unreached:
        yield f"Note: {found.describe_unreached()}."
    yield ""
    yield "How executions ended:"
    for ending, count in found.endings.most_common(_SHOWN):
        yield f"{count:>8,}  {ending}"
    if len(found.endings) > _SHOWN:
        yield f"          and in {len(found.endings) - _SHOWN} other ways"


def _as_json(found: Exploration) -> str:
    failure = found.failure
    return json.dumps(
        {
            "runs": found.runs,
            "states": found.states,
            "seconds": round(found.seconds, 3),
            "runs_per_second": round(found.runs_per_second),
            "share": found.share,
            "complete": found.complete,
            "endings": found.endings,
            "failure": failure
            and {
                "error": f"{type(failure.error).__name__}: {failure.error}",
                "story": failure.story,
                "repeat": failure.repeat,
                "repeats": failure.repeatable,
            },
        },
        indent=2,
    )


def _repeat(words: tuple[str, ...], options: ExploreOptions, choices: str) -> str:
    said = [*words]
    said += [f"--activities={name}" for name in options.activities]
    said += [f"--invariants={name}" for name in options.invariants]
    said += [f"--fault={name}" for name in options.faults]
    said += [f"--signal={name}" for name in options.signals]
    said += ["--real"] * options.real + ["--completes"] * options.completes
    if options.workers is not None:
        said.append(f"--workers={options.workers}")
    if options.most_faults != MOST_FAULTS:
        said.append(f"--most-faults={options.most_faults}")
    return shlex.join(["flowy-sim", "explore", *said, "--choices", choices])
