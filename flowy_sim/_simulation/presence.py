"""Those who poll, and what each of them is about.

A participant is whoever polls or changes something: a thread, a connection. It *waits* while it is
inside a poll that has found no task. Otherwise it is *busy*: it holds a task, or it is between two
calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_log = logging.getLogger("flowy_sim")

#: Real seconds after which it is looked again whether a busy participant still lives.
LOOK = 0.05
#: Real seconds for which somebody who holds no task, and does not compute, may yet make a call.
GRACE = 0.1
#: Real seconds for which somebody who holds no task may compute before its next call.
COMPUTING = 1.0
#: Busy participants among whom nobody looks for those who cannot make calls any more.
FEW = 64
#: Real seconds of silence before the first warning that somebody holds a task.
WARNING = 5.0


class TaskList(NamedTuple):
    """A task list of one kind; lists of either kind may have the same name."""

    region: str
    poll: str
    domain: str
    name: str

    def __str__(self) -> str:
        """Return its name as a person would say it."""
        kind = "decision" if self.poll == "PollForDecisionTask" else "activity"
        return f"{kind} task list {self.name!r} of domain {self.domain!r}"


class Participant:
    """Somebody who polls.

    Attributes:
        name: what a message calls it.
        alive: tells whether it can still make calls.
        computes: tells whether it computes now, or would if it had a processor, rather than waits.
        polled: the lists it has ever polled.
        tokens: the tokens of the task it holds; each page of a decision task has its own.
        held: in words, the task it holds; empty if none.
        empties: how often in a row polls of a list ended empty, with nothing else done in between.
        released: for which waiting task, from which poll, after how many changes it was last
            answered early (see `flowy_sim._simulation.time_skipping`).
    """

    __slots__ = ("alive", "computes", "empties", "held", "name", "polled", "released", "tokens")

    def __init__(
        self, name: str, alive: Callable[[], bool], computes: Callable[[], bool] | None = None
    ) -> None:
        """Be somebody who has done nothing yet; `computes` is None where it cannot be told."""
        self.name = name
        self.alive = alive
        self.computes = computes or _not_told
        self.polled: set[TaskList] = set()
        self.tokens: list[str] = []
        self.held = ""
        self.empties: dict[TaskList, int] = {}
        self.released: dict[tuple[TaskList, TaskList], int] = {}


class Participants:
    """Who is busy, and with what.

    Attributes:
        quiet: for how many real seconds somebody has watched without anything happening.
        polled: the lists that anybody has ever polled, or that nobody is expected to poll.
    """

    def __init__(self) -> None:
        """Start with nobody."""
        self.quiet = 0.0
        self._computing: set[Participant] = set()
        self._computed = 0.0
        self.polled: set[TaskList] = set()
        self._busy: dict[Participant, None] = {}
        self._holders: dict[str, Participant] = {}
        self._next_warning = WARNING
        self._many = FEW

    def polls(self, participant: Participant, task_list: TaskList) -> None:
        """Note that somebody polls: a task it held it has dropped, or given to others."""
        self.drops(participant)
        participant.polled.add(task_list)
        self.polled.add(task_list)

    def waits(self, participant: Participant) -> None:
        """Note that somebody's poll has found nothing and waits."""
        self._busy.pop(participant, None)

    def answered(
        self, participant: Participant, task_list: TaskList, reply: Mapping[str, Any]
    ) -> None:
        """Note that somebody's poll was answered, with a task or without."""
        self._works(participant)
        if reply.get("taskToken"):
            participant.empties.clear()
            participant.held = (
                f"a task of {reply['workflowExecution']['workflowId']!r} from {task_list}"
            )
            self.holds(participant, reply["taskToken"])

    def holds(self, participant: Participant, token: str) -> None:
        """Note a token of the task that somebody holds."""
        participant.tokens.append(token)
        self._holders[token] = participant

    def acts(self, participant: Participant) -> None:
        """Note that somebody has made a call that is not a poll and not just a question."""
        participant.empties.clear()
        self._works(participant)

    def task_is_over(self, token: str) -> None:
        """Note that a task was answered, or that it is too late to do so."""
        holder = self._holders.get(token)
        if holder is not None:
            self._drop(holder)

    def pause(self) -> float | None:
        """Return for how many real seconds to wait for somebody busy; None if nobody is.

        Who holds no task and makes no call for a while is not counted any more: it has gone on
        to other things, or waits for something itself. But on a busy machine a while is soon over
        for somebody who gets no processor; so that does not count, up to a limit.
        """
        self._forget_the_dead()
        holders = [participant for participant in self._busy if participant.held]
        if holders:
            self._warn(holders)
            return LOOK
        if self._busy and self.quiet < COMPUTING:
            # Who only looks up between two naps is hardly seen at it twice in a row.
            before, self._computing = self._computing, {p for p in self._busy if p.computes()}
            if before & self._computing:
                self._computed = self.quiet
        left = self._computed + GRACE - self.quiet
        if self._busy and left > 0:
            return min(left, GRACE / 5)
        self._busy.clear()
        return None

    def drops(self, participant: Participant) -> None:
        """Note that somebody is no longer at work on the task it held."""
        self._drop(participant)
        self._works(participant)

    def _works(self, participant: Participant) -> None:
        self._busy[participant] = None
        self.quiet = self._computed = 0.0
        self._next_warning = WARNING
        if len(self._busy) > self._many:
            self._forget_the_dead()
            self._many = max(FEW, 2 * len(self._busy))

    def _forget_the_dead(self) -> None:
        for participant in list(self._busy):
            if not participant.alive():
                del self._busy[participant]
                self._drop(participant)

    def _drop(self, participant: Participant) -> None:
        for token in participant.tokens:
            self._holders.pop(token, None)
        participant.tokens.clear()
        participant.held = ""

    def _warn(self, holders: list[Participant]) -> None:
        if self.quiet >= self._next_warning:
            self._next_warning *= 2
            held = ", ".join(f"{holder.name} holds {holder.held}" for holder in holders)
            _log.warning(
                "Simulated time has stood still for %.0f real seconds, because %s.",
                self.quiet,
                held,
            )


def _not_told() -> bool:
    return False
