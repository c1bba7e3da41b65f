"""A finisher of executions: it runs them to their end, and checks how they have ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowy._client import Execution
from flowy.payloads import Payloads
from flowy_sim._events.history import History
from flowy_sim._events.waits import missing_activity, missing_child, missing_function
from flowy_sim._simulation.stubs import UnexpectedCallError
from flowy_sim.testing._run import Run, StuckError, fetch, history, open_executions
from flowy_sim.testing._starter import WorkerSetup
from flowy_sim.testing._turn_loop import TurnLoop

_MOST_STARTED_AGAIN = 1000


class Finisher:
    """Runs executions to their end.

    Args:
        worker_setup: is prepared if nothing has been started yet.
        turn_loop: gives turns, and skips time.
        payloads: decodes results.
        most_restarts: the number of times that an execution is followed as it continues as new.
        ends_within: the number of seconds within which an execution must end once the last
            disturbance is over; None for no such limit.

    Attributes:
        runs: the executions that were run, in order, including those that got stuck.
    """

    def __init__(
        self,
        worker_setup: WorkerSetup,
        turn_loop: TurnLoop,
        payloads: Payloads,
        most_restarts: int,
        ends_within: float | None,
    ) -> None:
        self._scheduler = scheduler = turn_loop.scheduler
        self._client = scheduler.client
        self._domain = scheduler.domain
        self._simulation = scheduler.simulation
        self._stub_dispatch = turn_loop.stub_dispatch
        self._event_feed = turn_loop.event_feed
        self._worker_setup = worker_setup
        self._turn_loop = turn_loop
        self._payloads = payloads
        self._most_restarts = most_restarts
        self._ends_within = ends_within
        engine = self._simulation.engine()
        if engine.written is None:
            engine.written = []
        self._written = engine.written
        self.runs: list[Run] = []

    def finish(self, execution: Execution) -> Run:
        """Run an open execution to its end; see `flowy_sim.testing.Runner.finish`."""
        __tracebackhide__ = True
        ended = self._finish_run(execution)
        while ended.successor is not None and len(ended.earlier) < self._most_restarts:
            later = self._finish_run(ended.successor)
            ended = replace(later, earlier=(*ended.earlier, replace(ended, earlier=())))
        self._check_ends_in_time(ended)
        if self._scheduler.fault_injector.end():
            for again in open_executions(self._client, self._domain, _MOST_STARTED_AGAIN):
                if again.workflow_id == execution.workflow_id:
                    self._finish_run(again)
        return ended

    def _check_ends_in_time(self, ended: Run) -> None:
        """Check that an execution ended within the time that the test states."""
        __tracebackhide__ = True
        if self._ends_within is None:
            return
        closed = ended.history[-1]["eventTimestamp"]
        since = max(ended.history[0]["eventTimestamp"], self._scheduler.disturbed_at)
        seconds = (closed - since).total_seconds()
        if seconds > self._ends_within:
            raise AssertionError(
                f"{ended.describe()}: it ended {seconds:g} s after the last disturbance, but must "
                f"end within {self._ends_within:g} s"
            )

    def _finish_run(self, execution: Execution) -> Run:
        __tracebackhide__ = True
        self._worker_setup.prepare_once()
        try:
            self._turn_loop.run_until_closed(execution)
        except StuckError as stuck:
            self.runs.append(stuck.run)
            raise
        except Exception:
            self.runs.append(self._fetch(execution))
            raise
        finally:
            self._scheduler.worker_pools.suspended.clear()
            self._event_feed.remove(execution)
        ended = self._fetch(execution)
        self.runs.append(ended)
        unanswered = missing_function(ended.history, list(self._simulation.lambdas))
        unanswered = unanswered or self._unanswered_task(ended)
        if unanswered:
            raise UnexpectedCallError(unanswered)
        return ended

    def _unanswered_task(self, ended: Run) -> str:
        """Return a sentence about a task that timed out because no worker implements its type."""
        worker_pools, registry = self._scheduler.worker_pools, self._scheduler.worker_pools.registry
        if registry is None:
            return ""
        polled = worker_pools.polled_for_activities()
        return missing_activity(
            ended.history, registry.missing, registry.activities, polled
        ) or missing_child(
            ended.history, registry.missing_children, registry.workflows, self._history_of
        )

    def _history_of(self, ids: Mapping[str, str]) -> History:
        execution = Execution(ids["workflowId"], ids["runId"])
        return history(self._client, self._domain, execution)

    def _fetch(self, execution: Execution) -> Run:
        # What other code than flowy's can call is not known.
        known = self._stub_dispatch.is_flowys(execution.run_id)
        can_call = self._scheduler.worker_pools.can_call if known else frozenset[str]()
        written = self._written
        return fetch(self._client, self._domain, execution, self._payloads, can_call, written)
