"""Clients that call everything of a server at once, and record the answers."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from flowy_sim._engine.model import operation_names
from tests.support.engine_driver import decision
from tests.support.http_clients import Program, Reply
from tests.support.random_requests import Requests

DOMAIN = "a"
TYPE = {"name": "A", "version": "1"}
LISTS = [{"name": name} for name in "lm"]
TIMEOUTS = {
    "defaultTaskHeartbeatTimeout": "20",
    "defaultTaskScheduleToCloseTimeout": "300",
    "defaultTaskScheduleToStartTimeout": "300",
    "defaultTaskStartToCloseTimeout": "120",
}
#: Operations that would end the domain or the types that all clients need.
FATAL = {"DeprecateDomain", "DeprecateWorkflowType", "DeprecateActivityType"}
FATAL |= {"DeleteWorkflowType", "DeleteActivityType"}
OTHERS = sorted(operation_names() - FATAL)
#: Requests that are not calls.
RUBBISH = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000\r\n\r\n{",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /a/../b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 70_000,
]
BODIES = [b"", b"{", b"[]", b"null", b'{"domain": "\xff"}', b"[" * 50_000, b"x" * 1_100_000]


class Event(NamedTuple):
    """An event that has to be in a history: its run, its type, and one of its members if known."""

    run_id: str
    kind: str
    member: str = ""
    value: str = ""


class Told:
    """What all clients were answered.

    Attributes:
        events: what has to be in the histories.
        histories: the longest that was read of each run, by workflow ID and run ID.
        answers: how many there were, by status.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.histories: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.answers: Counter[int] = Counter()


