"""The clients that are compared, each with an empty service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Backend = Callable[[], AbstractContextManager[Any]]

REGION = "us-east-1"
CREDENTIALS = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench"}


@contextmanager
def client_object() -> Iterator[Any]:
    """The simulation's own client."""
    from flowy_sim import Simulation

    yield Simulation(region=REGION).client()


@contextmanager
def before_call() -> Iterator[Any]:
    """A real boto3 client, answered before it would make a request."""
    from flowy_sim import Simulation

    yield Simulation(region=REGION).boto3_client(**CREDENTIALS)


@contextmanager
def before_send() -> Iterator[Any]:
    """A real boto3 client that makes, signs and parses every byte."""
    from flowy_sim import Simulation

    yield Simulation(region=REGION).boto3_client(wire=True, **CREDENTIALS)


@contextmanager
def moto_in_process() -> Iterator[Any]:
    """A real boto3 client, answered by moto."""
    import boto3
    from moto import mock_aws

    with mock_aws():
        yield boto3.client("swf", region_name=REGION, **CREDENTIALS)


CLIENT_OBJECT = "flowy_sim, client object"
MOTO = "moto in process, boto3"

BACKENDS: dict[str, Backend] = {
    CLIENT_OBJECT: client_object,
    "flowy_sim, boto3 by before-call": before_call,
    "flowy_sim, boto3 by before-send": before_send,
    MOTO: moto_in_process,
}
