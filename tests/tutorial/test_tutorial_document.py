"""The tutorial shows real code, valid commands and what the service really does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from moto import mock_aws

import flowy
from flowy.tutorial import images, sources, storage
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation
from flowy_sim._report import timeline

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)```", DOCUMENT, re.DOTALL)
SHOWN = [(file, text) for file, language, text in BLOCKS if language == "python" and file]
COMMANDS = [
    line
    for _, language, text in BLOCKS
    if language == "sh"
    for line in text.splitlines()
    if line.startswith("flowy")
]
ELISION = re.compile(r"^ *# \.\.\.\n", re.MULTILINE)
MODULES = {"flowy": "flowy._cli", "flowy-sim": "flowy_sim._cli"}


@pytest.mark.parametrize(("file", "text"), SHOWN, ids=lambda value: value.splitlines()[0])
def test_the_code_shown_is_in_its_file(file: str, text: str) -> None:
    rest = (ROOT / file).read_text()
    for part in ELISION.split(text):
        assert part in rest
        rest = rest[rest.index(part) + len(part) :]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_shown_are_accepted(line: str) -> None:
    program, *arguments = shlex.split(line)
    group = import_module(MODULES[program]).cli
    assert isinstance(group, click.Group)
    with click.Context(group, info_name=program) as context:
        name, command, rest = group.resolve_command(context, arguments)
        assert command is not None
        command.make_context(name, rest, parent=context)


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """The history of an execution whose activities take two, three and one seconds."""
    simulation = Simulation()
    swf = simulation.client(exact=True)
    swf.register_domain(name="flowy_tutorial", workflowExecutionRetentionPeriodInDays="7")
    found = flowy.scan("flowy.tutorial")
    decider = flowy.WorkflowWorker(swf, "flowy_tutorial", "image_processing", found.workflows)
    decider.register()
    flowy.ActivityWorker(swf, "flowy_tutorial", "image_processing", found.activities).register()
    execution = flowy.start(swf, "flowy_tutorial", ImageCategorization, "photo.jpg")

    def taken() -> str:
        task = swf.poll_for_activity_task(
            domain="flowy_tutorial", taskList={"name": "image_processing"}
        )
        return str(task["taskToken"])

    def worked(token: str, seconds: int, result: str) -> None:
        simulation.clock.advance(seconds)
        swf.respond_activity_task_completed(taskToken=token, result=json.dumps(result))
        decider.run_once()

    decider.run_once()
    resize, color = taken(), taken()
    worked(resize, 2, "/small.jpg")
    worked(color, 1, "blue")
    worked(taken(), 1, "/blue/small.jpg")
    reply = swf.get_workflow_execution_history(
        domain="flowy_tutorial",
        execution={"workflowId": execution.workflow_id, "runId": execution.run_id},
    )
    return list(reply["events"])


def test_the_history_shown_is_the_one_that_the_service_writes(
    events: list[dict[str, Any]],
) -> None:
    shown = re.findall(r"^\| (\d+) \| (\w+) \|", DOCUMENT, re.MULTILINE)
    assert shown == [(str(event["eventId"]), event["eventType"]) for event in events]


def test_the_timeline_shown_is_drawn_from_that_history(
    events: list[dict[str, Any]],
) -> None:
    (shown,) = re.findall(r"<!-- timeline -->\n```text\n(.*?)\n```", DOCUMENT, re.DOTALL)
    assert shown == timeline.text(events, 80)


def test_the_program_shown_starts_an_execution() -> None:
    (program,) = (text for file, language, text in BLOCKS if language == "python" and not file)
    with mock_aws():
        swf = boto3.client("swf")
        swf.register_domain(name="flowy_tutorial", workflowExecutionRetentionPeriodInDays="7")
        found = flowy.scan("flowy.tutorial")
        worker = flowy.WorkflowWorker(swf, "flowy_tutorial", "image_processing", found.workflows)
        worker.register()
        exec(program, {})
        assert worker.run_once()


def test_the_limits_and_settings_named_are_the_real_ones() -> None:
    assert f"export {storage.SETTING}=" in DOCUMENT
    assert f"the folder `{storage.DEFAULT_FOLDER}`" in DOCUMENT
    assert f"up to {images.MAXIMUM_SIZE} pixels" in DOCUMENT
    assert f"more than {images.MAXIMUM_PIXELS // 1_000_000} million pixels" in DOCUMENT
    assert f"larger than {sources.MAXIMUM_BYTES // 1_000_000} MB" in DOCUMENT
    assert sources.DOWNLOAD_SECONDS == 60


def test_a_worker_that_only_decides_needs_no_image_library() -> None:
    program = (
        "import sys; sys.modules.update(PIL=None, requests=None); import flowy; "
        "assert flowy.scan('flowy.tutorial.workflows').workflows"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
