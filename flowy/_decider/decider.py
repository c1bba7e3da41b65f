"""The decider: from a history to decisions, by replaying ``run`` turn by turn.

It is a pure function: it makes no request, reads no clock and keeps nothing. ``run`` continues
until it waits for something that is not known in the current turn. Then the decisions of this turn
are compared with those that the history records, the events of the next turn are applied, and
``run`` continues. So in each turn the code sees exactly what was known then, and must make the
decisions that it made then. Its decisions in the last turn are the answer.

There are two ways to leave ``run`` when the last turn is used up. An exception ends it, and the
next decision replays it from the beginning. Or it is suspended there, and resumes later
(`flowy._decider.suspended`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

from flowy._call_sites import call_site
from flowy._client import Execution
from flowy._decider.arguments import Arguments
from flowy._decider.history import NOT_FINAL, Event, NewEvent, ReplayedHistory, Signals
from flowy._decider.markers import Markers
from flowy._decider.run import LeaveRun, decision_of, run_to_end
from flowy._decider.turns import Outbox, Turns
from flowy._decisions import Decision
from flowy._payloads.serializers import encoder
from flowy.errors import (
    ConfigurationError,
    DecisionRefusedError,
    ExecutionCanceled,
    HistoryError,
    UnrepeatableError,
)
from flowy.payloads import PLAIN, Payloads
from flowy.result import Call

if TYPE_CHECKING:
    from flowy.workflow import Workflow

T = TypeVar("T")

UNKNOWN = Execution("an unknown execution", "")
"""The execution that is decided for if none is given."""


def decide(
    workflow: type[Workflow],
    events: Iterable[Event],
    payloads: Payloads = PLAIN,
    execution: Execution = UNKNOWN,
) -> list[Decision]:
    """Decide what an execution does next.

    Args:
        workflow: the workflow's class.
        events: the complete history, up to the DecisionTaskStarted of the task to be decided.
        payloads: how arguments and results are written.
        execution: the execution, since a history does not hold its IDs.

    Returns:
        The decisions, in order; none if the execution can only wait for now.

    Raises:
        NonDeterminismError: the code makes other decisions than the history records.
        DecisionRefusedError: the execution cannot be closed.
        HistoryError: the events are not a history, or no decision task is open.
    """
    history = ReplayedHistory(events)
    if history.open_turn is None:
        raise HistoryError("there is nothing to decide: no decision task of this history is open")
    return Decider(workflow, history, payloads, execution).replay()


class Decider:
    """One replay of one execution: the calls that ``run`` makes, and what is known of them.

    Args:
        workflow: the workflow's class.
        history: the history.
        payloads: how arguments and results are written.
        execution: the execution.
        pause: called when the last turn is used up; returns when there are more turns, or raises
            `LeaveRun`. None to leave ``run`` at that point.

    Attributes:
        payloads: how arguments and results are written.
        arguments: the calls that wait for results of other calls.
        encode: turns a value that may contain results into text.
        markers: values that were determined once.
        execution: the execution.
        options: the options of the blocks around the current call, the outermost block's first.
        signals: signals that have not been taken.
        outbox: the decisions of the current turn.
        turns: the position in the history.
        failure: the error of a call that fails the execution because ``run`` does not handle it.
        left: whether ``run`` is being left.
    """

    def __init__(
        self,
        workflow: type[Workflow],
        history: ReplayedHistory,
        payloads: Payloads = PLAIN,
        execution: Execution = UNKNOWN,
        pause: Callable[[], None] | None = None,
    ) -> None:
        self.payloads = payloads
        self.arguments = Arguments(self)
        self.encode = encoder(payloads.serializer, self.arguments.resolve)
        self.markers = Markers(self)
        self.execution = execution
        self.options: tuple[Mapping[str, object], ...] = ()
        self.signals = Signals()
        self.outbox = Outbox()
        rest = None if pause is None else partial(self._rest, pause)
        self.turns = Turns(history, self.outbox, execution.workflow_id, rest)
        self.failure: Exception | None = None
        self.left = False
        self._workflow = workflow
        self._calls = 0
        self._open: dict[int, Call] = {}
        self._settlements = 0
        self._active = False
        self._fault: Exception | None = None
        self._unrepeatable: list[UnrepeatableError] = []

    def replay(self) -> list[Decision]:
        """Go through all turns of the history.

        Returns:
            The decisions of the last turn.

        Raises:
            NonDeterminismError: at the first turn whose decisions differ from those of the history.
            DecisionRefusedError: the execution cannot be closed.
        """
        self._active = True
        try:
            if self._next_turn():
                closing = run_to_end(self, self._workflow, self._unrepeatable)
                going_on = closing is not None
                while closing is not None and going_on:
                    # If new events arrived meanwhile, the closing decision is repeated.
                    self.outbox.close(decision_of(closing))
                    # ``run`` has ended; if the service refuses the decision, all is replayed.
                    going_on = self._next_turn(pauses=False)
        finally:
            self._active = False
        return self.decisions

    def abandon(self) -> None:
        """Accept no more calls from ``run``, which is being left for good."""
        self.left = self._active = True

    @property
    def decisions(self) -> list[Decision]:
        """The decisions of the current turn.

        Raises:
            Exception: the error because of which no answer may be sent.
        """
        if self._fault is not None:
            raise self._fault
        for error in self._unrepeatable:
            raise error
        return self.outbox.finished()

    # Used by the workflow's context.

    @property
    def label(self) -> str:
        """Name and version of the workflow's type."""
        return str(self._workflow.flowy_type)

    def ensure_active(self) -> None:
        """Continue only if ``run`` is executing and is not being left.

        Raises:
            ConfigurationError: it is suspended, so the caller is the code of another execution.
        """
        if not self._active:
            raise ConfigurationError(
                f"a result of {self.execution.workflow_id} is used outside of its run; keep "
                "results in local variables of run, not where another execution finds them"
            )
        if self.left:
            raise LeaveRun

    def make_room(self) -> None:
        """Continue in the next turn if this one's answer has no room for another marker."""
        self.ensure_active()
        while self.outbox.is_full:
            self.outbox.ask_for_another_turn()
            if not self._next_turn() or self.failure is not None:
                self._leave()

    def report_difference(self) -> NoReturn:
        """Leave ``run`` with the difference between the code and the history in this turn."""
        try:
            self.turns.match()
        except Exception as error:
            self._fault = error
        self._leave()

    # Used by proxies and their calls.

    def begin(self, call: Call) -> None:
        """Accept a call that ``run`` makes, and begin it if all its arguments have values."""
        self.ensure_active()
        _, needed = self.arguments.needed(call.prepare)
        self._calls += 1
        call.number = self._calls
        call.call_site = call_site()
        if call.awaited_at_the_end:
            self._open[call.number] = call
        self.arguments.start(call, needed)
        if self.failure is not None:
            self._leave()

    def add(self, decision: Decision) -> None:
        """Add a decision that begins nothing."""
        self.ensure_active()
        self.outbox.add(decision, call_site())

    def stop_timer(self, key: str) -> None:
        """Cancel a timer."""
        if not self.outbox.withdraw(key):
            self.add(Decision("CancelTimer", {"timerId": key}))
            self.outbox.call_for(key, last=True)

    def settle(
        self,
        call: Call,
        value: object = None,
        error: Exception | None = None,
        when: int | None = None,
    ) -> None:
        """Set the outcome of a call.

        Args:
            call: the call.
            value: its value.
            error: its error, if it ended with one.
            when: its position in the order of outcomes; None for the position after the last one.
        """
        self._settlements += 1
        call.finished = self._settlements if when is None else when
        call.done = True
        call.value = value
        call.error = error
        self._open.pop(call.number, None)
        call.ended()
        self.arguments.settled(call)
        # A call that is being canceled is expected to end with an error.
        handled = call.error_handling or call.canceling
        if error is not None and not handled and self.failure is None:
            self.failure = error

    def wait_for_any(self, calls: Sequence[Call]) -> None:
        """Let turns pass until one of the calls is settled, or leave ``run``.

        Raises:
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        unannounced = [call for call in calls if not call.event_driven]
        while True:
            for call in unannounced:
                call.refresh()
            for call in calls:
                if call.done:
                    return
            self._pass_turn()

    def cancel_all(self) -> None:
        """Cancel all calls that keep the execution open."""
        for call in list(self._open.values()):
            call.cancel()
        self.arguments.release_dependents()

    def wait_for_all(self) -> None:
        """Let turns pass until all calls that keep the execution open are settled.

        Raises:
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        while self._open:
            self._pass_turn()

    def when_complete(self, encoded: Callable[[], T]) -> T:
        """Encode a value as soon as all results in it have values.

        Raises:
            TaskError: one of them ended with an error.
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        while True:
            value, needed = self.arguments.needed(encoded)
            for call in needed:
                if call.error is not None:
                    raise call.error
            if not needed:
                return value
            self.wait_for_any(needed[:1])

    def _pass_turn(self) -> None:
        self.ensure_active()
        if self.failure is not None:
            self._leave()
        if not self.signals.cancel_pending and (not self._next_turn() or self.failure is not None):
            self._leave()
        # Raised once; `run` may clean up, and wait for that.
        if self.signals.cancel_pending:
            self.signals.cancel_pending = False
            raise ExecutionCanceled

    def _leave(self) -> NoReturn:
        self.left = True
        raise LeaveRun

    # Turns.

    def _next_turn(self, *, pauses: bool = True) -> bool:
        """Finish the current turn and apply the events of the next one, if there is a next one."""
        try:
            new_events = self.turns.next(pauses)
            if new_events is None:
                return False
            for each in new_events:
                self._apply(each)
            self.arguments.refresh()
            self.arguments.release_dependents()
            self.outbox.release()
        except Exception as error:
            # Kept for `decisions`: code of ``run`` must not handle it on the way out.
            self._fault = error
            return False
        return True

    def _rest(self, pause: Callable[[], None]) -> None:
        """Let no code use results while there is nothing to decide."""
        self._active = False
        pause()
        self._active = True

    def _apply(self, event: NewEvent) -> None:
        event_type, attributes = event.event_type, event.attributes
        if event.about is not None:
            call = self.outbox.call_for(event.about, last=event_type not in NOT_FINAL)
            if call is not None and not call.done:
                call.apply(event_type, attributes)
        elif event_type == "WorkflowExecutionSignaled":
            self._settlements += 1
            self.signals.arrived(
                attributes["signalName"], attributes.get("input"), self._settlements
            )
        elif event_type == "WorkflowExecutionCancelRequested":
            self.signals.asked_to_cancel()
        # Otherwise new events had arrived, and the decision is made again with them.
        elif attributes["cause"] != "UNHANDLED_DECISION":
            raise DecisionRefusedError(
                f"{event_type}: the service refuses to close the execution: {attributes['cause']}"
            )
