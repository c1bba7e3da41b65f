"""Calls that Amazon SWF answered and that were recorded, where the recordings are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowy_sim._engine import Engine, Fault
from flowy_sim._engine.validation import checked

FOLDER = Path(__file__).parents[3] / "shared" / "recordings" / "exchanges"
FILES = sorted(FOLDER.glob("*.jsonl"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"there are no recordings in {FOLDER}")


def exchanges(path: Path, *operations: str) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        exchange: dict[str, Any] = json.loads(line)
        wanted = not operations or exchange["op"] in operations
        if wanted and exchange["request"] is not None:
            yield exchange


def engine_with(domain: str) -> Engine:
    engine = Engine()
    retention = {"workflowExecutionRetentionPeriodInDays": "7"}
    engine.call("RegisterDomain", {"name": domain, **retention}, 0)
    return engine


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_requests_that_the_service_accepted_are_accepted(path):
    for exchange in exchanges(path):
        checked(exchange["op"], exchange["request"])


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_types_are_described_as_the_service_describes_them(path):
    for kind in ("Activity", "Workflow"):
        for exchange in exchanges(path, f"Describe{kind}Type"):
            recorded = exchange["response"]
            domain = exchange["request"]["domain"]
            named = exchange["request"][f"{kind.lower()}Type"]
            registered = {"domain": domain, **named, **recorded["configuration"]}
            if "description" in recorded["typeInfo"]:
                registered["description"] = recorded["typeInfo"]["description"]
            engine = engine_with(domain)
            engine.call(f"Register{kind}Type", registered, 0)
            if recorded["typeInfo"]["status"] == "DEPRECATED":
                engine.call(f"Deprecate{kind}Type", exchange["request"], 0)
            got = engine.call(exchange["op"], exchange["request"], 0)
            for reply in (got, recorded):
                for time in ("creationDate", "deprecationDate"):
                    reply["typeInfo"].pop(time, None)
            assert got == recorded


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_type_that_exists_is_refused_as_the_service_refuses_it(path):
    for exchange in exchanges(path, "RegisterActivityType", "RegisterWorkflowType"):
        if exchange["status"] != 400:
            continue
        engine = engine_with(exchange["request"]["domain"])
        engine.call(exchange["op"], exchange["request"], 0)
        with pytest.raises(Fault) as refused:
            engine.call(exchange["op"], exchange["request"], 0)
        assert refused.value.code == "TypeAlreadyExistsFault"
        if "__type" in exchange["response"]:
            got = {"__type": refused.value.type, "message": refused.value.message}
            assert got == exchange["response"]
