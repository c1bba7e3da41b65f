"""The tutorial's activities, called as plain objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from flowy.tutorial import SAMPLE, ImageError
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from tests.support.photo_server import PhotoServer


def heard(activity: PredominantColor, going_on: Callable[[int], bool]) -> list[int]:
    """Note the heartbeats of an activity; the nth is answered with `going_on(n)`."""
    beats: list[int] = []

    def heartbeat(details: str | None = None) -> bool:
        beats.append(len(beats) + 1)
        return going_on(len(beats))

    activity.heartbeat = heartbeat  # type: ignore[method-assign]
    return beats


def test_resize_keeps_a_small_jpeg_picture_and_says_where(tmp_path: Path) -> None:
    location = Resize().run(str(SAMPLE), 200)
    assert Path(location).parent == tmp_path / "flowy-images"
    assert Path(location).name.startswith("sample-")
    with Image.open(location) as small:
        assert (small.format, small.size) == ("JPEG", (200, 133))


def test_resize_reads_a_url(photo_server: PhotoServer) -> None:
    location = Resize().run(f"{photo_server.url}/albums/lake.jpg?width=960", results="mine")
    assert Path(location).name.startswith("lake-")
    with Image.open(location) as small:
        assert small.size == (128, 85)


def test_resize_gives_the_same_file_for_the_same_photograph_and_size() -> None:
    assert Resize().run(str(SAMPLE)) == Resize().run(str(SAMPLE))
    assert Resize().run(str(SAMPLE)) != Resize().run(str(SAMPLE), 64)


def test_a_wrong_size_is_refused_before_anything_is_fetched() -> None:
    with pytest.raises(ImageError, match="The size must be"):
        Resize().run("no-such.jpg", 0)


def test_a_failed_resize_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(SAMPLE.read_bytes()[:20_000])
    with pytest.raises(ImageError, match=r"broken\.jpg: The image is damaged: .*\.$"):
        Resize().run(str(broken))
    assert list(tmp_path.iterdir()) == [broken]


def test_the_color_of_a_photograph_is_found_between_heartbeats(photo_server: PhotoServer) -> None:
    activity = PredominantColor()
    beats = heard(activity, lambda beat: True)
    assert activity.run(f"{photo_server.url}/lake.jpg") == "blue"
    assert len(beats) == 8


@pytest.mark.parametrize("last", [1, 3])
def test_the_search_for_the_color_stops_when_a_heartbeat_says_so(last: int) -> None:
    activity = PredominantColor()
    beats = heard(activity, lambda beat: beat < last)
    assert activity.run(str(SAMPLE)) is None
    assert len(beats) == last


def test_a_file_without_a_color_is_reported_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("This is no image.")
    with pytest.raises(ImageError, match=r"notes\.txt: This is not an image; JPEG, .*\.$"):
        PredominantColor().run(str(path))


def test_a_picture_is_filed_in_the_folder_of_its_color(tmp_path: Path) -> None:
    location = Resize().run(str(SAMPLE))
    filed = RenameImage().run(location, "blue")
    assert Path(filed).parent == tmp_path / "flowy-images" / "blue"
    assert not Path(location).exists()
