"""How time passes for threads that poll, on the virtual clock."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from flowy_sim import Limits, Simulation
from flowy_sim._simulation import held_tasks, presence
from tests.support.shop import (
    ACTIVITIES,
    ACTIVITY,
    COMPLETE,
    DAY,
    DOMAIN,
    WORKFLOW,
    decide_once,
    event_types,
    history,
    is_open,
    poll_for_activity,
    poll_for_decision,
    register,
    start,
    work_once,
)

SECONDS = 30  # How long a test waits before it fails instead of hanging.


@contextmanager
def running(*loops: Callable[[], object]) -> Iterator[None]:
    """Run each loop in a thread of its own, and wait for all at the end."""
    threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)


class WorkerPools:
    """Deciders and workers, each in a thread, that stop when all orders are closed."""

    def __init__(self, client: Any, deciders: int, workers: int) -> None:
        self.client = client
        self.runs: dict[str, str] = {}
        self.done = threading.Event()
        self.loops = [self.decide] * deciders + [self.work] * workers

    def order(self, number: int, **more: int) -> None:
        workflow_id = f"order-{number}"
        self.runs[workflow_id] = start(self.client, workflow_id, **more)

    def decide(self) -> None:
        while not self.done.is_set():
            decide_once(self.client)
            if not any(is_open(self.client, run, name) for name, run in list(self.runs.items())):
                self.done.set()

    def work(self) -> None:
        while not self.done.is_set():
            work_once(self.client)


@pytest.mark.parametrize(("deciders", "workers"), [(1, 1), (1, 3), (5, 5)])
@pytest.mark.parametrize("kind", ["client", "boto3"])
def test_threads_finish_every_order_with_no_spurious_time_out(
    simulation: Simulation, kind: str, deciders: int, workers: int
) -> None:
    client = simulation.client() if kind == "client" else simulation.boto3_client()
    register(client)
    worker_pools = WorkerPools(client, deciders, workers)
    began = simulation.clock.now
    for number in range(6):
        worker_pools.order(number, steps=3, pause=number * DAY)
    with running(*worker_pools.loops):
        pass
    for number in range(6):
        events = history(client, worker_pools.runs[f"order-{number}"], f"order-{number}")
        assert not [each for each in events if each["eventType"].endswith("TimedOut")]
        assert events[-1]["eventType"] == "WorkflowExecutionCompleted"
        took = events[-1]["eventTimestamp"] - began
        assert timedelta(0) <= took - timedelta(days=3 * number) < timedelta(seconds=1)


def test_orders_started_while_threads_poll_are_finished(simulation: Simulation) -> None:
    client = simulation.client()
    register(client)
    worker_pools = WorkerPools(client, 2, 2)
    worker_pools.order(0, steps=1, pause=DAY)
    with running(*worker_pools.loops):
        for number in range(1, 50):
            worker_pools.order(number, steps=1, pause=60)
    timed_out = [event_types(client, run, name) for name, run in worker_pools.runs.items()]
    assert not any(types["ActivityTaskTimedOut"] for types in timed_out)
    assert all(types["WorkflowExecutionCompleted"] for types in timed_out)


def test_time_stands_still_while_a_thread_works_on_a_task(
    simulation: Simulation, client: Any
) -> None:
    start(client, steps=1)
    taken, finish, waiting = threading.Event(), threading.Event(), threading.Event()

    def worker() -> None:
        task = poll_for_activity(client)
        taken.set()
        assert finish.wait(SECONDS)
        client.respond_activity_task_completed(taskToken=task["taskToken"], result="1")

    def decider() -> None:
        assert decide_once(client)
        assert decide_once(client)
        assert taken.wait(SECONDS)
        waiting.set()
        assert decide_once(client)

    before = simulation.clock.now
    with running(worker, decider):
        assert waiting.wait(SECONDS)
        for _ in range(100):
            assert simulation.clock.now == before + timedelta(milliseconds=5)
        finish.set()
    assert simulation.clock.now == before + timedelta(milliseconds=5)


def test_a_thread_that_dies_with_a_task_lets_it_time_out() -> None:
    client = Simulation(patience=0).client()
    register(client)
    run_id = start(client, steps=1)

    def worker() -> None:
        assert poll_for_activity(client)["taskToken"]

    def decider() -> None:
        while is_open(client, run_id):
            decide_once(client)

    with running(worker, decider):
        pass
    events = history(client, run_id)
    (started,) = [each for each in events if each["eventType"] == "ActivityTaskStarted"]
    (timed_out,) = [each for each in events if each["eventType"] == "ActivityTaskTimedOut"]
    assert timed_out["activityTaskTimedOutEventAttributes"]["timeoutType"] == "HEARTBEAT"
    assert timed_out["eventTimestamp"] - started["eventTimestamp"] == timedelta(seconds=30)


def test_a_thread_that_polls_no_more_does_not_hold_up_time(
    simulation: Simulation, client: Any
) -> None:
    """It has finished its task, lives on, and waits for others, as a main thread does."""
    run_id = start(client, steps=1, pause=DAY)
    assert decide_once(client)

    def decider() -> None:
        while is_open(client, run_id):
            decide_once(client)

    def worker() -> None:
        while is_open(client, run_id):
            work_once(client)

    with running(decider, worker):
        pass
    assert event_types(client, run_id)["WorkflowExecutionCompleted"] == 1


def test_a_task_may_be_answered_by_another_thread(simulation: Simulation, client: Any) -> None:
    run_id = start(client, steps=1)
    decide_once(client)
    decide_once(client)
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as other_pool:
        task = pool.submit(poll_for_activity, client).result(SECONDS)
        other_pool.submit(
            client.respond_activity_task_completed, taskToken=task["taskToken"], result="1"
        ).result(SECONDS)
        assert decide_once(client)
        assert not poll_for_decision(client).get("taskToken")
    assert not is_open(client, run_id)


def test_a_task_waits_for_a_thread_that_is_about_to_start() -> None:
    """No thread has polled the list of the task yet, and all that run already wait."""
    simulation = Simulation(patience=SECONDS)
    client = simulation.client()
    register(client)
    run_id = start(client, steps=1)
    decided = threading.Event()

    def decider() -> None:
        assert decide_once(client)
        assert decide_once(client)
        decided.set()
        while is_open(client, run_id):
            decide_once(client)

    def worker() -> None:
        assert work_once(client)

    with running(decider):
        assert decided.wait(SECONDS)
        wait_for_polls(simulation, 1)
        with running(worker):
            pass
    assert event_types(client, run_id)["WorkflowExecutionCompleted"] == 1


def test_time_waits_for_a_thread_between_two_calls(
    simulation: Simulation, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "GRACE", SECONDS)
    before = simulation.clock.now
    tasks: list[dict[str, Any]] = []

    def wait() -> None:
        tasks.append(poll_for_decision(client))

    client.deprecate_activity_type(domain=DOMAIN, activityType=ACTIVITY)
    with running(wait):
        wait_for_polls(simulation, 1)
        start(client)
    assert tasks[0]["taskToken"]
    assert simulation.clock.now == before


def test_two_threads_that_each_do_everything_finish_every_order(
    simulation: Simulation, client: Any
) -> None:
    runs = {f"order-{n}": start(client, f"order-{n}", steps=3, pause=n * DAY) for n in range(5)}

    def everything() -> None:
        while any(is_open(client, run_id, name) for name, run_id in runs.items()):
            decide_once(client)
            work_once(client)

    with running(everything, everything):
        pass
    for name, run_id in runs.items():
        types = event_types(client, run_id, name)
        assert types["WorkflowExecutionCompleted"] == 1
        assert types["ActivityTaskTimedOut"] == types["DecisionTaskTimedOut"] == 0


def test_a_warning_names_who_holds_up_time(
    simulation: Simulation,
    client: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_tasks, "WARNING", 0.0)
    start(client, steps=1)
    decide_once(client)
    decide_once(client)
    taken, warned = threading.Event(), threading.Event()

    class Warned(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warned.set()

    def sleepy() -> None:
        task = poll_for_activity(client)
        taken.set()
        assert warned.wait(SECONDS)
        client.respond_activity_task_completed(taskToken=task["taskToken"], result="1")

    handler = Warned()
    logging.getLogger("flowy_sim").addHandler(handler)
    thread = threading.Thread(target=sleepy, name="sleepy")
    thread.start()
    assert taken.wait(SECONDS)
    assert decide_once(client)
    thread.join(SECONDS)
    logging.getLogger("flowy_sim").removeHandler(handler)
    assert (
        "thread 'sleepy' holds the activity task '1' of 'order-1' from activity task list "
        "'working' of domain 'shop'"
    ) in caplog.text


def test_a_warning_says_which_list_time_passes_by_and_why(
    simulation: Simulation, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The only thread that has polled the list has ended."""
    run_id = start(client, steps=2)
    decide_once(client)
    decide_once(client)
    with running(lambda: work_once(client)):
        pass
    while is_open(client, run_id):
        decide_once(client)
    passed_by = [each for each in caplog.messages if "moves on" in each]
    assert len(passed_by) == 1
    assert passed_by[0].startswith(
        "Simulated time moves on, although a task waits on the activity task list 'working' of "
        "domain 'shop', after 0 real seconds: thread "
    )
    assert passed_by[0].endswith("which has polled it, has ended.")


