"""All recorded histories that Amazon SWF wrote, if the recordings are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowy_sim.verify import verify

FOLDER = Path(__file__).parents[3] / "shared" / "recordings" / "histories"
FILES = sorted(FOLDER.glob("*.json"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"there are no recordings in {FOLDER}")


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_simulation_writes_what_the_service_wrote(path: Path) -> None:
    assert str(verify(load(path))).startswith("agrees")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_events_alone_are_enough(path: Path) -> None:
    document = load(path)
    alone = {name: document[name] for name in ("events", "lossy") if name in document}
    assert str(verify(alone)).startswith("agrees")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_times_that_were_not_kept_are_invented(path: Path) -> None:
    document = load(path)
    for event in document["events"]:
        event.pop("eventTimestamp", None)
    assert str(verify(document)).startswith("agrees")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_history_may_end_anywhere(path: Path) -> None:
    document = load(path)
    events = document["events"]
    for length in range(1, len(events), max(1, len(events) // 12)):
        assert str(verify(document | {"events": events[:length]})).startswith("agrees")
