"""The rules of time, for any number of clients that poll, pause, work, start late and die.

Real time is a number that the test advances, so nothing here waits. The rules, by the numbers that
the checks refer to:

1.  Effects that only wait for their latency happen at once, whatever is held or waiting.
2.  Timers fire as soon as no client has anything to do, whether or not any client polls.
3.  An empty poll does not move time. It is answered when it has lasted as long as it may, or for a
    list that its client could take a task from.
4.  A task on a list that no client polls holds up time for the patience, once.
5.  A client that pauses between its polls is there for the patience.
6.  Time-outs come last, when no client has made a call for the patience.
7.  While a task is held, time stands still, or passes at the real pace; a task without a sign of
    life is held for a limited time.
8.  A simulation begins at the current time: see `tests.server.test_time_over_http`.
9.  A paused clock moves only when it is told to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from math import inf
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from flowy_sim import Latency, VirtualClock
from flowy_sim._engine.engine import Engine, first
from flowy_sim._engine.faults import UnknownResourceFault
from flowy_sim._engine.latency import FOLLOWING, TIME_OUTS
from flowy_sim._simulation.host import Host
from flowy_sim._simulation.polls import Poll, Polls
from flowy_sim._simulation.presence import Poller, Presence
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL, Engines, TaskList
from tests.support.properties import examples

PATIENCE = 5.0
LONGEST_POLL = 12.0
HOLD_SECONDS = 20.0
#: What may pass until the clock is looked at again.
A_MOMENT = 0.5
#: How late effects are that only follow their cause, in milliseconds.
LATENCY = Latency(dict.fromkeys(FOLLOWING, (30,)))
REGION = "us-east-1"
NEARLY = 1e-6
WORKFLOW = {"name": "w", "version": "1"}
ACTIVITY = {"name": "a", "version": "1"}

LISTS = [
    TaskList(REGION, poll, domain, name)
    for poll in (DECISION_POLL, ACTIVITY_POLL)
    for domain in ("one", "two")
    for name in ("x", "y")
]
DECISION_LISTS = LISTS[:4]
#: Real seconds, among them more than the patience.
seconds = st.sampled_from([0.05, 1.0, 3.0, 4.8, 7.0])
#: The same, among them more than the time for which a task is held.
work = st.sampled_from([0.05, 1.0, 3.0, 4.8, 7.0, 2 * HOLD_SECONDS])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("timer"), st.sampled_from([0, 1, 60, 86_400])),
        st.tuples(st.just("activity"), st.sampled_from(["x", "y"])),
        st.tuples(st.just("child"), st.sampled_from(["x", "y"])),
        st.tuples(st.just("signal"), st.sampled_from(["0", "1"])),
    ),
    max_size=3,
)


class Client:
    """A client that polls its lists in turn, works on what it gets, and pauses.

    One that loses interest goes on with the first of its lists only.
    """

    def __init__(
        self,
        machine: TimeRules,
        name: str,
        lists: list[TaskList],
        delay: float,
        pause: float,
        work: float,
        loses_interest: bool = False,
    ) -> None:
        self.loses_interest = loses_interest
        self.machine = machine
        self.lists = lists
        self.pause = pause
        self.work = work
        self.is_alive = True
        self.poller = Poller(name, lambda: self.is_alive)
        self.acts_at = machine.real + delay
        self.poll: Poll | None = None
        self.polled_at = 0.0
        self.polled: set[TaskList] = set()
        self.task: dict[str, Any] | None = None
        self.got_task_at = -inf
        self.last_call = -inf
        self.turn = 0
        self.early: Counter[tuple[int, TaskList]] = Counter()

    def call(self, operation: str, **request: Any) -> dict[str, Any] | Poll:
        host = self.machine.host
        self.machine.changes += operation.startswith("Respond")
        self.last_call = self.machine.real
        answer = host.call(self.poller, operation, request, REGION, 60)
        if not self.machine.is_paused and operation not in (DECISION_POLL, ACTIVITY_POLL):
            assert self.machine.engines.next_instant(FOLLOWING) is None  # 1
        return answer

    def act(self) -> None:
        """Do what is next: answer a task, or poll."""
        if self.task is not None:
            task, self.task = self.task, None
            self.answer(task)
            self.machine.last_call = self.machine.real
            self.acts_at = self.machine.real + self.pause
            return
        if self.turn >= len(self.lists) and self.loses_interest:
            del self.lists[1:]
        task_list = self.lists[self.turn % len(self.lists)]
        self.turn += 1
        self.polled_at = self.machine.real
        self.machine.polled_at[task_list] = self.machine.real
        if task_list not in self.polled:
            self.machine.last_call = self.machine.real
        answer = self.call(
            task_list.poll, domain=task_list.domain, taskList={"name": task_list.name}
        )
        self.polled.add(task_list)
        self.machine.passed_by.discard(task_list)
        if isinstance(answer, Poll):
            self.poll, self.acts_at = answer, inf
            answer.wake = self.wake
        else:
            self.receive(answer)

    def wake(self) -> None:
        assert self.poll is not None
        poll, self.poll = self.poll, None
        reply = poll.result()
        self.last_call = self.machine.real
        if not reply.get("taskToken"):
            self.machine.check_empty(self, poll)
        self.receive(reply)

    def receive(self, reply: dict[str, Any]) -> None:
        if reply.get("taskToken"):
            self.machine.changes += 1
            self.machine.last_call = self.machine.real
            self.task = reply
            self.got_task_at = self.machine.real
            self.acts_at = self.machine.real + self.work
        else:
            self.acts_at = self.machine.real + self.pause

    def answer(self, task: dict[str, Any]) -> None:
        token = task["taskToken"]
        try:
            if "activityId" in task:
                self.call("RespondActivityTaskCompleted", taskToken=token)
            else:
                decisions = [next_step(task["events"])]
                self.call("RespondDecisionTaskCompleted", taskToken=token, decisions=decisions)
        except UnknownResourceFault:
            # It has timed out meanwhile.
            assert not self.machine.is_open(task)

    @property
    def holds(self) -> bool:
        """Whether time has to wait for it (7)."""
        if not self.is_alive or self.task is None or not self.machine.is_open(self.task):
            return False
        return self.machine.real < self.got_task_at + HOLD_SECONDS - NEARLY


def next_step(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the decision for the first step that is not done."""
    plan = json.loads(events[0]["workflowExecutionStartedEventAttributes"]["input"])
    types = [event["eventType"] for event in events]
    begun = sum(each in BEGINNINGS for each in types)
    if begun == len(plan):
        return {"decisionType": "CompleteWorkflowExecution"}
    kind, value = plan[begun]
    if kind == "timer":
        attributes = {"timerId": str(begun), "startToFireTimeout": str(value)}
        return {"decisionType": "StartTimer", "startTimerDecisionAttributes": attributes}
    if kind == "child":
        attributes = {
            "workflowId": f"child of {events[0]['eventTimestamp']} {begun}",
            "workflowType": WORKFLOW,
            "taskList": {"name": value},
            "input": "[]",
        }
        return {
            "decisionType": "StartChildWorkflowExecution",
            "startChildWorkflowExecutionDecisionAttributes": attributes,
        }
    if kind == "signal":
        return {
            "decisionType": "SignalExternalWorkflowExecution",
            "signalExternalWorkflowExecutionDecisionAttributes": {
                "workflowId": value,
                "signalName": "hurry",
            },
        }
    attributes = {
        "activityId": str(begun),
        "activityType": ACTIVITY,
        "taskList": {"name": value},
    }
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": attributes,
    }


