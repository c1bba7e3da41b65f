"""Signals that are lost, because they come when they are not looked for."""

from __future__ import annotations

from by_hand import Decision, Past, by_hand, complete, schedule
from planting import planted

from flowy_sim.faults import Signal
from flowy_sim.testing import Runner


@planted([Signal("approve")])
def only_the_newest_event_is_read(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        read = [event for event in past.new if not event["eventType"].startswith("Decision")]
        if not mended:
            read = read[-1:]
        if past.is_first:
            return [schedule("pack"), *[schedule("ship") for _ in past.new_signals]]
        if past.of("WorkflowExecutionSignaled", read):
            return [schedule("ship")]
        return [complete()] if {"pack", "ship"} <= set(past.done) else []

    by_hand(runner, decide)


@planted([Signal("approve")])
def a_signal_before_it_is_waited_for_is_dropped(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if past.is_first:
            return [schedule("pack")]
        if "ship" in past.done:
            return [complete()]
        approved = "approve" in (past.signals if mended else past.new_signals)
        if approved and "pack" in past.done and "ship" not in past.scheduled:
            return [schedule("ship")]
        return []

    by_hand(runner, decide)


@planted([Signal("item", most=2)])
def two_signals_at_once_count_as_one(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        known = len(past.signals) - len(past.new_signals)
        new = [schedule(f"pack-{known + number}") for number in range(len(past.new_signals))]
        if len(past.done) == 2:
            return [complete()]
        return new if mended else new[:1]

    by_hand(runner, decide)


@planted([Signal("note", eventually=False)])
def a_refused_completion_is_taken_for_the_end(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        refused = mended and past.of("CompleteWorkflowExecutionFailed", past.new)
        if past.newly_done or refused:
            return [complete()]
        return [schedule("pack")] if past.is_first else []

    by_hand(runner, decide)


@planted([Signal("item", eventually=False)])
def what_comes_while_it_closes_is_swallowed(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if past.of("CompleteWorkflowExecutionFailed", past.new) and not mended:
            return [complete(",".join(past.done))]
        wanted = ["pack", *[f"item-{number}" for number, _ in enumerate(past.signals)]]
        missing = [schedule(each) for each in wanted if each not in past.scheduled]
        finished = set(past.done) == set(wanted)
        return missing or ([complete(",".join(past.done))] if finished else [])

    [run] = by_hand(runner, decide)
    types = [event["eventType"] for event in run.history]
    packed = types.count("ActivityTaskCompleted")
    assert packed == 1 + types.count("WorkflowExecutionSignaled"), "an item is not packed"
