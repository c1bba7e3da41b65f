"""Other executions, as far as a history shows them: what they sent, and when children act.

Fakes of them perform these actions in the simulation; see `flowy_sim.verify._fakes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from flowy_sim._engine.start import run_seconds
from flowy_sim._events.schema import EVENTS
from flowy_sim.verify._instants import Plan, RecordedLatency
from flowy_sim.verify._recording import Event
from flowy_sim.verify._simulation import LONGEST, SimulatedDomain
from flowy_sim.verify._steps import decision

#: The ID of the first event that the first decisions of an execution write.
FIRST_DECIDED = 5

#: A bound on the IDs of events in other histories, so that no damaged id makes a fake huge.
_MOST_EVENTS = 25_000


class OtherExecution(NamedTuple):
    """Another execution, as recorded; without a run ID if the source did not keep run IDs."""

    workflow_id: str
    run_id: str | None


class Action(NamedTuple):
    """Something that a worker or another execution does; the history shows only its result.

    Attributes:
        at: when to perform it, in milliseconds.
        after: the ID of an event of the history; the action comes after it.
        perform: performs it.
    """

    at: int
    after: int
    perform: Callable[[], None]


class Senders:
    """The signals and cancel requests that other executions sent.

    Args:
        plan: the plan of the redrive, with the events that were received.
        latency: is given the instants at which they are received.
    """

    def __init__(self, plan: Plan, latency: RecordedLatency) -> None:
        self._plan = plan
        self._latency = latency
        self._own_id = plan.recording.workflow_id
        self._sent: dict[OtherExecution, dict[int, Event]] = {}
        recording = plan.recording
        for event in recording.events:
            sender = event["externalWorkflowExecution"]
            if sender is None or event["cause"] is not None or recording.sent_itself(event):
                continue
            sent = self._sent.setdefault(self.other(sender), {})
            sent[event.link("externalInitiatedEventId")] = event

    def __iter__(self) -> Iterator[OtherExecution]:
        """Yield the senders, in the order of the first event that each sent."""
        return iter(self._sent)

    def other(self, execution: Mapping[str, str]) -> OtherExecution:
        """Return the execution that a ``workflowExecution`` of an event names."""
        kept = not self._plan.recording.lost.run_ids
        return OtherExecution(execution["workflowId"], execution["runId"] if kept else None)

    def first_received(self, sender: OtherExecution) -> Event | None:
        """Return the first event that a sender caused; None if there is none."""
        received = self._sent.get(sender, {}).values()
        return min(received, key=lambda event: event.id, default=None)

    def decisions(
        self, sender: OtherExecution, more: Mapping[int, dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """Return the first decisions of a sender.

        They send everything that the execution ever sent, in events of the recorded IDs, and arrive
        when recorded. Markers fill the event IDs in between.

        Args:
            sender: the execution.
            more: further decisions, by the IDs of the events that they write.
        """
        decisions = dict(more or {})
        for initiated_id, event in self._sent.get(sender, {}).items():
            arrives = self._plan.at(event)
            self._latency.arrange("external request", sender.workflow_id, initiated_id, arrives)
            decisions[initiated_id] = self._request(event)
        padded: list[dict[str, Any]] = []
        for event_id, wanted in sorted(decisions.items()):
            missing = min(event_id, _MOST_EVENTS) - FIRST_DECIDED - len(padded)
            padded += [decision("RecordMarker", markerName="flowy-sim")] * missing
            padded.append(wanted)
        return padded

    def _request(self, event: Event) -> dict[str, Any]:
        if event.type == "WorkflowExecutionCancelRequested":
            return decision("RequestCancelExternalWorkflowExecution", workflowId=self._own_id)
        signal = {"workflowId": self._own_id, "signalName": event["signalName"]}
        if event["input"] is not None:
            signal["input"] = event["input"]
        return decision("SignalExternalWorkflowExecution", **signal)


class FakeChild:
    """A child that started, and a fake of it that acts as the history shows.

    Args:
        plan: the plan of the redrive.
        senders: the requests that other executions sent, the child among them.
        simulation: where the fake runs.
        initiated: the event that initiated the child.

    Attributes:
        other: the child's first run.
        last: the run that ended; the first one if none ended.
        starts: when it starts, in milliseconds.
    """

    def __init__(
        self, plan: Plan, senders: Senders, simulation: SimulatedDomain, initiated: Event
    ) -> None:
        self._plan = plan
        self._senders = senders
        self._simulation = simulation
        self._initiated = initiated
        self._started = plan.links.started[initiated.id]
        self._ended = plan.links.ended.get(initiated.id)
        self._workflow_id: str = initiated["workflowId"]
        self.other = senders.other(self._started["workflowExecution"])
        named = self._ended or self._started
        self.last = senders.other(named["workflowExecution"])
        missed = plan.links.missed(initiated.id)
        earliest = plan.at(initiated) if missed is None else plan.at(missed) + 1
        self.starts = max(earliest, min(self._seen()))
        own_id = plan.recording.workflow_id
        simulation.latency.arrange("child start", own_id, initiated.id, self.starts)

    def actions(self, siblings: Iterable[FakeChild]) -> Iterator[Action]:
        """Yield the actions of the child.

        Args:
            siblings: all children with its workflow ID; one of them is open at a time.
        """
        followed = [child.starts for child in siblings if child.starts > self.starts]
        closes_at = min([self._closes_at, *followed]) - 1
        if self._senders.first_received(self.other) is not None:
            decisions = self._senders.decisions(self.other)
            yield Action(self.starts, self._initiated.id, self._decides(decisions))
        yield from self._succession(closes_at)
        if self._ended is not None:
            yield from self._end(self._ended, closes_at)

    def _seen(self) -> Iterator[int]:
        """Yield instants at which an event shows that it has started."""
        yield self._plan.at(self._started)
        received = self._senders.first_received(self.other)
        if received is not None:
            yield self._plan.at(received) - 1
        for request, answer in self._requests(failed=False):
            yield self._shows(request, answer)
        for event in self._plan.recording.events[self._initiated.id : self._started.id]:
            # Another child of its workflow ID found it running.
            if (
                event.type == "StartChildWorkflowExecutionFailed"
                and event["workflowId"] == self._workflow_id
                and event.link("initiatedEventId")
            ):
                yield self._plan.at(event) - 1
        if self._ended is not None and self._timed_out and self.last == self.other:
            yield self._plan.at(self._ended) - self._lasts

    def _succession(self, closes_at: int) -> Iterator[Action]:
        """Continue it as new, if another run ended or if it was open longer than one run can be."""
        due = self.starts + self._lasts
        outlived = self._ended is None and due <= self._plan.end
        if self.last == self.other and not outlived:
            return
        latest = min([due - 1, closes_at, *self._last_run_seen()])
        lasts = LONGEST
        if self._timed_out and self._ended is not None:
            # The new run times out a whole number of seconds after it has started.
            ends = self._plan.at(self._ended)
            lasts = max(1, -((latest - ends) // 1000))
            latest = ends - lasts * 1000
        seen = self._plan.links.last_seen(self._initiated.id)
        at = max(latest, self._plan.at(seen))
        yield Action(at, seen.id, partial(self._continue, lasts))

    def _last_run_seen(self) -> Iterator[int]:
        """Yield instants at which an event shows that its last run, if not its first, exists."""
        if self.last == self.other:
            return
        received = self._senders.first_received(self.last)
        if received is not None:
            yield self._plan.at(received) - 1
        for request, answer in self._plan.links.requests(self._workflow_id):
            receiver = answer["workflowExecution"]
            if receiver is not None and self._senders.other(receiver) == self.last:
                yield self._shows(request, answer)

    def _shows(self, request: Event, answer: Event) -> int:
        """Return an instant at which the receiver of a request exists.

        If the request names a run ID, the receiver existed when the request was sent.
        """
        named = request["runId"] is not None
        return self._plan.at(request) if named else self._plan.at(answer) - 1

    def _continue(self, lasts: int) -> None:
        """Continue its first run as the last one, which sends its requests."""
        current = self._simulation.open_run(self._workflow_id)
        if current is None or self._simulation.run_ids.simulated(self.other.run_id) != current:
            return
        version = (self._ended or self._started)["workflowType"]["version"]
        self._simulation.continue_as_new(self._workflow_id, version, lasts)
        decisions = self._senders.decisions(self.last) if self.last != self.other else []
        if decisions:
            self._simulation.decide(self._workflow_id, decisions)

    def _end(self, ended: Event, at: int) -> Iterator[Action]:
        """Close it as it ended."""
        closing = EVENTS[ended.type.removeprefix("Child")].decision
        if closing:
            outcome = {
                member: ended[member]
                for member in ("result", "reason", "details")
                if ended[member] is not None
            }
            yield Action(at, self._started.id, self._decides([decision(closing, **outcome)]))
        elif not self._timed_out:
            terminates = partial(self._simulation.terminate, self._workflow_id)
            yield Action(at, self._started.id, terminates)

    def _decides(self, decisions: list[dict[str, object]]) -> partial[None]:
        return partial(self._simulation.decide, self._workflow_id, decisions)

    def _requests(self, failed: bool) -> Iterator[tuple[Event, Event]]:
        """Yield the requests to it that succeeded, or that failed, with their outcomes."""
        for request, answer in self._plan.links.requests(self._workflow_id):
            if (
                request["runId"] in (None, self.other.run_id)
                and answer.type.endswith("Failed") == failed
            ):
                yield request, answer

    @property
    def _closes_at(self) -> int:
        """The first instant at which an event shows that it has closed."""
        ends = self._plan.end + 1 if self._ended is None else self._plan.at(self._ended)
        refused = [self._plan.at(answer) for _, answer in self._requests(failed=True)]
        return min([ends, *(at for at in refused if at > self._plan.at(self._started))])

    @property
    def _timed_out(self) -> bool:
        return self._ended is not None and self._ended.type == "ChildWorkflowExecutionTimedOut"

    @property
    def _lasts(self) -> int:
        """How long its first run may be open, in milliseconds."""
        return 1000 * run_seconds(self._initiated["executionStartToCloseTimeout"])
