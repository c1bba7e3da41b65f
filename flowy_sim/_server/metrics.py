"""What goes on in a server: metrics in the text format of Prometheus, and a log of its requests."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from flowy_sim._engine.model import operation_names
from flowy_sim._server.simulations import Worlds
from flowy_sim._simulation.polls import POLLS

OK = "OK"
UNKNOWN = "unknown"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


class Observation(NamedTuple):
    """A request and how it was answered; the members are those of a line of the log.

    Attributes:
        request_id: as in the response.
        simulation, account, region: whom it called; empty if it did not come so far.
        operation: what it asked for, such as ``StartWorkflowExecution``; empty likewise.
        status: of the response.
        outcome: ``OK`` or the code of the fault.
        milliseconds: real time between its head and the response.
        bytes_in, bytes_out: the sizes of the bodies.
        client: where it came from.
        program: its ``User-Agent``.
    """

    request_id: str
    simulation: str
    account: str
    region: str
    operation: str
    status: int
    outcome: str
    milliseconds: float
    bytes_in: int
    bytes_out: int
    client: str
    program: str


class AccessLog:
    """A log of requests: one JSON object a line, with the real time of the response first.

    Args:
        write: takes a line, without its end.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        """Have logged nothing yet."""
        self._write = write

    def __call__(self, observation: Observation) -> None:
        """Log a request."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._write(json.dumps({"time": time, **observation._asdict()}))


class Metrics:
    """Counts requests, and tells how full the server is.

    Args:
        worlds: the simulations.
        connections: tells how many connections are open.
    """

    def __init__(self, worlds: Worlds, connections: Callable[[], int]) -> None:
        """Have counted nothing yet."""
        self._worlds = worlds
        self._connections = connections
        self._registry = CollectorRegistry()
        self._registry.register(self)
        labels = ("operation", "outcome")
        self._requests = Counter(
            "flowy_sim_requests", "Requests answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "flowy_sim_request_seconds",
            "Real time in which requests other than polls were answered.",
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._poll_seconds = Histogram(
            "flowy_sim_poll_seconds",
            "Real time in which polls were answered.",
            registry=self._registry,
            buckets=_SECONDS,
        )

    def __call__(self, observation: Observation) -> None:
        """Count a request."""
        operation = observation.operation
        # Names that callers make up would be without number.
        known = operation if operation in operation_names() else UNKNOWN
        self._requests.labels(known, observation.outcome).inc()
        seconds = self._poll_seconds if operation in POLLS else self._seconds
        seconds.observe(observation.milliseconds / 1000)

    def collect(self) -> Iterator[Metric]:
        """Yield how full the server is at present, for prometheus_client."""
        worlds = list(self._worlds)
        changes = sum(world.journal.changes for world in worlds)
        figures = {
            "connections": ("Connections that are open.", self._connections()),
            "simulations": ("Simulations.", len(worlds)),
            "waiting_polls": ("Polls that wait.", sum(len(world.polls) for world in worlds)),
            "changes": ("Changes made to all simulations.", changes),
        }
        for name, (text, value) in figures.items():
            yield GaugeMetricFamily(f"flowy_sim_{name}", text, value)

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


def to_logger(logger: logging.Logger) -> Callable[[str], None]:
    """Return what writes lines to a logger."""
    return logger.info
