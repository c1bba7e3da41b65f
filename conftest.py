"""Fixtures for every test: no access to a real account, and how long properties search."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.loaders import create_loader
from hypothesis import HealthCheck, settings

from flowy_sim.explore import _explore
from flowy_sim.explore._explorer import Explorer
from tests.support.properties import SOAK, examples

settings.register_profile(
    "flowy",
    max_examples=2_000 if SOAK else examples(50),
    stateful_step_count=100 if SOAK else 50,
    derandomize="CI" in os.environ and not SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("flowy")

pytest_plugins = ["pytester"]

SECONDS = 600.0
"""How long an exploration may take before it ends, so that a test does not hang."""


@pytest.fixture(scope="session", autouse=True)
def _models_of_services_are_read_once() -> Iterator[None]:
    # moto forgets boto3's session again and again, and each new one would parse them again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _explorations_end_by_the_number_of_their_runs() -> Iterator[None]:
    # How many runs fit into the default time depends on the machine and its load.
    really_explore, in_processes = Explorer.explore, _explore.explore_in_processes

    def explore(explorer: Explorer, runs: int, seconds: float, **others: Any) -> Any:
        return really_explore(explorer, runs, enough(seconds), **others)

    def explore_in_processes(explorer: Explorer, processes: int, runs: int, seconds: float) -> Any:
        return in_processes(explorer, processes, runs, enough(seconds))

    def enough(seconds: float) -> float:
        return SECONDS if seconds == _explore.SECONDS else seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Explorer, "explore", explore)
        patch.setattr(_explore, "explore_in_processes", explore_in_processes)
        patch.setattr("flowy_sim.explore._choices.SHRINKING_SECONDS", SECONDS)
        patch.setattr("flowy_sim.explore._evidence._SECONDS", SECONDS)
        patch.setattr("flowy_sim.explore._other_process._SECONDS", SECONDS)
        yield


@pytest.fixture(autouse=True)
def _no_aws_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # The session may hold the credentials of an earlier test, such as those that moto invents.
    session = boto3.DEFAULT_SESSION
    credentials = session.get_credentials() if session else None
    if credentials is None or credentials.access_key != "testing":
        boto3.DEFAULT_SESSION = None


@pytest.fixture
def port() -> Iterator[int]:
    """A port for servers that are started one after the other.

    While a test uses the port, the system gives it neither to another program nor to a connecting
    client.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield int(reserved.getsockname()[1])
