"""Many deciders and workers of one service, some of which die in the middle of a task."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from flowy import (
    Activity,
    ActivityProxy,
    ActivityWorker,
    Execution,
    Retry,
    Worker,
    Workflow,
    WorkflowProxy,
    WorkflowWorker,
    activity,
    gather,
    outcome,
    start,
    wait,
    workflow,
)
from flowy._decisions import CLOSING
from flowy_sim import Simulation
from tests.support.worker_loops import DOMAIN, history, types

pytestmark = pytest.mark.slow

LONG = "FLOWY_SOAK" in os.environ
EXECUTIONS = 2_000 if LONG else 150
DEATHS = 400 if LONG else 40
SECONDS = 1_800 if LONG else 60


class Died(BaseException):
    """The end of a worker; nothing handles it."""


class Deaths:
    """Decides at random which worker dies and when, up to a planned number of times."""

    def __init__(self, seed: int, planned: int) -> None:
        self._chance = random.Random(seed)
        self._left = planned
        self._lock = threading.Lock()
        self.after_poll = 0
        self.died = 0

    def strikes(self, after_poll: bool = False) -> bool:
        with self._lock:
            if not self._left or self._chance.random() > 0.1:
                return False
            self._left -= 1
            self.died += 1
            self.after_poll += after_poll
            return True


class Mortal:
    """The client of one worker, which dies over some of its calls."""

    def __init__(self, client: Any, deaths: Deaths, ended: Callable[[], None]) -> None:
        self._client = client
        self._deaths = deaths
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name == "poll_for_activity_task":
            return lambda **request: self._polled(call(**request))
        if not name.startswith("respond"):
            return call

        def answer(**request: Any) -> Any:
            if self._deaths.strikes():
                raise Died  # the work is done and never reported
            reply = call(**request)
            decided = [decision["decisionType"] for decision in request.get("decisions", ())]
            if CLOSING.intersection(decided):
                self._ended()
            if self._deaths.strikes():
                raise Died  # the answer is given and the worker is gone
            return reply

        return answer

    def _polled(self, task: Any) -> Any:
        if task.get("taskToken") and self._deaths.strikes(after_poll=True):
            raise Died  # the task is handed out and never begun
        return task


@pytest.mark.parametrize(("seed", "suspended"), [(0, 0), (1, 5), (2, 1_000)])
def test_each_execution_ends_well_and_each_attempt_has_its_effect_once(
    seed: int, suspended: int
) -> None:
    effects: Counter[str] = Counter()
    counting = threading.Lock()

    @activity("effect", 1, "numbers", start_to_close=30)
    class Effect(Activity):
        def run(self, number: int, by: int) -> int:
            with counting:
                effects[self.context.workflow_id] += 1
            return number + by

    @workflow("several", 1, "decisions", task_start_to_close=20)
    class Several(Workflow):
        effect = ActivityProxy(Effect, retry=Retry(attempts=50, delay=1))

        def run(self, number: int) -> int:
            first = self.effect(number, 1)
            side_by_side = [self.effect(first, by) for by in range(3)]
            return self.effect(sum(each.result() for each in side_by_side), 1).result()

    simulation = Simulation(seed=seed, patience=0.1)
    client = simulation.client()
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    ActivityWorker(client, DOMAIN, "numbers", [Effect]).register()
    WorkflowWorker(client, DOMAIN, "decisions", [Several]).register()

    deaths = Deaths(seed, DEATHS)
    left = threading.Semaphore(0)
    worker_pools = WorkerPools(
        lambda: ActivityWorker(
            Mortal(client, deaths, left.release),
            DOMAIN,
            "numbers",
            [Effect],
        ),
        lambda: WorkflowWorker(
            Mortal(client, deaths, left.release),
            DOMAIN,
            "decisions",
            [Several],
            suspended=suspended,
        ),
    )
    executions = [
        start(client, DOMAIN, Several, number, workflow_id=str(number))
        for number in range(EXECUTIONS)
    ]
    worker_pools.works(until=lambda: all(left.acquire(timeout=SECONDS) for _ in executions))

    for number, execution in enumerate(executions):
        ended = outcome(client, DOMAIN, execution)
        assert ended is not None
        assert (ended.status, ended.result) == ("COMPLETED", 3 * (number + 1) + 3 + 1)
    assert deaths.died == DEATHS
    started, completed = tasks(client, executions)
    assert completed == dict.fromkeys(started, 5), "each activity has exactly one result"
    missed = sum(started.values()) - sum(effects.values())
    assert missed == deaths.after_poll, "each attempt that was begun has its effect exactly once"
    assert all(started[name] >= effects[name] >= 5 for name in started)


@pytest.mark.parametrize(("seed", "suspended"), [(3, 3), (4, 1_000)])
def test_children_signals_and_timers_survive_dying_workers(seed: int, suspended: int) -> None:
    @activity("add", 1, "numbers", start_to_close=30)
    class Add(Activity):
        def run(self, *numbers: int) -> int:
            return sum(numbers)

    @workflow("part", 1, "decisions", task_start_to_close=20)
    class Part(Workflow):
        add = ActivityProxy(Add, retry=Retry(attempts=50, delay=1, jitter=0.5))

        def run(self, parent: str, number: int) -> int:
            told = self.signal("go", int).result()
            self.send_signal(parent, "hello", self.add(number, told))
            self.sleep(3)
            return number

    @workflow("whole", 1, "decisions", task_start_to_close=20)
    class Whole(Workflow):
        add = ActivityProxy(Add, retry=Retry(attempts=50, delay=1, backoff=2, longest=10))
        part = WorkflowProxy(Part)

        def run(self, number: int, runs: int = 0) -> int:
            parts = [self.part(self.workflow_id, number), self.part(self.workflow_id, number)]
            deadline = self.timer(10_000)
            for part in parts:
                part.signal("go", self.add(number, 1))
            hello = [self.signal("hello", int), self.signal("hello", int)]
            wait(*hello, *parts)
            deadline.cancel()
            if runs == 0:
                self.restart(self.add(*hello), 1)
            return gather(*hello)[0]

    simulation = Simulation(seed=seed, patience=0.1)
    client = simulation.client()
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    ActivityWorker(client, DOMAIN, "numbers", [Add]).register()
    WorkflowWorker(client, DOMAIN, "decisions", [Part, Whole]).register()
    deaths = Deaths(seed, DEATHS)
    closed = threading.Semaphore(0)

    def mortal() -> Any:
        return Mortal(client, deaths, closed.release)

    worker_pools = WorkerPools(
        lambda: ActivityWorker(mortal(), DOMAIN, "numbers", [Add]),
        lambda: WorkflowWorker(mortal(), DOMAIN, "decisions", [Part, Whole], suspended=suspended),
    )
    started = [
        start(client, DOMAIN, Whole, number, workflow_id=str(number))
        for number in range(EXECUTIONS // 3)
    ]

    def over() -> bool:
        executions = simulation.engine().executions
        while any(each.is_open for each in list(executions.values())):
            if not closed.acquire(timeout=SECONDS):
                return False
        return True

    worker_pools.works(until=over)
    results = {}
    for past in simulation.engine().executions.values():
        events = history(client, Execution(past.workflow_id, past.run_id))
        if types(events)[-1] == "WorkflowExecutionContinuedAsNew":
            continue
        ended = outcome(client, DOMAIN, Execution(past.workflow_id, past.run_id))
        assert ended is not None
        assert ended.status == "COMPLETED", ended
        results[past.workflow_id] = ended.result
    for number, execution in enumerate(started):
        # Both parts return 2n + 1, in the second run with 4n + 2 for n.
        assert results[execution.workflow_id] == 2 * (2 * (2 * number + 1)) + 1
    assert deaths.died == DEATHS


def tasks(client: Any, executions: list[Execution]) -> tuple[dict[str, int], dict[str, int]]:
    """How many activity tasks of each execution were started, and completed.

    An attempt that timed out has its ActivityTaskStarted written then.
    """
    started, completed = {}, {}
    for execution in executions:
        names = types(history(client, execution))
        started[execution.workflow_id] = names.count("ActivityTaskStarted")
        completed[execution.workflow_id] = names.count("ActivityTaskCompleted")
    return started, completed


class WorkerPools:
    """Workers in threads, each of which is replaced when it dies."""

    def __init__(self, *hires: Callable[[], Worker]) -> None:
        self._hires = hires
        self._threads: list[threading.Thread] = []
        self._workers: list[Worker] = []
        self._lock = threading.Lock()
        self._over = False

    def works(self, until: Callable[[], bool], each: int = 6) -> None:
        for hire in self._hires * each:
            self._begin(hire)
        try:
            assert until(), "the workers came to no end"
        finally:
            with self._lock:
                self._over = True
                for worker in self._workers:
                    worker.stop()
            for thread in self._threads:
                thread.join(SECONDS)

    def _begin(self, hire: Callable[[], Worker]) -> None:
        with self._lock:
            if self._over:
                return
            worker = hire()
            self._workers.append(worker)
            thread = threading.Thread(target=self._live, args=(worker, hire), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _live(self, worker: Worker, hire: Callable[[], Worker]) -> None:
        try:
            worker.loop()
        except Died:
            self._begin(hire)
