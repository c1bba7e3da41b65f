"""Driving a simulation through a recorded history."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

from flowy_sim._engine import Fault, Limits
from flowy_sim._engine.model import input_shape
from flowy_sim.verify import _origin
from flowy_sim.verify._account import is_crowded
from flowy_sim.verify._comparing import ABSENT, Comparison, Difference, RunIds
from flowy_sim.verify._course import Course
from flowy_sim.verify._decided import attributes_of, decisions_of, without_nulls
from flowy_sim.verify._heartbeats import Heartbeat, heartbeats
from flowy_sim.verify._lambda_outcomes import LambdaOutcomes
from flowy_sim.verify._others import Duty
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._registrations import needs
from flowy_sim.verify._stand_ins import StandIns
from flowy_sim.verify._steps import Step
from flowy_sim.verify._timetable import Timetable
from flowy_sim.verify._world import World

#: What RespondDecisionTaskCompleted takes beside the decisions.
_TOLD_WITH_DECISIONS = ("executionContext", "taskList", "taskListScheduleToStartTimeout")

#: A poll for a further page has to name a list.
_ANY_LIST = {"name": "any"}


class DifferenceFound(Exception):
    """The simulation and the recording part."""

    def __init__(self, difference: Difference) -> None:
        """Keep the difference."""
        super().__init__(str(difference))
        self.difference = difference


class Redrive:
    """One recording, driven through a fresh simulation.

    Calls are made at the recorded instants, with what was recorded; what the service did by
    itself has to come from the simulation. Every step is compared before the next is taken.

    Attributes:
        agreed: how many events agree so far.
    """

    def __init__(self, recording: Recording) -> None:
        """Plan what is done when."""
        self._course = course = Course(recording)
        self._recording = recording
        self._run_ids = RunIds(kept=not recording.lost.run_ids)
        self._world = World(
            Timetable(course), self._run_ids, _limits(recording), LambdaOutcomes(recording)
        )
        self._stand_ins = StandIns(course, self._world)
        self._comparison = Comparison(recording, self._run_ids)
        self._run_id = ""
        self._tokens: dict[int, str] = {}
        self.agreed = 0
        duties = [
            Duty(beat.at, beat.started_id, partial(self._heartbeat, beat))
            for beat in heartbeats(course)
        ]
        duties += self._stand_ins.duties
        self._duties = deque(sorted(duties, key=lambda duty: duty[:2]))

    def run(self) -> Difference | None:
        """Return the first difference; None if the simulation writes the same history."""
        try:
            for step, instant in zip(self._course.steps, self._course.instants, strict=True):
                self._take(step, instant)
        except DifferenceFound as found:
            return found.difference
        return None

    # A step

    def _take(self, step: Step, instant: int) -> None:
        try:
            while self._duties and self._comes_before(self._duties[0], step, instant):
                duty = self._duties.popleft()
                self._world.move_to(duty.at)
                duty.perform()
            self._world.crowd(is_crowded(step.events))
            self._do(step, instant)
        except Fault as fault:
            raise _refused(step.cause, fault) from None
        self._compare(step, instant)

    @staticmethod
    def _comes_before(duty: Duty, step: Step, instant: int) -> bool:
        if duty.at == instant:
            return not step.is_effect and duty.after < step.cause.id
        return duty.at < instant

    def _do(self, step: Step, instant: int) -> None:
        """Do what the outside world did, or let time pass."""
        world, cause = self._world, step.cause
        if cause.id == 1:
            _origin.begin(world, self._recording, self._stand_ins, instant)
            self._run_id = world.open_run(self._recording.workflow_id) or ""
            if self._recording.run_id is not None:
                self._run_ids.bind(self._recording.run_id, self._run_id)
            return
        world.move_to(instant)
        if step.is_effect:
            return
        match cause.type:
            case "DecisionTaskStarted":
                self._poll_for_decision_task(cause)
            case "DecisionTaskCompleted":
                self._respond_decision_task_completed(step)
            case "ActivityTaskStarted":
                self._poll("PollForActivityTask", cause)
            case "ActivityTaskCompleted" | "ActivityTaskFailed" | "ActivityTaskCanceled":
                self._call(f"Respond{cause.type}", cause, taskToken=self._token(cause))
            case "WorkflowExecutionSignaled":
                self._call("SignalWorkflowExecution", cause)
            case "WorkflowExecutionCancelRequested":
                self._call("RequestCancelWorkflowExecution", cause)
            case "WorkflowExecutionTerminated":
                self._call("TerminateWorkflowExecution", cause)

    def _call(self, operation: str, cause: Event, **request: Any) -> None:
        """Make the call that wrote an event, with the members that the event tells."""
        members = input_shape(operation).members
        told = {name: value for name, value in cause.attributes.items() if name in members}
        if "workflowId" in members:
            told["workflowId"] = self._recording.workflow_id
        self._world.call(operation, told | request)

    def _poll(self, operation: str, cause: Event, **request: Any) -> dict[str, Any]:
        scheduled = self._recording.event(cause.link("scheduledEventId"))
        task_list = scheduled["taskList"]
        if task_list is None:
            raise _part(cause, "scheduledEventId", scheduled.id, ABSENT)
        if cause["identity"] is not None:
            request["identity"] = cause["identity"]
        task = self._world.poll(operation, task_list["name"], self._run_id, scheduled.id, **request)
        if not task.get("taskToken"):
            raise _part(cause, operation, "a task", "no task")
        self._tokens[cause.id] = task["taskToken"]
        return task

    def _poll_for_decision_task(self, cause: Event) -> None:
        recorded = self._recording.polls.get(cause.id, {})
        # Who has not recorded pages need not be made some.
        size = {} if "firstEventId" in recorded else {"maximumPageSize": 1}
        task = self._poll("PollForDecisionTask", cause, **size)
        previous = recorded.get("previousStartedEventId")
        if previous not in (None, task["previousStartedEventId"]):
            got = task["previousStartedEventId"]
            raise _part(cause, "PollForDecisionTask.previousStartedEventId", previous, got)
        first_ids = [task["events"][0]["eventId"]]
        while "firstEventId" in recorded and "nextPageToken" in task:
            page = {"taskList": _ANY_LIST, "nextPageToken": task["nextPageToken"]}
            task = self._world.call("PollForDecisionTask", page)
            first_ids.append(task["events"][0]["eventId"])
        if recorded.get("firstEventId", 1) not in first_ids:
            first_id = recorded["firstEventId"]
            raise _part(cause, "PollForDecisionTask.events", first_id, first_ids)

    def _respond_decision_task_completed(self, step: Step) -> None:
        cause = step.cause
        recorded = self._recording.decisions.get(cause.link("startedEventId"))
        decisions = decisions_of(self._recording, step)
        for need in needs(self._recording, decisions, step.batch):
            self._world.registrations.ensure(need)
        self._world.throttle.expect(step.batch, self._course.links)
        for decision in decisions:
            attributes = attributes_of(decision)
            if "runId" in attributes:
                known = self._run_ids.simulated(attributes["runId"])
                attributes["runId"] = known or attributes["runId"]
        told = cause.attributes if recorded is None else without_nulls(recorded)
        request = {name: told[name] for name in _TOLD_WITH_DECISIONS if name in told}
        request |= {"taskToken": self._token(cause), "decisions": decisions}
        self._world.call("RespondDecisionTaskCompleted", request)

    def _token(self, cause: Event) -> str:
        """Return the token of the task that an event answers."""
        token = self._tokens.get(cause.link("startedEventId"))
        if token is None:
            raise _part(cause, "startedEventId", cause["startedEventId"], ABSENT)
        return token

    def _heartbeat(self, heartbeat: Heartbeat) -> None:
        cause = self._recording.event(heartbeat.started_id)
        request = {"taskToken": self._tokens[heartbeat.started_id]}
        if heartbeat.details is not None:
            request["details"] = heartbeat.details
        try:
            answer = self._world.call("RecordActivityTaskHeartbeat", request)["cancelRequested"]
        except Fault as fault:
            raise _refused(cause, fault) from None
        if heartbeat.cancel_requested not in (None, answer):
            recorded = heartbeat.cancel_requested
            raise _part(cause, "RecordActivityTaskHeartbeat.cancelRequested", recorded, answer)

    # Comparing

    def _compare(self, step: Step, instant: int) -> None:
        shift = instant - (step.cause.at or 0)
        got = deque(self._news())
        for event in step.events:
            if not got:
                raise _part(event, "eventType", event.type, ABSENT)
            difference = self._comparison.difference(event, got.popleft(), shift)
            if difference is not None:
                raise DifferenceFound(difference)
            self.agreed += 1
        upcoming = self._recording.event(self.agreed + 1)
        if got and upcoming.type not in ("", got[0]["eventType"]):
            raise _part(upcoming, "eventType", upcoming.type, got[0]["eventType"])

    def _news(self) -> list[dict[str, Any]]:
        """Return the events that are new in the simulation."""
        if not self._run_id:
            return []
        workflow_id = self._recording.workflow_id
        return self._world.events_after(workflow_id, self._run_id, self.agreed)


def _part(event: Event, field: str, recorded: Any, got: Any) -> DifferenceFound:
    return DifferenceFound(Difference(event.id, event.type, field, recorded, got))


def _refused(event: Event, fault: Fault) -> DifferenceFound:
    return _part(event, "call", "accepted", f"{fault.code}: {fault.message}")


def _limits(recording: Recording) -> Limits:
    """Return the limits that held; how many events a history may have is not exact."""
    last = recording.events[-1]
    if last["cause"] == "EVENT_LIMIT_EXCEEDED":
        return Limits(events=max(Limits.events, last.id - 1))
    return Limits()
