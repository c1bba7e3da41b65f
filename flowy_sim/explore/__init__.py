"""Find bugs: run a workflow in many different orders and under many faults.

Example:
    ::

        def every_photograph_is_filed_once(runner):
            filed = []
            runner.stubs(Resize, result="small.jpg")
            runner.stubs(PredominantColor, result="blue")
            runner.stubs(RenameImage, function=lambda path, color: filed.append(path))
            runner(ImageCategorization, "photo.jpg")
            assert filed == ["small.jpg"]

        explore(every_photograph_is_filed_once, faults=EVERYDAY)
"""

from __future__ import annotations

from flowy_sim.explore._attempt import EndlessError
from flowy_sim.explore._explore import WorkflowTest, explore, find
from flowy_sim.explore._report import Exploration, Failure, FoundError, Observations
from flowy_sim.testing._invariants import invariant

__all__ = [
    "EndlessError",
    "Exploration",
    "Failure",
    "FoundError",
    "Observations",
    "WorkflowTest",
    "explore",
    "find",
    "invariant",
]
