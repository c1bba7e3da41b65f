"""The decider: from a history to decisions, by replaying ``run`` turn by turn.

A pure function: it asks no service, reads no clock and keeps nothing. ``run`` goes on until it
waits for something that the turn at hand does not know. Then what it decided in this turn is held
against what the history shows, the next turn's news are given out, and ``run`` goes on; so each
turn sees exactly what was known then, and its decisions are those it gave then. What it decides in
the last turn is the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from flowy.decisions import Decision, complete_workflow, fail_workflow, match
from flowy.errors import (
    DecisionRefusedError,
    DependencyFailed,
    HistoryError,
    SerializationError,
    TaskError,
    TaskNotScheduled,
    reason_and_details,
)
from flowy.history import Event, History, News, Turn, read
from flowy.result import Call, Result, Suspended, call_of
from flowy.serialization import PLAIN, Payloads
from flowy.workflow import Workflow


def decide(
    workflow: type[Workflow], events: Iterable[Event], payloads: Payloads = PLAIN
) -> list[Decision]:
    """Decide what an execution does next.

    Args:
        workflow: the workflow's class.
        events: the whole history, up to the DecisionTaskStarted of the task to be decided.
        payloads: how arguments and results travel.

    Returns:
        The decisions, in order; none if all that can be done now is to wait.

    Raises:
        NonDeterminismError: the code decides otherwise than it did before.
        DecisionRefusedError: the execution cannot be closed.
        HistoryError: the events are no history, or no decision task is to be decided.
    """
    history = read(events)
    if not history.turns or history.turns[-1].completed_event_id is not None:
        raise HistoryError("there is nothing to decide: no decision task of this history is open")
    return Decider(workflow, history, payloads).replay()


class Decider:
    """One replay of one execution: what ``run`` asks for, and what it knows of it."""

    def __init__(
        self, workflow: type[Workflow], history: History, payloads: Payloads = PLAIN
    ) -> None:
        """Get ready to replay a history from its beginning."""
        self.payloads = payloads
        self.encode = payloads.encoder(self._stand_in)
        self._workflow = workflow
        self._input = history.input
        self._turns = iter(history.turns)
        self._turn: Turn | None = None
        self._decisions: list[Decision] = []
        self._calls = 0
        self._open = 0
        self._awaited: dict[str, Call] = {}
        self._needed: list[Call] = []
        self._settled: list[Call] = []
        self._left = False
        self._failure: TaskError | None = None
        self._fault: Exception | None = None

    def replay(self) -> list[Decision]:
        """Run through all turns of the history.

        Returns:
            What is decided in the last turn.

        Raises:
            NonDeterminismError: at the first turn whose decisions are not those of the history.
            DecisionRefusedError: the execution cannot be closed.
        """
        if self._next_turn():
            closing = self._run_to_end()
            going_on = closing is not None
            while closing is not None and going_on:
                # Nothing else is decided beside; and if news came meanwhile, close once more.
                self._decisions = [closing]
                going_on = self._next_turn()
        if self._fault is not None:
            raise self._fault
        return self._decisions

    # What proxies and their calls use.

    def begin(self, call: Call) -> None:
        """Take a call that ``run`` makes, and begin it if all its arguments are there."""
        if self._left:
            raise Suspended
        needed = self._prepare(call)
        self._calls += 1
        self._open += 1
        call.number = self._calls
        self._start_or_wait(call, needed)
        if self._failure is not None:
            self._leave()

    def decide(self, decision: Decision, task_id: str, call: Call) -> None:
        """Add a decision; the news about it are for a call."""
        self._decisions.append(decision)
        self._awaited[task_id] = call

    def settle(self, call: Call, value: object = None, error: TaskError | None = None) -> None:
        """Say what came of a call in the end."""
        call.done = True
        call.value = value
        call.error = error
        self._open -= 1
        if call.dependents:
            self._settled.append(call)
        if error is not None and not call.error_handling and self._failure is None:
            self._failure = error

    def wait(self, call: Call) -> None:
        """Let turns pass until a call is settled, or leave ``run``."""
        while not call.done:
            self._pass_turn()

    # Running the workflow.

    def _run_to_end(self) -> Decision | None:
        """Run the workflow; return how it ends the execution, or None if it is still waiting."""
        closing = None
        try:
            closing = self._run()
        except Suspended:
            pass
        except Exception as error:
            closing = fail_workflow(*reason_and_details(error))
        if self._failure is not None:
            return fail_workflow(*reason_and_details(self._failure))
        return None if self._left else closing

    def _run(self) -> Decision:
        name = str(self._workflow.flowy_type)
        args, kwargs = self.payloads.decode_input(name, self._input, self._workflow)
        workflow = self._workflow()
        workflow._decider = self
        value = workflow.run(*args, **kwargs)
        while self._open:
            self._pass_turn()
        self._needed = []
        result = self.payloads.encode_result(name, value, self.encode)
        for failed in self._needed:
            if failed.error is not None:
                raise failed.error
        return complete_workflow(result)

    def _pass_turn(self) -> None:
        if self._left or not self._next_turn() or self._failure is not None:
            self._leave()

    def _leave(self) -> NoReturn:
        self._left = True
        raise Suspended

    # Turns.

    def _next_turn(self) -> bool:
        """Finish the turn at hand and give out the next one's news, if there is a next one."""
        turn = self._turn
        try:
            if turn is not None and turn.completed_event_id is not None:
                match(self._decisions, turn.shown, turn.completed_event_id)
            self._turn = turn = next(self._turns, None)
            if turn is None:
                return False
            self._decisions = []
            for news in turn.news:
                self._learn(news)
            self._hand_on()
        except Exception as error:
            # The code of ``run``, which is being left, must not handle it.
            self._fault = error
            return False
        return True

    def _learn(self, news: News) -> None:
        if news.about is not None:
            self._awaited.pop(news.about).learn(news.event_type, news.attributes)
        elif news.attributes["cause"] != "UNHANDLED_DECISION":
            raise DecisionRefusedError(
                f"{news.event_type}: the service does not let the execution be closed: "
                f"{news.attributes['cause']}"
            )

    # Arguments that come later.

    def _stand_in(self, result: Result[object]) -> object:
        """Put into an argument what came of a result; note it if that is no value."""
        call = call_of(result)
        if call.decider is not self:
            raise TypeError("it is a result of another execution")
        if not call.done or call.error is not None:
            self._needed.append(call)
        return call.value

    def _prepare(self, call: Call) -> list[Call]:
        self._needed = []
        call.prepare()
        return self._needed

    def _start_or_wait(self, call: Call, needed: list[Call]) -> None:
        if not needed:
            call.start()
            return
        call.missing = len(needed)
        for argument in needed:
            if argument.error is not None:
                self._give_up(call, argument.error)
                return
            argument.dependents.append(call)

    def _hand_on(self) -> None:
        """Begin or give up the calls that waited for what is settled now."""
        for settled in self._settled:  # grows on the way
            for dependent in settled.dependents:
                if dependent.done:
                    continue
                if settled.error is not None:
                    self._give_up(dependent, settled.error)
                    continue
                dependent.missing -= 1
                if not dependent.missing:
                    self._start_late(dependent)
        self._settled.clear()

    def _start_late(self, call: Call) -> None:
        try:
            call.prepare()
        except SerializationError as error:
            self.settle(call, error=call.failure(TaskNotScheduled, str(error)))
        else:
            call.start()

    def _give_up(self, call: Call, error: TaskError) -> None:
        if isinstance(error, DependencyFailed) and isinstance(error.__cause__, TaskError):
            error = error.__cause__
        given_up = call.failure(DependencyFailed, str(error))
        given_up.__cause__ = error
        self.settle(call, error=given_up)
