"""Stubs that are not used, and calls that no stub expects, fail a test."""

from __future__ import annotations

import re

import pytest

from tests.support.bakery_folder import report


def test_a_stub_that_was_never_used_fails_the_test(village: pytest.Pytester) -> None:
    text = report(
        village,
        """
def test_bread(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    assert swf_run(Bread, 500).status == "COMPLETED"
""",
        failed=1,
    )
    sentence = "the stub of kneed 1 was never used; the nearest that was called is knead 1"
    assert f"\n{sentence}\n" in text
    assert "pytest_plugin/" not in text.partition("FAILURES")[2]


def test_stubs_need_no_use_where_a_marker_says_so_or_the_test_fails_anyway(
    village: pytest.Pytester,
) -> None:
    text = report(
        village,
        """
@pytest.mark.swf(strict=False)
def test_bread(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    swf_run(Bread, 500)

def test_cake(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    assert swf_run(Bread, 500).result == "cake"

def test_skipped(swf_stub):
    swf_stub("kneed", 1)
    pytest.skip("no flour")
""",
        passed=1,
        failed=1,
        skipped=1,
    )
    assert "Failed: the stub" not in text


def test_an_action_that_was_never_called_fails_the_test(village: pytest.Pytester) -> None:
    text = report(
        village,
        """
def ring(): ...

@pytest.mark.swf(explore={"runs": 5})
def test_explored(swf_run, swf_stub):
    swf_stub(Knead, result="dough", takes=10)
    swf_run.after(5, ring)
    swf_run.after(99999, ring)
    swf_run(Bread, 500)

def test_plain(swf_run, swf_stub):
    swf_stub(Knead, result="dough", takes=10)
    swf_run.after(5, ring)
    swf_run.after(99999, lambda: None)
    swf_run(Bread, 500)

@pytest.mark.swf(strict=False)
def test_lenient(swf_run, swf_stub):
    swf_run.after(99999, ring)
    swf_run(Bread, 500)

def test_called(swf_run, swf_stub):
    swf_run.after(0, ring)
    swf_run.advance(7)
    swf_run(Bread, 500)
""",
        passed=2,
        failed=2,
    )
    assert "\nthe action of after(99999, ring) was never called: the test ended before\n" in text
    assert "\nthe action of after(99999, test_plain.<locals>.<lambda>) was never called" in text


def test_a_failing_test_names_stubs_that_are_probably_misspelt(village: pytest.Pytester) -> None:
    text = report(
        village,
        """
def test_bread(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    swf_stub("clean", 1)
    assert swf_run(Bread, 500).result == "cake"
""",
        failed=1,
    )
    assert "- Stubs that were not used -" in text
    assert "the stub of kneed 1 was never used; the nearest that was called is knead 1" in text
    assert "clean" not in text.partition("not used -")[2]


def test_an_unexpected_call_fails_at_the_line_that_ran_the_workflow(
    village: pytest.Pytester,
) -> None:
    text = report(
        village,
        """
def test_bread(swf_run, swf_stub):
    swf_stub(Bake).when("dough", 200).then(result="bread")
    swf_stub(Knead, result="dough")
    swf_run(Bread, 500)
""",
        failed=1,
    )
    assert "UnexpectedCallError: bake 1 was called with dough='dough', degrees=220" in text
    assert re.search(r"^> +swf_run\(Bread, 500\)$", text, re.MULTILINE)
    assert "the service refuses" not in text
    assert "runner.py" not in text.partition("FAILURES")[2].partition("short test")[0]
