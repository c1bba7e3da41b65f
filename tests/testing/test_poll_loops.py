"""Poll loops that don't use flowy: they are suspended where they poll or sleep."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from flowy.errors import ConfigurationError, StartError
from flowy_sim import Simulation, mock_swf
from flowy_sim.explore import explore
from flowy_sim.faults import DeciderDies, WorkerDies
from flowy_sim.testing import BlockedLoopError, Runner, StuckError, _loop_threads, _watchdog
from tests.support.poll_loops import (
    DOMAIN,
    Client,
    complete,
    decider,
    poll,
    register,
    released_by_warning,
    run,
    start,
    work,
)

MADE_AT_IMPORT = boto3.client(
    "swf", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
)


def made_inside() -> None:
    client = boto3.client("swf")
    while True:
        work(client, "work")


def made_by_a_session() -> None:
    client = boto3.session.Session().client("swf", region_name="us-east-1")
    while True:
        work(client, "work")


def made_at_import() -> None:
    while True:
        work(MADE_AT_IMPORT, "work")


class MadeByAClass:
    def __init__(self) -> None:
        self.client = boto3.client("swf")

    def __call__(self) -> None:
        work(self.client, "work")


@pytest.mark.parametrize(
    "worker",
    [made_inside, made_by_a_session, made_at_import, MadeByAClass],
    ids=lambda w: w.__name__,
)
def test_any_boto3_client_takes_part(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert run(decider(("a", "work"), ("b", "work")), worker).result == "done"


def test_a_client_made_inside_raises_its_own_exceptions() -> None:
    seen: list[str] = []

    def worker() -> None:
        client = boto3.client("swf")
        try:
            client.respond_activity_task_completed(taskToken="of no task")
        except client.exceptions.ClientError as error:
            seen.append(error.response["Error"]["Code"])
        while True:
            work(client, "work")

    run(decider(("a", "work")), worker)
    assert len(seen) == 1


def test_a_main_function_that_never_returns_keeps_its_variables() -> None:
    counts: list[int] = []

    def main() -> None:
        client = boto3.client("swf")
        counter = 0
        while True:
            counter += work(client, "work")
            counts.append(counter)

    run(decider(("a", "work"), ("b", "work"), ("c", "work")), main)
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("returns", [False, True])
def test_a_loop_that_polls_two_lists_in_turn_gets_tasks_of_both(returns: bool) -> None:
    def worker(client: Client) -> None:
        while True:
            if work(client, "first") and returns:
                return
            work(client, "second")

    steps = ("a", "first"), ("b", "second"), ("c", "second"), ("d", "first")
    assert run(decider(*steps), worker).result == "done"


def test_a_list_that_no_loop_polls_is_reported() -> None:
    with pytest.raises(StuckError, match="'elsewhere'"):
        run(decider(("a", "elsewhere")), made_inside)


def test_a_killed_loop_runs_no_more_of_its_code() -> None:
    after: list[str] = []

    def worker(client: Client) -> None:
        while True:
            try:
                work(client, "work")
            except BaseException:
                after.append("except")
                raise
            finally:
                after.append("finally")

    def test(runner: Runner) -> None:
        after.clear()
        runner.loop(decider(("a", "work")))
        runner.loop(worker)
        client = runner.simulation.client()
        register(client)
        execution = start(client)
        runner.advance()
        assert after.count("except") == 0
        assert after in ([], ["finally"])
        with suppress(client.exceptions.UnknownResourceFault):  # Without a fault it has completed.
            client.terminate_workflow_execution(domain=DOMAIN, workflowId=execution.workflow_id)

    found = explore(test, faults=[WorkerDies(), DeciderDies()], runs=50)
    assert found.failure is None, found


def test_a_factory_makes_fresh_state_for_each_worker() -> None:
    made: list[int] = []

    def factory() -> Callable[[Client], None]:
        made.append(1)
        return lambda client: work(client, "work") and None

    assert run(decider(("a", "work")), factory).result == "done"
    assert made == [1]


def test_a_thread_that_a_loop_starts_may_make_calls() -> None:
    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            answer = threading.Thread(
                target=client.respond_activity_task_completed,
                kwargs={"taskToken": task["taskToken"]},
            )
            answer.start()
            answer.join()

    assert run(decider(("a", "work")), worker).result == "done"


def test_a_loop_that_waits_for_a_lock_of_a_suspended_loop_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_watchdog, "BLOCKED_SECONDS", 0.2)
    lock = threading.Lock()

    def worker(client: Client) -> None:
        with lock:
            work(client, "work")

    with pytest.raises(BlockedLoopError, match=r"blocked .* in worker .*test_poll_loops.py:\d+"):
        run(worker, worker, decider(("a", "work")))


@pytest.mark.parametrize("module", ["trio._core._io_epoll", "gevent.hub"])
def test_other_event_loops_are_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watchdog, "BLOCKED_SECONDS", 0.2)
    code = "def wait(lock):\n    lock.acquire()\n\nclass Refused(Exception): pass"
    there: dict[str, Any] = {"__name__": module}
    exec(code, there)
    lock = threading.Lock()
    lock.acquire()

    def refusing(client: Client) -> None:
        raise there["Refused"]

    library = module.partition(".")[0]
    with pytest.raises(BlockedLoopError, match=f"{library} waits in real time, and cannot"):
        run(lambda client: there["wait"](lock), decider(("a", "work")))
    with pytest.raises(there["Refused"]) as raised:
        run(refusing, decider(("a", "work")))
    assert f"{library} waits in real time" in raised.value.__notes__[0]


def test_everything_is_restored_afterwards() -> None:
    real, request = time.sleep, boto3.client
    run(decider(("a", "work")), made_inside)
    assert (time.sleep, boto3.client) == (real, request)
    with mock_swf() as simulation:
        assert simulation.clock.now.year == 2024


def test_a_wait_that_blocks_all_loops_is_logged_before_it_is_an_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watchdog, "_NOTICED", 4)
    lock = released_by_warning(_watchdog._log, monkeypatch)

    def worker(client: Client) -> None:
        lock.acquire(timeout=60)
        while True:
            work(client, "work")

    run(decider(("a", "work")), worker)
    assert re.search(r"test_poll_loops.py:\d+ waits in real time", caplog.text)


def test_loops_in_another_region_take_part() -> None:
    done_elsewhere: list[str] = []
    runner = Runner(Simulation())

    def elsewhere() -> None:
        client = boto3.client("swf", region_name="eu-west-1")
        while True:
            task = client.poll_for_decision_task(domain="there", taskList={"name": "decisions"})
            if task.get("taskToken"):
                client.respond_decision_task_completed(
                    taskToken=task["taskToken"], decisions=[complete()]
                )
                done_elsewhere.append(task["workflowExecution"]["workflowId"])

    def starter(client: Client) -> None:
        there = boto3.client("swf", region_name="eu-west-1")
        there.register_domain(name="there", workflowExecutionRetentionPeriodInDays="1")
        there.register_workflow_type(domain="there", name="order", version="1")
        while True:
            task = poll(client, "work")
            if task.get("taskToken"):
                start(there, "there")
                client.respond_activity_task_completed(taskToken=task["taskToken"])

    runner.loop(decider(("a", "work")))
    runner.loop(starter)
    runner.loop(elsewhere)
    client = runner.simulation.client()
    register(client)
    execution = start(client)
    assert runner.finish(execution).result == "done"
    runner.advance()
    assert done_elsewhere == ["order-1"]


def test_a_loop_that_polls_in_another_region_is_named() -> None:
    def elsewhere() -> None:
        client = boto3.client("swf", region_name="eu-west-1")
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        while True:
            client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})

    with pytest.raises(StuckError, match="only 'decisions of the domain simulated in eu-west-1'"):
        run(elsewhere)


def test_states_are_equal_only_if_loops_have_received_the_same() -> None:
    def state(*extra: Any) -> int:
        runner = Runner(Simulation())
        register_domain = runner.simulation.client()

        class Worker:
            def __call__(self, client: Client) -> None:
                for each in extra:
                    each(client)
                work(client, "work")

        runner.loop(Worker)
        register(register_domain)
        start(register_domain)
        runner.advance(10)
        return runner.scheduler.worker_pools.pools[0].state

    empty = state(lambda client: client.list_domains(registrationStatus="DEPRECATED"))
    sleepy = state(lambda client: time.sleep(1))
    assert len({state(), empty, sleepy}) == 3
    assert state() == state()


def test_a_loop_may_start_threads_that_poll_forever_and_join_them() -> None:
    def main() -> None:
        def poll_forever() -> None:
            client = boto3.client("swf")
            while True:
                work(client, "work")

        threads = [threading.Thread(target=poll_forever, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert run(decider(("a", "work"), ("b", "work")), main).status == "COMPLETED"


@pytest.mark.parametrize("waits", ["in a poll", "for an event", "in another test"])
def test_threads_that_outlive_a_test_never_call_aws(
    waits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_calls: list[str] = []
    started: list[threading.Thread] = []
    over = threading.Event()

    def make_request(client: Any, operation: Any, *arguments: Any) -> Any:
        real_calls.append(operation.name)
        raise OSError("there is no network")

    monkeypatch.setattr(BaseClient, "_make_request", make_request)
    monkeypatch.setattr(_loop_threads, "UNUSED_SECONDS", 0.1)

    def main() -> None:
        client = boto3.client("swf")

        def poll_forever() -> None:
            while True:
                with suppress(Exception):
                    if work(client, "work") and waits != "in a poll":
                        over.wait()

        started.append(threading.Thread(target=poll_forever, daemon=True))
        started[-1].start()
        started[-1].join()

    assert run(decider(("a", "work")), main).status == "COMPLETED"
    if waits == "in another test":
        with mock_swf() as another:
            another.client().register_domain(
                name=DOMAIN, workflowExecutionRetentionPeriodInDays="1"
            )
            over.set()
            started[0].join(30)
    over.set()
    for thread in started:
        thread.join(30)
        assert not thread.is_alive()
    assert real_calls == []


@pytest.mark.parametrize("timeout", [None, 100])
def test_a_loop_joins_a_thread_that_works_for_a_while(timeout: float | None) -> None:
    ended: list[bool] = []

    def worker(client: Client) -> None:
        task = poll(client, "work")
        if task.get("taskToken"):
            beat = client.record_activity_task_heartbeat
            thread = threading.Thread(target=beat, kwargs={"taskToken": task["taskToken"]})
            thread.start()
            thread.join(timeout)
            ended.append(not thread.is_alive())
            client.respond_activity_task_completed(taskToken=task["taskToken"])

    found = run(decider(("a", "work")), worker)
    assert (found.status, found.simulated_seconds, ended) == ("COMPLETED", 0, [True])


def test_a_thread_of_a_loop_may_pass_tasks_to_the_loop() -> None:
    def main() -> None:
        client, tasks = boto3.client("swf"), []
        came = threading.Condition()

        def receive() -> None:
            while True:
                task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
                if task.get("taskToken"):
                    with came:
                        tasks.append(task)
                        came.notify()

        threading.Thread(target=receive, daemon=True).start()
        while True:
            with came:
                came.wait_for(lambda: tasks)
                task = tasks.pop()
            client.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=[complete()]
            )

    assert run(main).simulated_seconds < 1


def with_options(argv: Any = None, *more: Any) -> None:
    assert argv is None
    work(boto3.client("swf"), "work")


class WithOptions:
    def __init__(self, client: Any = None, retries: int = 3) -> None:
        self.client = client or boto3.client("swf")

    def __call__(self, patient: bool = False) -> None:
        assert patient is False
        work(self.client, "work")


@pytest.mark.parametrize("worker", [with_options, WithOptions, partial(work, name="work")])
def test_a_parameter_with_a_default_is_not_the_client(worker: Any) -> None:
    assert run(decider(("a", "work")), worker).result == "done"


@pytest.mark.parametrize("code", [work, lambda client, *, name: None])
def test_code_that_needs_more_than_a_client_is_refused(code: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"needs client.* and name.*functools.partial"):
        Runner(Simulation()).loop(code)


def abroad() -> None:
    client = boto3.client("swf", region_name="eu-west-1")
    with suppress(client.exceptions.DomainAlreadyExistsFault):
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    with suppress(client.exceptions.TypeAlreadyExistsFault):
        client.register_workflow_type(
            domain=DOMAIN,
            name="order",
            version="1",
            defaultTaskList={"name": "decisions"},
            defaultChildPolicy="TERMINATE",
            defaultExecutionStartToCloseTimeout="60",
            defaultTaskStartToCloseTimeout="60",
        )
    task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
    if task.get("taskToken"):
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[complete()])


@pytest.mark.parametrize("from_environment", [False, True])
def test_everything_can_run_in_the_region_that_the_code_names(
    from_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if from_environment:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    runner = Runner(Simulation() if from_environment else Simulation(region="eu-west-1"))
    runner.loop(abroad)
    assert runner(("order", "1")).status == "COMPLETED"


def test_a_type_that_is_registered_in_another_region_is_found() -> None:
    runner = Runner(Simulation(region="us-east-1"))
    runner.loop(abroad)
    with pytest.raises(StartError, match=r"region 'eu-west-1'; .*swf\(region='eu-west-1'\)"):
        runner(("order", "1"))


def test_a_type_that_is_registered_in_another_domain_is_found() -> None:
    runner = Runner(Simulation(), domain="shop")
    client = runner.simulation.client()
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    register(client)
    runner.loop(decider())
    with pytest.raises(StartError, match=r"domain 'simulated' .*swf\(domain='simulated'\)"):
        runner(("order", "1"))
