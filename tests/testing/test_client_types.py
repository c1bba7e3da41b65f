"""Types: our API accepts a client of mypy-boto3-swf, and our clients pass for one.

mypy checks this module with the others; at run time, the code only has to work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowy import (
    ActivityWorker,
    Execution,
    WorkflowWorker,
    activity,
    async_completion,
    executions,
    outcome,
    start,
)
from flowy.workflow import Workflow, workflow
from flowy_sim import Simulation
from flowy_sim.testing import Runner

if TYPE_CHECKING:
    from mypy_boto3_swf import SWFClient


@activity("look", 1, "small")
def look(size: int) -> int:
    return size


@workflow("order", 1, "deciders")
class Order(Workflow):
    def run(self) -> str:
        return "done"


def count_domains(client: SWFClient) -> int:
    return len(client.list_domains(registrationStatus="REGISTERED")["domainInfos"])


def decide(client: SWFClient) -> None:
    client.poll_for_decision_task(domain="simulated", taskList={"name": "deciders"})


def run_once(client: SWFClient, domain: str) -> Execution:
    decider = WorkflowWorker(client, domain, "deciders", [Order])
    decider.register()
    ActivityWorker(client, domain, "small", [look]).register()
    execution = start(client, domain, Order)
    executions.signal(client, domain, execution.workflow_id, "hello")
    decider.run_once()
    assert outcome(client, domain, execution) == ("COMPLETED", "done", "", "")
    return execution


def every_function_takes_it(client: SWFClient, execution: Execution) -> None:
    """Not called: that mypy accepts it is the test."""
    executions.describe(client, "shop", execution)
    executions.history(client, "shop", execution)
    executions.latest(client, "shop", "order-1")
    executions.list_executions(client, "shop")
    executions.request_cancel(client, "shop", "order-1")
    executions.terminate(client, "shop", "order-1")
    async_completion.complete(client, "token", "done")
    async_completion.fail(client, "token", "reason")
    async_completion.cancel(client, "token")
    async_completion.heartbeat(client, "token")


class Decider:
    def __init__(self, client: SWFClient) -> None:
        self.client = client

    def __call__(self) -> None:
        decide(self.client)


def loops_are_typed_for_it(swf_run: Runner, swf: Simulation) -> None:
    """Not called: that mypy accepts it is the test."""
    swf_run.loop(decide)
    swf_run.loop(Decider)
    Decider(swf.client())


def test_our_api_accepts_a_typed_client_and_our_clients_pass_for_one() -> None:
    runner = Runner(Simulation())
    runner.loop(decide)
    client: SWFClient = runner.simulation.boto3_client()
    assert run_once(client, runner.domain).run_id
    assert count_domains(client) == count_domains(runner.simulation.client()) == 1