class Client:
    """Does one thing after the other, on one connection after the other.

    Args:
        name: distinguishes its texts from those of others, and seeds everything that it does.
        told: where it records the answers.
    """

    def __init__(self, name: str, told: Told) -> None:
        self.name = name
        self.told = told
        self.random = Random(name)
        self.done = 0
        self.runs: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        chances: dict[Callable[[Program], object], int] = {
            self.start: 12,
            self.signal: 12,
            self.end: 3,
            self.decide: 30,
            self.work: 30,
            self.look: 6,
            self.do_anything: 15,
            self.talk_nonsense: 10,
            self.send_a_wrong_body: 2,
            self.hang_up_on_a_poll: 4,
            self.hang_up_on_a_call: 2,
            self.send_rubbish: 2,
        }
        self.actions, self.weights = list(chances), list(chances.values())

    def run(self, url: str, over: threading.Event) -> None:
        """Continue until the test is over; a server that has ended will be started again."""
        while not over.is_set():
            program = Program(url, agent=self.name)
            try:
                for _ in range(self.random.randrange(1, 300)):
                    if over.is_set():
                        return
                    (action,) = self.random.choices(self.actions, self.weights)
                    action(program)
            except (OSError, http.client.HTTPException):
                over.wait(0.02)
            finally:
                program.hang_up()

    # What succeeds, mostly

    def start(self, program: Program) -> None:
        workflow_id = self._mark()
        reply = self._ask(
            program,
            "StartWorkflowExecution",
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType=TYPE,
            taskList=self.random.choice(LISTS),
        )
        if reply is not None:
            self.runs.append((workflow_id, reply["runId"]))
            self._was_told(reply["runId"], "WorkflowExecutionStarted")

    def signal(self, program: Program) -> None:
        if self.runs:
            workflow_id, run_id = self.random.choice(self.runs[-5:])
            mark = self._mark()
            told = {"domain": DOMAIN, "workflowId": workflow_id, "runId": run_id}
            if self._ask(program, "SignalWorkflowExecution", **told, signalName=mark) is not None:
                self._was_told(run_id, "WorkflowExecutionSignaled", "signalName", mark)

    def end(self, program: Program) -> None:
        if self.runs:
            workflow_id, run_id = self.random.choice(self.runs[-20:])
            told = {"domain": DOMAIN, "workflowId": workflow_id, "runId": run_id}
            mark = self._mark()
            if self.random.random() < 0.5:
                if self._ask(program, "RequestCancelWorkflowExecution", **told) is not None:
                    self._was_told(run_id, "WorkflowExecutionCancelRequested")
            elif self._ask(program, "TerminateWorkflowExecution", **told, reason=mark) is not None:
                self._was_told(run_id, "WorkflowExecutionTerminated", "reason", mark)

    def decide(self, program: Program) -> None:
        task = self._poll(program, "PollForDecisionTask")
        if task is None:
            return
        run_id = task["workflowExecution"]["runId"]
        self._was_told(run_id, "DecisionTaskStarted", "identity", self.name)
        mark = self._mark()
        answer = Requests(mark).answer() | {"executionContext": mark}
        if self.random.random() < 0.5:
            activity = {"activityId": mark, "activityType": TYPE}
            answer["decisions"] = [
                decision("ScheduleActivityTask", **activity, taskList=self.random.choice(LISTS))
            ]
        answer["taskToken"] = task["taskToken"]
        if self._ask(program, "RespondDecisionTaskCompleted", **answer) is not None:
            self._was_told(run_id, "DecisionTaskCompleted", "executionContext", mark)

    def work(self, program: Program) -> None:
        task = self._poll(program, "PollForActivityTask")
        if task is None:
            return
        run_id, token = task["workflowExecution"]["runId"], task["taskToken"]
        self._was_told(run_id, "ActivityTaskStarted", "identity", self.name)
        if self.random.random() < 0.3:
            self._ask(program, "RecordActivityTaskHeartbeat", taskToken=token, details="half")
        outcome, member = self.random.choice(
            [("Completed", "result"), ("Failed", "reason"), ("Canceled", "details")]
        )
        mark = self._mark()
        answer = {"taskToken": token, member: mark}
        if self._ask(program, f"RespondActivityTask{outcome}", **answer) is not None:
            self._was_told(run_id, f"ActivityTask{outcome}", member, mark)

    def look(self, program: Program) -> None:
        if self.runs:
            workflow_id, run_id = self.random.choice(self.runs)
            execution = {"workflowId": workflow_id, "runId": run_id}
            asked = {"domain": DOMAIN, "execution": execution}
            reply = self._ask(program, "GetWorkflowExecutionHistory", **asked)
            known = self.told.histories.get((workflow_id, run_id), [])
            if reply is not None and len(reply["events"]) > len(known):
                self.told.histories[workflow_id, run_id] = reply["events"]

    # What may succeed, or not

    def do_anything(self, program: Program) -> None:
        operation = self.random.choice(OTHERS)
        self._ask(program, operation, **Requests(self._mark()).request(operation, **self._token()))

    def talk_nonsense(self, program: Program) -> None:
        operation = self.random.choice(OTHERS)
        self._ask(program, operation, **Requests(self._mark()).nonsense(operation))

    def send_a_wrong_body(self, program: Program) -> None:
        body = self.random.choice(BODIES)
        self._count(program.post(self.random.choice(["ListDomains", "Nothing"]), body))

    def hang_up_on_a_poll(self, program: Program) -> None:
        operation = self.random.choice(["PollForDecisionTask", "PollForActivityTask"])
        program.send(operation, {"domain": DOMAIN, "taskList": self.random.choice(LISTS)})
        threading.Event().wait(self.random.random() / 20)
        program.hang_up()

    def hang_up_on_a_call(self, program: Program) -> None:
        request = {"domain": DOMAIN, "workflowId": self._mark(), "workflowType": TYPE}
        program.send("StartWorkflowExecution", request)
        program.hang_up()

    def send_rubbish(self, program: Program) -> None:
        program.hang_up()
        program.connection.connect()
        program.connection.sock.sendall(self.random.choice(RUBBISH))
        threading.Event().wait(self.random.random() / 50)
        program.hang_up()

    # How

    def _mark(self) -> str:
        """Text that no other client writes."""
        self.done += 1
        return f"{self.name}-{self.done}"

    def _token(self) -> dict[str, str]:
        return {"taskToken": self.random.choice(self.tokens)} if self.tokens else {}

    def _poll(self, program: Program, operation: str) -> dict[str, Any] | None:
        asked = {"domain": DOMAIN, "taskList": self.random.choice(LISTS), "identity": self.name}
        task = self._ask(program, operation, **asked)
        if task is None or not task.get("taskToken"):
            return None
        self.tokens = [*self.tokens[-9:], task["taskToken"]]
        # Some are dropped.
        return task if self.random.random() < 0.95 else None

    def _ask(self, program: Program, operation: str, **members: Any) -> dict[str, Any] | None:
        """Make a call; return the reply, or None if it is refused."""
        reply = program.post(operation, members)
        self._count(reply)
        return reply.members if reply.status == 200 else None

    def _count(self, reply: Reply) -> None:
        self.told.answers[reply.status] += 1

    def _was_told(self, run_id: str, kind: str, member: str = "", value: str = "") -> None:
        self.told.events.append(Event(run_id, kind, member, value))


def prepare(program: Program) -> None:
    """Register what all clients need."""
    program.call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
    program.call(
        "RegisterWorkflowType",
        domain=DOMAIN,
        **TYPE,
        defaultChildPolicy="TERMINATE",
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskList=LISTS[0],
        defaultTaskStartToCloseTimeout="60",
    )
    program.call(
        "RegisterActivityType",
        domain=DOMAIN,
        **TYPE,
        defaultTaskList=LISTS[0],
        **TIMEOUTS,
    )
