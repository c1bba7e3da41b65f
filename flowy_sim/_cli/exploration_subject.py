"""What ``flowy-sim explore`` explores: its options, and the code and the faults that they name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from inspect import isfunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from flowy_sim._cli import program

if TYPE_CHECKING:
    from flowy_sim.explore._attempt import Test
    from flowy_sim.faults import InjectedFault


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreOptions(program.SharedOptions):
    """The options of the command."""

    domain: str
    invariants: tuple[str, ...]
    real: bool
    completes: bool
    faults: tuple[str, ...]
    most_faults: int
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
    must_happen: bool
    seed: int
    choices: str | None


DEPLOYMENTS = ("deploy", "gradual-deploy")
"""The faults that need the paths of new code, such as ``deploy=shop.next:Order``."""


class Subject(NamedTuple):
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


def subject_of(words: tuple[str, ...], options: ExploreOptions) -> Subject:
    """Return the test or the workflow that the arguments name."""
    from flowy._cli import parse_argument
    from flowy._start import encode_arguments
    from flowy_sim._cli.targets import find, found_at
    from flowy_sim.explore import WorkflowTest

    timed = [each for each in map(program.read_signal, options.signals) if each.seconds is not None]
    loops = program.program(options, timed, options.completes)
    program.check_packages(loops=loops is not None, freeze=options.freeze)
    place: dict[str, Any] = {"domain": options.domain, "region": options.region}
    if loops is not None:
        if words:
            raise click.UsageError("Give a WORKFLOW or --decider, not both.")
        if options.any_result or options.any_arguments or options.start_after:
            raise click.UsageError(
                "--any-result, --arguments and --start-after are for a WORKFLOW, not for --decider."
            )
        modules = dict.fromkeys(code.__module__ for code in (*loops.deciders, *loops.workers))
        found = [each for module in modules for each in _invariants(module, options)]
        return Subject(loops.__name__, loops, list(dict.fromkeys(found)), place, [])
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
        place["activities"] = list(options.activities) or None
        invariants = _invariants(function.__module__, options)
        return Subject(words[0], function, invariants, place, [])
    target = find(words, options.activities)
    encode_arguments(target.workflow, target.arguments, {})  # It refuses what `start` would.
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
    sources = {**place, "activities": test.activities, "workflows": test.workflows}
    invariants = _invariants(target.workflow.__module__, options)
    return Subject(str(target.workflow.flowy_type), test, invariants, sources, test.stubbed)


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


def faults_of(options: ExploreOptions) -> Iterator[InjectedFault]:
    from flowy._cli import parse_argument
    from flowy_sim._events.history import nearest
    from flowy_sim.faults import BY_NAME, EVERYDAY, Signal

    for name in options.faults or ("everyday",):
        kind, _, code = name.partition("=")
        if name == "everyday":
            yield from EVERYDAY
        elif kind in DEPLOYMENTS:
            yield _deployment(kind, code)
        elif name in BY_NAME:
            yield BY_NAME[name]()
        elif name != "none":
            raise click.UsageError(
                f"There is no fault {name!r}{nearest(name, BY_NAME)}; --fault help lists them."
            )
    for name, given, seconds in map(program.read_signal, options.signals):
        if seconds is None:
            text = given if not given or options.deciders else json.dumps(parse_argument(given))
            yield Signal(name, text or None)


def _deployment(kind: str, paths: str) -> InjectedFault:
    """Return the fault that code is deployed, given its paths with commas between them.

    A workflow or an activity replaces that of its type; other code replaces the loop of its name.

    Raises:
        click.ClickException: there is no such code.
    """
    from flowy.activity import ActivityType, activity_class
    from flowy.workflow import WorkflowType
    from flowy_sim._cli.targets import found_at
    from flowy_sim.faults import Deploy, GradualDeploy

    workflows: list[Any] = []
    activities: list[Any] = []
    loops: dict[str, Any] = {}
    for path in paths.split(","):
        found: Any = activity_class(found_at(path))
        if not callable(found):
            raise click.UsageError(
                f"--fault {kind} names no code as {path!r}; give module:name of a workflow, an "
                f"activity or a poll loop, such as {kind}=shop.next:Order,shop.next:charge."
            )
        declared = getattr(found, "flowy_type", None)
        if isinstance(declared, WorkflowType):
            workflows.append(found)
        elif isinstance(declared, ActivityType):
            activities.append(found)
        else:
            loops[found.__name__] = found
    fault = GradualDeploy if kind == "gradual-deploy" else Deploy
    return fault(tuple(workflows), tuple(activities), loops)


def repeating_command(words: tuple[str, ...], options: ExploreOptions, choices: str) -> str:
    """Return the command that makes one run again."""
    from flowy_sim.explore._choices import quoted_for_shell
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
    if options.region is not None:
        line.append(f"--region={options.region}")
    line += [f"--invariants={name}" for name in options.invariants]
    line += [f"--fault={name}" for name in options.faults]
    line += [f"--signal={name}" for name in options.signals]
    line += ["--real"] * options.real + ["--completes"] * options.completes
    line += ["--freeze"] * options.freeze
    line += ["--any-result"] * options.any_result + ["--arguments"] * options.any_arguments
    line += [f"--start-after={seconds:g}" for seconds in options.start_after]
    if options.workers is not None:
        line.append(f"--workers={options.workers}")
    if options.most_faults != MOST_FAULTS:
        line.append(f"--most-faults={options.most_faults}")
    words = ("flowy-sim", "explore", *line, "--choices", choices)
    return " ".join(map(quoted_for_shell, words))
