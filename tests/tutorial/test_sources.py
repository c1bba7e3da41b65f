"""Sources of photographs, and the messages if they cannot be read."""

from __future__ import annotations

import errno
import socket
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy.tutorial import SAMPLE, ImageError, sources
from tests.support.photo_server import PhotoServer


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder for temporary files."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def refusal(source: object) -> str:
    with pytest.raises(ImageError) as refused, sources.fetched(source):  # type: ignore[arg-type]
        pass
    return str(refused.value)


def test_a_local_file_is_read_where_it_is() -> None:
    with sources.fetched(str(SAMPLE)) as path:
        assert path == SAMPLE


def test_a_download_is_whole_and_gone_afterwards(
    photo_server: PhotoServer, downloads: Path
) -> None:
    with sources.fetched(f"{photo_server.url}/lake.jpg") as path:
        assert path.parent == downloads
        assert path.read_bytes() == SAMPLE.read_bytes()
    assert list(downloads.iterdir()) == []


def test_a_download_is_gone_when_the_work_on_it_fails(
    photo_server: PhotoServer, downloads: Path
) -> None:
    with pytest.raises(ZeroDivisionError), sources.fetched(f"{photo_server.url}/lake.jpg"):
        raise ZeroDivisionError
    assert list(downloads.iterdir()) == []


def test_errors_name_the_source_of_the_photograph(photo_server: PhotoServer) -> None:
    url = f"{photo_server.url}/lake.jpg"
    with pytest.raises(ImageError) as refused, sources.fetched(url):
        raise ImageError("This is no image.")
    assert str(refused.value) == f"{url}: This is no image."


def test_redirections_are_followed(photo_server: PhotoServer) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/lake.jpg")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    photo_server.answers["/old"] = elsewhere
    with sources.fetched(f"{photo_server.url}/old") as path:
        assert path.read_bytes() == SAMPLE.read_bytes()


def test_a_redirection_without_end_is_refused(photo_server: PhotoServer) -> None:
    def in_circles(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/circle")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    photo_server.answers["/circle"] = in_circles
    url = f"{photo_server.url}/circle"
    assert refusal(url) == f"{url}: The download failed: Exceeded 30 redirects."


def test_a_missing_page_is_reported_in_a_sentence(
    photo_server: PhotoServer, downloads: Path
) -> None:
    photo_server.answers["/none.jpg"] = lambda handler: handler.send_error(404)
    url = f"{photo_server.url}/none.jpg"
    assert refusal(url) == f"{url}: The server answered 404 Not Found."
    assert list(downloads.iterdir()) == []


def test_an_unreachable_server_is_reported_in_a_sentence() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and no process listens
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/lake.jpg"
        assert refusal(url) == (
            f"{url}: The server cannot be reached: is the address right, and is there a network?"
        )


def begun(handler: BaseHTTPRequestHandler) -> None:
    """Send the first byte of 50."""
    handler.send_response(200)
    handler.send_header("Content-Length", "50")
    handler.end_headers()
    handler.wfile.write(b"1")


@pytest.fixture
def stuck(photo_server: PhotoServer) -> Iterator[PhotoServer]:
    """A server that sends nothing of one photograph and the first byte of another."""
    over = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        over.wait(10)

    def silent_after_a_byte(handler: BaseHTTPRequestHandler) -> None:
        begun(handler)
        over.wait(10)

    photo_server.answers["/silent.jpg"] = silent
    photo_server.answers["/byte.jpg"] = silent_after_a_byte
    yield photo_server
    over.set()


@pytest.mark.parametrize("name", ["silent", "byte"])
def test_a_server_that_falls_silent_is_reported_in_a_sentence(
    name: str, stuck: PhotoServer, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SILENCE_SECONDS", 0.05)
    url = f"{stuck.url}/{name}.jpg"
    assert refusal(url) == f"{url}: The server was silent for 0 seconds."
    assert list(downloads.iterdir()) == []


def test_a_download_that_only_trickles_is_given_up(
    stuck: PhotoServer, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "DOWNLOAD_SECONDS", 0.0)
    url = f"{stuck.url}/byte.jpg"
    assert refusal(url) == f"{url}: The download took more than 0 seconds."
    assert list(downloads.iterdir()) == []


def test_a_broken_connection_is_reported_in_a_sentence(
    photo_server: PhotoServer, downloads: Path
) -> None:
    photo_server.answers["/half.jpg"] = begun
    url = f"{photo_server.url}/half.jpg"
    assert refusal(url) == f"{url}: The connection broke before the end of the file."
    assert list(downloads.iterdir()) == []


def test_too_large_a_file_is_given_up(
    photo_server: PhotoServer, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAXIMUM_BYTES", 10_000)
    assert "The file has more than" in refusal(f"{photo_server.url}/lake.jpg")
    assert list(downloads.iterdir()) == []


def test_a_full_disk_is_reported_in_a_sentence(
    photo_server: PhotoServer, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(response: object, file: IO[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sources, "_copy", full)
    url = f"{photo_server.url}/lake.jpg"
    assert refusal(url) == f"{url}: The download cannot be kept: No space left on device."
    assert list(downloads.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("ftp://127.0.0.1/lake.jpg", "Only http and https URLs can be fetched."),
        ("s3://bucket/lake.jpg", "Only http and https URLs can be fetched."),
        ("http://", "This is not a valid URL."),
        ("http://[::1/lake.jpg", "This is not a valid URL."),
        ("http://127.0.0.1:port/lake.jpg", "This is not a valid URL."),
        ("no-such.jpg", "There is no such file."),
        (".", "This is not a file."),
        ("/dev/null", "This is not a file."),
        ("", "A photograph must be given as a URL or a path."),
        (17, "A photograph must be given as a URL or a path."),
        (None, "A photograph must be given as a URL or a path."),
        ("x" * 5000, "The file cannot be opened: File name too long."),
    ],
)
def test_a_source_that_cannot_be_fetched_is_reported_in_a_sentence(
    source: object, sentence: str
) -> None:
    assert refusal(source) == f"{source}: {sentence}"


@given(st.text(alphabet="htps:/.@[]%?#\0 ü1", max_size=20))
def test_every_text_is_accepted_or_refused_in_a_sentence(text: str) -> None:
    # Without the hosts of the URLs: a test must not use the network.
    source = text if "://" not in text else f"http://[{text}"
    assert refusal(source).endswith(".")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/photos/My cat.jpeg", "My-cat"),
        ("https://example.com/albums/My%20cat.jpeg?width=800#top", "My-cat"),
        ("https://example.com", "image"),
        ("https://example.com/", "image"),
        ("../..", "image"),
        (".hidden", "hidden"),
        ("Ünïcode.png", "Ünïcode"),
        ("x" * 300, "x" * 40),
        ("a/b\\c:d*.jpg", "b-c-d"),
    ],
)
def test_a_result_is_named_after_its_photograph(source: str, name: str) -> None:
    assert sources.stem(source) == name
