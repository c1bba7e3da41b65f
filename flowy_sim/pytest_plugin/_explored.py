"""Tests marked with ``@pytest.mark.swf(explore=…)``, which are explored instead of run once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim.pytest_plugin._fixtures import (
    OBSERVED,
    RUNNER,
    SIMULATION,
    marked_options,
    marker_errors_refused,
    refuse,
)
from flowy_sim.pytest_plugin._test_checks import coverage_of

if TYPE_CHECKING:
    from flowy_sim._report.exploration import ReportedExploration
    from flowy_sim.explore import Exploration
    from flowy_sim.testing import Runner

_FRESH: dict[str, Callable[[Runner], object]] = {
    "swf": lambda runner: runner.simulation,
    "swf_client": lambda runner: runner.simulation.client(exact=True),
    "swf_run": lambda runner: runner,
    "swf_stub": lambda runner: runner.stubs,
}
"""The fixtures that are new in each run, and how to get them from its runner."""


REPORTED: pytest.StashKey[ReportedExploration] = pytest.StashKey()
"""What a page shows of the exploration of a test; only with ``--swf-report``."""

_NEW_EACH_TIME = (
    "A fixture has called a simulation, but fixtures are made only once, and each run of an "
    "explored test has a new simulation; let the test call a function that registers the types"
)

_OUTPUT = frozenset({"caplog", "capsys", "capsysbinary", "capfd", "capfdbinary"})
"""The fixtures with which a test reads what is logged and printed."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Explore a test whose marker says so."""
    __tracebackhide__ = True
    explore = marked_options(pyfuncitem, ("explore",)).get("explore")
    if not explore:
        return None
    options = {
        **marked_options(pyfuncitem, (*SIMULATION, *RUNNER)),
        **_explore_options(explore),
    }
    _check(pyfuncitem, options)
    _report(pyfuncitem, _explore(pyfuncitem, options))
    return True


def _explore_options(explore: object) -> Mapping[str, Any]:
    __tracebackhide__ = True
    if explore is True:
        return {}
    if not isinstance(explore, Mapping):
        refuse(
            "@pytest.mark.swf(explore=…) takes True, or a dictionary of the options of "
            f"flowy_sim.explore.explore such as {{'faults': EVERYDAY}}, not {explore!r}"
        )
    return explore


def _check(item: pytest.Function, options: Mapping[str, Any]) -> None:
    """Refuse a test that cannot be explored, and wrong options."""
    __tracebackhide__ = True
    from flowy_sim.explore._explore import check_options

    if inspect.iscoroutinefunction(item.obj):
        refuse(
            "an explored test is called many times, so it must be an ordinary function; this one "
            "is async"
        )
    with marker_errors_refused():
        check_options(**options)
    # Other fixtures are made once, so they must not hold on to the simulation of one run.
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        held = [each for each in definitions[-1].argnames if each in _FRESH]
        if held and name not in (*_FRESH, "swf_boto3"):  # Clients call the simulation of each run.
            refuse(
                f"the fixture {name!r} uses {held[0]!r}, which is new in each run of an explored "
                "test, but fixtures are made only once; let the test call a function instead"
            )


def _explore(item: pytest.Function, options: Mapping[str, Any]) -> Exploration:
    __tracebackhide__ = True
    from flowy.errors import StartError
    from flowy_sim.explore import Observations, find

    names = inspect.signature(item.obj).parameters
    arguments = {name: value for name, value in item.funcargs.items() if name in names}

    def test(runner: Runner) -> None:
        fresh = {name: make(runner) for name, make in _FRESH.items() if name in arguments}
        try:
            item.obj(**{**arguments, **fresh})
        except pytest.fail.Exception as error:
            # It is a BaseException, like that of pytest.skip, which must end the exploration.
            raise AssertionError(str(error)).with_traceback(error.__traceback__) from None
        except StartError as error:
            made: Any = item.funcargs.get("swf")
            if made is not None and made.engine().domains:
                error.add_note(_NEW_EACH_TIME)
            raise

    test.__name__ = item.name
    observations = item.stash[OBSERVED] = Observations()
    covered = item.config.getoption("--swf-coverage")
    if covered:
        observations.record_outcomes()
    reported = item.config.getoption("--swf-report")
    try:
        return find(
            test,
            choices=item.config.getoption("--swf-choices"),
            repeat=partial(_repeat_command, item.nodeid),
            observations=observations,
            report=partial(item.stash.__setitem__, REPORTED) if reported else None,
            **{
                "full_story": item.config.getoption("--swf-story") == "full",
                "quiet": _OUTPUT.isdisjoint(item.fixturenames),
                **options,
            },
        )
    finally:
        if covered:
            coverage_of(item.config).merge(observations.rows()[1])


def _report(item: pytest.Function, found: Exploration) -> None:
    """Raise what the test fails with, with its story as a note; or report how much was explored."""
    __tracebackhide__ = True
    one_run = item.config.getoption("--swf-choices") is not None
    summary = "the run with the given choices" if one_run else str(found)
    failure = found.failure
    if failure is not None:
        failure.error.add_note("\n".join(("", *failure.lines(), f"found in {summary}")))
        raise failure.error
    notes = [] if one_run else found.notes()
    item.add_report_section("call", "explored", "\n".join([summary, *notes]))
    item.user_properties.append(("explored", summary))
    if found.unreached:
        item.warn(pytest.PytestWarning(found.describe_unreached()))


def _repeat_command(nodeid: str, choices: str) -> str:
    from flowy_sim.explore._choices import quoted_for_shell as quoted

    return f"pytest {quoted(nodeid)} --swf-choices={quoted(choices)}"
