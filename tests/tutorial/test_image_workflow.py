"""The image workflow from start to end, on moto's SWF and S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from PIL import Image

import flowy
from flowy.tutorial import SAMPLE, storage
from flowy.tutorial.workflows import ImageCategorization
from tests.support.photo_server import PhotoServer

DOMAIN = "flowy_tutorial"


@pytest.fixture
def swf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # What an empty poll waits for there.
    monkeypatch.setattr("moto.swf.models.sleep", lambda seconds: None)
    with mock_aws():
        client = boto3.client("swf")
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
        yield client


def carried_out(swf: Any, *arguments: object) -> flowy.Outcome:
    """Start the workflow and work on its tasks until it has ended."""
    found = flowy.scan("flowy.tutorial")
    workers = [
        flowy.WorkflowWorker(swf, DOMAIN, "image_processing", found.workflows),
        flowy.ActivityWorker(swf, DOMAIN, "image_processing", found.activities),
    ]
    for worker in workers:
        worker.register()
    execution = flowy.start(swf, DOMAIN, ImageCategorization, *arguments)
    outcome = None
    while outcome is None:
        assert any(worker.run_once() for worker in workers), "no worker has anything to do"
        outcome = flowy.outcome(swf, DOMAIN, execution)
    return outcome


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_photograph_is_filed_under_its_color(swf: Any, tmp_path: Path) -> None:
    outcome = carried_out(swf, str(SAMPLE))
    assert outcome.status == "COMPLETED"
    filed = Path(outcome.result)
    assert filed.parent == tmp_path / "flowy-images" / "blue"
    assert files(tmp_path / "flowy-images") == [f"blue/{filed.name}"]
    with Image.open(filed) as small:
        assert small.size == (128, 85)


def test_a_photograph_from_the_web_goes_to_a_folder_of_choice_in_a_size_of_choice(
    swf: Any, photo_server: PhotoServer, tmp_path: Path
) -> None:
    outcome = carried_out(swf, f"{photo_server.url}/lake.jpg", 64, "mine")
    assert Path(outcome.result).parent == tmp_path / "mine" / "blue"
    with Image.open(outcome.result) as small:
        assert small.size == (64, 43)


def test_workers_on_different_machines_share_results_in_s3(
    swf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="pictures")
    monkeypatch.setenv(storage.SETTING, "s3://pictures/small")
    outcome = carried_out(swf, str(SAMPLE))
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="pictures")["Contents"]]
    assert keys == [outcome.result.removeprefix("s3://pictures/")]
    assert keys[0].startswith("small/blue/sample-")


def test_a_photograph_can_be_processed_twice(swf: Any) -> None:
    assert carried_out(swf, str(SAMPLE)).result == carried_out(swf, str(SAMPLE)).result


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("no-such.jpg",), "no-such.jpg: There is no such file."),
        ((__file__,), "This is not an image; JPEG, PNG, GIF, WEBP, TIFF, BMP, PPM can be read."),
        ((str(SAMPLE), 0), "The size must be a whole number of pixels from 1 to 2048, not 0."),
        ((str(SAMPLE), 64, "gs://pictures"), "give a local folder or s3://bucket/prefix."),
        (("http://127.0.0.1:1/lake.jpg",), "The server cannot be reached"),
    ],
)
def test_what_is_wrong_fails_the_workflow_with_a_sentence_and_leaves_nothing_behind(
    swf: Any, arguments: tuple[object, ...], sentence: str, tmp_path: Path
) -> None:
    outcome = carried_out(swf, *arguments)
    assert outcome.status == "FAILED"
    assert sentence in outcome.reason + outcome.details
    assert files(tmp_path) == []


def test_a_photograph_that_is_not_on_the_web_fails_the_workflow(
    swf: Any, photo_server: PhotoServer
) -> None:
    photo_server.answers["/none.jpg"] = lambda handler: handler.send_error(404)
    outcome = carried_out(swf, f"{photo_server.url}/none.jpg")
    assert outcome.status == "FAILED"
    assert "/none.jpg: The server answered 404 Not Found." in outcome.reason
