"""The examples in docs/running.md and docs/coming-from.md run, and their commands exist."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowy import ActivityWorker, Workflow, WorkflowWorker, outcome, start
from flowy._cli import cli
from flowy._client import SwfClient
from flowy_sim import Simulation
from flowy_sim._cli import cli as simulator
from tests.support.worker_loops import types

DOCUMENTS = Path(__file__).parents[2] / "docs"
RUNNING = (DOCUMENTS / "running.md").read_text(encoding="utf-8")
COMING = (DOCUMENTS / "coming-from.md").read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)
    return found


@pytest.fixture
def client() -> Any:
    client = Simulation().client(poll_seconds=0)
    client.register_domain(name="photos", workflowExecutionRetentionPeriodInDays="30")
    return client


@pytest.fixture
def reader(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module in which the examples run, one after the other."""
    module = ModuleType("reader")
    monkeypatch.setitem(sys.modules, "reader", module)
    # Workers that run forever on the page end at once here.
    monkeypatch.setattr("flowy.run_workers", lambda workers, handle_signals: None)
    vars(module).update(client=client, folder=tmp_path)
    return module


def test_the_examples_of_running_workers_run(reader: Any, client: Any) -> None:
    for block in blocks(RUNNING, "python"):
        exec(block, vars(reader))
    assert [worker.kind for worker in reader.workers] == ["workflow", *["activity"] * 4]
    assert reader.Transcode().run("a") == "a.mp4"
    assert len(list(reader.folder.iterdir())) == 1, "the long input is in the store"
    assert reader.PoliteGreeting().run("you") == "Good day, you"
    assert reader.OldGreeting().run("you") == "Hello, you"


def test_an_activity_is_completed_from_another_process(reader: Any, client: Any) -> None:
    for block in blocks(RUNNING, "python"):
        exec(block, vars(reader))
    from flowy import ActivityProxy, workflow

    @workflow("approval", 1, "approvals")
    class Approval(Workflow):
        approve = ActivityProxy(reader.approve)

        def run(self) -> str:
            return self.approve("text").result()

    decider = WorkflowWorker(client, "photos", "approvals", [Approval])
    worker = ActivityWorker(client, "photos", "approvals", [reader.approve])
    decider.register()
    worker.register()
    execution = start(client, "photos", Approval)
    assert [decider.run_once(), worker.run_once()] == [True, True]
    reader.on_reply(client, "yes")
    assert decider.run_once()
    ended = outcome(client, "photos", execution)
    assert ended is not None
    assert ended.result == "yes"


def test_the_examples_of_migrating_run(reader: Any, client: Any) -> None:
    for block in blocks(COMING, "python"):
        exec(block, vars(reader))
    assert types(reader.run.history)[-1] == "WorkflowExecutionCompleted"


def test_the_serializer_of_the_example_handles_the_old_format(reader: Any, client: Any) -> None:
    for block in blocks(COMING, "python"):
        exec(block, vars(reader))
    reader.worker.register()
    client.register_workflow_type(
        domain="photos",
        name="old",
        version="1",
        defaultTaskList={"name": "old"},
        defaultTaskStartToCloseTimeout="60",
        defaultExecutionStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )
    execution = start(client, "photos", ("old", 1))
    task = client.poll_for_decision_task(domain="photos", taskList={"name": "old"})
    decision = {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": "one",
            "activityType": {"name": "shout", "version": "1"},
            "input": '"hey"',
        },
    }
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
    assert reader.worker.run_once()
    events = client.get_workflow_execution_history(
        domain="photos",
        execution={"workflowId": execution.workflow_id, "runId": execution.run_id},
    )["events"]
    completed = next(e for e in events if e["eventType"] == "ActivityTaskCompleted")
    assert completed["activityTaskCompletedEventAttributes"]["result"] == "HEY"


COMMANDS = [
    line.strip()
    for document in (RUNNING, COMING)
    for block in blocks(document, "sh")
    for line in block.splitlines()
    if line.strip().startswith("flowy ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_flowy_accepts_each_command(line: str) -> None:
    name, *arguments = shlex.split(line)[1:]
    command = cli.commands[name]
    command.make_context(name, arguments)


def test_each_option_that_is_named_exists() -> None:
    known = {
        option
        for commands in (cli.commands, simulator.commands)
        for command in commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", RUNNING + COMING))
    assert named <= known


def test_the_permissions_are_those_of_the_calls_that_flowy_makes() -> None:
    table = RUNNING.partition("## Permissions")[2].partition("SWF checks each decision")[0]
    listed = {action.lower() for action in re.findall(r"`([A-Z][A-Za-z]+)`", table)}
    calls = {name.replace("_", "") for name in vars(SwfClient) if not name.startswith("_")}
    assert listed == calls
