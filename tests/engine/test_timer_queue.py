"""Effects and the order in which they happen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowy_sim._engine import first
from flowy_sim._engine.queues import TimerQueue


def last(kind: str, count: int) -> int:
    return count - 1


def test_effects_of_one_instant_happen_in_the_order_in_which_they_were_set() -> None:
    effects = TimerQueue(first)
    for kind in ("a", "b", "c"):
        effects.set(5, kind)
    assert [effects.pop(5).kind for _ in range(3)] == ["a", "b", "c"]
    assert effects.next_instant() is None


def test_the_schedule_may_choose_another_order() -> None:
    effects = TimerQueue(last)
    for kind in ("a", "b", "c"):
        effects.set(5, kind)
    assert effects.pop(5).kind == "c"
    effects.set(5, "d")
    assert [effects.pop(5).kind for _ in range(3)] == ["d", "b", "a"]


def test_a_deadline_can_be_canceled_while_others_of_its_instant_happen() -> None:
    effects = TimerQueue(first)
    keys = [effects.set(5, kind) for kind in ("a", "b", "c")]
    assert effects.pop(5).kind == "a"
    effects.cancel(keys[0])
    effects.cancel(keys[1])
    assert len(effects) == 1
    assert effects.pop(5).kind == "c"
    assert effects.next_instant() is None


def test_canceled_effects_take_no_memory() -> None:
    effects = TimerQueue(first)
    for instant in range(10_000):
        effects.cancel(effects.set(instant, "timer"))
    assert len(effects) == 0
    assert len(effects._others) < 100


def test_the_schedule_is_asked_only_if_there_is_a_choice() -> None:
    asked = []

    def choose(kind: str, count: int) -> int:
        asked.append((kind, count))
        return 0

    effects = TimerQueue(choose)
    for instant in (1, 2, 2, 3):
        effects.set(instant, "timer")
    while (instant_ := effects.next_instant()) is not None:
        effects.pop(instant_)
    assert asked == [("effect", 2)]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 20)),
            st.tuples(st.just("cancel"), st.integers(0, 30)),
            st.tuples(st.just("pop"), st.just(0)),
        )
    )
)
def test_the_queue_agrees_with_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    effects = TimerQueue(first)
    model: list[tuple[int, int]] = []
    now = 0
    for what, number in steps:
        if what == "set":
            at = now + number
            model.append((at, effects.set(at, "timer", number)))
        elif what == "cancel":
            effects.cancel(number)
            model = [entry for entry in model if entry[1] != number]
        elif model:
            now, key = min(model)
            assert effects.next_instant() == now
            effects.pop(now)
            model.remove((now, key))
        assert len(effects) == len(model)
        assert sorted(at for at, _ in effects) == sorted(at for at, _ in model)
        assert effects.next_instant() == (min(model)[0] if model else None)


ODD = frozenset({"1", "3"})


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 20)),
            st.tuples(st.just("cancel"), st.integers(0, 30)),
            st.tuples(st.just("pop"), st.just(0)),
        )
    )
)
def test_the_next_instant_of_a_group_is_that_of_its_kinds(steps: list[tuple[str, int]]) -> None:
    effects = TimerQueue(first, [ODD])
    now = 0
    for what, number in steps:
        if what == "set":
            effects.set(now + number, str(number % 4))
        elif what == "cancel":
            effects.cancel(number)
        elif (instant := effects.next_instant()) is not None:
            now = instant
            effects.pop(now)
        of_group = [at for at, effect in effects if effect.kind in ODD]
        assert effects.next_instant(ODD) == min(of_group, default=None)


def test_past_effects_of_a_group_take_no_memory() -> None:
    effects = TimerQueue(first, [ODD])
    for instant in range(10_000):
        effects.set(instant, "1")
        effects.pop(instant)
        effects.cancel(effects.set(instant + 5, "3"))
    assert len(effects._heaps[ODD]) < 100
