"""How an execution began: by a call, as a child, or as the continuation of another run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowy_sim.verify._decided import decision, without_nulls
from flowy_sim.verify._others import Other
from flowy_sim.verify._recording import Recording
from flowy_sim.verify._registrations import need
from flowy_sim.verify._stand_ins import StandIns
from flowy_sim.verify._world import World

_SETTINGS = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "input",
    "lambdaRole",
    "tagList",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
)


def begin(world: World, recording: Recording, stand_ins: StandIns, at: int) -> None:
    """Let the execution begin at an instant, as its first event says that it did.

    Raises:
        Fault: the service would not have started it so.
    """
    started = recording.events[0]
    request = _request(recording)
    named = request["workflowType"]
    world.registrations.ensure(need(recording, "Workflow", named, request, started))
    continued = started["continuedExecutionRunId"]
    first_run_at = at if continued is None else at - 1
    for earlier in stand_ins.earlier_runs:
        world.move_to(first_run_at - 1)
        stand_ins.appear(earlier)
        world.terminate(earlier.workflow_id)
    if started["parentWorkflowExecution"] is None:
        world.move_to(first_run_at)
        world.call("StartWorkflowExecution", request)
    else:
        _begin_as_child(world, recording, stand_ins, request, first_run_at)
    if continued is not None:
        _continue(world, recording, stand_ins, at)
    world.move_to(at)


def _request(recording: Recording) -> dict[str, Any]:
    """Return the settings of event 1, or the request where that was recorded."""
    started = recording.events[0]
    if recording.start is not None:
        request: dict[str, Any] = without_nulls(recording.start)
        request.pop("domain", None)
        return request
    given = {name: started[name] for name in _SETTINGS if started[name] is not None}
    given["workflowType"] = started["workflowType"]
    return given | {"workflowId": recording.workflow_id}


def _begin_as_child(
    world: World,
    recording: Recording,
    stand_ins: StandIns,
    request: Mapping[str, Any],
    at: int,
) -> None:
    """Let a stand-in for the parent start it, by an event of the recorded id."""
    parent = recording.events[0]["parentWorkflowExecution"]
    initiated_id = stand_ins.initiated_id
    world.move_to(at - 1)
    world.run_ids.bind(parent["runId"], world.start_stand_in(parent["workflowId"]))
    world.timetable.arrange("child start", parent["workflowId"], initiated_id, at)
    start = {initiated_id: decision("StartChildWorkflowExecution", **request)}
    other = stand_ins.senders.other(parent)
    world.decide(parent["workflowId"], stand_ins.senders.decisions(other, start))
    if parent["workflowId"] == recording.workflow_id:
        # Then the parent has closed before its child started.
        world.terminate(parent["workflowId"], stand_ins.parent_policy)
    world.move_to(at)


def _continue(world: World, recording: Recording, stand_ins: StandIns, at: int) -> None:
    """Let the first run continue as the one that was recorded."""
    started = recording.events[0]
    first_run = world.open_run(recording.workflow_id)
    if first_run is not None:
        world.run_ids.bind(started["continuedExecutionRunId"], first_run)
    given = {name: started[name] for name in _SETTINGS if started[name] is not None}
    given["workflowTypeVersion"] = started["workflowType"]["version"]
    other = Other(recording.workflow_id, started["continuedExecutionRunId"])
    decisions = stand_ins.senders.decisions(other)
    decisions.append(decision("ContinueAsNewWorkflowExecution", **given))
    world.move_to(at)
    world.decide(recording.workflow_id, decisions)