BEGINNINGS = frozenset(
    {
        "TimerStarted",
        "ActivityTaskScheduled",
        "StartChildWorkflowExecutionInitiated",
        "SignalExternalWorkflowExecutionInitiated",
    }
)


class CheckedEngines(Engines):
    """Engines that check whether time may move, wherever it does."""

    machine: TimeRules

    def run_until(self, instant: int) -> None:
        self.machine.check_jump(instant)
        super().run_until(instant)


class TimeRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.real = 1_000.0
        self.clients: list[Client] = []
        self.runs: list[tuple[str, dict[str, str]]] = []
        self.last_call = -inf
        self.passed_by: set[TaskList] = set()
        self.untaken_since: dict[TaskList, float] = {}
        self.polled_at: dict[TaskList, float] = {}
        self.was_lenient = False
        self.is_paused = False
        self.stood_still_at = -inf
        self.is_told_to_move = False
        self.told_until = -inf
        self.held_since: tuple[float, int] | None = None
        self.changes = 0

    @initialize(is_served=st.booleans(), is_real_while_held=st.booleans())
    def begin(self, is_served: bool, is_real_while_held: bool) -> None:
        self.is_served = is_served
        self.is_real_while_held = is_real_while_held
        self.engines = CheckedEngines(
            lambda region: Engine(region=region, latency=LATENCY, choose=first)
        )
        self.engines.machine = self
        self.presence = Presence(PATIENCE, HOLD_SECONDS, real_seconds=lambda: self.real)
        polls = Polls(self.engines, self.presence, first, 1000)
        longest = LONGEST_POLL if is_served else inf
        self.clock = VirtualClock()
        self.now = self.clock.milliseconds
        self.host = Host(
            self.clock, self.engines, self.presence, polls, self.others_can_call, longest
        )
        self.host.time_skipping.is_real_while_held = is_real_while_held
        self.clock.belong_to(nullcontext(), self.host.time_skipping.advance_to)
        self.starter = Poller("the starter", lambda: True)
        for domain in ("one", "two"):
            register(self.engines, domain, self.now)

    # What happens

    @rule(
        lists=st.lists(st.sampled_from(LISTS), min_size=1, max_size=4, unique=True),
        delay=seconds,
        pause=seconds.filter(lambda each: each >= 1),
        work=work,
        loses_interest=st.booleans(),
    )
    @precondition(lambda self: len(self.clients) < 6)
    def a_client_starts(
        self,
        lists: list[TaskList],
        delay: float,
        pause: float,
        work: float,
        loses_interest: bool,
    ) -> None:
        name = f"client {len(self.clients)}"
        self.clients.append(Client(self, name, lists, delay, pause, work, loses_interest))

    @rule(task_list=st.sampled_from(DECISION_LISTS), plan=steps)
    def an_execution_starts(self, task_list: TaskList, plan: list[tuple[str, Any]]) -> None:
        workflow_id = str(len(self.runs))
        self.changes += 1
        self.last_call = self.real
        request = {
            "domain": task_list.domain,
            "workflowId": workflow_id,
            "workflowType": WORKFLOW,
            "taskList": {"name": task_list.name},
            "input": json.dumps(plan),
        }
        reply = self.host.call(self.starter, "StartWorkflowExecution", request, REGION, 60)
        assert isinstance(reply, dict)
        self.runs.append((task_list.domain, {"workflowId": workflow_id, "runId": reply["runId"]}))
        self.note_untaken()

    @rule(number=st.integers(0, 5), plan=steps)
    @precondition(lambda self: self.clients)
    def work_comes_for_a_client(self, number: int, plan: list[tuple[str, Any]]) -> None:
        client = self.clients[number % len(self.clients)]
        lists = [each for each in client.lists if each.poll == DECISION_POLL]
        self.an_execution_starts(task_list=(lists or DECISION_LISTS)[0], plan=plan)

    @rule(number=st.integers(0, 5))
    def a_client_dies(self, number: int) -> None:
        if number < len(self.clients) and self.clients[number].is_alive:
            client = self.clients[number]
            client.is_alive = False
            self.was_lenient = True
            if client.poll is not None:
                self.host.leave(client.poll)
                client.poll = None

    @rule()
    @precondition(lambda self: self.is_paused or self.clients)
    def the_clock_is_paused_or_goes_on(self) -> None:
        self.is_paused = self.host.time_skipping.is_paused = not self.is_paused
        if not self.is_paused and self.held_since is not None:
            real, began = self.held_since
            self.held_since = real + self.real - max(real, self.stood_still_at), began
        self.stood_still_at = self.real

    @rule(by=st.sampled_from([0, 1, 3600]))
    def the_clock_is_advanced(self, by: float) -> None:
        self.was_lenient = True
        before = self.clock.milliseconds
        self.told_until = before + by * 1000
        self.is_told_to_move = True
        self.clock.advance(by)
        self.is_told_to_move = False
        if self.held_since is not None:
            # What has really passed since the last look is still to be passed.
            real, began = self.held_since
            self.held_since = real, began + self.clock.milliseconds - before
        self.note_untaken()

    @rule(passes=st.sampled_from([0.01, 0.2, 1.0, 6.0, 15.0]))
    def real_time_passes(self, passes: float) -> None:
        end = self.real + passes
        while True:
            pause = self.host.time_skipping.settle()
            self.note_untaken()
            self.check_released()
            self.check_stands_still_for_a_reason()
            acting = min((c.acts_at for c in self.clients if c.is_alive), default=inf)
            again = inf if pause is None else self.real + max(pause, NEARLY)
            self.real = max(self.real, min(end, acting, again))
            for client in self.clients:
                if client.is_alive and client.acts_at <= self.real:
                    client.act()
                    self.note_untaken()
            if self.real >= end:
                break
        for client in self.clients:
            if client.poll is not None and self.is_served:
                # Each poll ends by itself, whatever other polls come and go.
                assert self.real - client.polled_at <= LONGEST_POLL + 0.1

    def teardown(self) -> None:
        if not hasattr(self, "host"):
            return
        if self.was_lenient or self.is_real_while_held:
            return
        if any(each.pause >= PATIENCE or each.work >= HOLD_SECONDS for each in self.clients):
            return
        self.is_paused = self.host.time_skipping.is_paused = False
        # Where all clients come back in time, and there are enough of them, nothing times out.
        before = self.time_outs()
        for number, task_list in enumerate(LISTS):
            self.clients.append(Client(self, f"late {number}", [task_list], 1.0, 1.0, 0.05))
        self.real_time_passes(2.0)
        for _ in range(30):
            if not any(self.events(run)[-1:] and self.is_running(run) for run in self.runs):
                break
            self.real_time_passes(3.0)
        if not before:
            assert not self.time_outs()
            assert not [run for run in self.runs if self.is_running(run)]

    # What must hold

    def check_jump(self, instant: int) -> None:
        """Check that time may move to an instant."""
        self.changes += 1
        before, self.now = self.now, max(self.now, instant)
        follows = instant <= (self.engines.next_instant(FOLLOWING) or -1)
        if self.held_since is not None and follows and not self.is_told_to_move:
            real, began = self.held_since
            self.held_since = real, began + self.now - before
        if self.now == before or follows or self.is_told_to_move:  # 1 and 9
            return
        assert not self.is_paused  # 9
        if any(client.holds for client in self.clients):  # 7
            assert self.is_real_while_held
            assert self.held_since is not None
            real, began = self.held_since
            assert self.now - began <= (self.real - real) * 1000 + NEARLY
            return
        for task_list in self.untaken():
            for client in self.clients:
                if client.is_alive and task_list in client.polled and client.poll is None:
                    assert self.real - client.last_call >= PATIENCE - NEARLY  # 5
            if self.others_can_call() and task_list not in self.passed_by:
                assert self.real - self.untaken_since[task_list] >= PATIENCE - NEARLY  # 4
            self.passed_by.add(task_list)
        if instant == self.engines.next_instant(TIME_OUTS) and self.others_can_call():
            assert self.real - self.last_call >= PATIENCE - NEARLY  # 6

    def check_stands_still_for_a_reason(self) -> None:
        """Check that time stands still only as long as a rule lets it: 2, 4, 5, 6 and 7."""
        following = self.engines.next_instant()
        if self.is_paused or following is None:
            return
        if any(client.holds for client in self.clients) or self.presence.held_tasks.is_any_held():
            self.stood_still_at = self.real
            if self.is_real_while_held and self.held_since is not None:
                real, began = self.held_since
                passed = self.clock.milliseconds - began
                assert passed <= (self.real - real) * 1000 + 1  # 7
            return
        if self.presence.busy() is not None:
            return
        recently = self.real - PATIENCE - A_MOMENT
        if self.stood_still_at > recently:  # Other tasks are waited for from then on.
            return
        for task_list in self.untaken():
            since = max(self.untaken_since[task_list], self.polled_at.get(task_list, -inf))
            calls = [c.last_call for c in self.clients if task_list in c.polled]
            if max([since, *calls]) > recently:
                return
        assert following == self.engines.next_instant(TIME_OUTS)
        assert self.last_call > recently

    def check_empty(self, client: Client, poll: Poll) -> None:
        """Check that a poll may be answered empty."""
        if self.is_served and self.real - client.polled_at >= LONGEST_POLL - NEARLY:
            return
        if not self.is_served and poll.began + poll.lasts <= self.told_until:
            return
        following = self.engines.next_instant()
        if following is None and not self.is_served:
            return
        elsewhere = [each for each in self.untaken() if each != poll.task_list]
        known = [each for each in elsewhere if each in client.polled]
        if known:
            # Not again and again, while nothing changes.
            client.early[self.changes, poll.task_list] += 1
            assert client.early[self.changes, poll.task_list] <= 2 + len(elsewhere)
            return
        is_last = following is None or following == self.engines.next_instant(TIME_OUTS)
        if is_last and not self.is_served:
            # It may do something else before the time-out.
            client.early[self.changes, poll.task_list] += 1
            assert client.early[self.changes, poll.task_list] <= 2 + len(elsewhere)
            return
        # A client may be about to poll a list for the first time.
        assert elsewhere
        assert is_last or not self.is_served

    def check_released(self) -> None:
        """Check that no client waits that could take a task of another list it has polled."""
        if self.presence.busy() is not None:
            return
        for task_list, since in self.untaken_since.items():
            for client in self.clients:
                waits = client.poll is not None and client.polled_at < since
                assert not (waits and task_list in client.polled)  # 3

    # What is seen

    def others_can_call(self) -> bool:
        return self.is_served or any(
            client.is_alive and client.poll is None for client in self.clients
        )

    def untaken(self) -> list[TaskList]:
        lists = self.engines.lists_with_tasks()
        return [each for each in lists if not self.host.polls.waits_on(each)]

    def note_untaken(self) -> None:
        untaken = self.untaken()
        self.untaken_since = {each: self.untaken_since.get(each, self.real) for each in untaken}
        if not any(client.holds for client in self.clients):
            self.held_since = None
        elif self.held_since is None:
            self.held_since = self.real, self.clock.milliseconds

    def is_open(self, task: Mapping[str, Any]) -> bool:
        return any(
            held.task.run_id == task["workflowExecution"]["runId"]
            and held.task.started_id == task["startedEventId"]
            for held in self.presence.held_tasks.open()
        )

    def events(self, run: tuple[str, dict[str, str]]) -> list[str]:
        domain, execution = run
        request = {"domain": domain, "execution": execution}
        reply = self.engines.of(REGION).call("GetWorkflowExecutionHistory", request, self.now)
        return [event["eventType"] for event in reply["events"]]

    def is_running(self, run: tuple[str, dict[str, str]]) -> bool:
        return (
            not self.events(run)[-1].startswith("WorkflowExecution") or len(self.events(run)) == 1
        )

    def time_outs(self) -> list[str]:
        return [
            event for run in self.runs for event in self.events(run) if event.endswith("TimedOut")
        ]


