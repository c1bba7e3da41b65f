"""Workflows that decide differently when they are replayed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import Deploy, WorkerDies
from flowy_sim.testing import Runner
from tests.planted.bugs import planted


@activity("pack", 1, "store", start_to_close=60, retry=2)
class Pack(Activity):
    def run(self, what: Any = None) -> Any:
        raise NotImplementedError


@activity("wrap", 1, "store", start_to_close=60, retry=2)
class Wrap(Activity):
    def run(self, what: Any = None) -> Any:
        raise NotImplementedError


class Packing(Workflow):
    pack = ActivityProxy(Pack)
    wrap = ActivityProxy(Wrap)


def run_both(runner: Runner, cls: type[Workflow], *arguments: Any) -> None:
    runner.stubs(Pack, result="packed", takes=5)
    runner.stubs(Wrap, result="wrapped", takes=5)
    declared = hasattr(cls, "flowy_type")
    # The guard would refuse most of these before they run.
    runner(cls if declared else workflow("order", 1, "orders", guard=False)(cls), *arguments)


@planted()
def a_random_number_decides(runner: Runner, fixed: bool) -> None:
    random = Random(6)

    class Order(Packing):
        def run(self) -> Any:
            chance = Random(1) if fixed else random
            first = self.pack if chance.random() < 0.5 else self.wrap
            return [first().result(), self.wrap("again").result(), self.pack("again").result()]

    run_both(runner, Order)


@planted(freeze=True)
def the_clock_decides(runner: Runner, fixed: bool) -> None:
    class Order(Packing):
        def run(self, at: float) -> Any:
            now = at if fixed else time.time()
            self.pack().result()
            return self.wrap(now).result(), self.pack().result()

    run_both(runner, Order, 0.0)


@planted(freeze=True, start="2024-02-29T23:59:57Z")
def the_date_decides(runner: Runner, fixed: bool) -> None:
    class Order(Packing):
        def run(self, day: int) -> Any:
            today = day if fixed else datetime.now().day
            first, second = (self.pack, self.wrap) if today == 29 else (self.wrap, self.pack)
            return first().result(), second().result()

    run_both(runner, Order, 29)


@planted()
def a_process_wide_counter_is_used(runner: Runner, fixed: bool) -> None:
    numbers = count(1)

    class Order(Packing):
        def run(self, number: int) -> Any:
            label = number if fixed else next(numbers)
            return self.pack(label).result(), self.wrap(label).result()

    run_both(runner, Order, 1)


@planted()
def a_random_id_is_used(runner: Runner, fixed: bool) -> None:
    random = Random(1)

    class Order(Packing):
        def run(self, order_id: str) -> Any:
            drawn = order_id if fixed else str(UUID(int=random.getrandbits(128)))
            return self.pack({"id": drawn}).result(), self.wrap().result()

    run_both(runner, Order, str(UUID(int=1)))


@planted()
def an_environment_variable_decides(runner: Runner, fixed: bool) -> None:
    os.environ.pop("WRAP_FIRST", None)

    class Order(Packing):
        def run(self, wrap_first: bool) -> Any:
            first = wrap_first if fixed else "WRAP_FIRST" in os.environ
            calls = [self.wrap, self.pack] if first else [self.pack, self.wrap]
            return [call().result() for call in calls]

    def pack(what: Any = None) -> None:
        os.environ["WRAP_FIRST"] = "1"

    runner.stubs(Pack, function=pack)
    runner.stubs(Wrap, result="wrapped")
    try:
        runner(workflow("order", 1, "orders", guard=False)(Order), False)
    finally:
        os.environ.pop("WRAP_FIRST", None)


@planted([WorkerDies()])
def external_state_decides(runner: Runner, fixed: bool) -> None:
    """The workflow reads a table that its own activities write."""
    table: list[str] = []

    class Order(Packing):
        def run(self) -> Any:
            packed = self.pack()
            wrapped = self.wrap() if fixed or not table else None
            return packed.result(), wrapped and wrapped.result()

    runner.stubs(Pack, function=lambda what=None: table.append("packed"))
    runner.stubs(Wrap, result="wrapped")
    runner(workflow("order", 1, "orders", guard=False)(Order))


@planted()
def executions_share_a_mutable_attribute(runner: Runner, fixed: bool) -> None:
    class Order(Packing):
        parts: list[str] = []  # noqa: RUF012

        def run(self, name: str) -> Any:
            parts = [] if fixed else self.parts
            parts.append(name)
            return self.pack(parts).result(), self.wrap(parts).result()

    run_both(runner, Order, "lamp")


@planted()
def a_generator_is_exhausted(runner: Runner, fixed: bool) -> None:
    def shelves() -> Iterator[str]:
        yield from ("upper", "lower")

    kept = shelves()

    class Order(Packing):
        def run(self) -> Any:
            packed = [self.pack(shelf) for shelf in (shelves() if fixed else kept)]
            return [each.result() for each in packed]

    run_both(runner, Order)


@planted()
def memory_addresses_decide(runner: Runner, fixed: bool) -> None:
    class Part:
        def __init__(self, name: str) -> None:
            self.name = name

    kept: list[list[Part]] = []

    class Order(Packing):
        def run(self) -> Any:
            parts = [Part(name) for name in "abcdefgh"]
            kept.append(parts)
            ordered = parts if fixed else sorted(parts, key=lambda part: id(part) // 16 % 7)
            return [self.pack(part.name).result() for part in ordered]

    run_both(runner, Order)


@workflow("order", 1, "orders", guard=False)
class OldOrder(Packing):
    def run(self) -> Any:
        return self.pack().result(), self.wrap().result()


@workflow("order", 1, "orders", guard=False)
class OtherOrder(Packing):
    def run(self) -> Any:
        return self.wrap().result(), self.pack().result()


@workflow("order", 1, "orders", guard=False)
class SameOrder(Packing):
    def run(self) -> Any:
        return [call().result() for call in (self.pack, self.wrap)]


@planted([Deploy((OtherOrder,))], twin=[Deploy((SameOrder,))])
def new_code_decides_differently(runner: Runner, fixed: bool) -> None:
    run_both(runner, OldOrder)
