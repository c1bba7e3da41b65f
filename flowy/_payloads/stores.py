"""Stores: where values are kept that are too long for Amazon SWF.

What travels in their place is a reference, made of the value's own digest: the same value has the
same reference, so that replay finds it, and a value that was changed in the store is noticed.
"""

from __future__ import annotations

import os
import re
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from flowy._payloads.text import length
from flowy.errors import ConfigurationError, SerializationError

_REFERENCE = re.compile(r"flowy:stored:([0-9a-f]{64}):\d+")
"""No JSON begins so."""


class Store(Protocol):
    """Where long values are kept: two methods."""

    def put(self, key: str, data: bytes) -> None:
        """Keep data under a key; what is kept under a key is always the same."""

    def get(self, key: str) -> bytes:
        """Give the data back; raises any exception if there is none."""


class FolderStore:
    """Keeps values as files of a folder that all workers see.

    Args:
        folder: its path; made when the first value is kept.

    Example:
        ``FolderStore("/mnt/shared/payloads")``
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).absolute()

    def put(self, key: str, data: bytes) -> None:
        """Keep data under a key; nobody ever sees half of a file."""
        path = self._folder / key
        if path.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=self._folder, prefix=".partial-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(partial, 0o644)
        os.replace(partial, path)

    def get(self, key: str) -> bytes:
        """Give the data back."""
        return (self._folder / key).read_bytes()

    def __str__(self) -> str:
        return f"the folder {self._folder}"


class S3Store:
    """Keeps values as objects of an S3 bucket.

    Args:
        bucket: the bucket's name.
        prefix: what the objects' keys begin with.
        client: a ``boto3.client("s3")``; None for one that the environment configures.

    Example:
        ``S3Store("my-bucket", "payloads")``
    """

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client

    def put(self, key: str, data: bytes) -> None:
        """Keep data under a key."""
        self._s3().put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def get(self, key: str) -> bytes:
        """Give the data back."""
        reply = self._s3().get_object(Bucket=self._bucket, Key=self._prefix + key)
        data: bytes = reply["Body"].read()
        return data

    def _s3(self) -> Any:
        if self._client is None:
            import boto3

            self._client = boto3.client("s3")
        return self._client

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"


def store_at(location: str | os.PathLike[str]) -> Store:
    """Make a store of the place it is at.

    Args:
        location: a folder, or ``s3://bucket/prefix``.

    Returns:
        The store.

    Raises:
        ConfigurationError: the location names no bucket, or is empty.
    """
    text = os.fspath(location)
    scheme, found, rest = text.partition("://")
    if not found:
        if not text:
            raise ConfigurationError("a store is a folder or s3://bucket/prefix, not ''")
        return FolderStore(text)
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ConfigurationError(f"a store is a folder or s3://bucket/prefix, not {text!r}")
    return S3Store(bucket, prefix)


def keep(store: Store, what: str, text: str) -> str:
    """Keep a text in a store.

    Args:
        store: where.
        what: what the text is, for the message of an error, such as ``the input of resize 1``.
        text: the text.

    Returns:
        A reference to it.

    Raises:
        SerializationError: the store does not take it.
    """
    data = text.encode("utf-8", "surrogatepass")
    key = sha256(data).hexdigest()
    try:
        store.put(key, data)
    except Exception as error:
        raise SerializationError(
            f"{what}, of {length(text):,} characters, cannot be kept in {store}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return f"flowy:stored:{key}:{length(text)}"


def fetched(store: Store | None, what: str, text: str) -> str:
    """Follow a reference to the text that is kept in a store.

    Args:
        store: where; None if there is none.
        what: what the text is, for the message of an error.
        text: a reference, or any other text.

    Returns:
        The text that is kept, or the very text if it is no reference.

    Raises:
        SerializationError: there is no store, or the text is not in it any more as it was.
    """
    reference = _REFERENCE.fullmatch(text)
    if reference is None:
        return text
    if store is None:
        raise SerializationError(
            f"{what} is kept in a store, and this process has none: give it the store of the "
            f"process that sent it, as in Payloads(store=…) or --store ({text})"
        )
    key = reference[1]
    try:
        data = store.get(key)
    except Exception as error:
        raise SerializationError(
            f"{what} is not to be had from {store}: {type(error).__name__}: {error} ({text})"
        ) from error
    if sha256(data).hexdigest() != key:
        raise SerializationError(f"{what} was changed since it was kept in {store} ({text})")
    return data.decode("utf-8", "surrogatepass")