def test_a_thread_that_was_there_before_the_simulation_is_not_waited_for() -> None:
    over = threading.Event()
    with running(over.wait):
        simulation = Simulation(patience=SECONDS)
        client = simulation.client()
        register(client)
        run_id = start(client)
        client.respond_decision_task_completed(
            taskToken=poll_for_decision(client)["taskToken"], decisions=[]
        )
        while is_open(client, run_id):
            assert not poll_for_decision(client).get("taskToken")
        over.set()


def test_waiting_polls_are_answered_first_come_first_served(
    simulation: Simulation, client: Any
) -> None:
    answered: list[tuple[int, str]] = []

    def decider(number: int) -> None:
        task = poll_for_decision(client)
        answered.append((number, task["workflowExecution"]["workflowId"]))
        client.respond_decision_task_completed(taskToken=task["taskToken"])

    with time_standing_still(client), ExitStack() as stack:
        for number in range(5):
            stack.enter_context(running(partial(decider, number)))
            wait_for_polls(simulation, number + 1)
        for number in range(5):
            start(client, f"order-{number}")
            wait_for_polls(simulation, 4 - number)
    assert sorted(answered) == [(number, f"order-{number}") for number in range(5)]


def test_more_polls_than_may_wait_on_one_list_are_refused() -> None:
    simulation = Simulation(limits=Limits(polls=2))
    client = simulation.client()
    register(client)
    message = "Limit on maximum concurrent poll requests per task list reached"

    def wait() -> None:
        assert poll_for_activity(client)

    with time_standing_still(client), running(wait, wait):
        wait_for_polls(simulation, 2)
        with pytest.raises(client.exceptions.LimitExceededFault, match=message):
            poll_for_activity(client)
        patient = simulation.client(poll_seconds=0)
        assert not poll_for_activity(patient).get("taskToken")
        simulation.clock.advance(60)  # It ends the polls.


