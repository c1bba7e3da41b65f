"""The heartbeats that workers must have sent for activity tasks to end as recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowy_sim._engine import Fault, Limits
from flowy_sim._engine.model import input_shape
from flowy_sim._events.schema import EVENTS
from flowy_sim.verify._comparison import ABSENT, Comparison, EventDifference, RunIds
from flowy_sim.verify._fakes import FakeExecutions
from flowy_sim.verify._instants import LATENESS, Plan, RecordedLatency, seconds
from flowy_sim.verify._others import Action
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._registrations import requirements
from flowy_sim.verify._shapes import MalformedHistoryError
from flowy_sim.verify._simulation import LambdaOutcomes, SimulatedDomain, is_crowded
from flowy_sim.verify._steps import Step, attributes_of, decisions_of, without_nulls

#: A bound on the heartbeats of a task; one a minute for a year are about half as many.
MOST_HEARTBEATS = 1_000_000


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat.

    Attributes:
        at: when it is sent, in milliseconds.
        started_id: the ID of the ActivityTaskStarted event of its task.
        details: its details; None if it has none.
        cancel_requested: the recorded reply; None if it was not recorded.
    """

    at: int
    started_id: int
    details: str | None = None
    cancel_requested: bool | None = None


def heartbeats(plan: Plan) -> Iterator[Heartbeat]:
    """Yield the heartbeats of every activity task of a history.

    Heartbeats write no events, and their times are not recorded. All recorded ones are sent, and
    as many more as a task needs to run as long as it did. The last heartbeat of a task that timed
    out for lack of heartbeats was sent exactly its heartbeatTimeout before.
    """
    recording = plan.recording
    asked = {
        event["activityId"]: plan.at(event)
        for event in recording.events
        if event.type == "ActivityTaskCancelRequested"
    }
    for started in recording.events:
        if started.type == "ActivityTaskStarted":
            scheduled = recording.event(started.link("scheduledEventId"))
            ended = plan.links.ended.get(scheduled.id)
            end = plan.end if ended is None else plan.at(ended)
            known = _known(recording, started, ended)
            times = _times(scheduled, ended, plan.at(started), end, len(known))
            unknown: list[Mapping[str, Any]] = [{}] * (len(times) - len(known))
            for earliest, heartbeat in zip(times, unknown + known, strict=True):
                time = earliest
                answer = heartbeat.get("response", {}).get("cancelRequested")
                asked_at = asked.get(scheduled["activityId"])
                if asked_at is not None and answer is not None:
                    time = max(time, asked_at) if answer else min(time, asked_at - 1)
                yield Heartbeat(time, started.id, heartbeat.get("details"), answer)


def _known(recording: Recording, started: Event, ended: Event | None) -> list[Mapping[str, Any]]:
    """Return the known heartbeats of a task: the recorded ones, or else the last one."""
    known = list(recording.heartbeats.get(started.id, ()))
    timed_out = ended is not None and ended.type == "ActivityTaskTimedOut"
    if not known and ended is not None and timed_out and ended["details"] is not None:
        return [{"details": ended["details"]}]
    return known


