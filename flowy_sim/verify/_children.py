"""The children of an execution: executions that stand in for the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from flowy_sim._events.schema import EVENTS
from flowy_sim.verify._course import Course
from flowy_sim.verify._decided import decision
from flowy_sim.verify._instants import seconds
from flowy_sim.verify._others import Duty, Senders
from flowy_sim.verify._recording import Event
from flowy_sim.verify._world import LONGEST, World


class Child:
    """A child that started.

    Attributes:
        other: its first run.
        last: the run that ended; the first one if none has.
        starts: when it starts, in milliseconds.
    """

    def __init__(self, course: Course, senders: Senders, world: World, initiated: Event) -> None:
        """Read what became of the child that an event initiated."""
        self._course = course
        self._senders = senders
        self._world = world
        self._initiated = initiated
        self._started = course.links.started[initiated.id]
        self._ended = course.links.ended.get(initiated.id)
        self._workflow_id: str = initiated["workflowId"]
        self.other = senders.other(self._started["workflowExecution"])
        named = self._ended or self._started
        self.last = senders.other(named["workflowExecution"])
        missed = course.links.missed(initiated.id)
        earliest = course.at(initiated) if missed is None else course.at(missed) + 1
        self.starts = max(earliest, min(self._seen()))
        own_id = course.recording.workflow_id
        world.timetable.arrange("child start", own_id, initiated.id, self.starts)

    def duties(self, siblings: Iterable[Child]) -> Iterator[Duty]:
        """Yield what it does, and when.

        Args:
            siblings: the children of its workflow id, of which one is open at a time.
        """
        followed = [child.starts for child in siblings if child.starts > self.starts]
        closes_at = min([self._closes_at, *followed]) - 1
        if self._senders.first_received(self.other) is not None:
            decisions = self._senders.decisions(self.other)
            yield Duty(self.starts, self._initiated.id, self._decides(decisions))
        yield from self._succession(closes_at)
        if self._ended is not None:
            yield from self._end(self._ended, closes_at)

    def _seen(self) -> Iterator[int]:
        """Yield instants by which it has started, for what it did shows then."""
        yield self._course.at(self._started)
        received = self._senders.first_received(self.other)
        if received is not None:
            yield self._course.at(received) - 1
        for request, answer in self._requests(failed=False):
            yield self._shows(request, answer)
        for event in self._course.recording.events[self._initiated.id : self._started.id]:
            # Another child of its workflow id found it running.
            if (
                event.type == "StartChildWorkflowExecutionFailed"
                and event["workflowId"] == self._workflow_id
                and event.link("initiatedEventId")
            ):
                yield self._course.at(event) - 1
        if self._ended is not None and self._timed_out and self.last == self.other:
            yield self._course.at(self._ended) - self._lasts

    def _succession(self, closes_at: int) -> Iterator[Duty]:
        """Let it continue as new, if another run ended or if it was open for too long for one."""
        due = self.starts + self._lasts
        outlived = self._ended is None and due <= self._course.end
        if self.last == self.other and not outlived:
            return
        latest = min([due - 1, closes_at, *self._last_run_seen()])
        lasts = LONGEST
        if self._timed_out and self._ended is not None:
            # The successor times out a whole number of seconds after it has started.
            ends = self._course.at(self._ended)
            lasts = max(1, -((latest - ends) // 1000))
            latest = ends - lasts * 1000
        seen = self._course.links.last_seen(self._initiated.id)
        at = max(latest, self._course.at(seen))
        yield Duty(at, seen.id, partial(self._continue, lasts))

    def _last_run_seen(self) -> Iterator[int]:
        """Yield instants by which it has continued as its last run, if that is not its first."""
        if self.last == self.other:
            return
        received = self._senders.first_received(self.last)
        if received is not None:
            yield self._course.at(received) - 1
        for request, answer in self._course.links.requests(self._workflow_id):
            receiver = answer["workflowExecution"]
            if receiver is not None and self._senders.other(receiver) == self.last:
                yield self._shows(request, answer)

    def _shows(self, request: Event, answer: Event) -> int:
        """Return by when who got a request is there; who is addressed by a run id has one."""
        named = request["runId"] is not None
        return self._course.at(request) if named else self._course.at(answer) - 1

    def _continue(self, lasts: int) -> None:
        """Let its first run continue as the last one, which sends what it sent."""
        current = self._world.open_run(self._workflow_id)
        if current is None or self._world.run_ids.simulated(self.other.run_id) != current:
            return
        version = (self._ended or self._started)["workflowType"]["version"]
        self._world.continue_as_new(self._workflow_id, version, lasts)
        decisions = self._senders.decisions(self.last) if self.last != self.other else []
        if decisions:
            self._world.decide(self._workflow_id, decisions)

    def _end(self, ended: Event, at: int) -> Iterator[Duty]:
        """Let it close."""
        closing = EVENTS[ended.type.removeprefix("Child")].decision
        if closing:
            told = {
                member: ended[member]
                for member in ("result", "reason", "details")
                if ended[member] is not None
            }
            yield Duty(at, self._started.id, self._decides([decision(closing, **told)]))
        elif not self._timed_out:
            terminates = partial(self._world.terminate, self._workflow_id)
            yield Duty(at, self._started.id, terminates)

    def _decides(self, decisions: list[dict[str, object]]) -> partial[None]:
        return partial(self._world.decide, self._workflow_id, decisions)

    def _requests(self, failed: bool) -> Iterator[tuple[Event, Event]]:
        """Yield the requests to it that succeeded, or that failed, with what came of them."""
        for request, answer in self._course.links.requests(self._workflow_id):
            if (
                request["runId"] in (None, self.other.run_id)
                and answer.type.endswith("Failed") == failed
            ):
                yield request, answer

    @property
    def _closes_at(self) -> int:
        """By when it has closed, for its parent is told, or a request finds it closed."""
        ends = self._course.end + 1 if self._ended is None else self._course.at(self._ended)
        refused = [self._course.at(answer) for _, answer in self._requests(failed=True)]
        return min([ends, *(at for at in refused if at > self._course.at(self._started))])

    @property
    def _timed_out(self) -> bool:
        return self._ended is not None and self._ended.type == "ChildWorkflowExecutionTimedOut"

    @property
    def _lasts(self) -> int:
        """How long its first run may be open, in milliseconds."""
        return 1000 * (seconds(self._initiated["executionStartToCloseTimeout"]) or 0)
