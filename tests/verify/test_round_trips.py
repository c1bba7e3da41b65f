"""The simulation writes its own histories again.

The histories come from fixed seeds. About one history in three thousand does not show what the
executions around it did, because they were too entangled; such a history cannot be written again.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from flowy_sim.verify import MalformedHistoryError, verify
from tests.support.properties import examples
from tests.support.random_histories import Life

every_life = pytest.mark.parametrize("seed", range(examples(40)))


def life(seed: int, moments: int = 100) -> Life:
    lived = Life(Random(seed))
    lived.live(moments)
    return lived


@every_life
def test_every_history_of_a_random_life_is_written_again(seed: int) -> None:
    for document in life(seed).histories():
        assert str(verify(document)).startswith("agrees")


@every_life
def test_decisions_are_derived_from_the_events(seed: int) -> None:
    for document in life(seed).histories():
        assert str(verify(document["events"])).startswith("agrees")


@every_life
def test_missing_times_are_invented(seed: int) -> None:
    for document in life(seed).histories():
        for event in document["events"]:
            del event["eventTimestamp"]
        assert str(verify(document)).startswith("agrees")


@every_life
def test_what_a_source_did_not_keep_is_ignored(seed: int) -> None:
    lossy = ["eventTimestamp not kept", "zero-valued *EventId attributes not kept"]
    for document in life(seed).histories():
        for event in document["events"]:
            del event["eventTimestamp"]
            for attributes in event.values():
                if isinstance(attributes, dict):
                    for name in [name for name, value in attributes.items() if value == 0]:
                        del attributes[name]
        assert str(verify(document | {"lossy": lossy})).startswith("agrees")


@every_life
def test_a_history_may_end_in_the_middle(seed: int) -> None:
    for document in life(seed).histories():
        events = document["events"]
        for length in {1, len(events) // 3 + 1, 2 * len(events) // 3 + 1}:
            assert str(verify(document | {"events": events[:length]})).startswith("agrees")


@every_life
def test_a_changed_link_is_found(seed: int) -> None:
    random = Random(seed)
    for document in life(seed).histories():
        links = [
            (event, attributes, name)
            for event in document["events"][1:]
            for attributes in event.values()
            if isinstance(attributes, dict)
            for name in attributes
            if name in ("decisionTaskCompletedEventId", "initiatedEventId", "scheduledEventId")
        ]
        if not links:
            continue
        event, attributes, name = random.choice(links)
        attributes[name] += random.choice((-1, 1))
        assert _found(document) <= event["eventId"]


@every_life
def test_an_event_of_another_type_is_found(seed: int) -> None:
    random = Random(seed)
    for document in life(seed).histories():
        events = document["events"]
        scheduled = [e for e in events if e["eventType"] == "DecisionTaskScheduled"]
        event = random.choice(scheduled)
        attributes = event.pop("decisionTaskScheduledEventAttributes")
        event["eventType"] = "DecisionTaskStarted"
        event["decisionTaskStartedEventAttributes"] = attributes
        assert _found(document) <= event["eventId"]


def _found(document: dict[str, Any]) -> int:
    """Return the event at which a changed history is found out."""
    try:
        verdict = verify(document)
    except MalformedHistoryError:
        return 0
    assert verdict.difference is not None
    return verdict.difference.event_id
