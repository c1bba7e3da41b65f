"""Amazon SWF itself: a state machine without clock, chance, threads or input and output."""

from flowy_sim.engine.engine import Engine, first
from flowy_sim.engine.faults import Fault
from flowy_sim.engine.lambdas import LambdaError, LambdaFunction
from flowy_sim.engine.latency import Delays, Latency
from flowy_sim.engine.limits import Limits

__all__ = [
    "Delays",
    "Engine",
    "Fault",
    "LambdaError",
    "LambdaFunction",
    "Latency",
    "Limits",
    "first",
]
