"""Workers with a task list of their own, as on a host that holds a file."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from flowy import ActivityProxy, TaskError, Workflow, workflow
from flowy_sim.explore import EndlessError, explore, find
from flowy_sim.faults import Restart, WorkerDies
from flowy_sim.testing import Runner

_MINUTE: dict[str, Any] = {
    "schedule_to_start": 60,
    "start_to_close": 60,
    "schedule_to_close": 120,
    "heartbeat": 60,
    "error_handling": True,
}


@workflow("transfer", 1, "transfers", execution_start_to_close=86_400)
class Transfer(Workflow):
    """The host that has fetched a file stores it; if it is gone, another one fetches it again."""

    fetch = ActivityProxy("fetch", 1, task_list="any host", **_MINUTE)
    store = ActivityProxy("store", 1, task_list="any host", **_MINUTE)

    def run(self) -> Any:
        for _ in range(3):
            with suppress(TaskError):
                host = self.fetch().result()
                return self.store.options(task_list=host)().result()
        return "given up"


def start_host(runner: Runner, hosts: list[str], returns: bool) -> None:
    """Let a worker poll a common list and one of its own, with its name."""

    class Host:
        def __init__(self) -> None:
            hosts.append(f"host {len(hosts) + 1}")
            self.name = hosts[-1]

        def __call__(self, client: Any) -> None:
            while True:
                for name in ("any host", self.name):
                    task = client.poll_for_activity_task(
                        domain=runner.domain, taskList={"name": name}
                    )
                    if task.get("taskToken"):
                        client.respond_activity_task_completed(
                            taskToken=task["taskToken"], result=json.dumps(self.name)
                        )
                if returns:
                    return

    for name in ("fetch", "store"):
        runner.simulation.client().register_activity_type(
            domain=runner.domain, name=name, version="1"
        )
    runner.loop(Host)


@pytest.mark.slow
@pytest.mark.parametrize("returns", [True, False])
def test_a_task_for_a_host_that_was_replaced_times_out(returns: bool) -> None:
    ends = set()

    def a_file_is_stored(runner: Runner) -> None:
        hosts: list[str] = []
        start_host(runner, hosts, returns)
        run = runner(Transfer)
        assert run.result in hosts
        ends.add((run.result, round(run.simulated_seconds)))

    found = explore(a_file_is_stored, faults=[WorkerDies(), Restart()], most_faults=1)
    assert found.complete
    assert ("host 2", 60) in ends


def test_a_run_in_which_time_stands_still_is_reported() -> None:
    def nothing_happens(runner: Runner) -> None:
        assert runner.domain
        for _ in range(100):
            runner.turn_loop.take_turn()
            runner.turn_loop._end_turn()

    found = find(nothing_happens, faults=[Restart()], most_turns=50)
    assert found.failure is not None
    assert isinstance(found.failure.error, EndlessError)
