"""Any damaged file ends in a verdict or an error, never in a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy_sim.verify import MalformedHistoryError, verify, verify_paths
from tests.support.properties import examples
from tests.support.random_histories import Life

#: Replacements: values of wrong types, and texts and numbers out of place.
ANYTHING: list[Any] = [None, True, -1, 0, 5, 10**30, 1.5, float("nan"), "", "x", [], [[]], {}]
TEXTS = ["10", "NONE", "-5", "99999999999999", "TERMINATE", "COMPLETED"]
IDS = [0, 1, 2, 3, 5, 21, 49_999]


@cache
def documents() -> list[Any]:
    """Random histories, with and without what was recorded in addition to the events."""
    found: list[Any] = []
    for seed in range(6):
        life = Life(Random(seed))
        life.live(60)
        found += json.loads(json.dumps(list(life.histories()), default=str))
    return found + [document["events"] for document in found]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[name], (*path, name))


def damage(document: Any, random: Random) -> None:
    """Remove or replace something somewhere."""
    *way, last = random.choice(list(places(document)) or [()])
    holder = document
    for step in way:
        holder = holder[step]
    there = holder[last]
    if random.random() < 0.4:
        del holder[last]
    elif isinstance(there, str) and random.random() < 0.5:
        holder[last] = random.choice(TEXTS)
    elif isinstance(there, int) and random.random() < 0.5:
        holder[last] = random.choice(IDS)
    else:
        holder[last] = deepcopy(random.choice(ANYTHING))


@given(which=st.integers(0, 1000), seed=st.integers(0, 10**6), times=st.integers(1, 3))
@settings(max_examples=examples(200))
def test_a_damaged_history_ends_in_a_verdict_or_an_error(which: int, seed: int, times: int) -> None:
    histories = documents()
    document = deepcopy(histories[which % len(histories)])
    random = Random(seed)
    for _ in range(times):
        if document:
            damage(document, random)

    try:
        said = str(verify(document))
    except MalformedHistoryError as error:
        said = str(error)
    assert said


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"events": [], "recordedStart": 3}, "recordedStart is 3, which is not a structure."),
        ({"events": [], "lossy": [3]}, "lossy is 3, which has the wrong type."),
        ({"events": [], "recordedPolls": {"x": {}}}, "recordedPolls has 'x', which is not the ID"),
        ({"events": [{"eventId": 1, "eventType": ""}]}, "An event has no eventType, which the "),
        (
            {"events": [{"eventId": 10**9, "eventType": "TimerFired"}]},
            "An event.eventId is 1000000000, which is not the ID of an event.",
        ),
    ],
)
def test_the_error_says_what_is_wrong(document: Any, sentence: str) -> None:
    with pytest.raises(MalformedHistoryError) as refusal:
        verify(document)
    assert str(refusal.value).startswith(sentence)


def test_more_heartbeats_than_a_worker_would_send_are_refused() -> None:
    settings_of_task = {
        "heartbeatTimeout": "1",
        "scheduleToCloseTimeout": "NONE",
        "scheduleToStartTimeout": "NONE",
        "startToCloseTimeout": "NONE",
    }
    document = deepcopy(next(each for each in documents() if isinstance(each, list)))
    last = len(document)
    task = {
        "activityId": "endless",
        "activityType": {"name": "Pack", "version": "1"},
        "decisionTaskCompletedEventId": 4,
        "taskList": {"name": "work"},
        **settings_of_task,
    }
    at = "2100-01-01T00:00:00+00:00"
    document += [
        {
            "eventId": last + 1,
            "eventType": "ActivityTaskScheduled",
            "eventTimestamp": document[-1]["eventTimestamp"],
            "activityTaskScheduledEventAttributes": task,
        },
        {
            "eventId": last + 2,
            "eventType": "ActivityTaskStarted",
            "eventTimestamp": document[-1]["eventTimestamp"],
            "activityTaskStartedEventAttributes": {"scheduledEventId": last + 1},
        },
        {
            "eventId": last + 3,
            "eventType": "ActivityTaskCompleted",
            "eventTimestamp": at,
            "activityTaskCompletedEventAttributes": {
                "scheduledEventId": last + 1,
                "startedEventId": last + 2,
            },
        },
    ]

    with pytest.raises(
        MalformedHistoryError, match=r"A task would have had to send [0-9,]+ heartbeats"
    ):
        verify(document)


def test_files_that_cannot_be_read_have_errors_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000)
    (tmp_path / "b.json").write_bytes(b"\xff")
    (tmp_path / "c.json").mkdir()

    said = [verdict.error for verdict in verify_paths(tmp_path)]

    assert [each.partition(":")[0] for each in said[:2]] == ["It is not JSON"] * 2
    assert said[2] == "It cannot be read: Is a directory."
