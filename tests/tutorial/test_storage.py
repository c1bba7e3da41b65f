"""Where small pictures go: the same behaviour in a local folder and in S3."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from flowy.tutorial import ImageError, storage


@pytest.fixture
def bucket() -> Iterator[None]:
    with mock_aws():
        boto3.Session().client("s3").create_bucket(Bucket="pictures")
        yield


def keys() -> list[str]:
    listing = boto3.Session().client("s3").list_objects_v2(Bucket="pictures")
    return [item["Key"] for item in listing.get("Contents", ())]


def read(location: str) -> bytes:
    if not location.startswith("s3://"):
        return Path(location).read_bytes()
    bucket, _, key = location.removeprefix("s3://").partition("/")
    body: bytes = boto3.Session().client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


@pytest.fixture(params=["local", "s3://pictures/small/ones", "s3://pictures"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "results")
    request.getfixturevalue("bucket")
    return str(request.param)


def test_a_picture_is_kept_whole_at_the_location_that_is_returned(folder: str) -> None:
    location = storage.store(b"picture", "lake.jpg", folder)
    assert location == f"{folder}/lake.jpg"
    assert read(location) == b"picture"


def test_a_picture_takes_the_place_of_one_with_its_name(folder: str) -> None:
    storage.store(b"old", "lake.jpg", folder)
    assert read(storage.store(b"new", "lake.jpg", folder)) == b"new"


def test_a_picture_is_filed_under_its_category(folder: str) -> None:
    location = storage.store(b"picture", "lake.jpg", folder)
    filed = storage.move(location, "blue")
    assert filed == f"{folder}/blue/lake.jpg"
    assert read(filed) == b"picture"
    with pytest.raises(ImageError, match="does not exist"):
        storage.move(location, "red")


def test_filing_a_picture_again_changes_nothing(folder: str) -> None:
    location = storage.store(b"picture", "lake.jpg", folder)
    filed = storage.move(location, "blue")
    assert storage.move(location, "blue") == filed
    assert read(filed) == b"picture"


def test_filing_a_picture_again_after_a_second_shrinking_replaces_it(folder: str) -> None:
    for content in (b"one", b"two"):
        filed = storage.move(storage.store(content, "lake.jpg", folder), "blue")
        assert read(filed) == content


def test_a_missing_picture_is_reported_in_a_sentence(folder: str) -> None:
    with pytest.raises(ImageError, match=r"/lake\.jpg does not exist"):
        storage.move(f"{folder}/lake.jpg", "blue")


@pytest.mark.parametrize("category", ["", "..", "a/b", None, 3, "bl ue"])
def test_a_category_is_a_plain_name(category: object, folder: str) -> None:
    location = storage.store(b"picture", "lake.jpg", folder)
    with pytest.raises(ImageError, match="A category must be a plain name, not"):
        storage.move(location, category)  # type: ignore[arg-type]
    assert read(location) == b"picture"


@pytest.mark.parametrize("location", ["", "lake.jpg", "/somewhere/", None, 3])
def test_a_location_is_a_whole_path_or_url(location: object) -> None:
    with pytest.raises(ImageError, match="A picture's location must be a whole path or URL, not"):
        storage.move(location, "blue")  # type: ignore[arg-type]


def test_results_go_to_a_folder_of_the_current_directory_by_default(tmp_path: Path) -> None:
    location = storage.store(b"picture", "lake.jpg")
    assert location == str(tmp_path / "flowy-images" / "lake.jpg")


@pytest.mark.usefixtures("bucket")
def test_the_environment_names_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.SETTING, "s3://pictures/")
    assert storage.store(b"picture", "lake.jpg") == "s3://pictures/lake.jpg"
    assert keys() == ["lake.jpg"]


@pytest.mark.usefixtures("bucket")
def test_an_argument_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(storage.SETTING, "s3://pictures")
    location = storage.store(b"picture", "lake.jpg", "mine")
    assert location == str(tmp_path / "mine" / "lake.jpg")


@pytest.mark.parametrize("address", ["s3://", "s3:///prefix", "http://bucket/prefix", "gs://b"])
def test_another_kind_of_folder_is_refused(address: str) -> None:
    with pytest.raises(ImageError, match=r"give a local folder or s3://bucket/prefix"):
        storage.store(b"picture", "lake.jpg", address)


def test_a_folder_that_is_not_text_is_refused() -> None:
    with pytest.raises(ImageError, match="folder for results must be text, not 3"):
        storage.store(b"picture", "lake.jpg", 3)  # type: ignore[arg-type]


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_reported_in_a_sentence() -> None:
    with pytest.raises(
        ImageError, match=r"^s3://none/lake\.jpg cannot be written: .*bucket does not exist\.$"
    ):
        storage.store(b"picture", "lake.jpg", "s3://none")
    with pytest.raises(ImageError, match=r"^s3://none/lake\.jpg cannot be moved: .*\.$"):
        storage.move("s3://none/lake.jpg", "blue")


def test_missing_credentials_are_reported_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ImageError, match=r"^s3://pictures cannot be reached: .*nobody.*\.$"):
        storage.store(b"picture", "lake.jpg", "s3://pictures")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        ImageError, match=r"lake\.jpg cannot be written: No space left on device\.$"
    ):
        storage.store(b"picture", "lake.jpg", "results")
    assert list((tmp_path / "results").iterdir()) == []


def test_a_full_disk_leaves_the_picture_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = storage.store(b"old", "lake.jpg", "results")
    write_bytes = Path.write_bytes
    monkeypatch.setattr(
        Path, "write_bytes", lambda _, content: write_bytes(Path("/dev/full"), content)
    )
    with pytest.raises(ImageError, match="No space left on device"):
        storage.store(b"new", "lake.jpg", "results")
    assert read(location) == b"old"
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["lake.jpg"]


def test_a_file_in_place_of_the_folder_is_reported_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(ImageError, match=r"results/lake\.jpg cannot be written: File exists\.$"):
        storage.store(b"picture", "lake.jpg", "results")


def test_a_file_in_place_of_the_category_is_reported_in_a_sentence(tmp_path: Path) -> None:
    location = storage.store(b"picture", "lake.jpg", "results")
    (tmp_path / "results" / "blue").write_text("a file")
    with pytest.raises(ImageError, match=r"results/lake\.jpg cannot be moved: File exists\.$"):
        storage.move(location, "blue")
    assert read(location) == b"picture"
