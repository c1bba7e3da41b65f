"""Golden histories are recorded, and replayed by the current code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import flowy
from tests.support.bakery_folder import report

BAKERY = (Path(__file__).parents[1] / "support" / "bakery.py").read_text(encoding="utf-8")
GOLDEN = """
@pytest.mark.swf(golden=True)
@pytest.mark.parametrize("flour", [500, 0])
def test_bread(swf_run, swf_stub, flour):
    swf_stub(Heat, result=220, takes=20)
    swf_run(Bread, flour)
    swf_run(Bread, flour + 1)
"""

CHANGED = BAKERY.replace("dough = self.knead(flour)", "dough = self.knead(flour, 1)")


def test_golden_histories_are_recorded_and_replayed(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    kept = sorted((village.path / "histories" / "test_it").iterdir())
    assert [path.name for path in kept] == [
        "test_bread_0.2.json",
        "test_bread_0.json",
        "test_bread_500.2.json",
        "test_bread_500.json",
    ]
    first = json.loads(kept[-1].read_text(encoding="utf-8"))["events"][0]
    assert first["eventType"] == "WorkflowExecutionStarted"
    assert first["eventTimestamp"] == "2024-01-01T00:00:00+00:00"
    report(village, GOLDEN, passed=2)


def test_golden_histories_that_cannot_be_recorded_fail_with_a_sentence(
    village: pytest.Pytester,
) -> None:
    (village.path / "histories").write_text("")
    text = report(village, GOLDEN, "--swf-record", failed=2)
    assert "test_it cannot be recorded: " in text
    assert "OSError" not in text


def test_recording_twice_writes_the_same_bytes(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    folder_of_histories = village.path / "histories" / "test_it"
    once = {path: path.read_bytes() for path in folder_of_histories.iterdir()}
    report(village, GOLDEN, "--swf-record", passed=2)
    assert once == {path: path.read_bytes() for path in folder_of_histories.iterdir()}


def test_code_that_would_break_running_executions_fails(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    village.makepyfile(town_bakery=CHANGED)
    text = report(village, f"from town_bakery import Bread\n{GOLDEN}", failed=2)
    assert "test_bread_500.json no longer replays: event 5 of the history shows" in text
    assert "[[500, 1], {}]" in text
    assert "record it again: pytest --swf-record" in text
    assert "pytest_plugin/" not in text.partition("FAILURES")[2]


def test_a_golden_test_that_was_not_recorded_says_how(village: pytest.Pytester) -> None:
    text = report(village, GOLDEN, failed=2)
    assert "this test has no golden history" in text
    assert "record it with pytest --swf-record" in text


def test_a_golden_history_of_another_workflow_is_refused(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    other = GOLDEN.replace("Bread, flour", "Cake").replace("+ 1", "")
    cake = """
@workflow("cake", 1, "orders")
class Cake(Workflow):
    heat = ActivityProxy(Heat)

    def run(self):
        return self.heat(1)
"""
    text = report(village, cake + other, failed=2)
    assert "is a history of bread 1, which this test does not run" in text


def test_golden_histories_need_a_runner(village: pytest.Pytester) -> None:
    text = report(village, "@pytest.mark.swf(golden=True)\ndef test_it(): pass", failed=1)
    assert "golden=True) needs a test that uses the fixture swf_run" in text


def test_a_golden_test_that_runs_nothing_says_so(village: pytest.Pytester) -> None:
    code = "@pytest.mark.swf(golden=True)\ndef test_it(swf_run): pass"
    assert "has run no workflow by swf_run" in report(village, code, "--swf-record", failed=1)


def test_the_replay_of_a_golden_history_needs_a_whole_file(tmp_path: Path) -> None:
    from flowy_sim.testing._history_files import load

    (tmp_path / "x.json").write_text('{"events": [{"eventId": 2}]}', encoding="utf-8")
    with pytest.raises(flowy.HistoryError, match="is not the complete history"):
        load(tmp_path / "x.json")