TestTimeRules = TimeRules.TestCase
TestTimeRules.settings = settings(max_examples=examples(200), stateful_step_count=30)


def test_while_a_task_is_held_time_can_pass_at_the_real_pace() -> None:
    real = [100.0]
    engines = Engines(lambda region: Engine(region=region, latency=Latency.ZERO))
    presence = Presence(PATIENCE, real_seconds=lambda: real[0])
    clock = VirtualClock()
    polls = Polls(engines, presence, first, 1000)
    host = Host(clock, engines, presence, polls, lambda: True, LONGEST_POLL)
    host.time_skipping.is_real_while_held = True
    register(engines, "one", clock.milliseconds)
    client, other = Poller("client", lambda: True), Poller("other", lambda: True)

    def call(poller: Poller, operation: str, **request: Any) -> dict[str, Any]:
        reply = host.call(poller, operation, {"domain": "one", **request}, REGION, 60)
        assert isinstance(reply, dict)
        return reply

    lists = {"taskList": {"name": "x"}}
    for number, plan in enumerate(([["timer", 2]], [])):
        plan_of = {"workflowType": WORKFLOW, "input": json.dumps(plan), **lists}
        call(client, "StartWorkflowExecution", workflowId=str(number), **plan_of)
    began = clock.milliseconds
    task = call(client, "PollForDecisionTask", **lists)
    held = call(other, "PollForDecisionTask", **lists)
    answer = {"taskToken": task["taskToken"], "decisions": [next_step(task["events"])]}
    host.call(client, "RespondDecisionTaskCompleted", answer, REGION, 60)
    poll = host.call(
        client, "PollForDecisionTask", {"domain": "one", "taskList": {"name": "x"}}, REGION, 60
    )
    assert isinstance(poll, Poll)
    while not poll.is_answered:
        pause = host.time_skipping.settle()
        assert pause is not None
        assert clock.milliseconds - began <= (real[0] - 100.0) * 1000
        real[0] += pause
    assert clock.milliseconds - began == 2000
    assert 2.0 <= real[0] - 100.0 < 2.2
    answer = {"taskToken": held["taskToken"], "decisions": [next_step(held["events"])]}
    host.call(other, "RespondDecisionTaskCompleted", answer, REGION, 60)


def register(engines: Engines, domain: str, now: int) -> None:
    call = engines.of(REGION).call
    retention = {"workflowExecutionRetentionPeriodInDays": "90"}
    call("RegisterDomain", {"name": domain, **retention}, now)
    workflow = {
        "domain": domain,
        **WORKFLOW,
        "defaultChildPolicy": "TERMINATE",
        "defaultExecutionStartToCloseTimeout": "300000",
        "defaultTaskStartToCloseTimeout": "60",
    }
    call("RegisterWorkflowType", workflow, now)
    activity = {
        "domain": domain,
        **ACTIVITY,
        "defaultTaskHeartbeatTimeout": "NONE",
        "defaultTaskScheduleToStartTimeout": "300",
        "defaultTaskScheduleToCloseTimeout": "600",
        "defaultTaskStartToCloseTimeout": "300",
    }
    call("RegisterActivityType", activity, now)
