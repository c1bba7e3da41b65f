"""Calls of workers that fail, other than polls and answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flowy_sim.faults import CallLate, NetworkError, ReplyLost, Throttled
from flowy_sim.testing import Run, Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import (
    DOMAIN,
    Decision,
    History,
    by_hand,
    complete,
    decision,
    schedule,
    timer,
)

SHIPMENT = {"name": "shipment", "version": "1"}
EVER = {"oldestDate": 0}


def in_a_task(runner: Runner, act: Callable[[Any], None]) -> Run:
    """Run an order with one task, in which a worker calls the service; it is repeated if it dies.

    Args:
        runner: runs it.
        act: called with the worker's client.
    """

    def decide(history: History) -> list[Decision]:
        if history.done:
            return [complete()]
        return [schedule("ship")] if history.is_first or history.timed_out else []

    def ship(history: History) -> list[Decision]:
        return [] if history.new_signals or not history.is_first else [timer("a day", 80_000)]

    def work(activity_id: str) -> None:
        act(runner.scheduler.worker_client)

    [run, *_] = by_hand(runner, {"order": decide, "shipment": ship}, work)
    return run


def start(client: Any, workflow_id: str) -> None:
    client.start_workflow_execution(domain=DOMAIN, workflowId=workflow_id, workflowType=SHIPMENT)


def shipments(runner: Runner) -> list[str]:
    """The workflow IDs of the shipments that were started."""
    client = runner.simulation.client()
    found = client.list_open_workflow_executions(
        domain=DOMAIN, startTimeFilter=EVER, typeFilter=SHIPMENT
    )["executionInfos"]
    return [each["execution"]["workflowId"] for each in found]


def signals(runner: Runner, workflow_id: str) -> list[str]:
    """The inputs of the signals that a shipment has received."""
    return [
        each.attributes(number).get("input", "")
        for each in runner.simulation.engine().executions.values()
        if each.workflow_id == workflow_id
        for number in range(1, len(each) + 1)
        if each.event_type(number) == "WorkflowExecutionSignaled"
    ]


@planted([ReplyLost(), NetworkError()])
def a_start_without_a_reply_is_repeated_with_a_new_id(runner: Runner, fixed: bool) -> None:
    def act(client: Any) -> None:
        try:
            start(client, "shipment-1")
        except client.exceptions.WorkflowExecutionAlreadyStartedFault:
            return
        except Exception:
            with suppress(client.exceptions.WorkflowExecutionAlreadyStartedFault):
                start(client, "shipment-1" if fixed else "shipment-2")

    in_a_task(runner, act)
    assert len(shipments(runner)) == 1


@planted([NetworkError()])
def a_start_that_failed_is_ignored(runner: Runner, fixed: bool) -> None:
    def act(client: Any) -> None:
        try:
            start(client, "shipment-1")
        except client.exceptions.WorkflowExecutionAlreadyStartedFault:
            return
        except Exception:
            if fixed:
                raise

    in_a_task(runner, act)
    assert len(shipments(runner)) == 1


@planted([ReplyLost()])
def a_second_start_is_taken_for_a_failure(runner: Runner, fixed: bool) -> None:
    def act(client: Any) -> None:
        try:
            start(client, "shipment-1")
        except client.exceptions.WorkflowExecutionAlreadyStartedFault:
            if not fixed:
                raise AssertionError("it was started before") from None

    in_a_task(runner, act)


@planted([Throttled()])
def a_throttled_signal_is_lost(runner: Runner, fixed: bool) -> None:
    def act(client: Any) -> None:
        with suppress(client.exceptions.WorkflowExecutionAlreadyStartedFault):
            start(client, "shipment-1")
        try:
            client.signal_workflow_execution(
                domain=DOMAIN, workflowId="shipment-1", signalName="hurry"
            )
        except Exception:
            if fixed:
                raise

    in_a_task(runner, act)
    assert signals(runner, "shipment-1")


@planted([ReplyLost()])
def a_signal_without_a_reply_counts_twice(runner: Runner, fixed: bool) -> None:
    def act(client: Any) -> None:
        with suppress(client.exceptions.WorkflowExecutionAlreadyStartedFault):
            start(client, "shipment-1")
        for attempt in range(2):
            try:
                client.signal_workflow_execution(
                    domain=DOMAIN,
                    workflowId="shipment-1",
                    signalName="one more",
                    input="number 1" if fixed else f"number {attempt}",
                )
            except Exception:
                continue
            return

    in_a_task(runner, act)
    assert len(set(signals(runner, "shipment-1"))) == 1


@planted([Throttled(), NetworkError()])
def an_unreadable_list_is_taken_for_an_empty_one(runner: Runner, fixed: bool) -> None:
    def act(client: Any) -> None:
        for number in (1, 2):
            try:
                found = client.list_open_workflow_executions(
                    domain=DOMAIN, startTimeFilter=EVER, typeFilter=SHIPMENT
                )["executionInfos"]
            except Exception:
                if fixed:
                    raise
                found = []
            if not found:
                start(client, f"shipment-{number}")

    in_a_task(runner, act)
    assert len(shipments(runner)) == 1


@planted([NetworkError()])
def an_unknown_status_is_taken_for_closed(runner: Runner, fixed: bool) -> None:
    def act(client: Any) -> None:
        with suppress(client.exceptions.WorkflowExecutionAlreadyStartedFault):
            start(client, "shipment-1")
        try:
            count = client.count_open_workflow_executions(
                domain=DOMAIN, startTimeFilter=EVER, executionFilter={"workflowId": "shipment-1"}
            )["count"]
        except Exception:
            if fixed:
                raise
            count = 0
        if not count:
            start(client, "shipment-2")

    in_a_task(runner, act)
    assert shipments(runner) == ["shipment-1"]


@planted([Throttled(), ReplyLost()])
def a_page_of_the_history_is_left_out(runner: Runner, fixed: bool) -> None:
    charged: list[str] = []

    def page(client: Any, execution: dict[str, str], token: str | None) -> dict[str, Any]:
        more = {} if token is None else {"nextPageToken": token}
        reply: dict[str, Any] = client.get_workflow_execution_history(
            domain=DOMAIN, execution=execution, maximumPageSize=3, **more
        )
        return reply

    def act(client: Any) -> None:
        execution = dict(
            runner.simulation.client().list_open_workflow_executions(
                domain=DOMAIN, startTimeFilter=EVER
            )["executionInfos"][0]["execution"]
        )
        events: list[dict[str, Any]] = []
        token = None
        while True:
            try:
                reply = page(client, execution, token)
            except Exception:
                if fixed:
                    raise
                break
            events += reply["events"]
            token = reply.get("nextPageToken")
            if token is None:
                break
        if any(event["eventType"] == "ActivityTaskScheduled" for event in events):
            charged.append("order-1")

    in_a_task(runner, act)
    assert charged


@planted([CallLate()])
def the_run_after_the_one_that_was_listed_is_terminated(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.done:
            return [complete()]
        return [schedule("sweep")] if history.is_first or history.timed_out else []

    def ship(history: History) -> list[Decision]:
        if history.is_first:
            return [timer("until the next", 30)]
        [started] = history.of("WorkflowExecutionStarted")
        is_last = "continuedExecutionRunId" in started
        return [complete() if is_last else decision("ContinueAsNewWorkflowExecution")]

    def sweep(activity_id: str) -> None:
        client = runner.scheduler.worker_client
        with suppress(client.exceptions.WorkflowExecutionAlreadyStartedFault):
            start(client, "shipment-1")
        listed = client.list_open_workflow_executions(
            domain=DOMAIN, startTimeFilter=EVER, typeFilter=SHIPMENT
        )["executionInfos"]
        for each in listed:
            if not fixed:
                del each["execution"]["runId"]
            with suppress(client.exceptions.UnknownResourceFault):
                client.terminate_workflow_execution(domain=DOMAIN, **each["execution"])

    by_hand(runner, {"order": decide, "shipment": ship}, sweep)
    for each in runner.simulation.engine().executions.values():
        if each.started("continuedExecutionRunId"):
            assert each.close_status != "TERMINATED", "it was not the run that was listed"
