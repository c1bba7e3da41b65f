"""Strategies for Hypothesis: random workflows, inputs, decisions and histories; a state machine.

Needs the extra ``hypothesis``.

Example:
    Every history replays, whatever the workflow::

        @given(workflows())
        def test_histories_replay(program):
            run = Runner(Simulation(), stubs=program.stubs()).run(program.workflow())
            flowy.replay.replay(program.workflow(), run.history)
"""

from __future__ import annotations

from flowy_sim.strategies._histories import decisions, histories
from flowy_sim.strategies._machine import WorkflowMachine
from flowy_sim.strategies._workflows import (
    ActivityCall,
    Input,
    Program,
    WaitFor,
    WhenEven,
    inputs,
    workflows,
)

__all__ = [
    "ActivityCall",
    "Input",
    "Program",
    "WaitFor",
    "WhenEven",
    "WorkflowMachine",
    "decisions",
    "histories",
    "inputs",
    "workflows",
]
