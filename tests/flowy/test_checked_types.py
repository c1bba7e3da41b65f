"""Values that are not what the type hints of ``run`` say are refused, part by part."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import flowy
from flowy import Activity, ActivityProxy, Payloads, Workflow, WorkflowProxy, activity, workflow
from flowy._cli import cli
from flowy._payloads.hints import converter
from flowy.payloads import PLAIN
from flowy_sim import Simulation
from flowy_sim._cli import cli as flowy_sim_cli
from flowy_sim.testing import Runner, Stubs


@dataclass
class Item:
    name: str
    price: int


@dataclass
class Order:
    items: list[Item]
    gift: bool = False


class Place(NamedTuple):
    street: str
    number: int


class Parcel(TypedDict):
    weight: float
    fragile: NotRequired[bool]


WRONG = [
    (int, "x", "expected int, got 'x'"),
    (int, 1.5, "expected int, got 1.5"),
    (int, True, "expected int, got True"),
    (float, True, "expected float, got True"),
    (str, 1, "expected str, got 1"),
    (bool, 1, "expected bool, got 1"),
    (None, 1, "expected None, got 1"),
    (list, {}, "expected a list, got {}"),
    (dict, [], "expected an object, got []"),
    (int | str, 1.5, "expected int, got 1.5"),
    (int | None, "x", "expected int, got 'x'"),
    (Literal["red", 1], "blue", "expected 'red' or 1, got 'blue'"),
    (list[int], [1, "x"], "[1]: expected int, got 'x'"),
    (Sequence[list[str]], [["a"], ["b", 3]], "[1][1]: expected str, got 3"),
    (tuple[int, str], [1, 2], "[1]: expected str, got 2"),
    (tuple[int, ...], [1, 2, None], "[2]: expected int, got None"),
    (Mapping[str, int], {"a": 1, "b": "x"}, "['b']: expected int, got 'x'"),
    (Item, {"name": "a", "price": "x"}, "price: expected int, got 'x'"),
    (
        Order,
        {"items": [{"name": "a", "price": 1}] * 2 + [{"name": "b", "price": "x"}]},
        "items[2].price: expected int, got 'x'",
    ),
    (Order | None, {"items": [{"name": 3, "price": 1}]}, "items[0].name: expected str, got 3"),
    (Place, ["a", "b"], "number: expected int, got 'b'"),
    (Parcel, {"weight": "heavy"}, "weight: expected float, got 'heavy'"),
    (Parcel, {"fragile": True}, "'weight' is missing in {'fragile': True}"),
]

RIGHT = [
    (float, 3),
    (int, 3),
    (str, ""),
    (bool, False),
    (list[float], [1, 2.5]),
    (tuple[int, ...], []),
    (int | str, "x"),
    (int | None, None),
    (Literal["red", 1], 1),
    (dict[str, Any], {"a": object}),
    (Parcel, {"weight": 1}),
    (object, "anything"),
    (Any, None),
]


@pytest.mark.parametrize(("hint", "value", "problem"), WRONG)
def test_a_wrong_part_is_named_with_its_place(hint: Any, value: Any, problem: str) -> None:
    with pytest.raises(flowy.SerializationError) as caught:
        PLAIN.decode_value("it", json.dumps(value), converter(hint))
    assert str(caught.value) == f"it does not match its type hint: {problem}"


@pytest.mark.parametrize(("hint", "value"), RIGHT)
def test_what_json_takes_for_the_same_is_accepted(hint: Any, value: Any) -> None:
    convert = converter(hint)
    assert convert is None or convert(value) == (tuple(value) if "tuple" in str(hint) else value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_a_value_fits_int_or_is_refused(value: Any) -> None:
    convert = converter(list[int])
    assert convert is not None
    fits = isinstance(value, list) and all(type(item) is int for item in value)
    try:
        assert convert(value) == value
    except ValueError:
        assert not fits
    else:
        assert fits


@activity("price", 1, "shop")
class Price(Activity):
    def run(self, order: Order) -> int:
        return sum(item.price for item in order.items)


@workflow("order", 1, "shop")
class Ordering(Workflow):
    price = ActivityProxy(Price)

    def run(self, order: Order) -> int:
        if order.gift:
            return self.signal("paid", int).result()
        return self.price(order).result()


@workflow("parent", 1, "shop")
class Parent(Workflow):
    order = WorkflowProxy(Ordering)

    def run(self, price: object) -> int:
        return self.order({"items": [{"name": "a", "price": price}]}).result()  # type: ignore[arg-type]


GOOD, BAD = {"items": [{"name": "a", "price": 2}]}, {"items": [{"name": "a", "price": "x"}]}
PROBLEM = "order.items[0].price: expected int, got 'x'"


def runner(**options: Any) -> Runner:
    return Runner(Simulation(), activities=[Price], workflows=[Ordering], **options)


def test_a_start_with_a_wrong_argument_is_refused() -> None:
    assert runner().run(Ordering, GOOD).result == 2
    with pytest.raises(flowy.SerializationError) as caught:
        runner().run(Ordering, BAD)
    assert str(caught.value) == (
        f"argument 1 (order) of order 1 does not match its type hint: {PROBLEM}"
    )


def test_a_child_with_a_wrong_argument_fails() -> None:
    assert runner().run(Parent, 2).result == 2
    assert PROBLEM in runner().run(Parent, "x").reason


def test_a_signal_with_a_wrong_value_is_an_error() -> None:
    for value, status in ((3, "COMPLETED"), ("x", "FAILED")):
        testing = runner()
        execution = testing.start(Ordering, {"items": [], "gift": True})
        testing.signal(execution, "paid", value)
        run = testing.finish(execution)
        assert run.status == status
    assert "the signal 'paid' does not match its type hint: expected int, got 'x'" in run.reason


def test_a_stub_with_a_wrong_result_is_refused() -> None:
    with pytest.raises(flowy.SerializationError, match=r"price 1 .*: expected int, got 'x'"):
        Stubs()(Price, result="x")
    stubs = Stubs()
    stubs(Price, function=lambda order: "x")
    run = runner(stubs=stubs).run(Ordering, GOOD)
    assert run.reason.endswith("does not match its type hint: expected int, got 'x'")
    assert runner(stubs=Stubs()).run(Ordering, GOOD).result == 2


def test_a_setting_leaves_plain_values_unchecked() -> None:
    lax = Payloads(strict=False)
    stubs = Stubs(lax)
    stubs(Price, result="x")
    assert runner(stubs=stubs, payloads=lax).run(Ordering, BAD).result == "x"


def test_the_commands_refuse_wrong_arguments_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "ordering.py").write_text(
        "from flowy import Workflow, workflow\n"
        "@workflow('order', 1, 'shop')\n"
        "class Order(Workflow):\n"
        "    def run(self, items: list[dict[str, int]]) -> int:\n"
        "        return 1\n"
    )
    for group, words in (
        (flowy_sim_cli, ["run"]),
        (cli, ["start", "--domain", "d", "--region", "us-east-1"]),
    ):
        result = CliRunner().invoke(group, [*words, "ordering:Order", '[{"a": 1}, {"b": "x"}]'])
        assert (result.exit_code, result.output) == (
            1,
            "Error: argument 1 (items) of order 1 does not match its type hint: "
            "items[1]['b']: expected int, got 'x'\n",
        )
    sys.modules.pop("ordering")
