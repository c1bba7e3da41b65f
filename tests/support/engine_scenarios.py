"""A small shop for scenarios, which records all answers of the service.

A test declares with `produces` what it has to cover:

- ``operation ListDomains``: a call of the operation that is not refused;
- ``fault DescribeDomain UnknownResourceFault``: a call of the operation refused with that fault;
- ``decision StartTimer``: a decision of that type that succeeds;
- ``EventType TimerFired``, ``CloseStatus FAILED`` …: a value of an enum of the service model,
  in a reply or in a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import input_shape, operation_names, service_model

Test = TypeVar("Test", bound=Callable[..., Any])

DOMAIN = "shop"
TASK_LIST = {"name": "list"}
WORKFLOW = {"name": "Order", "version": "1"}
ACTIVITY = {"name": "Charge", "version": "1"}
#: Defaults without time limits.
WORKFLOW_DEFAULTS = {
    "defaultChildPolicy": "TERMINATE",
    "defaultExecutionStartToCloseTimeout": "31536000",
    "defaultTaskList": TASK_LIST,
    "defaultTaskStartToCloseTimeout": "NONE",
}
ACTIVITY_DEFAULTS = {
    "defaultTaskHeartbeatTimeout": "NONE",
    "defaultTaskList": TASK_LIST,
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskScheduleToStartTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "NONE",
}
#: The settings that have to be defined somewhere, in the order in which they are looked for.
WORKFLOW_SETTINGS = {
    "executionStartToCloseTimeout": "31536000",
    "taskList": TASK_LIST,
    "taskStartToCloseTimeout": "NONE",
    "childPolicy": "TERMINATE",
}
ACTIVITY_SETTINGS = {
    "taskList": TASK_LIST,
    "scheduleToStartTimeout": "NONE",
    "scheduleToCloseTimeout": "NONE",
    "startToCloseTimeout": "NONE",
    "heartbeatTimeout": "NONE",
}
EVER = {"oldestDate": 0}

#: The event that a decision writes when it succeeds.
SUCCESSES = {
    "ActivityTaskScheduled": "ScheduleActivityTask",
    "ActivityTaskCancelRequested": "RequestCancelActivityTask",
    "WorkflowExecutionCompleted": "CompleteWorkflowExecution",
    "WorkflowExecutionFailed": "FailWorkflowExecution",
    "WorkflowExecutionCanceled": "CancelWorkflowExecution",
    "WorkflowExecutionContinuedAsNew": "ContinueAsNewWorkflowExecution",
    "MarkerRecorded": "RecordMarker",
    "TimerStarted": "StartTimer",
    "TimerCanceled": "CancelTimer",
    "SignalExternalWorkflowExecutionInitiated": "SignalExternalWorkflowExecution",
    "RequestCancelExternalWorkflowExecutionInitiated": "RequestCancelExternalWorkflowExecution",
    "StartChildWorkflowExecutionInitiated": "StartChildWorkflowExecution",
    "LambdaFunctionScheduled": "ScheduleLambdaFunction",
}


def produces(*items: str) -> Callable[[Test], Test]:
    """Declare what a test has to cover; the `world` fixture checks that it does."""

    def say(test: Test) -> Test:
        test.__dict__["produces"] = frozenset(items)
        return test

    return say


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    """Return a decision of a type with its attributes."""
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}


def schedule(activity_id: str = "a", /, **attributes: Any) -> dict[str, Any]:
    """Return a decision to schedule an activity task."""
    attributes = {"activityId": activity_id, "activityType": ACTIVITY, **attributes}
    return decision("ScheduleActivityTask", **attributes)


def timer(timer_id: str = "t", /, seconds: str = "60", **attributes: Any) -> dict[str, Any]:
    """Return a decision to start a timer."""
    return decision("StartTimer", timerId=timer_id, startToFireTimeout=seconds, **attributes)


def child(workflow_id: str = "child", /, **attributes: Any) -> dict[str, Any]:
    """Return a decision to start a child."""
    attributes = {"workflowId": workflow_id, "workflowType": WORKFLOW, **attributes}
    return decision("StartChildWorkflowExecution", **attributes)


def call_function(task_id: str = "f", name: str = "f", /, **attributes: Any) -> dict[str, Any]:
    """Return a decision to call a Lambda function."""
    return decision("ScheduleLambdaFunction", id=task_id, name=name, **attributes)


def settings_before(
    setting: str, settings: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that are looked for before one, and that one with those after it."""
    place = list(settings).index(setting)
    items = list(settings.items())
    return dict(items[:place]), dict(items[place:])


def undefined(setting: str) -> str:
    """Return the cause of a decision that fails because a setting is nowhere defined."""
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in setting)
    return f"DEFAULT_{words.upper()}_UNDEFINED"


