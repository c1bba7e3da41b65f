"""A latency with which calls take no simulated time, for tests that compare instants."""

from flowy_sim import Latency
from flowy_sim._engine.latency import KINDS

EXACT_CALLS = Latency(
    {kind: Latency.DEFAULT.delays(kind, "", 0, 0) for kind in KINDS if kind != "call"}
)
