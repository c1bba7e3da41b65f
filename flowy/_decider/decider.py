"""The decider: from a history to decisions, by replaying ``run`` turn by turn.

A pure function: it asks no service, reads no clock and keeps nothing. ``run`` goes on until it
waits for something that the turn at hand does not know. Then what it decided in this turn is held
against what the history shows, the next turn's news are given out, and ``run`` goes on; so each
turn sees exactly what was known then, and its decisions are those it gave then. What it decides in
the last turn is the answer.

Where ``run`` is left when the last turn knows no more, there are two ways: it is left by an
exception, and replayed from the beginning when there is more; or it is suspended there
(`flowy._decider.suspended`), and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NoReturn, TypeVar

from flowy._client import Execution
from flowy._decider.arguments import Arguments
from flowy._decider.decisions import Decision, decision_of
from flowy._decider.history import NOT_FINAL, Event, History, NewEvent
from flowy._decider.markers import Markers
from flowy._decider.outbox import Outbox
from flowy._decider.run import LeaveRun, run_to_end
from flowy._decider.signals import Signals
from flowy._decider.turns import Turns
from flowy._determinism.call_sites import call_site
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
from flowy.workflow import Workflow

T = TypeVar("T")

UNKNOWN = Execution("an unknown execution", "")
"""What is decided for if nobody says."""


def decide(
    workflow: type[Workflow],
    events: Iterable[Event],
    payloads: Payloads = PLAIN,
    execution: Execution = UNKNOWN,
) -> list[Decision]:
    """Decide what an execution does next.

    Args:
        workflow: the workflow's class.
        events: the whole history, up to the DecisionTaskStarted of the task to be decided.
        payloads: how arguments and results travel.
        execution: the execution, whose ids a history does not tell.

    Returns:
        The decisions, in order; none if all that can be done now is to wait.

    Raises:
        NonDeterminismError: the code decides otherwise than it did before.
        DecisionRefusedError: the execution cannot be closed.
        HistoryError: the events are no history, or no decision task is to be decided.
    """
    history = History(events)
    if history.open_turn is None:
        raise HistoryError("there is nothing to decide: no decision task of this history is open")
    return Decider(workflow, history, payloads, execution).replay()


class Decider:
    """One replay of one execution: what ``run`` asks for, and what it knows of it.

    Attributes:
        payloads: how arguments and results travel.
        arguments: the calls that wait for results of others.
        encode: makes text of a value in which results are found.
        markers: what was found out once.
        execution: the execution that is decided for.
        options: what is chosen for all calls at the moment, the outermost block's first.
        signals: what came from outside and nobody has taken.
        outbox: what is decided in the turn at hand.
        turns: how far the history is replayed.
        failure: the error of a call that fails the execution, as ``run`` does not handle it.
        left: whether ``run`` is being left.
    """

    def __init__(
        self,
        workflow: type[Workflow],
        history: History,
        payloads: Payloads = PLAIN,
        execution: Execution = UNKNOWN,
        pause: Callable[[], None] | None = None,
    ) -> None:
        """Get ready to replay a history from its beginning.

        Args:
            workflow: the workflow's class.
            history: the history.
            payloads: how arguments and results travel.
            execution: the execution.
            pause: called when the last turn knows no more; returns when there are more turns, or
                raises `LeaveRun`. None to leave ``run`` then.
        """
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
        self._at_work = False
        self._fault: Exception | None = None
        self._unrepeatable: list[UnrepeatableError] = []

    def replay(self) -> list[Decision]:
        """Run through all turns of the history.

        Returns:
            What is decided in the last turn.

        Raises:
            NonDeterminismError: at the first turn whose decisions are not those of the history.
            DecisionRefusedError: the execution cannot be closed.
        """
        self._at_work = True
        try:
            if self._next_turn():
                closing = run_to_end(self, self._workflow, self._unrepeatable)
                going_on = closing is not None
                while closing is not None and going_on:
                    # If news came meanwhile, it is closed once more.
                    self.outbox.close(decision_of(closing))
                    going_on = self._next_turn()
        finally:
            self._at_work = False
        return self.decisions

    def abandon(self) -> None:
        """Take nothing more from ``run``, which is being left for good."""
        self.left = self._at_work = True

    @property
    def decisions(self) -> list[Decision]:
        """What is decided in the turn at hand.

        Raises:
            Exception: why nothing may be answered.
        """
        if self._fault is not None:
            raise self._fault
        for error in self._unrepeatable:
            raise error
        return self.outbox.finished()

    # What the workflow asks of the turn at hand.

    @property
    def label(self) -> str:
        """Name and version of the workflow's type."""
        return str(self._workflow.flowy_type)

    def ensure_active(self) -> None:
        """Go on only if ``run`` is at work and not being left.

        Raises:
            ConfigurationError: it is at rest: the code of another execution makes use of it.
        """
        if not self._at_work:
            raise ConfigurationError(
                f"a result of {self.execution.workflow_id} is used outside of its run; keep "
                "results in local variables of run, not where another execution finds them"
            )
        if self.left:
            raise LeaveRun

    def make_room(self) -> None:
        """Go on in the next turn if this one's answer has no room for another marker."""
        self.ensure_active()
        while self.outbox.is_full:
            self.outbox.ask_for_another_turn()
            if not self._next_turn() or self.failure is not None:
                self._leave()

    def report_difference(self) -> NoReturn:
        """Find where the code parts from the history, which lacks what was just decided."""
        try:
            self.turns.match()
        except Exception as error:
            self._fault = error
        self._leave()

    # What proxies and their calls use.

    def begin(self, call: Call) -> None:
        """Take a call that ``run`` makes, and begin it if all its arguments are there."""
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
        """Say what came of a call in the end.

        Args:
            call: the call.
            value: what came of it.
            error: or the error it ended with.
            when: its place among all outcomes; None for that after the last one.
        """
        self._settlements += 1
        call.finished = self._settlements if when is None else when
        call.done = True
        call.value = value
        call.error = error
        self._open.pop(call.number, None)
        call.ended()
        self.arguments.settled(call)
        handled = call.error_handling or call.canceling
        if error is not None and not handled and self.failure is None:
            self.failure = error

    def wait_for_any(self, calls: Sequence[Call]) -> None:
        """Let turns pass until one of some calls is settled, or leave ``run``.

        Raises:
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        undriven = [call for call in calls if not call.event_driven]
        while True:
            for call in undriven:
                call.refresh()
            if any(call.done for call in calls):
                return
            self._pass_turn()

    def cancel_all(self) -> None:
        """Ask for the end of all that is awaited before the end."""
        for call in list(self._open.values()):
            call.cancel()
        self.arguments.release_dependents()

    def wait_for_all(self) -> None:
        """Let turns pass until all is settled that is awaited before the end.

        Raises:
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        while self._open:
            self._pass_turn()

    def when_complete(self, encoded: Callable[[], T]) -> T:
        """Encode something as soon as all results in it are there.

        Raises:
            TaskError: one of them is an error.
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
        if self.signals.cancel_pending:
            self.signals.cancel_pending = False
            raise ExecutionCanceled

    def _leave(self) -> NoReturn:
        self.left = True
        raise LeaveRun

    # Turns.

    def _next_turn(self) -> bool:
        """Finish the turn at hand and give out the next one's news, if there is a next one."""
        try:
            new_events = self.turns.next()
            if new_events is None:
                return False
            for each in new_events:
                self._apply(each)
            self.arguments.refresh()
            self.arguments.release_dependents()
            self.outbox.release()
        except Exception as error:
            # The code of ``run``, which is being left, must not handle it.
            self._fault = error
            return False
        return True

    def _rest(self, pause: Callable[[], None]) -> None:
        """Let nobody use results while there is nothing to decide."""
        self._at_work = False
        pause()
        self._at_work = True

    def _apply(self, new_events: NewEvent) -> None:
        event_type, attributes = new_events.event_type, new_events.attributes
        if new_events.about is not None:
            call = self.outbox.call_for(new_events.about, last=event_type not in NOT_FINAL)
            if call is not None and not call.done:
                call.apply(event_type, attributes)
        elif event_type == "WorkflowExecutionSignaled":
            self._settlements += 1
            self.signals.arrived(
                attributes["signalName"], attributes.get("input"), self._settlements
            )
        elif event_type == "WorkflowExecutionCancelRequested":
            self.signals.asked_to_cancel()
        elif attributes["cause"] != "UNHANDLED_DECISION":
            raise DecisionRefusedError(
                f"{event_type}: the service does not let the execution be closed: "
                f"{attributes['cause']}"
            )
