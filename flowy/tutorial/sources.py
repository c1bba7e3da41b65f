"""Where photographs come from: a local file, or an http or https URL."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from flowy.tutorial import ImageError

SILENCE_SECONDS = 10.0
"""How long a server may take to accept a connection, and then between two packets."""
DOWNLOAD_SECONDS = 60.0
"""How long a complete download may take."""
MAXIMUM_BYTES = 200_000_000
CHUNK_BYTES = 1 << 16


@contextmanager
def fetched(source: str) -> Iterator[Path]:
    """Provide a photograph as a file; a downloaded file is removed at the end of the block.

    An `ImageError` raised in the block is raised again with the source in front of its message.

    Args:
        source: an http or https URL, or the path of a local file.

    Yields:
        The path of the file.

    Raises:
        ImageError: there is no such file, or the download fails.

    Example:
        with fetched("https://example.com/photo.jpg") as path:
            small = thumbnail(path, 128)
    """
    try:
        if "://" in str(source):
            with tempfile.NamedTemporaryFile(prefix="flowy-") as file:
                _download(source, file)
                yield Path(file.name)
        else:
            yield _local(source)
    except ImageError as problem:
        raise ImageError(f"{source}: {problem}") from problem


def stem(source: str) -> str:
    """Return the name of a photograph without folder and suffix, made safe as a file name.

    Example:
        >>> stem("https://example.com/albums/My%20cat.jpeg?width=800")
        'My-cat'
    """
    path = unquote(urlsplit(source).path) if "://" in source else source
    return re.sub(r"[^\w.-]+", "-", PurePosixPath(path).stem).strip("-._")[:40] or "image"


def _local(source: object) -> Path:
    if not isinstance(source, str) or not source:
        raise ImageError("A photograph must be given as a URL or a path.")
    path = Path(source)
    try:
        if path.is_file():
            with path.open("rb"):
                return path
        raise ImageError("This is not a file." if path.exists() else "There is no such file.")
    except OSError as problem:
        raise ImageError(f"The file cannot be opened: {problem.strerror}.") from problem
    except ValueError as problem:
        raise ImageError(f"This cannot be a path: {problem}.") from problem


def _download(url: str, file: IO[bytes]) -> None:
    """Write the content of a URL to a file."""
    # Photographs are compressed already.
    headers = {"Accept-Encoding": "identity"}
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ImageError("Only http and https URLs can be fetched.")
        with requests.get(url, headers=headers, stream=True, timeout=SILENCE_SECONDS) as response:
            if not response.ok:
                raise ImageError(f"The server answered {response.status_code} {response.reason}.")
            _copy(response, file)
    except ValueError as problem:
        raise ImageError("This is not a valid URL.") from problem
    except (requests.Timeout, urllib3.exceptions.ReadTimeoutError) as problem:
        raise ImageError(f"The server was silent for {SILENCE_SECONDS:.0f} seconds.") from problem
    except requests.ConnectionError as problem:
        raise ImageError(
            "The server cannot be reached: is the address right, and is there a network?"
        ) from problem
    except requests.RequestException as problem:
        raise ImageError(f"The download failed: {str(problem).rstrip('.')}.") from problem
    except urllib3.exceptions.HTTPError as problem:
        raise ImageError("The connection broke before the end of the file.") from problem
    except OSError as problem:
        raise ImageError(f"The download cannot be kept: {problem.strerror}.") from problem


def _copy(response: requests.Response, file: IO[bytes]) -> None:
    """Copy the body of a response to a file, within limits of time and size."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    size = 0
    # `iter_content` would wait for a whole chunk: too long if bytes only trickle in.
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
        size += len(chunk)
        if size > MAXIMUM_BYTES:
            raise ImageError(f"The file has more than {MAXIMUM_BYTES // 1_000_000} megabytes.")
        if time.monotonic() > deadline:
            raise ImageError(f"The download took more than {DOWNLOAD_SECONDS:.0f} seconds.")
        file.write(chunk)
    file.flush()
