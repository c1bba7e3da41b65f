"""Histories are read in all their forms."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest

from flowy_sim.verify import MalformedHistoryError, verify, verify_paths
from flowy_sim.verify._recording import milliseconds, read
from tests.support.recorded_history import Written, attributes


@pytest.fixture
def events():
    written = Written()
    written.start_activity()
    written.later(1).trigger("ActivityTaskCompleted", scheduledEventId=5, startedEventId=6)
    return written.events


@pytest.mark.parametrize(
    "timestamp",
    [
        1500000000.123,
        "2017-07-14T02:40:00.123000+00:00",
        "2017-07-14T04:40:00.123+02:00",
        "2017-07-14T02:40:00.123Z",
        "2017-07-14 02:40:00.123000+00:00",
        "2017-07-14T02:40:00.123",
        datetime(2017, 7, 14, 2, 40, 0, 123_000, UTC),
    ],
)
def test_times_are_read_as_the_command_line_boto3_and_the_wire_give_them(timestamp):
    assert milliseconds(timestamp) == 1_500_000_000_123


@pytest.mark.parametrize("timestamp", ["yesterday", [], {}])
def test_an_invalid_time_is_refused(timestamp):
    with pytest.raises(MalformedHistoryError, match="is not a time"):
        milliseconds(timestamp)


def test_a_reply_a_list_and_the_newest_first_are_the_same_history(events):
    for document in (events, {"events": events}, {"events": events[::-1]}):
        assert verify(document).agrees


def test_a_recording_may_be_given_as_it_was_read(events):
    assert verify(read(events, "mine")).name == "mine"


def test_members_that_the_model_does_not_have_are_ignored(events):
    attributes(events[2])["startedOnPreviousTaskCompletion"] = False
    attributes(events[4])["immediatelyStart"] = False
    assert verify(events).agrees


def test_old_histories_lack_the_schedule_to_start_timeout_of_decision_tasks(events):
    scheduled = [event for event in events if event["eventType"] == "DecisionTaskScheduled"]
    for event in scheduled:
        del attributes(event)["scheduleToStartTimeout"]
    assert verify(events).agrees
    attributes(scheduled[0])["scheduleToStartTimeout"] = "NONE"
    assert verify(events).difference.event_id == scheduled[1]["eventId"]


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (7, "It is not a history"),
        ({"executionInfos": []}, "It is not a history"),
        ([], "does not begin with WorkflowExecutionStarted"),
        ([{"eventId": 1, "eventType": "TimerFired"}], "does not begin with"),
        ([{"eventId": 1}], "An event has no eventType"),
        (["WorkflowExecutionStarted"], "is not a structure"),
    ],
)
def test_a_document_that_is_not_a_history_is_refused(document, complaint):
    with pytest.raises(MalformedHistoryError, match=complaint):
        verify(document)


def test_a_history_with_a_gap_is_refused_with_the_fix(events):
    del events[3]
    with pytest.raises(
        MalformedHistoryError, match="event 5 follows where event 4 should; give all"
    ):
        verify(events)


def test_values_that_the_service_cannot_have_written_are_refused_with_their_place(events):
    attributes(events[4])["activityType"] = {"name": "Pack"}
    complaint = r"Event 5 \(ActivityTaskScheduled\).activityType has no version"
    with pytest.raises(MalformedHistoryError, match=complaint):
        verify(events)


def test_files_and_folders_are_read_and_unreadable_files_reported(events, tmp_path):
    folder = tmp_path / "some" / "where"
    folder.mkdir(parents=True)
    (folder / "good.json").write_text(json.dumps({"events": events}))
    (folder / "bad.json").write_text("{")
    (folder / "notes.txt").write_text("not looked at")
    bad, good = verify_paths(tmp_path)
    assert bad.name == "some/where/bad.json"
    assert bad.error.startswith("It is not JSON")
    assert not bad.agrees
    assert good.agrees
    assert [verdict.name for verdict in verify_paths(folder / "good.json")] == ["good.json"]


def test_a_folder_that_cannot_be_listed_is_reported_and_stops_no_other(
    events, tmp_path, monkeypatch
):
    (tmp_path / "good.json").write_text(json.dumps({"events": events}))
    (tmp_path / "kept" / "closed").mkdir(parents=True)
    listed = os.scandir

    def scandir(folder):
        if folder.endswith("closed"):  # Root may list every folder.
            raise PermissionError(13, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    good, closed = verify_paths(tmp_path)
    assert good.agrees
    assert (closed.name, closed.error.startswith("It cannot be read")) == ("kept/closed", True)
