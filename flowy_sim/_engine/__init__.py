"""Amazon SWF itself: a state machine without a clock, threads, or input and output."""

from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.lambda_functions import LambdaError, LambdaFunction
from flowy_sim._engine.latency import Latency
from flowy_sim._engine.limits import Limits

__all__ = [
    "Engine",
    "Fault",
    "LambdaError",
    "LambdaFunction",
    "Latency",
    "Limits",
    "first",
]
