"""Properties of all workflows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowy
from flowy._decider.decider import decide
from flowy_sim import RandomChoice, Simulation
from flowy_sim._events.history import Event
from flowy_sim._events.schema import attributes_of
from flowy_sim.strategies import ActivityCall, Program, WaitFor, WhenEven, workflows
from flowy_sim.testing import Run, Runner

WORKERS = st.one_of(st.none(), st.integers(1, 3))
SEEDS = st.integers(0, 2**32)

DECISION = {
    "ActivityTaskScheduled": "ScheduleActivityTask",
    "TimerStarted": "StartTimer",
    "WorkflowExecutionCompleted": "CompleteWorkflowExecution",
    "WorkflowExecutionFailed": "FailWorkflowExecution",
}


def run_it(program: Program, seed: int = 0, workers: int | None = None) -> Run:
    simulation = Simulation(seed=seed, schedule=RandomChoice(seed))
    return Runner(simulation, stubs=program.stubs(), workers=workers).run(program.workflow())


def as_bytes(history: Any) -> bytes:
    return json.dumps(history, default=str).encode()


def decisions_shown(history: list[Event], completed_event_id: int) -> list[tuple[str, Any]]:
    """The decisions that a decision task was answered with, as the events after it show them."""
    return [
        (DECISION[event["eventType"]], attributes_of(event))
        for event in history
        if attributes_of(event).get("decisionTaskCompletedEventId") == completed_event_id
    ]


@pytest.mark.slow
@given(workflows(), SEEDS, WORKERS)
def test_a_history_up_to_any_decision_makes_the_decider_decide_what_comes_next_in_it(
    program: Program, seed: int, workers: int | None
) -> None:
    history = list(run_it(program, seed, workers).history)
    for event in history:
        if event["eventType"] != "DecisionTaskCompleted":
            continue
        started = attributes_of(event)["startedEventId"]
        decided = decide(program.workflow(), history[:started])
        shown = decisions_shown(history, event["eventId"])
        assert [decision.type for decision in decided] == [type for type, _ in shown]
        for decision, (_, attributes) in zip(decided, shown, strict=True):
            assert {name: attributes[name] for name in decision.attributes} == decision.attributes


@pytest.mark.slow
@given(workflows(), SEEDS, WORKERS)
def test_every_prefix_of_a_history_replays(
    program: Program, seed: int, workers: int | None
) -> None:
    history = run_it(program, seed, workers).history
    for length in range(1, len(history) + 1):
        # What one answer of the decider writes is there completely or not at all.
        following = history[length] if length < len(history) else history[0]
        if "decisionTaskCompletedEventId" not in attributes_of(following):
            flowy.replay.replay(program.workflow(), history[:length])


@given(workflows(), SEEDS, WORKERS)
def test_the_same_seed_gives_the_same_bytes(
    program: Program, seed: int, workers: int | None
) -> None:
    once, again = run_it(program, seed, workers), run_it(program, seed, workers)
    assert as_bytes(once.history) == as_bytes(again.history)


@pytest.mark.slow
@settings(max_examples=2)
@given(st.lists(st.tuples(workflows(), SEEDS), min_size=20, max_size=20))
def test_the_same_seed_gives_the_same_bytes_with_another_hash_seed(
    runs: list[tuple[Program, int]],
) -> None:
    here = b"\n".join(as_bytes(run_it(program, seed).history) for program, seed in runs)
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    there = subprocess.run(
        [sys.executable, __file__, repr(runs)],
        env={**os.environ, "PYTHONHASHSEED": other, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert there.stdout == here


@given(workflows())
def test_the_repr_of_a_program_creates_it(program: Program) -> None:
    assert eval(repr(program)) == program


def test_random_workflows_use_every_feature() -> None:
    program = Program(
        (
            ActivityCall(0, failures=1, takes=5, attempts=2, delay=3),
            ActivityCall(1, takes=20, start_to_close=10, error_handling=True),
            WaitFor(1),
            WhenEven(0, (ActivityCall(2, needs=(0,)),)),
        )
    )
    run = run_it(program)
    # 5 s, a delay of 3 s, 5 s again; what takes 20 s has timed out meanwhile.
    assert run.simulated_seconds == 13
    assert run.result == [["TaskTimedOut", 0], [0, 2]]


if __name__ == "__main__":
    histories = [run_it(program, seed).history for program, seed in eval(sys.argv[1])]
    sys.stdout.buffer.write(b"\n".join(map(as_bytes, histories)))
