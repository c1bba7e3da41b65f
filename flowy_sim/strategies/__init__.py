"""Strategies for Hypothesis: workflows, their inputs, decisions and histories, drawn at random.

Example:
    Whatever a workflow does, its history replays::

        @given(workflows())
        def test_histories_replay(program):
            run = Runner(Simulation(), stubs=program.stubs()).run(program.workflow())
            flowy.replay.replay(program.workflow(), run.history)
"""

from __future__ import annotations

from flowy_sim.strategies._decisions import decisions
from flowy_sim.strategies._histories import histories
from flowy_sim.strategies._workflows import Call, Input, Program, Wait, When, inputs, workflows

__all__ = [
    "Call",
    "Input",
    "Program",
    "Wait",
    "When",
    "decisions",
    "histories",
    "inputs",
    "workflows",
]
