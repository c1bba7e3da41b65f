from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from flowy import (
    ActivityProxy,
    ConfigurationError,
    HistoryError,
    NonDeterminismError,
    Workflow,
    workflow,
)
from flowy.replay import replay
from tests.support.history_builder import Past


class Proxies(Workflow):
    resize = ActivityProxy("resize", 1)
    colour = ActivityProxy("colour", 1)
    newer = ActivityProxy("resize", 2)


def version(run: Any) -> type[Workflow]:
    """A workflow with this code."""

    cls = type("Changing", (Proxies,), {"run": run})
    return workflow("changing", 1, "decisions")(cls)


def original(self: Any, photo: str) -> Any:
    small = self.resize(photo, 64).result()
    return self.colour(small).result()


@pytest.fixture
def past() -> Past:
    past = Past('[["photo.jpg"], {}]')
    past.decision_started()  # 3
    past.decided()  # 4
    resize = past.scheduled("resize-1", "resize", '[["photo.jpg", 64], {}]')  # 5
    past.done(resize, '"small.jpg"')  # 7
    past.turn()  # 9
    past.decided()  # 10
    colour = past.scheduled("colour-2", "colour", '[["small.jpg"], {}]')  # 11
    past.done(colour, '"red"')  # 13
    past.turn()  # 15
    past.decided()  # 16
    past.by_decision("WorkflowExecutionCompleted", result='"red"')  # 17
    return past


def difference(run: Any, past: Past) -> tuple[int, str, str]:
    with pytest.raises(NonDeterminismError) as caught:
        replay(version(run), past.events)
    error = caught.value
    assert str(error.event_id) in str(error)
    assert error.expected in str(error)
    assert error.got in str(error)
    return error.event_id, error.expected, error.got


def test_code_that_decides_as_it_did_replays(past: Past) -> None:
    replay(version(original), past.events)


def test_every_beginning_of_a_history_replays(past: Past) -> None:
    for length in range(1, len(past.events) + 1):
        if length not in (4, 10, 16):  # an answer and its decisions are written at once
            replay(version(original), past.events[:length])


def test_decision_tasks_that_timed_out_are_no_difference() -> None:
    past = Past('[["photo.jpg"], {}]')
    past.decision_started()
    past.decision_timed_out()
    past.decision_started()
    past.decided()
    past.scheduled("resize-1", "resize", '[["photo.jpg", 64], {}]')
    replay(version(original), past.events)


def test_an_added_call_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        self.colour(photo)
        return original(self, photo)

    assert difference(run, past) == (
        5,
        'ActivityTaskScheduled(resize-1, resize 1, [["photo.jpg", 64], {}])',
        'ScheduleActivityTask(colour-1, colour 1, [["photo.jpg"], {}])',
    )


def test_a_call_added_behind_the_others_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        small = self.resize(photo, 64)
        self.colour(photo)
        return self.colour(small.result()).result()

    assert difference(run, past) == (
        6,
        "no further decision",
        'ScheduleActivityTask(colour-2, colour 1, [["photo.jpg"], {}])',
    )


def test_a_removed_call_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        return self.resize(photo, 64).result()

    assert difference(run, past) == (
        11,
        'ActivityTaskScheduled(colour-2, colour 1, [["small.jpg"], {}])',
        'CompleteWorkflowExecution("small.jpg")',
    )


def test_a_workflow_that_decides_nothing_where_it_did_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        small = self.resize(photo, 64)
        return self.colour(self.colour(small))

    def stuck(self: Any, photo: str) -> Any:
        small = self.resize(photo, 64)
        small.result()
        return self.resize(self.resize(small))

    event_id, _, got = difference(run, past)
    assert (event_id, got) == (13 + 4, 'ScheduleActivityTask(colour-3, colour 1, [["red"], {}])')
    assert difference(stuck, past)[0] == 11


