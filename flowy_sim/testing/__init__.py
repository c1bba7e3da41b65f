"""Running workflows: deciders and workers in one thread, until nothing moves."""

from flowy_sim.testing._runner import DOMAIN, MOST_FAULTS, MOST_RESTARTS, Runner, run

__all__ = ["DOMAIN", "MOST_FAULTS", "MOST_RESTARTS", "Runner", "run"]
