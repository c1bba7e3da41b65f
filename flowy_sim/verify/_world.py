"""The simulation that a history is driven against, and the calls that are made in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowy_sim._engine import Engine, Limits
from flowy_sim._engine.model import input_shape
from flowy_sim.verify._account import RecordedThrottle
from flowy_sim.verify._comparing import RunIds
from flowy_sim.verify._decided import decision
from flowy_sim.verify._registrations import Need, Registrations
from flowy_sim.verify._timetable import Timetable

DOMAIN = "verify"

#: Who is not heard of in the history: parents, senders and receivers that stand in for real ones.
STAND_IN_TYPE = {"name": "flowy-sim stand-in", "version": "1"}
#: How long an execution may be open at most, in seconds.
LONGEST = 31_536_000
_PAGE = 100


class World:
    """A simulation with one domain.

    Attributes:
        timetable: when the simulation's own doings land.
        throttle: which decisions are refused for being too many.
        run_ids: the simulation's run ids for the recorded ones.
        registrations: the types of the domain.
        stand_ins: the run ids of the stand-ins that were started by a call.
    """

    def __init__(
        self, timetable: Timetable, run_ids: RunIds, limits: Limits, lambdas: Mapping[str, Any]
    ) -> None:
        """Start with an empty domain."""
        self._choice = 0
        self._engine = Engine(
            choose=self._choose, limits=limits, latency=timetable, lambdas=lambdas
        )
        self._limits = limits
        self._engine.throttle = self.throttle = RecordedThrottle()
        self.timetable = timetable
        self._at = 0
        self.run_ids = run_ids
        self.registrations = Registrations(self.call)
        self.stand_ins: set[str] = set()
        retention = {"name": DOMAIN, "workflowExecutionRetentionPeriodInDays": "90"}
        self.call("RegisterDomain", retention)
        self.call("RegisterWorkflowType", STAND_IN_TYPE)

    def move_to(self, instant: int) -> None:
        """Let time pass, and all happen that falls due."""
        self._at = max(self._at, instant)
        self._engine.run_until(self._at)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation now, in the domain where it needs one.

        Raises:
            Fault: it is refused.
        """
        if "domain" in input_shape(operation).members:
            request = {"domain": DOMAIN, **request}
        return self._engine.call(operation, request, self._at)

    def crowd(self, crowded: bool) -> None:
        """Let the domain have room for more executions, or none."""
        limits = replace(self._limits, open_executions=1) if crowded else self._limits
        self._engine.limits = limits

    def poll(
        self, operation: str, task_list: str, run_id: str, scheduled_id: int, **request: Any
    ) -> dict[str, Any]:
        """Poll a task list for one task, as if no other execution had tasks there.

        Args:
            operation: PollForDecisionTask or PollForActivityTask.
            task_list: the list's name.
            run_id: the execution whose task is wanted.
            scheduled_id: the event that scheduled it; 0 for any of that execution.
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
        """Return the events of an execution that follow one, in order."""
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
        """Return the run id of the open execution with a workflow id; None if there is none."""
        found = self.call(
            "ListOpenWorkflowExecutions",
            {"startTimeFilter": {"oldestDate": 0}, "executionFilter": {"workflowId": workflow_id}},
        )["executionInfos"]
        return found[0]["execution"]["runId"] if found else None

    def start_stand_in(self, workflow_id: str) -> str:
        """Start an execution that stands in for one that is not known; return its run id."""
        request = {
            "workflowId": workflow_id,
            "workflowType": STAND_IN_TYPE,
            "childPolicy": "ABANDON",
            "executionStartToCloseTimeout": str(LONGEST),
            "taskList": {"name": STAND_IN_TYPE["name"]},
            "taskStartToCloseTimeout": "NONE",
        }
        run_id = str(self.call("StartWorkflowExecution", request)["runId"])
        self.stand_ins.add(run_id)
        return run_id

    def decide(self, workflow_id: str, decisions: Sequence[Mapping[str, Any]]) -> None:
        """Let the decider of an open execution that is not the one verified decide.

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
        """Terminate the open execution with a workflow id, if there is one."""
        if self.open_run(workflow_id) is not None:
            request = {"workflowId": workflow_id, "childPolicy": child_policy}
            self.call("TerminateWorkflowExecution", request)

    def continue_as_new(
        self, workflow_id: str, version: str | None = None, lasts: int = LONGEST
    ) -> None:
        """Let the open execution with a workflow id continue as new.

        Args:
            workflow_id: whose.
            version: the version of its type that it continues with; its own if not given.
            lasts: the executionStartToCloseTimeout of the new run, in seconds.
        """
        run_id = self.open_run(workflow_id)
        if run_id is not None:
            described = self._describe(workflow_id, run_id)
            current = described["executionInfo"]["workflowType"]
            version = version or current["version"]
            self.registrations.ensure(Need("Workflow", current["name"], version))
            settings = described["executionConfiguration"] | {
                "executionStartToCloseTimeout": str(lasts),
                "workflowTypeVersion": version,
            }
            self.decide(workflow_id, [decision("ContinueAsNewWorkflowExecution", **settings)])

    def _describe(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        execution = {"workflowId": workflow_id, "runId": run_id}
        return self.call("DescribeWorkflowExecution", {"execution": execution})

    def _choose(self, kind: str, count: int) -> int:
        """Choose the task that is polled for; anything else in the order in which it came."""
        return self._choice if kind in ("decision task", "activity task") else 0
