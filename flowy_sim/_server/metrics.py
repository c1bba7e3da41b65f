"""Metrics in the text format of Prometheus, and the access log."""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import accumulate
from time import perf_counter
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from flowy_sim._engine.queues import ACTIVITY, DECISION
from flowy_sim._server.auth import scope_service
from flowy_sim._server.http import PREFIX, HttpRequest
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.regions import POLLS
from flowy_sim._simulation.stubs import STUBS_LIST, UNTAKEN_LIST

OK = "OK"
UNKNOWN = "unknown"
CONTROL = "control"
#: Number of characters of what a client has sent that a line shows.
MOST_SHOWN = 200

_PLACE = ("simulation", "account", "region", "domain")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


class AccessLogEntry(NamedTuple):
    """A request and how it was answered, as in a line of the access log.

    Attributes:
        request_id: as in the response.
        simulation, account, region: where it was sent; empty if it was refused before that was
            known.
        operation: such as ``StartWorkflowExecution``; empty if it was refused before.
        status: of the response.
        outcome: ``OK``, the code of the fault, or the status.
        milliseconds: real time from its beginning to the response.
        bytes_in, bytes_out: the sizes of the bodies.
        client: the address it came from.
        program: its ``User-Agent``.
        method, path: what was requested; at most `MOST_SHOWN` characters, as of what follows.
        target: the header that names the operation, as it came.
        service: the service in the scope of its credential; empty if it is not signed.
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
    method: str
    path: str
    target: str
    service: str


def entry_of(
    request: HttpRequest, operation: str, outcome: str, status: int, bytes_out: int
) -> AccessLogEntry:
    """Return the entry of a request, as far as it is known without carrying it out."""
    headers = request.headers
    return AccessLogEntry(
        "",
        "",
        "",
        "",
        operation,
        status,
        outcome,
        round((perf_counter() - request.began) * 1000, 3),
        len(request.body),
        bytes_out,
        request.client,
        request.program[:MOST_SHOWN],
        request.method,
        request.path[:MOST_SHOWN],
        headers.get("x-amz-target", "")[:MOST_SHOWN],
        scope_service(headers.get("authorization", ""))[:MOST_SHOWN],
    )


class AccessLog:
    """A log of requests: one JSON object per line, with the real time of the response first.

    Args:
        write: writes a line, given without its end.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def __call__(self, entry: AccessLogEntry) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._write(json.dumps({"time": time, **entry._asdict()}))


class Durations:
    """Durations of one kind, counted in the buckets of a histogram.

    The counters of prometheus_client have locks; in one thread, each request would pay for them.
    """

    def __init__(self) -> None:
        self._counts = [0] * (len(_SECONDS) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(_SECONDS, seconds)] += 1
        self._total += seconds

    def metric(self, name: str, text: str) -> Metric:
        """Return the durations as a histogram."""
        metric = HistogramMetricFamily(name, text)
        ends = (*map(str, map(float, _SECONDS)), "+Inf")
        counted = accumulate(self._counts)
        metric.add_metric((), list(zip(ends, counted, strict=True)), self._total)
        return metric


class Metrics:
    """Counts requests, and measures how full the server is.

    Args:
        simulations: the simulations.
        connections: returns the number of open connections.
    """

    def __init__(self, simulations: Simulations, connections: Callable[[], int]) -> None:
        self._simulations = simulations
        self._connections = connections
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._requests: dict[tuple[str, str], int] = {}
        self._others, self._polls = Durations(), Durations()

    def count(self, request: HttpRequest, operation: str, outcome: str) -> None:
        """Count a request that is answered.

        Args:
            request: the request.
            operation: its name, if it is known; empty otherwise.
            outcome: ``OK``, the code of the fault, or the status.
        """
        # Clients could invent any number of names, and each would be a time series.
        known = operation or (CONTROL if PREFIX in request.path else UNKNOWN)
        key = known, outcome
        self._requests[key] = self._requests.get(key, 0) + 1
        durations = self._polls if operation in POLLS else self._others
        durations.add(perf_counter() - request.began)

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted, and how full the server is, for prometheus_client."""
        labels = ("operation", "outcome")
        requests = CounterMetricFamily("flowy_sim_requests", "Requests answered.", labels=labels)
        for key, count in self._requests.items():
            requests.add_metric(key, count)
        yield requests
        yield self._others.metric(
            "flowy_sim_request_seconds",
            "Real time in which requests other than polls were answered.",
        )
        yield self._polls.metric(
            "flowy_sim_poll_seconds", "Real time in which polls were answered."
        )
        simulations = list(self._simulations)
        changes = sum(each.journal.changes for each in simulations)
        figures = {
            "connections": ("Open connections.", self._connections()),
            "simulations": ("Simulations.", len(simulations)),
            "waiting_polls": (
                "Polls that wait for a task.",
                sum(len(each.polls) for each in simulations),
            ),
            "changes": ("Changes made to all simulations.", changes),
        }
        for name, (text, value) in figures.items():
            yield GaugeMetricFamily(f"flowy_sim_{name}", text, value)
        yield from self._work(simulations)

    @staticmethod
    def _work(simulations: Iterable[ServedSimulation]) -> Iterator[Metric]:
        """Yield how many executions are open, and how many tasks wait on each task list."""
        executions = GaugeMetricFamily(
            "flowy_sim_open_executions", "Open executions.", labels=_PLACE
        )
        backlog = GaugeMetricFamily(
            "flowy_sim_waiting_tasks",
            "Tasks that wait on a task list for a worker.",
            labels=(*_PLACE, "kind", "task_list"),
        )
        for simulation in simulations:
            for engine in simulation.engines:
                for name, domain in engine.domains.items():
                    place = simulation.name, simulation.account, engine.region, name
                    executions.add_metric(place, len(domain.open_executions))
                    for kind, label in ((DECISION, "decision"), (ACTIVITY, "activity")):
                        lists = domain.task_lists(kind)
                        for task_list in lists.names():
                            if task_list not in (STUBS_LIST, UNTAKEN_LIST):
                                labels = (*place, label, task_list)
                                backlog.add_metric(labels, lists.count(task_list))
        yield executions
        yield backlog

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


def to_logger(logger: logging.Logger) -> Callable[[str], None]:
    """Return a function that writes lines to a logger."""
    return logger.info
