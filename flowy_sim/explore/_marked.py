"""Tests marked with ``@pytest.mark.swf(explore=…)``: each is explored, not only run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from shlex import quote
from typing import Any

import pytest

from flowy_sim.explore._attempt import Attempt
from flowy_sim.explore._choices import Deviating
from flowy_sim.explore._explore import ENDS, check, find, setting_for
from flowy_sim.explore._report import Tally
from flowy_sim.pytest_plugin._marker import refuse, said_in_a_marker
from flowy_sim.testing import Runner

CHOICES = "--swf-choices"
"""The option of pytest that makes one run of those which are explored."""

_FRESH: dict[str, Callable[[Runner], object]] = {
    "swf": lambda runner: runner.simulation,
    "swf_client": lambda runner: runner.simulation.client(),
    "swf_run": lambda runner: runner,
    "swf_stub": lambda runner: runner.stubs,
}
"""The fixtures that are new for each run."""


def explore_item(
    item: pytest.Function, wanted: object, options: Mapping[str, Any], tally: Tally
) -> None:
    """Explore a test that pytest has collected and set up.

    Args:
        item: the test. Its arguments ``swf``, ``swf_run`` and the like are new for each run;
            what other fixtures gave it is the same in all.
        wanted: what the marker says: True, or some of the options of `explore`.
        options: what `Simulation` and `Runner` are to be given.
        tally: is told of all runs.

    Raises:
        Exception: what the test fails with under some order or fault; its note tells the story.
    """
    __tracebackhide__ = True
    if wanted is not True and not isinstance(wanted, Mapping):
        refuse(
            "@pytest.mark.swf(explore=…) takes True, or a dictionary of the options of "
            f"flowy_sim.explore.explore such as {{'faults': EVERYDAY}}, not {wanted!r}"
        )
    if inspect.iscoroutinefunction(item.obj):
        refuse("an explored test is called many times, as an ordinary function; this one is async")
    asked = {**options, **({} if wanted is True else wanted)}
    with said_in_a_marker():
        check(asked)
        runs = {name: value for name, value in asked.items() if name not in ENDS}
        Attempt(setting_for(**runs), Deviating(()))
    _refuse_what_keeps_hold(item)
    names = inspect.signature(item.obj).parameters
    arguments = {name: value for name, value in item.funcargs.items() if name in names}
    chosen = item.config.getoption(CHOICES)

    def test(runner: Runner) -> None:
        own = {name: make(runner) for name, make in _FRESH.items() if name in arguments}
        try:
            item.obj(**{**arguments, **own})
        except pytest.fail.Exception as error:
            raise AssertionError(str(error)).with_traceback(error.__traceback__) from None

    test.__name__ = item.name
    found = find(
        test,
        choices=chosen,
        repeat=partial(_repeat, item.nodeid),
        tally=tally,
        **asked,
    )
    summary = str(found) if chosen is None else "the run with the given choices"
    failure = found.failure
    if failure is not None:
        failure.error.add_note("\n".join(("", *failure.lines(), f"found in {summary}")))
        raise failure.error
    item.add_report_section("call", "explored", summary)
    item.user_properties.append(("explored", summary))
    if found.missed:
        item.warn(pytest.PytestWarning(found.about_missed()))


def _repeat(nodeid: str, written: str) -> str:
    return f"pytest {quote(nodeid)} {CHOICES}={quote(written)}"


def _refuse_what_keeps_hold(item: pytest.Function) -> None:
    """Refuse fixtures that were made with the simulation of one run and would be used in all."""
    __tracebackhide__ = True
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        held = [each for each in definitions[-1].argnames if each in _FRESH]
        if held and name not in _FRESH:
            refuse(
                f"the fixture {name!r} uses {held[0]!r}, which is new in each run of an explored "
                "test, while fixtures are made once; let the test call a function instead"
            )
