"""Pruning runs that reach a known state hides no failure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowy_sim.explore import _explorer, find
from flowy_sim.faults import (
    AnswerLate,
    CancelRequest,
    ClockJumps,
    DeciderDies,
    InjectedFault,
    ReplyLost,
    Restart,
    Signal,
    TaskLate,
    WorkerDies,
    WorkerDiesLate,
)
from flowy_sim.strategies import Program, workflows
from flowy_sim.testing import Runner
from tests.support.properties import examples

EXAMPLES, RUNS = (500, 300) if "FLOWY_SOAK" in os.environ else (examples(10), 100)

FAULTS: Sequence[InjectedFault] = (
    WorkerDies(),
    WorkerDiesLate(),
    DeciderDies(),
    ReplyLost(),
    AnswerLate(),
    AnswerLate(seconds=7),
    TaskLate(),
    Restart(),
    ClockJumps(100),
    CancelRequest(),
    Signal("hurry", eventually=False),
)


class NoPruner:
    """Prunes nothing, so that each run is made to its end."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def __call__(self, runner: Runner) -> None:
        pass


@pytest.mark.slow
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    workflows(most_calls=3),
    st.lists(st.sampled_from(FAULTS), max_size=2, unique_by=lambda fault: fault.describe()),
)
def test_pruning_loses_no_way_in_which_executions_end(
    monkeypatch: pytest.MonkeyPatch, program: Program, faults: list[InjectedFault]
) -> None:
    has_memory = any(call.failures for call in program.calls)

    def test(runner: Runner) -> None:
        program.stubs(runner.stubs)
        if not has_memory:
            runner.watch(lambda: "nothing outside matters")
        runner(program.workflow())

    pruned = find(test, faults=faults, most_faults=1, runs=RUNS)
    with monkeypatch.context() as patched:
        patched.setattr(_explorer, "_Pruner", NoPruner)
        whole = find(test, faults=faults, most_faults=1, runs=2 * RUNS)
    if pruned.complete:
        assert set(whole.endings) <= set(pruned.endings)
        assert pruned.runs <= whole.runs or not whole.complete