def _times(scheduled: Event, ended: Event | None, begin: int, end: int, known: int) -> list[int]:
    """Return when heartbeats are sent: at even intervals, and none too late."""
    timeout = seconds(scheduled["heartbeatTimeout"])
    if timeout and ended is not None and ended["timeoutType"] == "HEARTBEAT":
        last = max(begin, end - timeout * 1000)
        if not known and last - begin <= LATENESS:
            return []
        count = _possible(max(known, (last - begin) // (timeout * 1000) + 1))
        return [begin + (last - begin) * number // count for number in range(1, count + 1)]
    count = _possible(max(known, (end - begin) // (timeout * 1000) if timeout else 0))
    return [begin + (end - begin) * number // (count + 1) for number in range(1, count + 1)]


def _possible(count: int) -> int:
    if count > MOST_HEARTBEATS:
        raise MalformedHistoryError(f"A task would have had to send {count:,} heartbeats.")
    return count


#: The members of RespondDecisionTaskCompleted other than the token and the decisions.
_WITH_DECISIONS = ("executionContext", "taskList", "taskListScheduleToStartTimeout")


#: A poll for a further page must name a list; any name is accepted.
_ANY_LIST = {"name": "any"}


class DifferenceFound(Exception):
    """The simulation differs from the recording."""

    def __init__(self, difference: EventDifference) -> None:
        super().__init__(str(difference))
        self.difference = difference


class Redrive:
    """The redrive of one recording through a new simulation.

    Calls are made as recorded, at the recorded instants. The effects of the service must come from
    the simulation. Every step is compared before the next one is taken.

    Args:
        recording: the recording.

    Attributes:
        agreed: the number of events that agree so far.
    """

    def __init__(self, recording: Recording) -> None:
        self._plan = plan = Plan(recording)
        self._recording = recording
        self._run_ids = RunIds(kept=not recording.lost.run_ids)
        self._simulation = SimulatedDomain(
            RecordedLatency(plan), self._run_ids, _limits(recording), LambdaOutcomes(recording)
        )
        self._fakes = FakeExecutions(plan, self._simulation)
        self._comparison = Comparison(recording, self._run_ids)
        self._run_id = ""
        self._tokens: dict[int, str] = {}
        self.agreed = 0
        actions = [
            Action(beat.at, beat.started_id, partial(self._heartbeat, beat))
            for beat in heartbeats(plan)
        ]
        actions += self._fakes.actions
        self._actions = deque(sorted(actions, key=lambda action: action[:2]))

    def run(self) -> EventDifference | None:
        """Return the first difference; None if the simulation writes the same history."""
        try:
            for step, instant in zip(self._plan.steps, self._plan.instants, strict=True):
                self._take(step, instant)
        except DifferenceFound as found:
            return found.difference
        return None

    # A step

    def _take(self, step: Step, instant: int) -> None:
        try:
            while self._actions and self._comes_before(self._actions[0], step, instant):
                action = self._actions.popleft()
                self._simulation.move_to(action.at)
                action.perform()
            self._simulation.crowd(is_crowded(step.events))
            self._do(step, instant)
        except Fault as fault:
            raise _refused(step.cause, fault) from None
        self._compare(step, instant)

    @staticmethod
    def _comes_before(action: Action, step: Step, instant: int) -> bool:
        if action.at == instant:
            return not step.is_effect and action.after < step.cause.id
        return action.at < instant

    def _do(self, step: Step, instant: int) -> None:
        """Make the call that caused a step, or let time pass."""
        simulation, cause = self._simulation, step.cause
        if cause.id == 1:
            self._fakes.start_execution(instant)
            self._run_id = simulation.open_run(self._recording.workflow_id) or ""
            if self._recording.run_id is not None:
                self._run_ids.bind(self._recording.run_id, self._run_id)
            return
        simulation.move_to(instant)
        if step.is_effect:
            return
        operation = EVENTS[cause.type].operation
        match operation:
            case "PollForDecisionTask":
                self._poll_for_decision_task(cause)
            case "PollForActivityTask":
                self._poll(operation, cause)
            case "RespondDecisionTaskCompleted":
                self._respond_decision_task_completed(step)
            case "StartWorkflowExecution":
                pass  # Not the first event: the comparison finds it.
            case _:
                self._call(operation, cause)

    def _call(self, operation: str, cause: Event) -> None:
        """Make the call that wrote an event, with the members that the event contains."""
        members = input_shape(operation).members
        request = {name: value for name, value in cause.attributes.items() if name in members}
        if "workflowId" in members:
            request["workflowId"] = self._recording.workflow_id
        if "taskToken" in members:
            request["taskToken"] = self._token(cause)
        self._simulation.call(operation, request)

    def _poll(self, operation: str, cause: Event, **request: Any) -> dict[str, Any]:
        scheduled = self._recording.event(cause.link("scheduledEventId"))
        task_list = scheduled["taskList"]
        if task_list is None:
            raise _no_task(cause, "scheduledEventId")
        if cause["identity"] is not None:
            request["identity"] = cause["identity"]
        task = self._simulation.poll(
            operation, task_list["name"], self._run_id, scheduled.id, **request
        )
        if not task.get("taskToken"):
            raise _difference(cause, operation, "a task", "no task")
        self._tokens[cause.id] = task["taskToken"]
        return task

    def _poll_for_decision_task(self, cause: Event) -> None:
        recorded = self._recording.polls.get(cause.id, {})
        # If pages were not recorded, one event is enough.
        size = {} if "firstEventId" in recorded else {"maximumPageSize": 1}
        task = self._poll("PollForDecisionTask", cause, **size)
        previous = recorded.get("previousStartedEventId")
        if previous not in (None, task["previousStartedEventId"]):
            got = task["previousStartedEventId"]
            raise _difference(cause, "PollForDecisionTask.previousStartedEventId", previous, got)
        first_ids = [task["events"][0]["eventId"]]
        while "firstEventId" in recorded and "nextPageToken" in task:
            page = {"taskList": _ANY_LIST, "nextPageToken": task["nextPageToken"]}
            task = self._simulation.call("PollForDecisionTask", page)
            first_ids.append(task["events"][0]["eventId"])
        if recorded.get("firstEventId", 1) not in first_ids:
            first_id = recorded["firstEventId"]
            raise _difference(cause, "PollForDecisionTask.events", first_id, first_ids)

    def _respond_decision_task_completed(self, step: Step) -> None:
        cause = step.cause
        recorded = self._recording.decisions.get(cause.link("startedEventId"))
        decisions = decisions_of(self._recording, step)
        for requirement in requirements(self._recording, decisions, step.batch):
            self._simulation.registrations.ensure(requirement)
        self._simulation.throttle.expect(step.batch, self._plan.links)
        for decision in decisions:
            attributes = attributes_of(decision)
            if "runId" in attributes:
                known = self._run_ids.simulated(attributes["runId"])
                attributes["runId"] = known or attributes["runId"]
        given = cause.attributes if recorded is None else without_nulls(recorded)
        request = {name: given[name] for name in _WITH_DECISIONS if name in given}
        request |= {"taskToken": self._token(cause), "decisions": decisions}
        self._simulation.call("RespondDecisionTaskCompleted", request)

    def _token(self, cause: Event) -> str:
        """Return the token of the task that an event ended."""
        token = self._tokens.get(cause.link("startedEventId"))
        if token is None:
            raise _no_task(cause, "startedEventId")
        return token

    def _heartbeat(self, heartbeat: Heartbeat) -> None:
        cause = self._recording.event(heartbeat.started_id)
        request = {"taskToken": self._tokens[heartbeat.started_id]}
        if heartbeat.details is not None:
            request["details"] = heartbeat.details
        try:
            answer = self._simulation.call("RecordActivityTaskHeartbeat", request)[
                "cancelRequested"
            ]
        except Fault as fault:
            raise _refused(cause, fault) from None
        if heartbeat.cancel_requested not in (None, answer):
            recorded = heartbeat.cancel_requested
            raise _difference(
                cause, "RecordActivityTaskHeartbeat.cancelRequested", recorded, answer
            )

    # Comparing

    def _compare(self, step: Step, instant: int) -> None:
        shift = instant - (step.cause.at or 0)
        got = deque(self._news())
        for event in step.events:
            if not got:
                raise _difference(event, "eventType", event.type, ABSENT)
            difference = self._comparison.difference(event, got.popleft(), shift)
            if difference is not None:
                raise DifferenceFound(difference)
            self.agreed += 1
        upcoming = self._recording.event(self.agreed + 1)
        if got and upcoming.type not in ("", got[0]["eventType"]):
            raise _difference(upcoming, "eventType", upcoming.type, got[0]["eventType"])

    def _news(self) -> list[dict[str, Any]]:
        """Return the new events of the simulation."""
        if not self._run_id:
            return []
        workflow_id = self._recording.workflow_id
        try:
            return self._simulation.events_after(workflow_id, self._run_id, self.agreed)
        except Fault:  # It closed longer ago than closed executions are kept.
            return []


def _difference(event: Event, field: str, recorded: Any, got: Any) -> DifferenceFound:
    return DifferenceFound(EventDifference(event.id, event.type, field, recorded, got))


def _no_task(event: Event, link: str) -> DifferenceFound:
    """Return the difference for an event whose link does not lead to a task."""
    recorded = event[link]
    if recorded is None:
        return _difference(event, link, ABSENT, "the ID of an event of a task")
    return _difference(event, link, recorded, ABSENT)


def _refused(event: Event, fault: Fault) -> DifferenceFound:
    return _difference(event, "call", "accepted", f"{fault.code}: {fault.message}")


def _limits(recording: Recording) -> Limits:
    """Return the limits that held. The limit of events is not exact in the service."""
    last = recording.events[-1]
    if last["cause"] == "EVENT_LIMIT_EXCEEDED":
        return Limits(events=max(Limits.events, last.id - 1))
    return Limits()
