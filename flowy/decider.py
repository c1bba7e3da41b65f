"""The decider: from a history to decisions, by replaying ``run`` turn by turn.

A pure function: it asks no service, reads no clock and keeps nothing. ``run`` goes on until it
waits for something that the turn at hand does not know. Then what it decided in this turn is held
against what the history shows, the next turn's news are given out, and ``run`` goes on; so each
turn sees exactly what was known then, and its decisions are those it gave then. What it decides in
the last turn is the answer.

Where ``run`` is left when the last turn knows no more, there are two ways: it is left by an
exception, and replayed from the beginning when there is more; or it is suspended there
(`flowy.suspended`), and goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from flowy.arguments import Arguments
from flowy.client import Execution
from flowy.closing import Closing, canceled, completed, failed, restarted
from flowy.decisions import Decision
from flowy.differences import explained
from flowy.errors import (
    ConfigurationError,
    DecisionRefusedError,
    ExecutionCanceled,
    HistoryError,
    NonDeterminismError,
    SerializationError,
    UnrepeatableError,
)
from flowy.guard import watched
from flowy.history import GOING_ON, Event, History, News, Turn
from flowy.leaving import Restarting, Suspended
from flowy.limits import HISTORY_LIMIT, LONG_HISTORY
from flowy.logs import LoggingFor, Source
from flowy.markers import Markers
from flowy.outbox import Outbox
from flowy.result import Call
from flowy.serialization import PLAIN, Payloads
from flowy.signals import CANCEL_REQUEST, Signal, Signals
from flowy.sites import call_site
from flowy.workflow import Workflow

logger = logging.getLogger(__name__)

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
        encode: makes text of a value in which results are found.
        execution: the execution that is decided for.
        options: what is chosen for all calls at the moment, the outermost block's first.
        signals: the signals that came and that nobody has taken.
        markers: what was found out once.
        cancel_requested: whether the execution was asked to cancel itself.
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
                raises `Suspended`. None to leave ``run`` then.
        """
        self.payloads = payloads
        self._arguments = Arguments(self)
        self.encode = payloads.encoder(self._arguments.stand_in)
        self.markers = Markers(self)
        self.execution = execution
        self.options: tuple[Mapping[str, object], ...] = ()
        self.signals = Signals()
        self.cancel_requested = False
        self._workflow = workflow
        self._history = history
        self._pause = pause
        self._turn: Turn | None = None
        self._outbox = Outbox()
        self._calls = 0
        self._open: dict[int, Call] = {}
        self._settlements = 0
        self._cancel_pending = False
        self._at_work = False
        self._left = False
        self._failure: Exception | None = None
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
                closing = self._run_to_end()
                going_on = closing is not None
                while closing is not None and going_on:
                    # If news came meanwhile, it is closed once more.
                    self._outbox.close(self._closed(closing))
                    going_on = self._next_turn()
        finally:
            self._at_work = False
        return self.decisions

    def _closed(self, closing: Closing) -> Decision:
        try:
            return closing()
        except SerializationError as error:  # as of signals that came since
            return failed(error)()

    def abandon(self) -> None:
        """Take nothing more from ``run``, which is being left for good."""
        self._left = self._at_work = True

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
        return self._outbox.finished()

    # What the workflow asks of the turn at hand.

    @property
    def label(self) -> str:
        """Name and version of the workflow's type."""
        return str(self._workflow.flowy_type)

    @property
    def turn(self) -> Turn:
        """The turn at hand."""
        if self._turn is None:
            raise HistoryError("there is nothing to decide yet")
        return self._turn

    @property
    def replaying(self) -> bool:
        """Whether what is decided now was decided before."""
        return self._turn is not None and self._turn.completed_event_id is not None

    @property
    def started(self) -> Mapping[str, Any]:
        """The attributes of the WorkflowExecutionStarted event."""
        return self._history.started

    @property
    def markers_in_turn(self) -> int:
        """How many markers are recorded in this turn so far."""
        return self._outbox.markers

    def stay(self) -> None:
        """Go on only if ``run`` is at work and not being left.

        Raises:
            ConfigurationError: it is at rest: the code of another execution makes use of it.
        """
        if not self._at_work:
            raise ConfigurationError(
                f"a result of {self.execution.workflow_id} is used outside of its run; keep "
                "results in local variables of run, not where another execution finds them"
            )
        if self._left:
            raise Suspended

    def make_room(self) -> None:
        """Go on in the next turn if this one's answer has no room for another marker."""
        self.stay()
        while self._outbox.is_full:
            self._outbox.ask_for_another_turn()
            if not self._next_turn() or self._failure is not None:
                self._leave()

    def differ(self) -> NoReturn:
        """Find where the code parts from the history, which lacks what was just decided."""
        try:
            self._match()
        except Exception as error:
            self._fault = error
        self._leave()

    # What proxies and their calls use.

    def begin(self, call: Call) -> None:
        """Take a call that ``run`` makes, and begin it if all its arguments are there."""
        self.stay()
        _, needed = self._arguments.needed(call.prepare)
        self._calls += 1
        call.number = self._calls
        call.place = call_site()
        if call.awaited_at_the_end:
            self._open[call.number] = call
        self._arguments.start(call, needed)
        if self._failure is not None:
            self._leave()

    def decide(self, decision: Decision, key: str, call: Call) -> None:
        """Add a decision that begins something; the news about its key are for a call."""
        self._outbox.begin(decision, key, call)

    def add(self, decision: Decision) -> None:
        """Add a decision that begins nothing."""
        self.stay()
        self._outbox.add(decision, call_site())

    def withdraw(self, key: str) -> bool:
        """Take back a decision that waits for its turn; tell whether there was one."""
        return self._outbox.withdraw(key)

    def stop_timer(self, key: str) -> None:
        """Cancel a timer."""
        if not self.withdraw(key):
            self.add(Decision("CancelTimer", {"timerId": key}))
            self._outbox.answered(key, last=True)

    def queues(self, cause: str) -> bool:
        """Tell whether what was refused may begin when something of its kind has ended."""
        return self._outbox.queues(cause)

    def hand_on(self) -> None:
        """Begin or give up the calls that waited for what is settled now."""
        self._arguments.hand_on()

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
        self._arguments.settled(call)
        handled = call.error_handling or call.canceling
        if error is not None and not handled and self._failure is None:
            self._failure = error

    def wait_for_any(self, calls: Sequence[Call]) -> None:
        """Let turns pass until one of some calls is settled, or leave ``run``.

        Raises:
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        untold = [call for call in calls if not call.told]
        while True:
            for call in untold:
                call.look()
            if any(call.done for call in calls):
                return
            self._pass_turn()

    # Running the workflow.

    def _run_to_end(self) -> Closing | None:
        """Run the workflow; tell how the execution is closed, or None if it is still waiting."""
        closing = None
        try:
            closing = self._run()
        except Suspended:
            pass
        except (Exception, SystemExit) as error:
            closing = failed(error)
        if self._failure is not None:
            return failed(self._failure)
        return None if self._left else closing

    def _run(self) -> Closing:
        name = self.label
        args, kwargs, signals = self.payloads.decode_start(
            name, self.started.get("input"), self._workflow
        )
        self._take_over(signals)
        workflow = self._workflow()
        workflow._decider = self
        try:
            try:
                value = self._call(workflow, args, kwargs)
            except Restarting as restart:
                self.wait_for_all()
                return restarted(self, name, restart)
            self.wait_for_all()
            return completed(self._encoded(name, value))
        except ExecutionCanceled as error:
            for call in list(self._open.values()):
                call.cancel()
            self.hand_on()
            self.wait_for_all()
            return canceled(error.details)

    def _take_over(self, signals: Iterable[tuple[str, str | None]]) -> None:
        """Begin with what the run before this one handed on."""
        taken = [Signal(*signal) for signal in signals]
        if CANCEL_REQUEST in taken:
            taken.remove(CANCEL_REQUEST)
            self._asked_to_cancel()
        self.signals.carried_over(taken)

    @property
    def handed_on(self) -> list[Signal]:
        """What the next run of the execution has to know: what nobody took of what came."""
        return [*self.signals.untaken, *([CANCEL_REQUEST] if self._cancel_pending else [])]

    def _asked_to_cancel(self) -> None:
        self._cancel_pending = self._cancel_pending or not self.cancel_requested
        self.cancel_requested = True

    def _call(self, workflow: Workflow, args: list[Any], kwargs: dict[str, Any]) -> Any:
        declared = self._workflow.flowy_type
        with LoggingFor(Source(*self.execution, str(declared), lambda: self.replaying)):
            if declared.guard:
                return watched(workflow.run, tuple(args), kwargs, self._unrepeatable)
            return workflow.run(*args, **kwargs)

    def wait_for_all(self) -> None:
        """Let turns pass until all is settled that is awaited before the end.

        Raises:
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        while self._open:
            self._pass_turn()

    def _encoded(self, name: str, value: object) -> str:
        """Encode what ``run`` returned, when all results in it are there."""
        return self.when_complete(lambda: self.payloads.encode_result(name, value, self.encode))

    def when_complete(self, encoded: Callable[[], T]) -> T:
        """Encode something as soon as all results in it are there.

        Raises:
            TaskError: one of them is an error.
            ExecutionCanceled: the execution is asked to cancel itself.
        """
        while True:
            value, needed = self._arguments.needed(encoded)
            for call in needed:
                if call.error is not None:
                    raise call.error
            if not needed:
                return value
            self.wait_for_any(needed[:1])

    def _pass_turn(self) -> None:
        self.stay()
        if self._failure is not None:
            self._leave()
        if not self._cancel_pending and (not self._next_turn() or self._failure is not None):
            self._leave()
        if self._cancel_pending:
            self._cancel_pending = False
            raise ExecutionCanceled

    def _leave(self) -> NoReturn:
        self._left = True
        raise Suspended

    # Turns.

    def _next_turn(self) -> bool:
        """Finish the turn at hand and give out the next one's news, if there is a next one."""
        try:
            turn = self._following()
            if turn is None:
                return False
            before, self._turn = self._turn, turn
            self._warn_of_length(before, turn)
            self._outbox.next_turn()
            for news in turn.news:
                self._learn(news)
            self._arguments.look()
            self._arguments.hand_on()
            self._outbox.release()
        except Exception as error:
            # The code of ``run``, which is being left, must not handle it.
            self._fault = error
            return False
        return True

    def _warn_of_length(self, before: Turn | None, turn: Turn) -> None:
        last = 0 if before is None else before.started_event_id
        if not self.replaying and last < LONG_HISTORY <= turn.started_event_id:
            logger.warning(
                "%s: its history has %d events, and Amazon SWF terminates it at %d; let it "
                "self.restart() where self.history_is_long",
                self.execution.workflow_id,
                turn.started_event_id,
                HISTORY_LIMIT,
            )

    def _following(self) -> Turn | None:
        turns = self._history.turns
        if self._turn is not None and not turns and self._pause is not None:
            self._at_work = False
            self._pause()
            self._at_work = True
        self._match()
        return turns.popleft() if turns else None

    def _match(self) -> None:
        turn = self._turn
        if turn is not None and turn.completed_event_id is not None:
            difference = explained(
                self._outbox.finished(), turn.shown, turn.completed_event_id, self._outbox.sites
            )
            if difference is not None:
                raise NonDeterminismError(difference)

    def _learn(self, news: News) -> None:
        event_type, attributes = news.event_type, news.attributes
        if news.about is not None:
            call = self._outbox.answered(news.about, last=event_type not in GOING_ON)
            if call is not None and not call.done:
                call.learn(event_type, attributes)
        elif event_type == "WorkflowExecutionSignaled":
            self._settlements += 1
            self.signals.arrived(
                attributes["signalName"], attributes.get("input"), self._settlements
            )
        elif event_type == "WorkflowExecutionCancelRequested":
            self._asked_to_cancel()
        elif attributes["cause"] != "UNHANDLED_DECISION":
            raise DecisionRefusedError(
                f"{event_type}: the service does not let the execution be closed: "
                f"{attributes['cause']}"
            )
