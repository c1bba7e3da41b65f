"""Results that an activity may return, and that no test thought of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from flowy import Activity, ActivityProxy, activity
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.steps import Charge, Ship, Shop, order


class Colour(Enum):
    RED = "red"
    BLUE = "blue"
    OTHER = "other"


@dataclass
class Quote:
    price: int
    discount: int
    note: str | None


def asks(name: str, result: Any) -> Any:
    """An activity that returns a value of a type."""

    class Ask(Activity):
        def run(self, *args: str) -> Any:
            raise NotImplementedError

    Ask.run.__annotations__["return"] = result
    return activity(f"ask for {name}", 1, "shop", start_to_close=60, retry=3)(Ask)


def answered(runner: Runner, cls: Any, result: Any, decide: Any) -> Any:
    """Run a workflow that decides by the result of an activity."""

    @order
    class Order(Shop):
        ask = ActivityProxy(cls)

        def run(self) -> Any:
            return decide(self, self.ask("lamp").result())

    runner.stubs(cls, result=result, any_result=True)
    runner.stubs(Charge, result="paid")
    runner.stubs(Ship, result="shipped")
    run = runner(Order)
    assert run.status == "COMPLETED", run.describe()
    return run.result


AskColour, AskMaybe = asks("a colour", Colour), asks("a name", str | None)
AskList, AskMany = asks("names", list[str]), asks("rows", dict[str, int])
AskCount, AskWord = asks("a count", int), asks("a word", Literal["yes", "no", "later"])
AskQuote, AskFlag = asks("a quote", Quote), asks("a flag", bool)
AskText, AskPair = asks("a text", str), asks("a pair", tuple[int, int])


@planted()
def a_member_of_an_enum_is_forgotten(runner: Runner, fixed: bool) -> None:
    folders = {Colour.RED: "r", Colour.BLUE: "b"} | ({Colour.OTHER: "o"} if fixed else {})
    answered(runner, AskColour, Colour.RED, lambda self, colour: folders[colour])


@planted()
def nothing_was_found(runner: Runner, fixed: bool) -> None:
    answered(
        runner,
        AskMaybe,
        "lamp",
        lambda self, found: "nothing" if fixed and found is None else found.upper(),
    )


@planted()
def the_list_is_empty(runner: Runner, fixed: bool) -> None:
    answered(
        runner,
        AskList,
        ["lamp"],
        lambda self, found: (found or ["nothing"])[0] if fixed else found[0],
    )


@planted()
def only_two_of_many_are_shipped(runner: Runner, fixed: bool) -> None:
    def decide(self: Any, found: list[str]) -> int:
        for name in found if fixed else found[:2]:
            self.ship(name).result()
        return len(found)

    shipped: list[str] = []

    @order
    class Order(Shop):
        ask = ActivityProxy(AskList)

        def run(self) -> int:
            return decide(self, self.ask("lamp").result())

    runner.stubs(AskList, result=["lamp"], any_result=True)
    runner.stubs(Ship, function=shipped.append)
    assert runner(Order).result == len(shipped)


@planted()
def a_price_of_zero_divides(runner: Runner, fixed: bool) -> None:
    answered(runner, AskCount, 5, lambda self, price: 0 if fixed and not price else 100 // price)


@planted()
def a_negative_amount_is_charged(runner: Runner, fixed: bool) -> None:
    charged: list[int] = []

    def charge(amount: str) -> None:
        charged.append(int(amount))

    @order
    class Order(Shop):
        ask = ActivityProxy(AskCount)

        def run(self) -> str:
            amount = self.ask("lamp").result()
            if amount > 0 or not fixed:
                self.charge(str(amount)).result()
            return "done"

    runner.stubs(AskCount, result=5, any_result=True)
    runner.stubs(Charge, function=charge)
    runner(Order)
    assert all(amount > 0 for amount in charged)


@planted()
def no_row_is_left(runner: Runner, fixed: bool) -> None:
    answered(
        runner,
        AskMany,
        {"lamp": 1},
        lambda self, rows: max(rows.values(), default=0) if fixed else max(rows.values()),
    )


@planted()
def later_is_taken_for_no(runner: Runner, fixed: bool) -> None:
    def decide(self: Any, answer: str) -> str:
        if answer == "later" and fixed:
            return "waiting"
        return "accepted" if answer == "yes" else "refused"

    seen: list[str] = []

    def noted(self: Any, answer: str) -> str:
        seen.append(answer)
        return decide(self, answer)

    found = answered(runner, AskWord, "yes", noted)
    assert found != "refused" or seen[-1] == "no"


@planted()
def a_quote_without_a_note(runner: Runner, fixed: bool) -> None:
    answered(
        runner,
        AskQuote,
        Quote(5, 0, "cheap"),
        lambda self, quote: (quote.note or "") + "!" if fixed else quote.note + "!",
    )


@planted()
def a_pair_of_zeros(runner: Runner, fixed: bool) -> None:
    answered(
        runner,
        AskPair,
        (3, 4),
        lambda self, pair: pair[0] / pair[1] if pair[1] or not fixed else 0,
    )


@planted()
def an_empty_name_is_shipped(runner: Runner, fixed: bool) -> None:
    shipped: list[str] = []

    @order
    class Order(Shop):
        ask = ActivityProxy(AskText)

        def run(self) -> str:
            name = self.ask("lamp").result()
            if name or not fixed:
                self.ship(name).result()
            return "done"

    runner.stubs(AskText, result="lamp", any_result=True)
    runner.stubs(Ship, function=shipped.append)
    runner(Order)
    assert "" not in shipped


@planted()
def a_refusal_is_ignored(runner: Runner, fixed: bool) -> None:
    answers: list[bool] = []

    def decide(self: Any, is_good: bool) -> str:
        answers.append(is_good)
        if fixed and not is_good:
            return "refused"
        return str(self.ship("lamp").result())

    assert answered(runner, AskFlag, True, decide) == "refused" or answers[-1]
