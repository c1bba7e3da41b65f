"""Random activity in a small domain, and the histories that result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from flowy_sim._engine import Engine, Fault, LambdaError, LambdaFunction
from flowy_sim._engine.latency import Latency
from flowy_sim._engine.model import input_shape

DOMAIN = "shop"
START = 1_700_000_000_000
WORKFLOW_DEFAULTS = {
    "defaultChildPolicy": "TERMINATE",
    "defaultExecutionStartToCloseTimeout": "600",
    "defaultTaskList": {"name": "D1"},
    "defaultTaskStartToCloseTimeout": "20",
}
ACTIVITY_DEFAULTS = {
    "defaultTaskHeartbeatTimeout": "5",
    "defaultTaskList": {"name": "A1"},
    "defaultTaskScheduleToCloseTimeout": "30",
    "defaultTaskScheduleToStartTimeout": "10",
    "defaultTaskStartToCloseTimeout": "20",
}
TYPE_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "workflow": {
        "Full@1": WORKFLOW_DEFAULTS,
        "Full@2": {**WORKFLOW_DEFAULTS, "defaultTaskPriority": "3", "defaultLambdaRole": "arn:x"},
        "Bare@1": {},
    },
    "activity": {
        "Full@1": ACTIVITY_DEFAULTS,
        "Partly@1": {"defaultTaskList": {"name": "A1"}},
        "Urgent@1": {"defaultTaskPriority": "7"},
    },
}
ROOTS = ("root-1", "root-2")
CHILDREN = ("child-1", "child-2", "child-3")
WORKFLOW_TYPES = (("Full", "1"), ("Full", "1"), ("Full", "2"), ("Bare", "1"), ("None", "1"))
POLICIES = ("TERMINATE", "REQUEST_CANCEL", "ABANDON")


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}


def fail(payload: Any) -> Any:
    raise LambdaError("Boom", '{"errorMessage": "no"}')


class Life:
    """A domain in which workers, deciders and other clients act randomly."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = START
        self.engine = Engine(
            seed=random.randrange(1_000),
            choose=lambda kind, count: random.randrange(count),
            latency=random.choice(
                (Latency.RECORDED, Latency.RECORDED, Latency.DEFAULT, Latency.ZERO)
            ),
            lambdas={
                "good": lambda value: {"got": value},
                "slow": LambdaFunction(str, takes=3, text=True),
                "bad": LambdaFunction(fail, text=True),
                "never": LambdaFunction(fail, takes=float("inf")),
            },
        )
        self.decision_tasks: list[dict[str, Any]] = []
        self.activity_tasks: list[str] = []
        self.decided: dict[str, dict[str, Any]] = {}
        retention = {"workflowExecutionRetentionPeriodInDays": "90"}
        self.engine.call("RegisterDomain", {"name": DOMAIN, **retention}, self.now)
        for kind, types in TYPE_DEFAULTS.items():
            for named, defaults in types.items():
                name, version = named.split("@")
                operation = f"Register{kind.capitalize()}Type"
                self.call(operation, name=name, version=version, **defaults)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        if "domain" in input_shape(operation).members:
            request["domain"] = DOMAIN
        return self.engine.call(operation, request, self.now)

    def live(self, moments: int) -> None:
        """Take a number of random actions, some of which the service refuses."""
        actions = {
            self.pass_time: 4,
            self.start: 2,
            self.poll_for_decision_task: 6,
            self.decide: 6,
            self.poll_for_activity_task: 4,
            self.answer: 4,
            self.heartbeat: 2,
            self.signal: 1,
            self.request_cancel: 1,
            self.terminate: 1,
            self.deprecate: 1,
        }
        for action in self.random.choices([*actions], [*actions.values()], k=moments):
            try:
                action()
            except Fault:
                continue

    def histories(self) -> Iterator[dict[str, Any]]:
        """Yield a recording of every execution."""
        for execution in self.engine.executions.values():
            yield {
                **execution.structure(),
                "events": execution.events(1, len(execution)),
                "recordedDecisions": self.decided.get(execution.run_id, {}),
                "typeDefaults": TYPE_DEFAULTS,
            }

    # What may happen

    def pass_time(self) -> None:
        self.now += self.random.choice((0, 1, 20, 100, 700, 1000, 3000, 11_000))
        self.engine.run_until(self.now)

    def start(self) -> None:
        name, version = self.random.choice(WORKFLOW_TYPES)
        self.call(
            "StartWorkflowExecution",
            workflowId=self.random.choice(ROOTS),
            workflowType={"name": name, "version": version},
            **self.workflow_settings(),
        )

    def poll_for_decision_task(self) -> None:
        task_list = {"name": self.random.choice(("D1", "D1", "D2"))}
        task = self.call("PollForDecisionTask", taskList=task_list, **self.some(identity="me"))
        if "taskToken" in task:
            self.decision_tasks.append(task)

    def decide(self) -> None:
        if not self.decision_tasks:
            self.poll_for_decision_task()
            return
        task = self.decision_tasks.pop(self.random.randrange(len(self.decision_tasks)))
        decisions = [self.decision() for _ in range(self.random.choice((0, 1, 1, 2, 3, 5)))]
        if self.random.random() < 0.15:
            keep_open = ("ScheduleActivityTask", "StartTimer")
            decisions = [d for d in decisions if d["decisionType"] not in keep_open]
            decisions.append(self.closing_decision())
        answer = {"decisions": decisions, **self.some(executionContext="")}
        if self.random.random() < 0.08:
            answer["taskList"] = {"name": "D2"}
            answer |= self.some(taskListScheduleToStartTimeout=self.random.choice(("2", "NONE")))
        recorded = json.loads(json.dumps(answer))
        self.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], **answer)
        run_id = task["workflowExecution"]["runId"]
        self.decided.setdefault(run_id, {})[str(task["startedEventId"])] = recorded

    def poll_for_activity_task(self) -> None:
        task_list = {"name": self.random.choice(("A1", "A2"))}
        task = self.call("PollForActivityTask", taskList=task_list, **self.some(identity="it"))
        if "taskToken" in task:
            self.activity_tasks.append(task["taskToken"])

    def answer(self) -> None:
        if not self.activity_tasks:
            self.poll_for_activity_task()
            return
        token = self.activity_tasks.pop(self.random.randrange(len(self.activity_tasks)))
        operation, members = self.random.choice(
            (
                ("RespondActivityTaskCompleted", self.some(result="done")),
                ("RespondActivityTaskFailed", self.some(reason="no", details="not so")),
                ("RespondActivityTaskCanceled", self.some(details="stopped")),
            )
        )
        self.call(operation, taskToken=token, **members)

    def heartbeat(self) -> None:
        if self.activity_tasks:
            token = self.random.choice(self.activity_tasks)
            self.call("RecordActivityTaskHeartbeat", taskToken=token, **self.some(details="half"))

    def signal(self) -> None:
        members = self.some(input="")
        self.call(
            "SignalWorkflowExecution", workflowId=self.any_id(), signalName="hurry", **members
        )

    def request_cancel(self) -> None:
        self.call("RequestCancelWorkflowExecution", workflowId=self.any_id())

    def terminate(self) -> None:
        policy = self.random.choice(POLICIES)
        members = self.some(reason="why", details="how", childPolicy=policy)
        self.call("TerminateWorkflowExecution", workflowId=self.any_id(), **members)

    def deprecate(self) -> None:
        kind = self.random.choice(("Activity", "Workflow"))
        name = {"name": self.random.choice(("Full", "Partly", "Bare")), "version": "1"}
        change = self.random.choice(("Deprecate", "Undeprecate"))
        self.call(f"{change}{kind}Type", **{f"{kind.lower()}Type": name})

    # What may be decided

    def decision(self) -> dict[str, Any]:
        choose = self.random.choice
        kind = choose(("activity", "activity", "timer", "child", "external", "lambda", "other"))
        if kind == "activity":
            name = choose(("Full", "Full", "Partly", "Urgent", "None"))
            return decision(
                "ScheduleActivityTask",
                activityId=choose(("a1", "a2", "a3")),
                activityType={"name": name, "version": "1"},
                **self.some(input="x", control="c", taskPriority="1"),
                **(self.activity_settings() if self.random.random() < 0.4 else {}),
            )
        if kind == "timer":
            timer = {"timerId": choose(("t1", "t2"))}
            if self.random.random() < 0.3:
                return decision("CancelTimer", **timer)
            seconds = choose(("0", "1", "4"))
            return decision(
                "StartTimer", **timer, startToFireTimeout=seconds, **self.some(control="c")
            )
        if kind == "child":
            name, version = choose(WORKFLOW_TYPES)
            return decision(
                "StartChildWorkflowExecution",
                workflowId=choose((*CHILDREN, "root-1")),
                workflowType={"name": name, "version": version},
                **self.workflow_settings(),
                **self.some(control="c"),
            )
        if kind == "external":
            receiver = self.receiver() | self.some(control="c")
            if self.random.random() < 0.3:
                return decision("RequestCancelExternalWorkflowExecution", **receiver)
            members = self.some(input="i")
            return decision(
                "SignalExternalWorkflowExecution", signalName="go", **receiver, **members
            )
        if kind == "lambda":
            return decision(
                "ScheduleLambdaFunction",
                id=choose(("l1", "l2")),
                name=choose(("good", "slow", "bad", "never", "none")),
                **self.some(input='"p"', control="c", startToCloseTimeout=choose(("2", "5"))),
            )
        if self.random.random() < 0.5:
            return decision("RecordMarker", markerName="m", **self.some(details="d"))
        return decision("RequestCancelActivityTask", activityId=choose(("a1", "a2", "a3")))

    def closing_decision(self) -> dict[str, Any]:
        version = self.random.choice(("1", "2", "3"))
        again = {**self.workflow_settings(), **self.some(workflowTypeVersion=version)}
        kind, members = self.random.choice(
            (
                ("CompleteWorkflowExecution", self.some(result="r")),
                ("FailWorkflowExecution", self.some(reason="r", details="d")),
                ("CancelWorkflowExecution", self.some(details="d")),
                ("ContinueAsNewWorkflowExecution", again),
                ("ContinueAsNewWorkflowExecution", again),
            )
        )
        return decision(kind, **members)

    def receiver(self) -> dict[str, str]:
        workflow_id = self.any_id()
        runs = [
            execution.run_id
            for execution in self.engine.executions.values()
            if execution.workflow_id == workflow_id
        ]
        chance = self.random.random()
        if runs and chance < 0.4:
            return {"workflowId": workflow_id, "runId": self.random.choice(runs)}
        return {"workflowId": workflow_id, **({"runId": "none"} if chance > 0.95 else {})}

    def workflow_settings(self) -> dict[str, Any]:
        choose = self.random.choice
        return self.some(
            childPolicy=choose(POLICIES),
            executionStartToCloseTimeout=choose(("5", "100", "1000")),
            input="in",
            lambdaRole="arn:role",
            tagList=["one", "two"],
            taskList={"name": choose(("D1", "D2"))},
            taskPriority=choose(("-2", "0", "2")),
            taskStartToCloseTimeout=choose(("3", "30", "NONE")),
        )

    def activity_settings(self) -> dict[str, Any]:
        choose = self.random.choice
        return {
            "heartbeatTimeout": choose(("2", "NONE")),
            "scheduleToCloseTimeout": choose(("8", "NONE")),
            "scheduleToStartTimeout": choose(("4", "NONE")),
            "startToCloseTimeout": choose(("6", "NONE")),
            "taskList": {"name": "A2"},
        }

    def any_id(self) -> str:
        return self.random.choice((*ROOTS, *CHILDREN))

    def some(self, **members: Any) -> dict[str, Any]:
        return {name: value for name, value in members.items() if self.random.random() < 0.5}
