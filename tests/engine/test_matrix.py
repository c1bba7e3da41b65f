"""Everything in the service model is covered by a test, or cannot occur in a simulation.

The items are read from the model, so a member that the model gains has no test yet and fails here.
The tests declare with `produces` what they cover, and are checked against it. To see which test
covers what: ``python -m pytest tests/engine/test_matrix.py -v``.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import enum, operation_names, service_model
from tests.support.engine_scenarios import SUCCESSES, World

NO_PERMISSIONS = "a simulation has no permissions, so nothing is forbidden"
NO_SUCH_LIMIT = "the service documents no limit that this operation could exceed"
EVERYWHERE = "Lambda functions can be called in every region of a simulation"

IMPOSSIBLE = {
    "ScheduleLambdaFunctionFailedCause LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION": EVERYWHERE,
    "EventType RecordMarkerFailed": NO_PERMISSIONS,
    "fault TagResource LimitExceededFault": NO_SUCH_LIMIT,
    "fault UntagResource LimitExceededFault": NO_SUCH_LIMIT,
    "fault ListTagsForResource LimitExceededFault": NO_SUCH_LIMIT,
}


def items() -> Iterator[str]:
    """Yield every item of the model."""
    model = service_model()
    for operation in sorted(operation_names()):
        yield f"operation {operation}"
        for fault in model.operation_model(operation).error_shapes:
            yield f"fault {operation} {fault.name}"
    for decision_type in enum("DecisionType"):
        yield f"decision {decision_type}"
    for name in sorted(output_enums()):
        for value in enum(name):
            yield f"{name} {value}"


@cache
def shapes(side: str) -> dict[str, Any]:
    """Return the shapes that an ``input_shape`` or an ``output_shape`` can have parts of."""
    found: dict[str, Any] = {}

    def look_at(shape: Any) -> None:
        if shape is not None and shape.name not in found:
            found[shape.name] = shape
            for member in getattr(shape, "members", {}).values():
                look_at(member)
            look_at(getattr(shape, "member", None))

    for operation in operation_names():
        look_at(getattr(service_model().operation_model(operation), side))
    return found


def members(side: str) -> set[str]:
    """Return the members of all structures on one side."""
    return {
        f"{shape.name}.{member}"
        for shape in shapes(side).values()
        if shape.type_name == "structure"
        for member in shape.members
    }


def output_enums() -> set[str]:
    """Return the names of the enums that replies and histories have values of."""
    outputs = shapes("output_shape").values()
    return {shape.name for shape in outputs if getattr(shape, "enum", None)}


@cache
def producers() -> dict[str, list[str]]:
    """Return the tests that declare to cover an item, by item."""
    found = defaultdict(list)
    for test in neighbours():
        for item in getattr(test, "produces", ()):
            found[item].append(f"{test.__module__}.{test.__name__}")
    return found


@cache
def neighbours() -> list[Callable[..., Any]]:
    """Return the tests in the modules next to this one."""
    paths = sorted(Path(__file__).parent.glob("test_*.py"))
    modules = [
        importlib.import_module(f"{__package__}.{path.stem}")
        for path in paths
        if f"{__package__}.{path.stem}" != __name__
    ]
    return [
        member
        for module in modules
        for name, member in vars(module).items()
        if name.startswith("test_")
    ]


def stories() -> list[Callable[..., Any]]:
    """Return those of them whose only fixture is a world."""
    return [
        test
        for test in neighbours()
        if not hasattr(test, "pytestmark")
        and signature(test).parameters.keys() in ({"world"}, {"make_world"})
    ]


def reason_why_not(item: str) -> str | None:
    """Return why an item cannot occur in a simulation; None if it can."""
    if item.endswith(("OPERATION_NOT_PERMITTED", "OperationNotPermittedFault")):
        return NO_PERMISSIONS
    return IMPOSSIBLE.get(item)


def with_its_test(item: str) -> str:
    """Return an item with the first test that covers it, or the reason why none does."""
    return f"{item}: {reason_why_not(item) or producers().get(item, ['nothing'])[0]}"


@pytest.mark.parametrize("item", list(items()), ids=with_its_test)
def test_it_is_covered_by_a_test_or_has_a_reason_not_to_be(item: str) -> None:
    if reason_why_not(item):
        assert item not in producers(), "it does come up: take it off the list"
    else:
        assert item in producers(), "no test brings it up"


def test_nothing_is_promised_that_the_model_does_not_know() -> None:
    known = set(items())
    assert set(IMPOSSIBLE) <= known
    unknown = set(producers()) - known
    assert {item.split()[-1] for item in unknown} <= {fault.__name__ for fault in own_faults()}


def own_faults() -> set[type[Fault]]:
    """The faults of the engine that the model does not declare: those of the framework."""
    declared = {
        fault.name
        for operation in operation_names()
        for fault in service_model().operation_model(operation).error_shapes
    }
    return {
        fault
        for fault in Fault.__subclasses__()
        if fault.__name__ not in declared and fault.__module__.startswith("flowy_sim._engine.")
    }


@pytest.mark.parametrize("code", sorted(fault.__name__ for fault in own_faults()))
def test_a_fault_of_the_framework_is_covered_by_a_test(code: str) -> None:
    assert any(item.startswith("fault ") and item.endswith(code) for item in producers())


def test_every_decision_has_one_event_that_says_it_succeeded() -> None:
    assert sorted(SUCCESSES.values()) == sorted(enum("DecisionType"))
    assert set(SUCCESSES) <= set(enum("EventType"))


@pytest.fixture(scope="module")
def everything() -> set[str]:
    """Run all scenarios; return what they cover."""
    seen: set[str] = set()
    for story in stories():
        worlds: list[World] = []

        def make(worlds: list[World] = worlds, **settings: Any) -> World:
            worlds.append(World(**settings))
            return worlds[-1]

        story(make() if "world" in signature(story).parameters else make)
        seen.update(*(world.look_around() for world in worlds))
    return seen


def test_every_member_of_every_reply_and_event_is_covered(everything: set[str]) -> None:
    missing = members("output_shape") - everything
    assert {member for member in missing if "recordmarkerfailed" not in member.lower()} == set()


def test_every_member_of_every_request_is_used(everything: set[str]) -> None:
    used = {item.removeprefix("asked ") for item in everything if item.startswith("asked ")}
    missing = sorted(members("input_shape") - used)
    assert not missing, missing
