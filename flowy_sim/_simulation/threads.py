"""Calls from threads: long polls block the thread that makes them, as they would at the service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._simulation.clock import Clock
from flowy_sim._simulation.polls import DECISION_POLL, POLLS, QUESTIONS, Poll, Polls, Reply
from flowy_sim._simulation.presence import Participant, Participants, TaskList
from flowy_sim._simulation.time_skipping import Passage


class Threads:
    """The threads that call a simulation; each is a participant.

    Args:
        lock: held by whoever uses the simulation.
        clock: the simulation's clock.
        carry_out: carries out a call at once, given operation, request and region.
        participants: who is busy.
        polls: the polls that wait, an attribute too.
        passage: lets time pass.
    """

    def __init__(
        self,
        lock: threading.RLock,
        clock: Clock,
        carry_out: Callable[[str, Reply, str], Reply],
        participants: Participants,
        polls: Polls,
        passage: Passage,
    ) -> None:
        """Start with none."""
        self._lock = lock
        self._clock = clock
        self._carry_out = carry_out
        self._participants = participants
        self.polls = polls
        self._passage = passage
        self._local = threading.local()
        self._watched: Poll | None = None

    def call(self, operation: str, request: Reply, region: str, poll_seconds: float) -> Reply:
        """Carry out a call of the present thread; a poll waits for a task.

        Args:
            operation: such as ``PollForActivityTask``.
            request: its members.
            region: whose service is called.
            poll_seconds: for how many simulated seconds a poll waits.

        Raises:
            Fault: the call is refused.
        """
        with self._lock:
            if operation.startswith(QUESTIONS):
                return self._carry_out(operation, request, region)
            next_page = operation == DECISION_POLL and request.get("nextPageToken")
            if operation in POLLS and not next_page:
                return self._poll(operation, request, region, poll_seconds)
            return self._act(operation, request, region)

    def _act(self, operation: str, request: Reply, region: str) -> Reply:
        participants = self._participants
        participant = self._present()
        participants.acts(participant)
        try:
            reply = self._carry_out(operation, request, region)
        except UnknownResourceFault:
            participants.task_is_over(request.get("taskToken", ""))
            raise
        if operation.startswith("Respond"):
            participants.task_is_over(request["taskToken"])
        elif operation == DECISION_POLL:
            participants.holds(participant, reply["taskToken"])
        return reply

    def _poll(self, operation: str, request: Reply, region: str, seconds: float) -> Reply:
        participant = self._present()
        reply = self._carry_out(operation, request, region)
        task_list = TaskList(region, operation, request["domain"], request["taskList"]["name"])
        waits = seconds > 0 and not reply.get("taskToken")
        if waits:
            self.polls.check_limit(task_list)
        self._participants.polls(participant, task_list)
        if not waits:
            self._participants.answered(participant, task_list, reply)
            return reply
        condition = threading.Condition(self._lock)
        poll = Poll(
            participant,
            task_list,
            request,
            empty=reply,
            began=self._clock.milliseconds,
            lasts=max(1, round(seconds * 1000)),
            wake=condition.notify,
        )
        self._passage.add(poll)
        try:
            self._wait(poll, condition)
        except BaseException:
            self._participants.drops(participant)
            raise
        finally:
            self.polls.remove(poll)
            self._hand_over_watch(poll)
        if poll.fault is not None:
            raise poll.fault
        return poll.reply or {}

    def _wait(self, poll: Poll, condition: threading.Condition) -> None:
        """Block until a poll is answered.

        Of all threads that wait, the one that came first watches: it alone wakes up from time to
        time to see whether time may pass.
        """
        waited = 0.0
        while True:
            pause = self._passage.settle(waited)
            if poll.answered:
                return
            watches = self.polls.first() is poll
            if watches:
                self._watched = poll
            woken = condition.wait(pause if watches else None)
            waited = 0.0 if woken or pause is None else pause

    def _hand_over_watch(self, poll: Poll) -> None:
        """Let another thread watch, if the one that leaves did so, or was about to."""
        if self._watched is poll:
            self._watched = None
        following = self.polls.first()
        if following is not None and self._watched is None:
            following.wake()

    def _present(self) -> Participant:
        try:
            participant: Participant = self._local.participant
        except AttributeError:
            thread = threading.current_thread()
            at_work = partial(computes, thread.native_id)
            participant = Participant(f"thread {thread.name!r}", thread.is_alive, at_work)
            self._local.participant = participant
        return participant


def computes(native_id: int | None) -> bool:
    """Return whether a thread of this process computes, or would if it had a processor.

    Only Linux tells; elsewhere it is never known to.

    Args:
        native_id: the number that the operating system has given it.
    """
    try:
        with open(f"/proc/self/task/{native_id}/stat", "rb") as stat:
            return stat.read().rpartition(b") ")[2].startswith(b"R")
    except OSError:
        return False
