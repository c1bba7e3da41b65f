"""Where small pictures are stored: a local folder, or one in S3 that several machines share.

A *folder* is a path or ``s3://bucket/prefix``, and so is the *location* of a picture in it. A
picture appears in a folder only once it is complete.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from flowy.tutorial import ImageError

SETTING = "FLOWY_TUTORIAL_RESULTS"
"""The environment variable that names the folder for results."""
DEFAULT_FOLDER = "flowy-images"


def store(content: bytes, name: str, results: str | None = None) -> str:
    """Store a picture in the folder for results and return its location.

    Args:
        content: the bytes of the picture.
        name: its file name.
        results: the folder; by default the one that `FLOWY_TUTORIAL_RESULTS` names, or
            ``flowy-images`` in the current directory.

    Raises:
        ImageError: it cannot be written there.
    """
    return _folder(results or os.environ.get(SETTING) or DEFAULT_FOLDER).write(name, content)


def move(location: str, category: str) -> str:
    """Move a picture into the sub-folder of its category and return its new location.

    Moving a picture again changes nothing, since a task may run twice.

    Args:
        location: the return value of `store`.
        category: a plain name, such as "blue".

    Raises:
        ImageError: the picture does not exist, or cannot be moved.
    """
    _check_category(category)
    folder, name = os.path.split(str(location))
    if not folder or not name:
        raise ImageError(f"A picture's location must be a whole path or URL, not {location!r}.")
    return _folder(folder).move(name, category)


def _check_category(category: object) -> None:
    if not isinstance(category, str) or not re.fullmatch(r"[\w-]+", category):
        raise ImageError(f"A category must be a plain name, not {category!r}.")


def _folder(address: object) -> LocalFolder | S3Folder:
    if not isinstance(address, str):
        raise ImageError(f"The folder for results must be text, not {address!r}.")
    scheme, separator, rest = address.partition("://")
    if not separator:
        return LocalFolder(Path(address).absolute())
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ImageError(
            f"Results cannot go to {address}: give a local folder or s3://bucket/prefix."
        )
    return S3Folder(bucket, prefix.strip("/"))


class LocalFolder:
    """A local folder, which is created when something is first written to it.

    Args:
        path: its absolute path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: bytes) -> str:
        """Write a picture, replacing one of the same name, and return its path."""
        target = self.path / name
        partial = self.path / f".{uuid4()}.partial"
        with _explained(f"{target} cannot be written"):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_bytes(content)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        return str(target)

    def move(self, name: str, category: str) -> str:
        """Move a picture into the sub-folder of a category and return its new path."""
        source, target = self.path / name, self.path / category / name
        with _explained(f"{source} cannot be moved"):
            if source.exists():
                target.parent.mkdir(exist_ok=True)
                # Another run of the same task may have been faster.
                with suppress(FileNotFoundError):
                    source.replace(target)
            if not target.exists():
                raise ImageError(
                    f"{source} does not exist: workers on different machines need a folder "
                    f"they share, such as {SETTING}=s3://bucket/prefix."
                )
        return str(target)


class S3Folder:
    """A folder in an S3 bucket, accessed with the credentials and region that boto3 finds.

    Args:
        bucket: the bucket's name.
        prefix: the folder in it; may be empty.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        import boto3

        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        with _explained(f"s3://{bucket} cannot be reached"):
            # boto3's default session must not be shared by threads.
            self.client = boto3.Session().client("s3")

    def write(self, name: str, content: bytes) -> str:
        """Write a picture, replacing one of the same name, and return its URL."""
        key = self.prefix + name
        with _explained(f"{self._url(key)} cannot be written"):
            self.client.put_object(
                Bucket=self.bucket, Key=key, Body=content, ContentType="image/jpeg"
            )
        return self._url(key)

    def move(self, name: str, category: str) -> str:
        """Move a picture into the sub-folder of a category and return its new URL."""
        source, target = self.prefix + name, f"{self.prefix}{category}/{name}"
        with _explained(f"{self._url(source)} cannot be moved"):
            try:
                self.client.copy_object(
                    Bucket=self.bucket,
                    Key=target,
                    CopySource={"Bucket": self.bucket, "Key": source},
                )
                self.client.delete_object(Bucket=self.bucket, Key=source)
            except self.client.exceptions.NoSuchKey:
                if not self._has(target):
                    raise ImageError(f"{self._url(source)} does not exist.") from None
        return self._url(target)

    def _has(self, key: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "404":
                raise
            return False
        return True

    def _url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn errors of the file system and S3 into sentences that begin with what failed."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except OSError as problem:
        raise ImageError(f"{what}: {problem.strerror}.") from problem
    except (BotoCoreError, ClientError) as problem:
        raise ImageError(f"{what}: {str(problem).rstrip('.')}.") from problem
