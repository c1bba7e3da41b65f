"""Worlds for scenarios; each test has to cover what it `produces`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.engine_scenarios import World

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(request: pytest.FixtureRequest) -> Iterator[MakeWorld]:
    worlds: list[World] = []
    failures = request.session.testsfailed

    def make(**settings: Any) -> World:
        worlds.append(World(**settings))
        return worlds[-1]

    yield make
    promised: frozenset[str] = getattr(request.function, "produces", frozenset())
    if promised and request.session.testsfailed == failures:
        seen = set().union(*(world.look_around() for world in worlds))
        assert promised <= seen, f"{sorted(promised - seen)} did not come up"


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
