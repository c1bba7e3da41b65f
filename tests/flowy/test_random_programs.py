"""Random programs of all features: replayed and suspended executions decide the same."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy import NonDeterminismError
from flowy._decider.suspended import SuspendedExecutions
from flowy.replay import replay
from flowy_sim import Simulation
from flowy_sim._engine.limits import Limits
from tests.support.properties import examples
from tests.support.random_programs import (
    Part,
    Program,
    Step,
    histories,
    lived,
    pasts,
    programs,
    written,
)
from tests.support.replayed_runs import agree
from tests.support.worker_loops import DOMAIN

EXAMPLES = 2_000 if "FLOWY_SOAK" in os.environ else examples(50)
FEW = Limits(open_activities=2, open_timers=2, open_children=1)
seeds = st.integers(0, 9)
limits = st.sampled_from([None, FEW])


@settings(max_examples=EXAMPLES)
@given(programs, seeds, limits)
def test_every_beginning_of_every_history_gives_the_decisions_that_are_in_it(
    program: Program, seed: int, few: Limits | None
) -> None:
    simulation, cls = lived(program, seed, [lambda: 0, lambda: 0], few)
    agree(simulation, [cls, Part], DOMAIN)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(programs, seeds, limits, st.integers(1, 3))
def test_suspended_executions_write_the_histories_that_replayed_ones_do(
    program: Program, seed: int, few: Limits | None, kept: int
) -> None:
    replayed, _ = lived(program, seed, [lambda: 0] * 3, few)
    shared = SuspendedExecutions(kept)
    suspended, _ = lived(program, seed, [lambda: kept, lambda: shared, lambda: shared], few)
    assert histories(suspended) == histories(replayed)


@settings(max_examples=EXAMPLES)
@given(programs, seeds, limits)
def test_every_program_comes_to_an_end(program: Program, seed: int, few: Limits | None) -> None:
    simulation, _ = lived(program, seed, [lambda: 3], few)
    assert "WorkflowExecutionTimedOut" not in last_events(simulation)


@settings(max_examples=EXAMPLES)
@given(programs, seeds, limits)
def test_a_program_repeats_itself_from_its_seed(
    program: Program, seed: int, few: Limits | None
) -> None:
    once, again = (lived(program, seed, [lambda: 0, lambda: 0], few)[0] for _ in range(2))
    assert histories(once) == histories(again)


@settings(max_examples=EXAMPLES)
@given(programs, seeds)
def test_a_call_put_in_front_of_a_running_execution_is_found(program: Program, seed: int) -> None:
    simulation, _ = lived(program, seed, [lambda: 0])
    new = Step("unhandled", (0,), 20)
    changed = written(program._replace(steps=(new, *program.steps)))
    with pytest.raises(NonDeterminismError):
        replay(changed, pasts(simulation)[0])


def last_events(simulation: Simulation) -> set[str]:
    return {past[-1]["eventType"] for past in pasts(simulation)}