def test_a_decision_that_is_missing_is_found(past: Past) -> None:
    del past.events[11:]
    past.scheduled("resize-3", "resize", "[[], {}]")
    assert difference(original, past) == (
        12,
        "ActivityTaskScheduled(resize-3, resize 1, [[], {}])",
        "nothing",
    )


def test_a_changed_argument_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        return self.colour(self.resize(photo, 128)).result()

    event_id, expected, got = difference(run, past)
    assert (event_id, "64" in expected, "128" in got) == (5, True, True)


def test_a_changed_version_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        return self.colour(self.newer(photo, 64)).result()

    event_id, _, got = difference(run, past)
    assert event_id == 5
    assert got.startswith("ScheduleActivityTask(resize-1, resize 2")


def test_a_changed_result_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        return f"It is {original(self, photo)}."

    assert difference(run, past) == (
        17,
        'WorkflowExecutionCompleted("red")',
        'CompleteWorkflowExecution("It is red.")',
    )


def test_a_failure_instead_of_a_result_is_found(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        original(self, photo)
        raise ValueError("no colour")

    assert difference(run, past) == (
        17,
        'WorkflowExecutionCompleted("red")',
        "FailWorkflowExecution(ValueError: no colour)",
    )


def test_a_failure_on_other_lines_of_code_is_no_difference(past: Past) -> None:
    def run(self: Any, photo: str) -> Any:
        original(self, photo)
        raise ValueError("no colour")

    del past.events[16:]
    past.by_decision("WorkflowExecutionFailed", reason="ValueError: no colour", details="line 7")
    replay(version(run), past.events)


def test_input_written_by_another_encoder_is_no_difference(past: Past) -> None:
    attributes = past.events[4]["activityTaskScheduledEventAttributes"]
    attributes["input"] = '[["photo.jpg",64],{}]'
    replay(version(original), past.events)


def test_other_time_outs_are_no_difference(past: Past) -> None:
    past.events[4]["activityTaskScheduledEventAttributes"]["heartbeatTimeout"] = "7"
    replay(version(original), past.events)


def test_a_decision_that_the_code_does_not_make_is_a_difference(past: Past) -> None:
    past.events.insert(4, {})
    past.events[4:] = []
    past.by_decision("MarkerRecorded", markerName="here")
    assert difference(original, past)[:2] == (5, "MarkerRecorded(here)")


# Where histories come from


@pytest.mark.parametrize("stamp", [1435159034.741, "2015-06-24T15:17:14.741Z"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_history_comes_from_a_file(
    past: Past, tmp_path: Path, stamp: object, whole: bool
) -> None:
    events = [{**event, "eventTimestamp": stamp} for event in past.events]
    path = tmp_path / "history.json"
    path.write_text(json.dumps({"events": events} if whole else events))
    replay(version(original), path)
    replay(version(original), str(path))


def test_a_history_comes_from_a_reply_in_either_order(past: Past) -> None:
    now = datetime.datetime.now(datetime.UTC)
    events = [{**event, "eventTimestamp": now} for event in reversed(past.events)]
    replay(version(original), {"events": events, "ResponseMetadata": {}})


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        ({"events": Past().events, "nextPageToken": "more"}, "only the first page"),
        (Past().events[1:], "some are missing"),
        ([], "begins with WorkflowExecutionStarted"),
        ({}, "begins with WorkflowExecutionStarted"),
        (["WorkflowExecutionStarted"], "a list of events"),
        ([{"eventId": 1, "eventType": "WorkflowExecutionStarted"}], "not as Amazon SWF writes"),
        ("no-such-file.json", "cannot be read: No such file"),
        (__file__, "is not JSON"),
    ],
)
def test_a_document_that_is_not_a_history_is_refused(history: Any, sentence: str) -> None:
    with pytest.raises(HistoryError, match=sentence):
        replay(version(original), history)


def test_something_that_is_not_a_workflow_is_refused(past: Past) -> None:
    with pytest.raises(ConfigurationError, match="decorated with @workflow"):
        replay(Past, past.events)  # type: ignore[arg-type]
