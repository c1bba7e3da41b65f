"""Fakes of the other executions in a history: parents, children, senders and receivers.

They are executions in the simulation that act as the history shows, at the right instants, so that
its events come about as they did in the service. The start of the execution itself is here as well,
because a parent or an earlier run may have to start it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from flowy_sim._engine.start import STARTED_WITH
from flowy_sim.verify._instants import Plan
from flowy_sim.verify._others import FIRST_DECIDED, Action, FakeChild, OtherExecution, Senders
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._registrations import requirement
from flowy_sim.verify._simulation import SimulatedDomain
from flowy_sim.verify._steps import decision, without_nulls

#: What an execution passes on if it continues as a new one; its type stays the same.
_PASSED_ON = [name for name in STARTED_WITH if name != "workflowType"]


class FakeExecutions:
    """The fakes of all other executions in a history.

    Args:
        plan: the plan of the redrive.
        simulation: where the fakes run.

    Attributes:
        actions: their actions, in no particular order.
    """

    def __init__(self, plan: Plan, simulation: SimulatedDomain) -> None:
        self._plan = plan
        self._recording = plan.recording
        self._simulation = simulation
        self._senders = Senders(plan, simulation.latency)
        self._earlier_runs: list[OtherExecution] = []
        self._needed: dict[str, list[tuple[int, OtherExecution]]] = {}
        self._appeared: set[OtherExecution] = set()
        self._children: dict[str, list[FakeChild]] = {}
        self.actions = list(self._actions())

    @property
    def _initiated_id(self) -> int:
        """The ID of the parent's event that initiated this execution."""
        return self._recording.events[0].link("parentInitiatedEventId") or FIRST_DECIDED

    @property
    def _parent_policy(self) -> str:
        """The parent's child policy that was applied to this execution; ABANDON if none was."""
        for event in self._recording.events:
            if event["cause"] == "CHILD_POLICY_APPLIED":
                terminated = event.type == "WorkflowExecutionTerminated"
                return "TERMINATE" if terminated else "REQUEST_CANCEL"
        return "ABANDON"

    # The start of the execution itself

    def start_execution(self, at: int) -> None:
        """Start the execution at an instant, as its first event shows that it started.

        Raises:
            Fault: the simulation refuses to start it.
        """
        started = self._recording.events[0]
        request = _request(self._recording)
        named = request["workflowType"]
        self._simulation.registrations.ensure(
            requirement(self._recording, "Workflow", named, request, started)
        )
        continued = started["continuedExecutionRunId"]
        first_run_at = at if continued is None else at - 1
        for earlier in self._earlier_runs:
            self._simulation.move_to(first_run_at - 1)
            self._appear(earlier)
            self._simulation.terminate(earlier.workflow_id)
        if started["parentWorkflowExecution"] is None:
            self._simulation.move_to(first_run_at)
            self._simulation.call("StartWorkflowExecution", request)
        else:
            self._start_as_child(request, first_run_at)
        if continued is not None:
            self._continue(at)
        self._simulation.move_to(at)

    def _start_as_child(self, request: Mapping[str, Any], at: int) -> None:
        """Start it by a fake of its parent, with an event of the recorded ID."""
        parent = self._recording.events[0]["parentWorkflowExecution"]
        initiated_id = self._initiated_id
        self._simulation.move_to(at - 1)
        self._simulation.run_ids.bind(
            parent["runId"], self._simulation.start_fake(parent["workflowId"])
        )
        self._simulation.latency.arrange("child start", parent["workflowId"], initiated_id, at)
        start = {initiated_id: decision("StartChildWorkflowExecution", **request)}
        other = self._senders.other(parent)
        self._simulation.decide(parent["workflowId"], self._senders.decisions(other, start))
        if parent["workflowId"] == self._recording.workflow_id:
            # The parent closed before its child started.
            self._simulation.terminate(parent["workflowId"], self._parent_policy)
        self._simulation.move_to(at)

    def _continue(self, at: int) -> None:
        """Continue a first run as the one that was recorded."""
        started = self._recording.events[0]
        first_run = self._simulation.open_run(self._recording.workflow_id)
        if first_run is not None:
            self._simulation.run_ids.bind(started["continuedExecutionRunId"], first_run)
        given = {name: started[name] for name in _PASSED_ON if started[name] is not None}
        given["workflowTypeVersion"] = started["workflowType"]["version"]
        other = OtherExecution(self._recording.workflow_id, started["continuedExecutionRunId"])
        decisions = self._senders.decisions(other)
        decisions.append(decision("ContinueAsNewWorkflowExecution", **given))
        self._simulation.move_to(at)
        self._simulation.decide(self._recording.workflow_id, decisions)

    # The actions of the fakes

    def _actions(self) -> Iterator[Action]:
        started = self._recording.events[0]
        own_id = self._recording.workflow_id
        parent = started["parentWorkflowExecution"]
        known = {OtherExecution(own_id, started["continuedExecutionRunId"])}
        if parent is not None:
            known.add(self._senders.other(parent))
        yield from self._child_actions()
        for children in self._children.values():
            known.update(run for child in children for run in (child.other, child.last))
        for event in self._recording.events:
            match event.type:
                case (
                    "SignalExternalWorkflowExecutionInitiated"
                    | "RequestCancelExternalWorkflowExecutionInitiated"
                ):
                    yield from self._receiver_actions(event)
            if event["cause"] == "CHILD_POLICY_APPLIED" and parent is not None:
                yield from self._parent_actions(event, parent["workflowId"])
        for sender in self._senders:
            received = self._senders.first_received(sender)
            if sender in known or received is None:
                continue
            if sender.workflow_id == own_id:
                self._earlier_runs.append(sender)
            else:
                yield self._appearance(self._plan.at(received) - 1, received.id - 1, sender)

    def _parent_actions(self, event: Event, parent: str) -> Iterator[Action]:
        """Close the parent, so that its child policy is applied to this execution."""
        at = self._plan.at(event)
        self._simulation.latency.arrange("child policy", parent, self._initiated_id, at)
        if parent != self._recording.workflow_id:
            closes = partial(self._simulation.terminate, parent, self._parent_policy)
            yield Action(at - 1, event.id - 1, closes)

    def _child_actions(self) -> Iterator[Action]:
        links = self._plan.links
        for event in self._recording.events:
            if event.type != "StartChildWorkflowExecutionInitiated":
                continue
            workflow_id = event["workflowId"]
            if event.id in links.started:
                child = FakeChild(self._plan, self._senders, self._simulation, event)
                self._children.setdefault(workflow_id, []).append(child)
                makes_room = partial(self._make_room, workflow_id)
                if child.starts > self._plan.at(event):
                    yield Action(child.starts - 1, event.id, makes_room)
                else:
                    before = event.link("decisionTaskCompletedEventId") - 1
                    yield Action(child.starts, before, makes_room)
            elif links.outcome(event.id, "cause") == "WORKFLOW_ALREADY_RUNNING":
                failed = links.ended[event.id]
                at = self._plan.at(failed) - 1
                yield Action(at, failed.id - 1, partial(self._occupy, at, workflow_id))
        for siblings in self._children.values():
            for child in siblings:
                yield from child.actions(siblings)

    def _receiver_actions(self, initiated: Event) -> Iterator[Action]:
        workflow_id, run_id = initiated["workflowId"], initiated["runId"]
        answer = self._plan.links.ended.get(initiated.id)
        if answer is None or workflow_id == self._recording.workflow_id:
            return
        at = self._plan.at(answer) - 1
        if not answer.type.endswith("Failed"):
            receiver = self._senders.other(answer["workflowExecution"])
            if run_id is None:
                yield self._appearance(at, answer.id - 1, receiver)
            else:
                # A receiver that is named by its run ID must exist before.
                decided_id = initiated.link("decisionTaskCompletedEventId")
                yield self._appearance(self._plan.at(initiated), decided_id - 1, receiver)
        elif answer["cause"] == "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION":
            yield Action(
                at, answer.id - 1, partial(self._vanish, OtherExecution(workflow_id, run_id))
            )

    def _appearance(self, at: int, after: int, other: OtherExecution) -> Action:
        self._needed.setdefault(other.workflow_id, []).append((at, other))
        return Action(at, after, partial(self._appear, other))

    def _make_room(self, workflow_id: str) -> None:
        """Close the fake with a workflow ID, because a child is about to use it."""
        current = self._simulation.open_run(workflow_id)
        if current in self._simulation.fakes:
            self._simulation.terminate(workflow_id, self._parent_policy)

    def _occupy(self, at: int, workflow_id: str) -> None:
        """Keep a workflow ID in use: by the execution that is needed next, if there is one."""
        if self._simulation.open_run(workflow_id) is None:
            needed = sorted(self._needed.get(workflow_id, ()))
            children = [child.other for child in self._children.get(workflow_id, ())]
            others = [other for time, other in needed if time >= at and other not in children]
            self._appear(others[0] if others else OtherExecution(workflow_id, None))

    def _appear(self, other: OtherExecution) -> None:
        """Make another execution exist and be open, with all its requests sent."""
        workflow_id, run_id = other
        current = self._simulation.open_run(workflow_id)
        if current is not None:
            if run_id is None or self._simulation.run_ids.bind(run_id, current):
                return
            if workflow_id in self._children:
                self._simulation.continue_as_new(workflow_id)
            else:
                self._simulation.terminate(workflow_id, self._parent_policy)
        current = self._simulation.open_run(workflow_id) or self._simulation.start_fake(workflow_id)
        if run_id is not None:
            self._simulation.run_ids.bind(run_id, current)
        if other not in self._appeared:
            self._appeared.add(other)
            self._simulation.decide(workflow_id, self._senders.decisions(other))

    def _vanish(self, other: OtherExecution) -> None:
        """Close another execution if it is open."""
        current = self._simulation.open_run(other.workflow_id)
        if other.run_id is None or self._simulation.run_ids.simulated(other.run_id) == current:
            self._simulation.terminate(other.workflow_id, self._parent_policy)


def _request(recording: Recording) -> dict[str, Any]:
    """Return the recorded request, or one with the settings of event 1."""
    started = recording.events[0]
    if recording.start is not None:
        request: dict[str, Any] = without_nulls(recording.start)
        request.pop("domain", None)
        return request
    given = {name: started[name] for name in STARTED_WITH if started[name] is not None}
    return given | {"workflowId": recording.workflow_id}
