"""The engines of a served simulation: changes are committed, calls delayed, stubs answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flowy._safe_text import safe_logger
from flowy_sim._engine import lambda_functions
from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.faults import Fault, LimitExceededFault
from flowy_sim._engine.latency import TIME_OUTS
from flowy_sim._engine.life_cycles import LambdaTask
from flowy_sim._engine.limits import Throttle
from flowy_sim._engine.queues import TimerQueue
from flowy_sim._server.served_stubs import CallFunction, ServedStubs
from flowy_sim._server.stub_definitions import Members
from flowy_sim._server.stub_worker import DECIDE
from flowy_sim._simulation.regions import Engines, TaskList
from flowy_sim._simulation.stubs import STUBS_LIST, UNTAKEN_LIST

_log = safe_logger("flowy_sim")

#: The number of regions of a simulation that may be in use; there are fewer than that.
MAX_REGIONS = 100


class ServedEngines(Engines):
    """The engines of a simulation; every change is committed as soon as it is made.

    Delayed calls and the answers of stubs happen by themselves, as timers do.

    Args:
        make: makes the engine of a region.
        commit: called with an engine in which something has changed.
        stubs: definitions of the stubs that there are from the start.
        call_function: calls a Lambda function outside the engine; see `ServedStubs`.

    Attributes:
        stubs: its stubs.
    """

    def __init__(
        self,
        make: Callable[[str], Engine],
        commit: Callable[[Engine], None],
        stubs: Iterable[Members],
        call_function: CallFunction,
    ) -> None:
        super().__init__(make)
        self._commit = commit
        self._planned = TimerQueue(first)
        self.stubs = ServedStubs(self._carry_out_of_stub, self.of, self.plan, call_function)
        for each in stubs:
            self.stubs.add(each)

    def of(self, region: str) -> Engine:
        """Return the engine of a region.

        Raises:
            LimitExceededFault: too many regions are in use.
        """
        if region not in self._by_region and len(self._by_region) >= MAX_REGIONS:
            raise LimitExceededFault(f"At most {MAX_REGIONS} regions of a simulation can be used")
        engine = super().of(region)
        if engine.changes is None:
            engine.track_changes()
            engine.lambdas = self.stubs.functions
            engine.route = self.stubs.route
        return engine

    def call(
        self, region: str, operation: str, request: Mapping[str, Any], instant: int
    ) -> dict[str, Any]:
        """Carry out a call, and commit what it changes, if anything.

        Raises:
            Fault: the call is refused.
        """
        if operation == DECIDE:
            self.stubs.register_called(region, request, instant)
        reply = self._carry_out(region, operation, request, instant)
        self.stubs.serve(instant)
        return reply

    def _carry_out(
        self, region: str, operation: str, request: Mapping[str, Any], instant: int
    ) -> dict[str, Any]:
        engine = self._by_region.get(region) or self.of(region)
        # What falls due by itself happens again after a restart; it need not be committed.
        engine.run_until(instant)
        assert engine.changes is not None
        before = engine.changes.count
        reply = engine.call(operation, request, instant)
        if engine.changes.count != before:
            self._commit(engine)
        return reply

    def _carry_out_of_stub(
        self, region: str, operation: str, request: Mapping[str, Any], instant: int
    ) -> dict[str, Any]:
        """Carry out a call of a stub, which uses nothing of the rates that clients have."""
        engine = self.of(region)
        throttle, engine.throttle = engine.throttle, Throttle(enabled=False)
        try:
            return self._carry_out(region, operation, request, instant)
        finally:
            engine.throttle = throttle

    def answer_function(
        self,
        task: LambdaTask,
        instant: int,
        takes: float,
        event_type: str,
        attributes: dict[str, Any],
    ) -> None:
        """Give the outcome of a Lambda function; see `lambda_functions.answer`."""
        self.run_until(instant)
        lambda_functions.answer(task, takes, event_type, attributes)
        self._commit(task.execution.engine)

    def plan(self, instant: int, action: Callable[[int], object]) -> None:
        """Let a function be called at an instant in milliseconds, with the instant."""
        self._planned.set(instant, "planned", action)

    def delay(self, instant: int, region: str, operation: str, request: dict[str, Any]) -> None:
        """Let a call be made at an instant in milliseconds; a refusal is logged."""

        def call(at: int) -> None:
            try:
                self.call(region, operation, request, at)
            except Fault as fault:
                _log.warning("The delayed %s was refused: %s: %s", operation, fault.code, fault)

        self.plan(instant, call)

    def next_instant(self, group: frozenset[str] | None = None) -> int | None:
        """Return when something will next happen by itself; see `Engines.next_instant`.

        Time-outs that stubs are to bring about are not among `TIME_OUTS`: nothing can prevent them.
        """
        happens = super().next_instant(group)
        if group is None:
            planned = self._planned.next_instant()
            is_next = happens is None or (planned is not None and planned < happens)
            return planned if is_next else happens
        if group is TIME_OUTS and happens in self.stubs.time_outs:
            return None
        return happens

    def may_be_due(self, instant: float) -> bool:
        """Return False if nothing happens up to an instant; see `Engines.may_be_due`."""
        if self._planned.none_before <= instant:
            return True
        # The body of `Engines.may_be_due`, without the call.
        for engine in self._by_region.values():  # noqa: SIM110 - each call asks; any() is slower
            if engine.effects.none_before <= instant:
                return True
        return False

    def run_until(self, instant: int) -> None:
        """Let everything happen up to an instant, each at its own."""
        while (at := self.next_instant()) is not None and at <= instant:
            super().run_until(at)
            self.stubs.time_outs.discard(at)
            while self._planned.next_instant() == at:
                self._planned.pop(at).arguments[0](at)
            self.stubs.serve(at)
        super().run_until(instant)

    def lists_with_tasks(self) -> Iterator[TaskList]:
        """Yield the lists on which a poll would find a task, except those of stubs."""
        for task_list in super().lists_with_tasks():
            if task_list.name not in (STUBS_LIST, UNTAKEN_LIST):
                yield task_list
