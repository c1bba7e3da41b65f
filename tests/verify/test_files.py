"""Files are read as other programs write them, and none stops the others."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flowy_sim._cli import cli
from flowy_sim.verify import verify, verify_paths
from tests.support.recorded_history import Written, attributes

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.fixture
def events() -> list[dict[str, Any]]:
    written = Written()
    written.start_activity(input="é中😀")
    written.later(1).trigger("ActivityTaskCompleted", scheduledEventId=5, startedEventId=6)
    return written.events


def line(document: Any) -> str:
    return json.dumps(document, default=str, ensure_ascii=False)


def forms(events: list[dict[str, Any]]) -> dict[str, str]:
    pages = [
        {"events": events[:3], "nextPageToken": "a", "workflowId": "order"},
        {"events": events[3:5], "NextToken": "b"},
        {"events": events[5:]},
    ]
    return {
        "one page": line({"events": events}),
        "a list of events": line(events),
        "a list of pages": line(pages),
        "a list of lists": line([events[:2], events[2:]]),
        "pages newest first": line(pages[::-1]),
        "a page twice": line([pages[0], *pages]),
        "concatenated pages": "".join(map(line, pages)),
        "pages as lines": "\n".join(map(line, pages)) + "\n",
        "pages with blank lines": "\r\n\r\n".join(map(line, pages)),
        "events as lines": "\n".join(map(line, events)),
    }


def test_a_history_is_read_in_any_form_and_encoding(
    events: list[dict[str, Any]], tmp_path: Path
) -> None:
    for number, text in enumerate(forms(events).values()):
        for encoding in ENCODINGS:
            (tmp_path / f"{number} {encoding}.json").write_bytes(text.encode(encoding))
    verdicts = list(verify_paths(tmp_path))
    assert len(verdicts) == 10 * len(ENCODINGS)
    assert [str(verdict) for verdict in verdicts if not verdict.agrees] == []
    assert {verdict.events for verdict in verdicts} == {len(events)}


def test_a_missing_page_is_reported(events: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="event 6 follows where event 4 should"):
        verify([{"events": events[:3]}, {"events": events[5:]}])


def test_no_file_stops_the_others(events: list[dict[str, Any]], tmp_path: Path) -> None:
    broken: dict[str, bytes] = {
        "empty": b"",
        "spaces": b"  \n",
        "cut": line(events).encode()[:-40],
        "binary": bytes(range(256)),
        "half a character": line(events).encode("utf-16")[:-1],
        "deep": b"[" * 100_000,
        "number": b"1",
        "large number": b"[1" + b"0" * 5_000 + b"]",
        "pages of nothing": b'[{"events": [null]}, {"events": {}}]',
        "huge id": b'{"events": [{"eventId": 1e400, "eventType": "x"}]}',
    }
    for name, data in broken.items():
        (tmp_path / f"{name}.json").write_bytes(data)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "dangling.json").symlink_to(tmp_path / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zz good.json").write_text(line(events), encoding="utf-8")
    if os.geteuid() != 0:
        (tmp_path / "secret.json").write_bytes(b"[]")
        (tmp_path / "secret.json").chmod(0)
    *bad, good = verify_paths(tmp_path)
    assert good.agrees
    assert len(bad) >= len(broken) + 2
    assert all(verdict.error for verdict in bad)
    ran = CliRunner().invoke(cli, ["verify", str(tmp_path)])
    assert "agrees: zz good.json" in ran.output
    assert "Traceback" not in ran.output


@pytest.mark.parametrize("late", [0, 1, 59, 3_600, 10**7, 10**9])
def test_an_event_of_an_unknown_type_gives_a_verdict_wherever_it_is(
    events: list[dict[str, Any]], tmp_path: Path, late: int
) -> None:
    for place in range(1, len(events) + 1):
        listed = copy.deepcopy(events)
        at = listed[place - 1]["eventTimestamp"]
        unknown = {
            "eventId": 0,
            "eventType": "WorkflowExecutionPaused",
            "eventTimestamp": at + late,
            "workflowExecutionPausedEventAttributes": {"cause": "x"},
        }
        listed.insert(place, unknown)
        for number, event in enumerate(listed, 1):
            event["eventId"] = number
        (tmp_path / f"{place}.json").write_text(line(listed), encoding="utf-8")
    verdicts = list(verify_paths(tmp_path))
    assert len(verdicts) == len(events)
    assert not any(verdict.agrees for verdict in verdicts)
    # The events before it, and its own type, which the simulation does not write.
    assert all(verdict.difference is not None or verdict.error for verdict in verdicts)


@pytest.mark.parametrize(
    ("late", "got"), [(10**6, "WorkflowExecutionTimedOut"), (10**9, "(absent)")]
)
def test_an_unknown_event_long_after_the_end_is_the_difference(
    events: list[dict[str, Any]], late: int, got: str
) -> None:
    at = events[0]["eventTimestamp"] + late
    unknown = {"eventId": len(events) + 1, "eventType": "Paused", "eventTimestamp": at}
    difference = verify([*events, unknown]).difference
    assert difference is not None
    found = (difference.field, difference.recorded, difference.got)
    assert found == ("eventType", "Paused", got)


def test_unknown_members_are_ignored_at_any_depth(events: list[dict[str, Any]]) -> None:
    for event in events:
        for value in attributes(event).values():
            if isinstance(value, dict):
                value["kind"] = "new"
                value["more"] = {"deep": [1]}
    assert verify(events).agrees


def test_a_recorded_member_that_is_absent_is_reported_as_such(
    events: list[dict[str, Any]],
) -> None:
    found = 0
    for index, event in enumerate(events):
        for member in attributes(event):
            changed = copy.deepcopy(events)
            del attributes(changed[index])[member]
            try:
                difference = verify(changed).difference
            except ValueError:
                continue
            if difference is not None and difference.field == member:
                found += 1
                assert difference.recorded == "(absent)"
                assert difference.got != "(absent)"
    assert found > 5
