"""Signals that are lost, because they arrive when the decider does not expect them."""

from __future__ import annotations

from flowy_sim.faults import Signal
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import Decision, History, by_hand, complete, schedule


@planted([Signal("approve")])
def only_the_newest_event_is_read(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        read = [event for event in history.new if not event["eventType"].startswith("Decision")]
        if not fixed:
            read = read[-1:]
        if history.is_first:
            return [schedule("pack"), *[schedule("ship") for _ in history.new_signals]]
        if history.of("WorkflowExecutionSignaled", read):
            return [schedule("ship")]
        return [complete()] if {"pack", "ship"} <= set(history.done) else []

    by_hand(runner, decide)


@planted([Signal("approve")])
def a_signal_that_arrives_too_early_is_dropped(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.is_first:
            return [schedule("pack")]
        if "ship" in history.done:
            return [complete()]
        approved = "approve" in (history.signals if fixed else history.new_signals)
        if approved and "pack" in history.done and "ship" not in history.scheduled:
            return [schedule("ship")]
        return []

    by_hand(runner, decide)


@planted([Signal("item", most=2)])
def two_signals_at_once_count_as_one(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        known = len(history.signals) - len(history.new_signals)
        new = [schedule(f"pack-{known + number}") for number in range(len(history.new_signals))]
        if len(history.done) == 2:
            return [complete()]
        return new if fixed else new[:1]

    by_hand(runner, decide)


@planted([Signal("note", eventually=False)])
def a_refused_completion_is_taken_for_the_end(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        refused = fixed and history.of("CompleteWorkflowExecutionFailed", history.new)
        if history.newly_done or refused:
            return [complete()]
        return [schedule("pack")] if history.is_first else []

    by_hand(runner, decide)


@planted([Signal("item", eventually=False)])
def a_signal_during_completion_is_ignored(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.of("CompleteWorkflowExecutionFailed", history.new) and not fixed:
            return [complete(",".join(history.done))]
        wanted = ["pack", *[f"item-{number}" for number, _ in enumerate(history.signals)]]
        missing = [schedule(each) for each in wanted if each not in history.scheduled]
        finished = set(history.done) == set(wanted)
        return missing or ([complete(",".join(history.done))] if finished else [])

    [run] = by_hand(runner, decide)
    types = [event["eventType"] for event in run.history]
    packed = types.count("ActivityTaskCompleted")
    assert packed == 1 + types.count("WorkflowExecutionSignaled"), "an item is not packed"
