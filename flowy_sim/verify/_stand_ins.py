"""What others did that a history tells of: parents, children, senders and receivers of signals.

They are stood in for by executions of the simulation that do, at the right instants, what the
history shows of them, so that everything in the history comes about as it did in the service.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from flowy_sim.verify._children import Child
from flowy_sim.verify._course import Course
from flowy_sim.verify._others import FIRST_DECIDED, Duty, Other, Senders
from flowy_sim.verify._recording import Event
from flowy_sim.verify._world import World


class StandIns:
    """Knows what the others of a history have to do, and when.

    Attributes:
        senders: what they sent.
        earlier_runs: earlier runs of the same workflow id that sent something.
        duties: what they do, in no order.
    """

    def __init__(self, course: Course, world: World) -> None:
        """Read from the history who there is and what they did."""
        self._course = course
        self._world = world
        self.senders = Senders(course, world.timetable)
        self.earlier_runs: list[Other] = []
        self._needed: dict[str, list[tuple[int, Other]]] = {}
        self._appeared: set[Other] = set()
        self._children: dict[str, list[Child]] = {}
        self.duties = list(self._duties())

    @property
    def initiated_id(self) -> int:
        """The parent's event that initiated this execution."""
        return self._course.recording.events[0].link("parentInitiatedEventId") or FIRST_DECIDED

    @property
    def parent_policy(self) -> str:
        """The child policy of the parent, as far as it was applied."""
        for event in self._course.recording.events:
            if event["cause"] == "CHILD_POLICY_APPLIED":
                terminated = event.type == "WorkflowExecutionTerminated"
                return "TERMINATE" if terminated else "REQUEST_CANCEL"
        return "ABANDON"

    def _duties(self) -> Iterator[Duty]:
        started = self._course.recording.events[0]
        own_id = self._course.recording.workflow_id
        parent = started["parentWorkflowExecution"]
        known = {Other(own_id, started["continuedExecutionRunId"])}
        if parent is not None:
            known.add(self.senders.other(parent))
        yield from self._child_duties()
        for children in self._children.values():
            known.update(run for child in children for run in (child.other, child.last))
        for event in self._course.recording.events:
            match event.type:
                case (
                    "SignalExternalWorkflowExecutionInitiated"
                    | "RequestCancelExternalWorkflowExecutionInitiated"
                ):
                    yield from self._receiver_duties(event)
            if event["cause"] == "CHILD_POLICY_APPLIED" and parent is not None:
                yield from self._parent_duties(event, parent["workflowId"])
        for sender in self.senders:
            received = self.senders.first_received(sender)
            if sender in known or received is None:
                continue
            if sender.workflow_id == own_id:
                self.earlier_runs.append(sender)
            else:
                yield self._appearance(self._course.at(received) - 1, received.id - 1, sender)

    def _parent_duties(self, event: Event, parent: str) -> Iterator[Duty]:
        """Let the parent close, so that this execution meets its child policy."""
        at = self._course.at(event)
        self._world.timetable.arrange("child policy", parent, self.initiated_id, at)
        if parent != self._course.recording.workflow_id:
            closes = partial(self._world.terminate, parent, self.parent_policy)
            yield Duty(at - 1, event.id - 1, closes)

    def _child_duties(self) -> Iterator[Duty]:
        links = self._course.links
        for event in self._course.recording.events:
            if event.type != "StartChildWorkflowExecutionInitiated":
                continue
            workflow_id = event["workflowId"]
            if event.id in links.started:
                child = Child(self._course, self.senders, self._world, event)
                self._children.setdefault(workflow_id, []).append(child)
                makes_room = partial(self._make_room, workflow_id)
                if child.starts > self._course.at(event):
                    yield Duty(child.starts - 1, event.id, makes_room)
                else:
                    before = event.link("decisionTaskCompletedEventId") - 1
                    yield Duty(child.starts, before, makes_room)
            elif links.outcome(event.id, "cause") == "WORKFLOW_ALREADY_RUNNING":
                failed = links.ended[event.id]
                at = self._course.at(failed) - 1
                yield Duty(at, failed.id - 1, partial(self._occupy, at, workflow_id))
        for siblings in self._children.values():
            for child in siblings:
                yield from child.duties(siblings)

    def _receiver_duties(self, initiated: Event) -> Iterator[Duty]:
        workflow_id, run_id = initiated["workflowId"], initiated["runId"]
        answer = self._course.links.ended.get(initiated.id)
        if answer is None or workflow_id == self._course.recording.workflow_id:
            return
        at = self._course.at(answer) - 1
        if not answer.type.endswith("Failed"):
            receiver = self.senders.other(answer["workflowExecution"])
            if run_id is None:
                yield self._appearance(at, answer.id - 1, receiver)
            else:
                # Who is addressed by a run id has to have one before.
                decided_id = initiated.link("decisionTaskCompletedEventId")
                yield self._appearance(self._course.at(initiated), decided_id - 1, receiver)
        elif answer["cause"] == "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION":
            yield Duty(at, answer.id - 1, partial(self._vanish, Other(workflow_id, run_id)))

    def _appearance(self, at: int, after: int, other: Other) -> Duty:
        self._needed.setdefault(other.workflow_id, []).append((at, other))
        return Duty(at, after, partial(self.appear, other))

    def _make_room(self, workflow_id: str) -> None:
        """Let no stand-in of a workflow id be open, for it is a child's from now on."""
        current = self._world.open_run(workflow_id)
        if current in self._world.stand_ins:
            self._world.terminate(workflow_id, self.parent_policy)

    def _occupy(self, at: int, workflow_id: str) -> None:
        """Let some execution with a workflow id be open: the one that is needed next, if any."""
        if self._world.open_run(workflow_id) is None:
            needed = sorted(self._needed.get(workflow_id, ()))
            children = [child.other for child in self._children.get(workflow_id, ())]
            others = [other for time, other in needed if time >= at and other not in children]
            self.appear(others[0] if others else Other(workflow_id, None))

    def appear(self, other: Other) -> None:
        """Let another execution be open, having sent what it sends."""
        workflow_id, run_id = other
        current = self._world.open_run(workflow_id)
        if current is not None:
            if run_id is None or self._world.run_ids.bind(run_id, current):
                return
            if workflow_id in self._children:
                self._world.continue_as_new(workflow_id)
            else:
                self._world.terminate(workflow_id, self.parent_policy)
        current = self._world.open_run(workflow_id) or self._world.start_stand_in(workflow_id)
        if run_id is not None:
            self._world.run_ids.bind(run_id, current)
        if other not in self._appeared:
            self._appeared.add(other)
            self._world.decide(workflow_id, self.senders.decisions(other))

    def _vanish(self, other: Other) -> None:
        """Let another execution not be open."""
        current = self._world.open_run(other.workflow_id)
        if other.run_id is None or self._world.run_ids.simulated(other.run_id) == current:
            self._world.terminate(other.workflow_id, self.parent_policy)
