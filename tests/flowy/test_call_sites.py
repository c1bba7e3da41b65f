from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from flowy._call_sites import SourceLine, call_site, is_flowy, located

greenlet = pytest.importorskip("greenlet")


def module(name: str, code: str, **names: Any) -> Any:
    made = ModuleType(name)
    vars(made).update(names)
    exec(compile(code, f"{name}.py", "exec"), vars(made))
    return made


DECIDER = module("flowy._decider.decider", "def begin(): return call_site()", call_site=call_site)
PROXY = module("flowy.proxy", "def call(): return begin()", begin=DECIDER.begin)


class Orders:
    def run(self) -> Any:
        first = PROXY.call()
        second = (
            1,
            PROXY.call(),
        )[1]
        return first, second


def test_the_nearest_line_that_is_not_flowys_is_found() -> None:
    line = Orders.run.__code__.co_firstlineno
    first, second = Orders().run()
    assert located(first) == SourceLine(__file__, line + 1, "Orders.run")
    assert located(second) == SourceLine(__file__, line + 4, "Orders.run")
    assert str(located(first)) == f"{__file__}, line {line + 1}, in Orders.run"


def test_a_long_function_and_a_comprehension_are_located() -> None:
    lines = [
        "def run(call):",
        *("    x = 1" for _ in range(400)),
        "    return [call() for _ in '1']",
    ]
    (site,) = module("orders", "\n".join(lines)).run(PROXY.call)
    assert located(site)[:2] == ("orders.py", 402)


def test_there_may_be_no_author_s_code_at_all() -> None:
    kept: list[Any] = []
    # A greenlet has a stack of its own.
    code = "def begin(): keep(call_site())"
    alone = module("flowy._decider.decider", code, call_site=call_site, keep=kept.append)
    greenlet.greenlet(alone.begin).switch()
    assert kept == [None]


def test_the_tutorial_is_an_authors() -> None:
    own = ["flowy", "flowy._decider.decider", "flowy._cli.worker"]
    others = [
        "flowy.tutorial",
        "flowy.tutorial.workflows",
        "flowy_sim.testing._run",
        "flowyard",
        "orders",
        "",
    ]
    assert [name for name in own + others if is_flowy(name)] == own