def test_moving_the_clock_answers_the_polls_that_wait(simulation: Simulation, client: Any) -> None:
    began = simulation.clock.now
    start(client, steps=1, pause=45)
    decide_once(client)
    tasks: list[dict[str, Any]] = []

    def wait() -> None:
        tasks.append(poll_for_decision(client))

    def wait_in_vain() -> None:
        assert not poll_for_activity(client).get("taskToken")

    with time_standing_still(client), running(wait, wait_in_vain):
        wait_for_polls(simulation, 2)
        simulation.clock.advance(3600)
        assert simulation.clock.now == began + timedelta(hours=1)
    assert tasks[0]["events"][-1]["eventTimestamp"] == began + timedelta(seconds=45)


def test_threads_that_move_the_clock_at_once_all_move_it(simulation: Simulation) -> None:
    began = simulation.clock.now

    def move() -> None:
        for _ in range(100):
            simulation.clock.advance(1)

    with running(move, move, move):
        pass
    assert simulation.clock.now == began + timedelta(seconds=300)


def test_twenty_simulations_in_twenty_threads_do_not_disturb_each_other() -> None:
    def run(number: int) -> tuple[Any, ...]:
        simulation = Simulation(seed=number % 2)
        client = simulation.client()
        register(client)
        run_id = start(client, steps=2, pause=DAY)
        while is_open(client, run_id):
            decide_once(client)
            work_once(client)
        return run_id, history(client, run_id), simulation.clock.now

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(run, range(20)))
    assert all(result == results[number % 2] for number, result in enumerate(results))
    assert results[0] != results[1]


@contextmanager
def time_standing_still(client: Any) -> Iterator[None]:
    """Hold a task in this thread."""
    held = {"name": "held"}
    client.start_workflow_execution(
        domain=DOMAIN,
        workflowId="held",
        workflowType=WORKFLOW,
        taskList=held,
        taskStartToCloseTimeout="NONE",
    )
    task = client.poll_for_decision_task(domain=DOMAIN, taskList=held)
    yield
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[COMPLETE])


def wait_for_polls(simulation: Simulation, count: int) -> None:
    """Wait until so many polls wait."""
    look_again = threading.Event()
    for _ in range(SECONDS * 1000):
        if len(simulation.host.polls) == count:
            return
        look_again.wait(0.001)
    raise AssertionError(f"{len(simulation.host.polls)} polls wait, not {count}")


def test_time_waits_for_a_task_that_a_coroutine_has_passed_on() -> None:
    simulation = Simulation()
    client = simulation.client()
    register(client)
    start(client)
    assert decide_once(client)
    assert decide_once(client)
    held = simulation.host.presence.held_tasks

    async def main() -> None:
        polled = {"domain": DOMAIN, "taskList": ACTIVITIES}
        poll = client.call_in_event_loop("PollForActivityTask", polled)
        assert (await asyncio.create_task(poll))["taskToken"]
        assert held.is_any_held()

    asyncio.run(main())
    assert not held.is_any_held()
