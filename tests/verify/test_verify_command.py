"""``flowy-sim verify`` prints verdicts, and fails if a history differs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from flowy_sim._cli import cli
from tests.support.recorded_history import Written, attributes


@pytest.fixture
def folder(tmp_path):
    written = Written()
    written.decide(("WorkflowExecutionCompleted", {"result": "done"}))
    (tmp_path / "agrees.json").write_text(json.dumps({"events": written.events}))
    attributes(written.events[3])["scheduledEventId"] = 1
    (tmp_path / "differs.json").write_text(json.dumps({"events": written.events}))
    (tmp_path / "unreadable.json").write_text("[]")
    return tmp_path


def verify(*words):
    return CliRunner().invoke(cli, ["verify", *map(str, words)])


def test_a_history_that_agrees_is_one_line_and_success(folder):
    result = verify(folder / "agrees.json")
    assert result.exit_code == 0
    assert result.output == (
        "agrees: agrees.json, 5 events\n1 history with 5 events: 1 agree, 0 differ, 0 unreadable\n"
    )


def test_the_first_difference_is_shown_in_full_and_fails(folder):
    result = verify(folder)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "agrees: agrees.json, 5 events",
        "differs: differs.json, 3 of 5 events agree; "
        "event 4 DecisionTaskCompleted, scheduledEventId: recorded 1, got 2",
        "unreadable: unreadable.json: It does not begin with WorkflowExecutionStarted.",
        "3 histories with 10 events: 1 agree, 1 differ, 1 unreadable",
    ]


def test_the_verdicts_are_printed_as_json(folder):
    result = verify("--json", folder)
    assert result.exit_code == 1
    printed = json.loads(result.output)
    agrees, differs, unreadable = printed["histories"]
    assert agrees == {"name": "agrees.json", "agrees": True, "events": 5, "agreed": 5}
    assert differs["difference"] == {
        "eventId": 4,
        "eventType": "DecisionTaskCompleted",
        "field": "scheduledEventId",
        "recorded": 1,
        "got": 2,
    }
    assert unreadable["error"].startswith("It does not begin")
    assert printed["totals"] == {
        "histories": 3,
        "events": 10,
        "agree": 1,
        "differ": 1,
        "unreadable": 1,
    }


def test_a_folder_without_histories_fails(tmp_path):
    assert "No file ends in .json." in verify(tmp_path).stderr
    assert verify(tmp_path).exit_code == 1


def test_a_path_that_does_not_exist_is_named(tmp_path):
    result = verify(tmp_path / "none.json")
    assert result.exit_code == 2
    assert "none.json' does not exist" in result.output
