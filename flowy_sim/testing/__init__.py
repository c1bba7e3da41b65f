"""Running workflows: deciders and workers in one thread, until nothing moves."""

from flowy_sim.testing._activity_environment import ActivityEnvironment
from flowy_sim.testing._run import Run
from flowy_sim.testing._runner import DOMAIN, MOST_FAULTS, MOST_RESTARTS, Runner, run
from flowy_sim.testing._stubs import Stubs

__all__ = [
    "DOMAIN",
    "MOST_FAULTS",
    "MOST_RESTARTS",
    "ActivityEnvironment",
    "Run",
    "Runner",
    "Stubs",
    "run",
]
