"""What is checked of a test beside what it says itself: its stubs, and golden histories."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from flowy_sim.pytest_plugin._explored import TALLIED
from flowy_sim.pytest_plugin._fixtures import RUN_BY, STUBBED
from flowy_sim.pytest_plugin._marker import CHECKS, marked_options, refuse

if TYPE_CHECKING:
    from flowy_sim.testing import Runner


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that does not fail by itself, but leaves stubs unused and the like."""
    __tracebackhide__ = True
    result = yield
    _check(item)
    return result


def _check(item: pytest.Item) -> None:
    """Fail a test for stubs that were not used, and for histories that do not replay."""
    options = marked_options(item, CHECKS)
    repeated = TALLIED in item.stash and item.config.getoption("--swf-choices") is not None
    # One of many explored runs need not use what the others do.
    unused = unused_stubs(item) if options.get("strict", True) and not repeated else ""
    if unused:
        refuse(unused)
    if options.get("golden"):
        from flowy_sim.pytest_plugin._golden import GoldenError, check

        record = bool(item.config.getoption("--swf-record"))
        runner = runner_of(item)
        if runner is None:
            refuse("@pytest.mark.swf(golden=True) is for tests that use swf_run")
        if record and repeated:
            refuse(
                "--swf-record keeps the plainest run of an explored test, not the one that "
                "--swf-choices asks for; leave one of them out"
            )
        try:
            check(item.path, item.nodeid.partition("::")[2], runner, record=record)
        except GoldenError as error:
            refuse(str(error))


def runner_of(item: pytest.Item) -> Runner | None:
    """Return who has run a test's workflows; of an explored test, in the plainest of its runs."""
    runner = item.stash.get(RUN_BY, None)
    explored = item.stash.get(TALLIED, None)
    return explored.first if runner is not None and explored is not None else runner


def unused_stubs(item: pytest.Item, *, misnamed: bool = False) -> str:
    """Say which stubs of a test were never used; of an explored test, in none of its runs."""
    if STUBBED not in item.stash:
        return ""
    explored = item.stash.get(TALLIED, None)
    if explored is not None:
        return "\n".join(explored.uses.unused(misnamed=misnamed))
    from flowy_sim.testing._stubs import StubUsage

    runner = item.stash.get(RUN_BY, None)
    uses = StubUsage()
    uses.note(item.stash[STUBBED], runner.stub_dispatch.called if runner else ())
    return "\n".join(uses.unused(misnamed=misnamed))
