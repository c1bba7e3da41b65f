"""What workflows have met in tests, and what never."""

from __future__ import annotations

import pytest
from village import report

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


def test_coverage_says_what_was_met_and_what_never(village: pytest.Pytester) -> None:
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


def test_coverage_tells_of_children(village: pytest.Pytester) -> None:
    text = report(village, f"from flowy import *\n{FAMILY}", "--swf-coverage", passed=1)
    assert (
        """\
  child bread 1  completed 1, failed 1; never timed out (START_TO_CLOSE), canceled, terminated
  child other 1  completed 1; never failed, timed out (START_TO_CLOSE), canceled, terminated
"""
        in text
    )


def test_coverage_is_reported_only_where_it_is_wanted(village: pytest.Pytester) -> None:
    assert "outcomes met" not in report(village, COVERED, passed=4)
