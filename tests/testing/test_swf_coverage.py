"""Coverage counts the outcomes that workflows met in tests, and lists those they never met."""

from __future__ import annotations

import pytest

from flowy_sim.testing._coverage import Coverage
from tests.support.bakery_folder import report

COVERED = """
@pytest.mark.parametrize("flour", [500, 0])
def test_bread(swf_run, swf_stub, flour):
    swf_stub(Heat, timeout="HEARTBEAT").then(result=220)
    swf_run(Bread, flour)

def test_by_hand(swf, swf_client):
    pass

@workflow("cake", 1, "orders")
class Cake(Workflow):
    ice = ActivityProxy("ice", 1)

    def run(self):
        return "cake"

def test_cake(swf_run):
    swf_run(Cake)
"""

MET = """\
bread 1
  activity bake 1   never called
  activity heat 1   timed out (HEARTBEAT) 1; never completed, failed, timed out (START_TO_CLOSE), \
canceled
  activity knead 1  failed 2, completed 1; never timed out (START_TO_CLOSE), canceled
cake 1
  activity ice 1    never called
3 of 9 outcomes met
"""


def test_coverage_reports_what_was_met_and_what_never(village: pytest.Pytester) -> None:
    assert MET in report(village, COVERED, "--swf-coverage", passed=4)


FAMILY = """
@workflow("cake", 1, "orders")
class Cake(Workflow):
    bread = WorkflowProxy(Bread, error_handling=True)
    other = WorkflowProxy("other", 1, error_handling=True)

    def run(self):
        done = [self.bread(500), self.bread(0), self.other()]
        return [outcome.done for outcome in done if not wait(outcome)]

def test_cake(swf_run, swf_stub):
    swf_stub(Bread, result=1).then(error=OSError("cold"))
    swf_stub.child("other", 1)
    swf_run(Cake)
"""


def test_coverage_includes_children(village: pytest.Pytester) -> None:
    text = report(village, f"from flowy import *\n{FAMILY}", "--swf-coverage", passed=1)
    assert (
        """\
  child bread 1  completed 1, failed 1; never timed out (START_TO_CLOSE), canceled, terminated
  child other 1  completed 1; never failed, timed out (START_TO_CLOSE), canceled, terminated
"""
        in text
    )


def test_coverage_is_reported_only_on_request(village: pytest.Pytester) -> None:
    assert "outcomes met" not in report(village, COVERED, passed=4)


def test_coverage_counts_what_the_service_refused_to_start() -> None:
    def event(number: int, event_type: str, **attributes: object) -> dict[str, object]:
        key = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
        return {"eventId": number, "eventType": event_type, key: attributes}

    refused = {"decisionTaskCompletedEventId": 4}
    bread = {"name": "bread", "version": "1"}
    bake = {"name": "bake", "version": "1"}
    coverage = Coverage()
    coverage.add(
        [
            event(1, "WorkflowExecutionStarted", workflowType=bread),
            event(5, "ScheduleActivityTaskFailed", activityType=bake, cause="A", **refused),
            event(6, "StartChildWorkflowExecutionFailed", workflowType=bread, cause="B", **refused),
            event(7, "ScheduleLambdaFunctionFailed", id="1", name="scale", cause="C", **refused),
            event(8, "StartTimerFailed", timerId="1", cause="D", **refused),
        ]
    )
    assert list(coverage.report()) == [
        "bread 1",
        "  activity bake 1  refused (A) 1",
        "  child bread 1    refused (B) 1",
        "  lambda scale     refused (C) 1",
        "0 of 0 outcomes met",
    ]