def parts(shape: Any, value: Any) -> Iterator[str]:
    """Yield the members and the enum values of the model that a value of a shape has."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if member is not None:
                yield f"{shape.name}.{name}"
                yield from parts(shape.members[name], member)
    elif shape.type_name == "list":
        for element in value:
            yield from parts(shape.member, element)
    elif shape.type_name == "string" and shape.enum:
        yield f"{shape.name} {value}"


class World:
    """A domain with a workflow type and an activity type, and a record of all that was seen.

    Args:
        settings: those of the simulation.
    """

    def __init__(self, **settings: Any) -> None:
        self.seen: set[str] = set()
        self.simulation = Simulation(**settings)
        self.call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
        self.call("RegisterWorkflowType", **WORKFLOW, **WORKFLOW_DEFAULTS)
        self.call("RegisterActivityType", **ACTIVITY, **ACTIVITY_DEFAULTS)

    # Calls

    def call(self, operation: str, /, **request: Any) -> dict[str, Any]:
        """Carry out a call, about the shop if it has to be about a domain."""
        if operation in operation_names() and "domain" in input_shape(operation).members:
            request.setdefault("domain", DOMAIN)
        try:
            reply = self.simulation.call(operation, request)
        except Fault as fault:
            self.seen.add(f"fault {operation} {fault.code}")
            raise
        self.seen.add(f"operation {operation}")
        self.seen.update(f"asked {part}" for part in parts(input_shape(operation), request))
        output = service_model().operation_model(operation).output_shape
        self.seen.update(parts(output, reply) if output else ())
        return reply

    def refusal(self, code: str, operation: str, /, **request: Any) -> str | None:
        """Carry out a call that has to be refused with a fault; return its message."""
        with pytest.raises(Fault) as caught:
            self.call(operation, **request)
        assert caught.value.code == code, caught.value
        return caught.value.message

    def wait(self, seconds: float = 1) -> None:
        """Let time pass; effects that follow a call have then happened."""
        self.simulation.clock.advance(seconds)

    def start(self, workflow_id: str = "order", /, **members: Any) -> str:
        """Start an execution; return its run ID."""
        members = {"workflowType": WORKFLOW, **members}
        run_id = self.call("StartWorkflowExecution", workflowId=workflow_id, **members)["runId"]
        assert isinstance(run_id, str)
        return run_id

    def poll(self, task_list: str = "list", **members: Any) -> dict[str, Any]:
        """Poll for a decision task, which has to exist."""
        task = self.call("PollForDecisionTask", taskList={"name": task_list}, **members)
        assert "taskToken" in task, "no decision task"
        return task

    def answer(self, task: dict[str, Any], *decisions: Any, **members: Any) -> None:
        """Answer a decision task."""
        request = {"taskToken": task["taskToken"], "decisions": list(decisions), **members}
        self.call("RespondDecisionTaskCompleted", **request)

    def decide(self, *decisions: Any, **members: Any) -> dict[str, Any]:
        """Get a decision task and answer it; return the task."""
        task = self.poll()
        self.answer(task, *decisions, **members)
        return task

    def take(self, task_list: str = "list", **members: Any) -> dict[str, Any]:
        """Poll for an activity task, which has to exist."""
        task = self.call("PollForActivityTask", taskList={"name": task_list}, **members)
        assert "taskToken" in task, "no activity task"
        return task

    def nothing_to_do(self, task_list: str = "list") -> bool:
        """Return whether a decider would find no task."""
        request = {"taskList": {"name": task_list}}
        return bool(self.call("CountPendingDecisionTasks", **request)["count"] == 0)

    # Queries

    def executions(self, workflow_id: str | None = None) -> list[dict[str, Any]]:
        """Return the ``executionInfo`` of all executions or of one workflow ID, newest last."""
        only = {"executionFilter": {"workflowId": workflow_id}} if workflow_id else {}
        found = []
        for state in ("Closed", "Open"):
            request = {"startTimeFilter": EVER, "reverseOrder": True, **only}
            reply = self.call(f"List{state}WorkflowExecutions", **request)
            found += reply["executionInfos"]
        return found

    def describe(self, workflow_id: str = "order", run: int = -1) -> dict[str, Any]:
        """Return the description of an execution's newest run, or of another."""
        execution = self.executions(workflow_id)[run]["execution"]
        return self.call("DescribeWorkflowExecution", execution=execution)

    def history(self, workflow_id: str = "order", run: int = -1) -> list[dict[str, Any]]:
        """Return the events of an execution's newest run, or of another."""
        execution = self.executions(workflow_id)[run]["execution"]
        events = self.call("GetWorkflowExecutionHistory", execution=execution)["events"]
        assert isinstance(events, list)
        return events

    def types(self, workflow_id: str = "order", run: int = -1) -> list[str]:
        """Return the types of the events."""
        return [event["eventType"] for event in self.history(workflow_id, run)]

    def event(self, event_type: str, workflow_id: str = "order", run: int = -1) -> dict[str, Any]:
        """Return the attributes of the newest event of a type."""
        key = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
        events = [event[key] for event in self.history(workflow_id, run) if key in event]
        assert events, f"no {event_type} in {self.types(workflow_id, run)}"
        attributes = events[-1]
        assert isinstance(attributes, dict)
        return attributes

    def same_time(self, first: int, last: int, workflow_id: str = "order") -> bool:
        """Return whether the events from one id to another were written in one transaction."""
        events = self.history(workflow_id)[first - 1 : last]
        return len({event["eventTimestamp"] for event in events}) == 1

    def look_around(self) -> set[str]:
        """Look at every execution, and return all that was ever seen."""
        for info in self.executions():
            execution = info["execution"]
            self.call("DescribeWorkflowExecution", execution=execution)
            events = self.call("GetWorkflowExecutionHistory", execution=execution)["events"]
            for event in events:
                if event["eventType"] in SUCCESSES:
                    self.seen.add(f"decision {SUCCESSES[event['eventType']]}")
        return self.seen
