"""Stores for values that are too long for Amazon SWF.

A reference is sent in place of such a value. It contains the value's digest: the same value has the
same reference, so a replay recognizes it, and a value that was changed in the store is detected.
This is known as the claim-check pattern.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from flowy._payloads.serializers import escaped
from flowy._payloads.text import length
from flowy.errors import ConfigurationError, SerializationError

_REFERENCE = re.compile(r"flowy:stored:([0-9a-f]{64}):\d+")
"""No JSON text begins like this."""


class Store(Protocol):
    """A place for long values, with two methods.

    Example:
        ::

            class RedisStore:
                def put(self, key, data):
                    redis.set(key, data)

                def get(self, key):
                    return redis.get(key)

            payloads = Payloads(store=RedisStore())
    """

    def put(self, key: str, data: bytes) -> None:
        """Store data under a key.

        Args:
            key: the SHA-256 digest of the data, 64 hexadecimal digits. The same key always has the
                same data, so it may be stored several times.
            data: the value as text in UTF-8.

        Raises:
            Exception: of any class, if the data cannot be stored. flowy reports it as a
                `SerializationError`.
        """

    def get(self, key: str) -> bytes:
        """Return the data that was stored under a key.

        Args:
            key: the key.

        Returns:
            The data.

        Raises:
            Exception: of any class, if there is no such data. flowy reports it as a
                `SerializationError`.
        """


class FolderStore:
    """Stores values as files in a folder that all workers share.

    Args:
        folder: its path; the folder is created with the first value.

    Example:
        ``FolderStore("/mnt/shared/payloads")``
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).absolute()

    def put(self, key: str, data: bytes) -> None:
        """Store data in the file of a key, which appears only once it is complete.

        A file that a crash or a full disk left with other content is replaced.

        Args:
            key: the name of the file.
            data: its content.

        Raises:
            OSError: the file cannot be written.
        """
        path = self._folder / key
        if _holds(path, data):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=self._folder, prefix=".partial-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                # Otherwise a power failure may leave an empty file under the final name.
                os.fsync(file.fileno())
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise

    def get(self, key: str) -> bytes:
        """Return the content of the file of a key.

        Args:
            key: the name of the file.

        Raises:
            OSError: there is no such file, or it cannot be read.
        """
        return (self._folder / key).read_bytes()

    def __str__(self) -> str:
        return f"the folder {self._folder}"


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file has exactly this content."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


class S3Store:
    """Stores values as objects in an S3 bucket.

    Args:
        bucket: the bucket's name.
        prefix: the beginning of the objects' keys.
        client: a ``boto3.client("s3")``; None for one that the environment configures.

    Example:
        ``S3Store("my-bucket", "payloads")``
    """

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client

    def put(self, key: str, data: bytes) -> None:
        """Store data as the object of a key.

        Args:
            key: the end of the object's key, after the prefix.
            data: its content.

        Raises:
            botocore.exceptions.ClientError: S3 refuses it.
        """
        self._s3().put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def get(self, key: str) -> bytes:
        """Return the content of the object of a key.

        Args:
            key: the end of the object's key, after the prefix.

        Raises:
            botocore.exceptions.ClientError: there is no such object, or S3 refuses access.
        """
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
    """Return the store at a location.

    Args:
        location: a folder, or ``s3://bucket/prefix``.

    Raises:
        ConfigurationError: the location is empty or names no bucket.
    """
    text = os.fspath(location)
    scheme, found, rest = text.partition("://")
    if not found:
        if not text or text.startswith("s3:"):
            raise ConfigurationError(f"a store is a folder or s3://bucket/prefix, not {text!r}")
        return FolderStore(text)
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ConfigurationError(f"a store is a folder or s3://bucket/prefix, not {text!r}")
    return S3Store(bucket, prefix)


def keep(store: Store, what: str, text: str) -> str:
    """Put a text into a store.

    Args:
        store: the store.
        what: the name of the text in errors, such as ``the input of resize 1``.
        text: the text; JSON with everything beyond ASCII escaped, or any other text.

    Returns:
        A reference to the text.

    Raises:
        SerializationError: the store fails.
    """
    data = text.encode("utf-8", "surrogatepass")
    key = sha256(data).hexdigest()
    try:
        store.put(key, data)
    except Exception as error:
        raise SerializationError(
            f"{what}, of {length(text):,} characters, cannot be stored in {store}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return _reference(key, text)


def _reference(key: str, text: str) -> str:
    return f"flowy:stored:{key}:{length(text)}"


def refers_to(reference: str, text: str) -> bool:
    """Whether a text is the reference by which earlier versions sent another, JSON, text.

    They escaped everything beyond ASCII, so that more texts were too long.
    """
    if _REFERENCE.fullmatch(reference) is None:
        return False
    stored = escaped(text)
    return reference == _reference(sha256(stored.encode()).hexdigest(), stored)


def fetched(store: Store | None, what: str, text: str) -> str:
    """Follow a reference to a stored text.

    Args:
        store: the store; None if there is none.
        what: the name of the text in errors.
        text: a reference, or any other text.

    Returns:
        The stored text, or the text itself if it is not a reference.

    Raises:
        SerializationError: there is no store, or it does not hold the unchanged text.
    """
    reference = _REFERENCE.fullmatch(text)
    if reference is None:
        return text
    if store is None:
        raise SerializationError(
            f"{what} is in a store, and this process has none: give it the store of the "
            f"process that sent it, as in Payloads(store=…) or --store ({text})"
        )
    key = reference[1]
    try:
        data = store.get(key)
        unchanged = sha256(data).hexdigest() == key
    except Exception as error:
        raise SerializationError(
            f"{what} cannot be read from {store}: {type(error).__name__}: {error} ({text})"
        ) from error
    if not unchanged:
        raise SerializationError(f"{what} has changed since it was stored in {store} ({text})")
    return data.decode("utf-8", "surrogatepass")
