"""A state machine around an engine: anything that clients may do, checked after each call."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

from botocore.validate import ParamValidator
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from flowy_sim._engine import Engine, Fault, Limits
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.latency import Latency
from flowy_sim._engine.model import input_shape, operation_names, service_model
from flowy_sim._events.invariants import Violation, check
from tests.support.engine_contents import describe
from tests.support.engine_driver import START
from tests.support.random_requests import LAMBDAS, Requests

DAY = 24 * 60 * 60 * 1000
LIMITS = Limits(
    domains=2,
    workflow_types=4,
    activity_types=4,
    open_executions=4,
    events=70,
    open_activities=2,
    open_timers=2,
    open_children=2,
    open_lambda_functions=2,
    tags=2,
    counted=2,
    page=3,
    decision_poll_page=7,
)
LATENCIES = (Latency.DEFAULT, Latency.ZERO, Latency.RECORDED)
READS = ("Count", "Describe", "Get", "List")
GARBAGE = "AAAAKgAAAAIAAAAAAAAAAg=="
SURE_START: dict[str, Any] = {
    "domain": "a",
    "workflowType": {"name": "A", "version": "1"},
    "executionStartToCloseTimeout": "3600",
}
_A1: dict[str, str] = {"name": "A", "version": "1"}
#: Operations after which SURE_START succeeds, even if types were deprecated or deleted.
RESTORE: list[tuple[str, dict[str, Any]]] = [
    ("UndeprecateDomain", {"name": "a"}),
    ("UndeprecateActivityType", {"domain": "a", "activityType": _A1}),
    ("UndeprecateWorkflowType", {"domain": "a", "workflowType": _A1}),
    (
        "RegisterActivityType",
        {
            "domain": "a",
            **_A1,
            "defaultTaskHeartbeatTimeout": "NONE",
            "defaultTaskList": {"name": "l"},
            "defaultTaskScheduleToCloseTimeout": "NONE",
            "defaultTaskScheduleToStartTimeout": "NONE",
            "defaultTaskStartToCloseTimeout": "60",
        },
    ),
    (
        "RegisterWorkflowType",
        {
            "domain": "a",
            **_A1,
            "defaultChildPolicy": "REQUEST_CANCEL",
            "defaultExecutionStartToCloseTimeout": "3600",
            "defaultTaskList": {"name": "l"},
            "defaultTaskStartToCloseTimeout": "60",
        },
    ),
]
SENDING = (
    *["SignalWorkflowExecution"] * 4,
    "RequestCancelWorkflowExecution",
    "TerminateWorkflowExecution",
)
WORKING = (
    "RecordActivityTaskHeartbeat",
    "RespondActivityTaskCanceled",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
)
READING = sorted(name for name in operation_names() if name.startswith(READS))
ADMINISTERING = sorted(
    name
    for name in operation_names()
    if name.startswith(("Delete", "Deprecate", "Register", "Tag", "Undeprecate", "Untag"))
)


class Chooser:
    """Chooses by a seed. A call that is refused must not change its state either."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def __call__(self, kind: str, count: int) -> int:
        return self.random.randrange(count)


def fingerprint(engine: Engine) -> bytes:
    """Everything that an engine holds, including the state of its random generators."""
    return pickle.dumps(engine)


def contents(fingerprint: bytes) -> dict[str, Any]:
    """What an engine holds, whether or not something has asked for its executions in order."""
    return describe(pickle.loads(fingerprint))


def scramble(value: Any) -> None:
    """Change everything in a request or a reply that can be changed."""
    if isinstance(value, dict):
        for inner in value.values():
            scramble(inner)
        value.clear()
    elif isinstance(value, list):
        for inner in value:
            scramble(inner)
        value.append("changed")


def is_tidy(value: Any) -> bool:
    """Whether keys are in alphabetical order, and only elements of lists are null."""
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(
            inner is not None and is_tidy(inner) for inner in value.values()
        )
    return not isinstance(value, list) or all(map(is_tidy, value))


