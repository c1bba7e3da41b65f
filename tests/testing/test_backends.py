"""The same workflow, unchanged, on every SWF client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from PIL import Image

import flowy
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation, mock_swf
from flowy_sim.testing import Runner
from tests.support.bakery import Bake, Bread, Heat, Knead

DOMAIN = "everywhere"

Backend = Callable[[], AbstractContextManager[Any]]


@contextmanager
def client_in_process() -> Iterator[Any]:
    yield Simulation().client()


@contextmanager
def boto3_client() -> Iterator[Any]:
    yield Simulation().boto3_client()


@contextmanager
def boto3_client_by_wire() -> Iterator[Any]:
    yield Simulation().boto3_client(wire=True)


@contextmanager
def every_boto3_client() -> Iterator[Any]:
    with mock_swf():
        yield boto3.client("swf")


@contextmanager
def boto3_client_within_moto() -> Iterator[Any]:
    with mock_aws(), mock_swf():
        yield boto3.client("swf")


@contextmanager
def moto() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("swf")


BACKENDS = [
    client_in_process,
    boto3_client,
    boto3_client_by_wire,
    every_boto3_client,
    boto3_client_within_moto,
    moto,
]
every_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.__name__)


@pytest.fixture(autouse=True)
def _moto_does_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.swf.models.sleep", lambda seconds: None)


def carried_out(
    client: Any,
    workflow: type[flowy.Workflow],
    activities: list[type[flowy.Activity]],
    *arguments: object,
) -> flowy.Outcome:
    """Run a workflow with plain workers, as one does on the real service."""
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
    decisions = workflow.flowy_type.defaults["defaultTaskList"]["name"]
    workers: list[flowy.Worker] = [
        flowy.WorkflowWorker(client, DOMAIN, decisions, [workflow], identity="decider")
    ]
    lists = {each.flowy_type.defaults["defaultTaskList"]["name"]: None for each in activities}
    workers += [flowy.ActivityWorker(client, DOMAIN, each, activities) for each in lists]
    for worker in workers:
        worker.register()
    execution = flowy.start(client, DOMAIN, workflow, *arguments)
    while (outcome := flowy.outcome(client, DOMAIN, execution)) is None:
        assert any(worker.run_once() for worker in workers), "no worker has anything to do"
    return outcome


@every_backend
@pytest.mark.parametrize("flour", [500, 0], ids=["that completes", "that fails"])
def test_a_workflow_has_the_same_outcome_as_under_the_runner(backend: Backend, flour: int) -> None:
    run = Runner(Simulation()).run(Bread, flour)
    with backend() as client:
        outcome = carried_out(client, Bread, [Knead, Heat, Bake], flour)
    assert (outcome.status, outcome.reason) == (run.status, run.reason)
    assert run.status == ("COMPLETED" if flour else "FAILED")
    if flour:
        assert outcome.result == run.result == "bread of dough of 500 g at 220"


@every_backend
def test_the_image_workflow_files_a_photograph_in_the_same_place(
    backend: Backend, tmp_path: Path
) -> None:
    photo = tmp_path / "sea.png"
    Image.new("RGB", (60, 40), (20, 40, 200)).save(photo)
    run = Runner(Simulation(), activities="flowy.tutorial").run(
        ImageCategorization, str(photo), 16, str(tmp_path / "runner")
    )
    activities = list(flowy.scan("flowy.tutorial").activities)
    with backend() as client:
        outcome = carried_out(
            client, ImageCategorization, activities, str(photo), 16, str(tmp_path / "worker")
        )
    here, there = Path(run.result), Path(outcome.result)
    assert here.relative_to(tmp_path / "runner") == there.relative_to(tmp_path / "worker")
    assert here.parent.name == "blue"
    assert here.read_bytes() == there.read_bytes()
