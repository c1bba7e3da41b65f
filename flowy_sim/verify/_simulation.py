"""The simulation of a redrive: one domain, with the refusals and answers that were recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from flowy_sim._engine import Engine, LambdaError, LambdaFunction, Limits
from flowy_sim._engine.limits import Throttle
from flowy_sim._engine.model import input_shape
from flowy_sim.verify._comparison import RunIds
from flowy_sim.verify._instants import RecordedLatency
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._registrations import Registrations, Requirement
from flowy_sim.verify._steps import Links, decision, decision_type

DOMAIN = "verify"

#: The type of the fakes of other executions.
FAKE_TYPE = {"name": "flowy-sim fake", "version": "1"}

#: The longest time that an execution may be open, in seconds.
LONGEST = 31_536_000

_PAGE = 100


class SimulatedDomain:
    """A simulation with one domain, and the calls that a redrive makes in it.

    Attributes:
        latency: when the effects of the service happen.
        throttle: which decisions are refused because there were too many.
        run_ids: the simulation's run IDs for the recorded ones.
        registrations: the types of the domain.
        fakes: the run IDs of the fakes that were started by a call.
    """

    def __init__(
        self, latency: RecordedLatency, run_ids: RunIds, limits: Limits, lambdas: Mapping[str, Any]
    ) -> None:
        self._choice = 0
        self._engine = Engine(choose=self._choose, limits=limits, latency=latency, lambdas=lambdas)
        self._limits = limits
        self._engine.throttle = self.throttle = RecordedThrottle()
        self.latency = latency
        self._at = 0
        self.run_ids = run_ids
        self.registrations = Registrations(self.call)
        self.fakes: set[str] = set()
        retention = {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "90"}
        self.call("RegisterDomain", retention)
        self.call("RegisterWorkflowType", FAKE_TYPE)

    def move_to(self, instant: int) -> None:
        """Let time pass until an instant, with all effects that are due by then."""
        self._at = max(self._at, instant)
        self._engine.run_until(self._at)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation, in the domain if it takes one.

        Raises:
            Fault: the call is refused.
        """
        if "domain" in input_shape(operation).members:
            request = {"domain": DOMAIN, **request}
        return self._engine.call(operation, request, self._at)

    def crowd(self, crowded: bool) -> None:
        """Set whether the domain has as many open executions as it may have."""
        limits = replace(self._limits, open_executions=1) if crowded else self._limits
        self._engine.limits = limits

    def poll(
        self, operation: str, task_list: str, run_id: str, scheduled_id: int, **request: Any
    ) -> dict[str, Any]:
        """Poll a task list for one task, as if no other execution had tasks in it.

        Args:
            operation: PollForDecisionTask or PollForActivityTask.
            task_list: the list's name.
            run_id: the run ID of the execution whose task is wanted.
            scheduled_id: the ID of the event that scheduled it; 0 for any of the execution.
            request: further members of the request.

        Returns:
            The reply; an empty one if the task does not wait there, or another one of its
            execution has to be handed out before.
        """
        domain = self._engine.domains[DOMAIN]
        decisions = operation == "PollForDecisionTask"
        lists: Any = domain.decision_lists if decisions else domain.activity_lists
        waiting = list(lists.waiting(task_list))
        others = [task for task in waiting if task.execution.run_id != run_id]
        own = [task for task in waiting if task.execution.run_id == run_id]
        at_once = [task.opened_id for task in own if task.priority == own[0].priority]
        if not at_once or scheduled_id not in (0, *at_once):
            return {}
        for other in others:
            lists.withdraw(other)
        try:
            self._choice = at_once.index(scheduled_id) if scheduled_id else 0
            return self.call(operation, {"taskList": {"name": task_list}, **request})
        finally:
            for other in others:
                lists.add(other)

    def events_after(self, workflow_id: str, run_id: str, event_id: int) -> list[dict[str, Any]]:
        """Return the events of an execution after an event ID, in order."""
        found: list[dict[str, Any]] = []
        request: dict[str, Any] = {
            "execution": {"workflowId": workflow_id, "runId": run_id},
            "maximumPageSize": _PAGE,
            "reverseOrder": True,
        }
        while True:
            page = self.call("GetWorkflowExecutionHistory", request)
            found += [event for event in page["events"] if event["eventId"] > event_id]
            if "nextPageToken" not in page or page["events"][-1]["eventId"] <= event_id + 1:
                return found[::-1]
            request["nextPageToken"] = page["nextPageToken"]

    def open_run(self, workflow_id: str) -> str | None:
        """Return the run ID of the open execution with a workflow ID; None if there is none."""
        found = self.call(
            "ListOpenWorkflowExecutions",
            {"startTimeFilter": {"oldestDate": 0}, "executionFilter": {"workflowId": workflow_id}},
        )["executionInfos"]
        return found[0]["execution"]["runId"] if found else None

    def start_fake(self, workflow_id: str) -> str:
        """Start a fake of an execution; return its run ID."""
        request = {
            "workflowId": workflow_id,
            "workflowType": FAKE_TYPE,
            "childPolicy": "ABANDON",
            "executionStartToCloseTimeout": str(LONGEST),
            "taskList": {"name": FAKE_TYPE["name"]},
            "taskStartToCloseTimeout": "NONE",
        }
        run_id = str(self.call("StartWorkflowExecution", request)["runId"])
        self.fakes.add(run_id)
        return run_id

    def decide(self, workflow_id: str, decisions: Sequence[Mapping[str, Any]]) -> None:
        """Answer a decision task of another open execution with decisions.

        If no decision task of it waits, a signal is sent to have one.
        """
        run_id = self.open_run(workflow_id)
        if run_id is None:
            return
        described = self._describe(workflow_id, run_id)
        if not described["openCounts"]["openDecisionTasks"]:
            signal = {"workflowId": workflow_id, "signalName": "flowy-sim"}
            self.call("SignalWorkflowExecution", signal)
        task_list = described["executionConfiguration"]["taskList"]["name"]
        task = self.poll("PollForDecisionTask", task_list, run_id, 0)
        if "taskToken" in task:
            answer = {"taskToken": task["taskToken"], "decisions": list(decisions)}
            self.call("RespondDecisionTaskCompleted", answer)

    def terminate(self, workflow_id: str, child_policy: str = "ABANDON") -> None:
        """Terminate the open execution with a workflow ID, if there is one."""
        if self.open_run(workflow_id) is not None:
            request = {"workflowId": workflow_id, "childPolicy": child_policy}
            self.call("TerminateWorkflowExecution", request)

    def continue_as_new(
        self, workflow_id: str, version: str | None = None, lasts: int = LONGEST
    ) -> None:
        """Continue the open execution with a workflow ID as new.

        Args:
            workflow_id: the workflow ID.
            version: the version of its type to continue with; the current one by default.
            lasts: the executionStartToCloseTimeout of the new run, in seconds.
        """
        run_id = self.open_run(workflow_id)
        if run_id is not None:
            described = self._describe(workflow_id, run_id)
            current = described["executionInfo"]["workflowType"]
            version = version or current["version"]
            self.registrations.ensure(Requirement("Workflow", current["name"], version))
            settings = described["executionConfiguration"] | {
                "executionStartToCloseTimeout": str(lasts),
                "workflowTypeVersion": version,
            }
            self.decide(workflow_id, [decision("ContinueAsNewWorkflowExecution", **settings)])

    def _describe(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        execution = {"workflowId": workflow_id, "runId": run_id}
        return self.call("DescribeWorkflowExecution", {"execution": execution})

    def _choose(self, kind: str, count: int) -> int:
        """Choose the task that is polled for, and the first of anything else."""
        return self._choice if kind in ("decision task", "activity task") else 0


_RATE_EXCEEDED = "_RATE_EXCEEDED"

_OPEN_WORKFLOWS = "OPEN_WORKFLOWS_LIMIT_EXCEEDED"


class RecordedThrottle(Throttle):
    """A throttle that refuses the decisions that were refused when the history was recorded.

    Rates are those of the whole account, so a history shows only that they were exceeded.
    """

    def __init__(self) -> None:
        super().__init__(enabled=False)
        self._expected: dict[str, deque[bool]] = {}

    def expect(self, batch: Iterable[Event], links: Links) -> None:
        """Prepare to refuse decisions of the next batch, as the events that it wrote show."""
        self._expected = {}
        for event in batch:
            cause = event["cause"] or links.outcome(event.id, "cause") or ""
            refused = str(cause).endswith(_RATE_EXCEEDED)
            # The throttle is not asked about decisions that fail at once for another cause.
            if refused or event["cause"] is None:
                answers = self._expected.setdefault(decision_type(event), deque())
                answers.append(not refused)

    def allows(self, decision: str, now: int) -> bool:
        """Return whether the next decision of a type is accepted."""
        answers = self._expected.get(decision)
        return answers.popleft() if answers else True


def is_crowded(events: Iterable[Event]) -> bool:
    """Return whether the events show that the domain had as many open executions as it may have."""
    return any(event["cause"] == _OPEN_WORKFLOWS for event in events)


class LambdaOutcomes(Mapping[str, LambdaFunction]):
    """The Lambda functions of a recording. Each call has the outcome of the next recorded call.

    A call without an outcome in the recording never ends.
    """

    def __init__(self, recording: Recording) -> None:
        links = Links(recording.events)
        self._calls: dict[str, list[Event | None]] = {}
        for event in recording.events:
            if event.type == "LambdaFunctionStarted":
                scheduled = recording.event(event.link("scheduledEventId"))
                name = str(scheduled["name"])
                self._calls.setdefault(name, []).append(links.ended.get(scheduled.id))

    def __getitem__(self, name: str) -> LambdaFunction:
        """Return the function with the outcome of its next call."""
        calls = self._calls[name]
        return _function(calls.pop(0) if calls else None)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the functions."""
        return iter(self._calls)

    def __len__(self) -> int:
        """Return the number of functions."""
        return len(self._calls)


def _function(ended: Event | None) -> LambdaFunction:
    def answer(payload: str) -> str:
        assert ended is not None
        if ended.type == "LambdaFunctionFailed":
            raise LambdaError(ended["reason"], ended["details"])
        return str(ended["result"])

    if ended is None or ended.type == "LambdaFunctionTimedOut":
        return LambdaFunction(lambda payload: "", takes=inf, text=True)
    return LambdaFunction(answer, text=True)