def without_nulls(value: Any) -> Any:
    """The value without null elements of lists, which the model does not know."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value if inner is not None]
    return value


def check_reply(operation: str, reply: dict[str, Any]) -> None:
    """Check a reply against the service model."""
    assert is_tidy(reply)
    shape = service_model().operation_model(operation).output_shape
    if shape is None:
        assert reply == {}
    elif "taskToken" in reply or not operation.startswith("Poll"):
        report = ParamValidator().validate(without_nulls(reply), shape)
        assert not report.has_errors(), report.generate_report()


class Service(RuleBasedStateMachine):
    """Drives an engine by every operation.

    A program is a seed and the names of rules: what the nth use of a rule does follows from
    them and the engine's state.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.program: list[str] = []
        self.uses: Counter[str] = Counter()
        self.decision_tokens: list[str] = []
        self.activity_tokens: list[str] = []
        self.page_tokens: list[tuple[str, dict[str, Any]]] = []
        self.executions: list[dict[str, str]] = []
        self.lengths: dict[str, int] = {}

    @initialize(
        seed=st.integers(0, 100),
        latency=st.sampled_from(LATENCIES),
        retention=st.sampled_from(("1", "0")),
    )
    def begin(self, seed: int, latency: Any, retention: str) -> None:
        self.seed = seed
        self.engine = Engine(
            seed=seed, choose=Chooser(seed), limits=LIMITS, latency=latency, lambdas=LAMBDAS
        )
        self.call(
            "RegisterDomain", {"name": "a", "workflowExecutionRetentionPeriodInDays": retention}
        )
        self.start_again()

    def call(self, operation: str, request: Any) -> dict[str, Any] | None:
        """Make a call; return its reply, or None for a fault."""
        self.program.append(f"engine.call({operation!r}, {request!r}, {self.now})")
        engine, given = self.engine, deepcopy(request)
        engine.run_until(self.now)
        before = fingerprint(engine)
        try:
            reply = engine.call(operation, given, self.now)
        except Fault:
            assert fingerprint(engine) == before
            return None
        finally:
            assert repr(given) == repr(request)
        after = fingerprint(engine)
        if operation.startswith(READS):
            assert after == before or contents(after) == contents(before)
        check_reply(operation, reply)
        kept = deepcopy(reply)
        scramble(reply)
        scramble(given)
        assert fingerprint(engine) == after
        if "nextPageToken" in kept:
            following = request | {"nextPageToken": kept["nextPageToken"]}
            self.page_tokens.append((operation, following))
        return kept

    @invariant()
    def everything_agrees(self) -> None:
        there = self.engine.executions.values()
        try:
            check(self.engine, [e for e in there if self.lengths.get(e.run_id) != len(e)])
        except Violation as violation:
            violation.add_note("\n".join(self.program))
            raise
        self.lengths = {execution.run_id: len(execution) for execution in there}

    # Time

    def _advance(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.engine.run_until(self.now)
        following = self.engine.next_instant()
        assert following is None or following > self.now

    @rule()
    def advance_a_little(self) -> None:
        self._advance(self.dice("advance").random.choice((0, 1, 5, 20, 100)))

    @rule()
    def advance(self) -> None:
        self._advance(self.dice("advance").random.choice((1_000, 1_000, 5_000, 60_000)))

    @rule()
    def advance_far(self) -> None:
        self._advance(self.dice("advance").random.choice((5_000, 60_000, 3_600_000, DAY)))

    @rule()
    def advance_to_what_comes_next(self) -> None:
        following = self.engine.next_instant()
        if following is not None and following < self.now + 60_000:
            self._advance(max(0, following - self.now))

    # From outside

    @rule()
    def administer(self) -> None:
        dice = self.dice("administer")
        operation = dice.random.choice(ADMINISTERING)
        if not operation.startswith("De") or dice.random.random() < 0.3:
            self.call(operation, dice.request(operation))

    @rule()
    def look(self) -> None:
        dice = self.dice("look")
        operation = dice.random.choice(READING)
        told = {}
        if "execution" in input_shape(operation).members:
            told = {"execution": self.execution(dice.random)}
        self.call(operation, dice.request(operation, **told))

    @precondition(lambda self: self.page_tokens)
    @rule()
    def turn_the_page(self) -> None:
        random = self.dice("turn the page").random
        operation, request = random.choice(self.page_tokens[-5:])
        if random.random() < 0.3:
            request = request | {"execution": self.execution(random), "maximumPageSize": 2}
            request["reverseOrder"] = not request.get("reverseOrder")
        reply = self.call(operation, request)
        if reply is not None and "taskToken" in reply:
            self.decision_tokens.append(reply["taskToken"])

    @rule()
    def start(self) -> None:
        self._start(self.dice("start").request("StartWorkflowExecution"))

    @precondition(lambda self: not self.domain.open_executions)
    @rule()
    def start_again(self) -> None:
        for operation, request in RESTORE:
            self.call(operation, request)
        self._start(self.dice("start").request("StartWorkflowExecution") | SURE_START)

    def _start(self, request: dict[str, Any]) -> None:
        reply = self.call("StartWorkflowExecution", request)
        if reply is not None:
            self.executions.append({"workflowId": request["workflowId"], **reply})

    @rule()
    def send(self) -> None:
        dice = self.dice("send")
        operation = dice.random.choice(SENDING)
        request = dice.request(operation)
        request.pop("runId", None)
        open_ids = sorted(self.domain.open_executions)
        if open_ids and dice.random.random() < 0.8:
            request |= {"domain": "a", "workflowId": dice.random.choice(open_ids)}
        elif dice.random.random() < 0.5:
            request |= self.execution(dice.random)
        self.call(operation, request)

    # Deciders

    @rule()
    def poll_for_a_decision_task(self) -> None:
        dice = self.dice("poll for a decision task")
        request = dice.request("PollForDecisionTask") | self.waiting(dice.random, "decision_lists")
        reply = self.call("PollForDecisionTask", request)
        if reply is not None and "taskToken" in reply:
            assert reply["startedEventId"] > reply["previousStartedEventId"]
            self.decision_tokens.append(reply["taskToken"])

    @precondition(lambda self: self.decision_tokens)
    @rule()
    def decide(self) -> None:
        dice = self.dice("decide")
        token = self.token(self.decision_tokens, dice.random)
        self.call("RespondDecisionTaskCompleted", {"taskToken": token, **dice.answer()})

    @precondition(lambda self: self.domain.decision_lists.names())
    @rule()
    def poll_and_decide(self) -> None:
        self.poll_for_a_decision_task()
        self.decide()

    @precondition(lambda self: self.domain.decision_lists.names())
    @rule()
    def decide_while_something_happens(self) -> None:
        self.poll_for_a_decision_task()
        self.send()
        self.decide()

    # Workers

    @rule()
    def poll_for_an_activity_task(self) -> None:
        dice = self.dice("poll for an activity task")
        request = dice.request("PollForActivityTask") | self.waiting(dice.random, "activity_lists")
        reply = self.call("PollForActivityTask", request)
        if reply is not None and "taskToken" in reply:
            self.activity_tokens.append(reply["taskToken"])

    @precondition(lambda self: self.activity_tokens)
    @rule()
    def work(self) -> None:
        dice = self.dice("work")
        operation = dice.random.choice(WORKING)
        token = self.token(self.activity_tokens, dice.random)
        self.call(operation, dice.request(operation, taskToken=token))

    @precondition(lambda self: self.domain.activity_lists.names())
    @rule()
    def poll_and_work(self) -> None:
        self.poll_for_an_activity_task()
        self.work()

    # Random requests

    @rule()
    def call_nonsense(self) -> None:
        dice = self.dice("call nonsense")
        operation = dice.random.choice(sorted(operation_names()))
        request = dice.nonsense(operation)
        if "taskToken" in input_shape(operation).members:
            request.setdefault("taskToken", self.token(self.decision_tokens, dice.random))
        self.call(operation, request)

    # What the rules choose from

    def dice(self, name: str) -> Requests:
        """The random choices of the next use of a rule, independent of the use of other rules."""
        self.uses[name] += 1
        return Requests(f"{self.seed}/{name}/{self.uses[name]}")

    @property
    def domain(self) -> Domain:
        return self.engine.domains["a"]

    def waiting(self, random: Random, lists: str) -> dict[str, Any]:
        """Members of a poll that mostly name a list on which something waits."""
        names = sorted(getattr(self.domain, lists).names())
        if not names or random.random() < 0.1:
            return {}
        return {"domain": "a", "taskList": {"name": random.choice(names)}}

    def execution(self, random: Random) -> dict[str, str]:
        if random.random() < 0.1 or not self.executions:
            return {"workflowId": "w", "runId": "none"}
        return dict(random.choice(self.executions[-8:]))

    def token(self, given: list[str], random: Random) -> str:
        """Mostly the newest token, else an older one or one of another kind."""
        chance = random.random()
        if chance < 0.1 or not given:
            return random.choice([GARBAGE, *self.decision_tokens[-1:], *self.activity_tokens[-1:]])
        return random.choice(given[-5:]) if chance < 0.4 else given[-1]


#: The rules of a campaign without hypothesis, the productive ones more often.
CAMPAIGN = [
    "administer",
    "advance",
    "advance_a_little",
    "advance_far",
    *["advance_to_what_comes_next"] * 3,
    "call_nonsense",
    "decide",
    "decide_while_something_happens",
    "look",
    *["poll_and_decide"] * 5,
    *["poll_and_work"] * 2,
    "poll_for_a_decision_task",
    "poll_for_an_activity_task",
    "send",
    "start",
    "turn_the_page",
    *["work"] * 2,
]


def run_campaign(service: Service, seed: int, random: Random) -> Iterator[None]:
    """Do 200 things to a new service, of which it chooses the kinds; yield after each."""
    service.begin(seed, LATENCIES[seed % 3], "10"[seed % 5 == 0])
    for _ in range(200):
        name = random.choice(CAMPAIGN)
        if not service.domain.open_executions:
            service.start_again()
        elif name != "turn_the_page" or service.page_tokens:
            getattr(service, name)()
        yield
        service.everything_agrees()
