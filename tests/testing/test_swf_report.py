"""``pytest --swf-report``: the runs of a session as a page."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

RUNS = """
import pytest
from village_bakery import Bread

@pytest.mark.parametrize("flour", [500, 501])
def test_bread(swf_run, flour):
    swf_run(Bread, flour)

def test_stale_bread(swf_run):
    assert swf_run(Bread, 502).result == "stale <script>"
"""


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_all_runs_are_on_one_page_and_those_of_failed_tests_first(
    village: pytest.Pytester, processes: str
) -> None:
    village.makepyfile(test_it=RUNS)
    result = village.runpytest_subprocess("-q", processes, "--swf-report", "page.html")
    result.assert_outcomes(passed=2, failed=1)
    path = village.path / "page.html"
    assert path.as_uri() in str(result.stdout)
    written = path.read_text(encoding="utf-8")
    names = ["test_it.py::test_stale_bread", "test_bread[500]", "test_bread[501]"]
    places = [written.index(name) for name in names]
    assert places == sorted(places)
    assert written.count("<article") == 3
    assert written.count("test failed</span>") == 2
    assert "stale <script" not in written


def test_of_passed_tests_only_some_runs_are_shown_and_the_page_says_so(
    village: pytest.Pytester,
) -> None:
    village.makepyfile(
        test_it="""
        from village_bakery import Bread

        def test_bread(swf_run):
            for flour in range(53):
                swf_run(Bread, flour)
        """
    )
    village.runpytest_subprocess("-q", "--swf-report", "page.html").assert_outcomes(passed=1)
    written = (village.path / "page.html").read_text(encoding="utf-8")
    assert written.count("<article") == 50
    assert "3 more runs of tests that passed are not in the report." in written


def test_a_page_that_cannot_be_written_hides_no_results(village: pytest.Pytester) -> None:
    village.makepyfile(test_it=RUNS.partition("def test_stale")[0])
    result = village.runpytest_subprocess("-q", "--swf-report", "nowhere/page.html")
    result.assert_outcomes(passed=2)
    assert "nowhere/page.html cannot be written: No such file or directory." in str(result.stdout)
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_without_the_option_there_is_no_page(village: pytest.Pytester) -> None:
    village.makepyfile(test_it=RUNS)
    result = village.runpytest_subprocess("-q")
    assert "Amazon SWF: report" not in str(result.stdout)
    assert not list(village.path.glob("*.html"))


EXPLORED = """
import pytest
from village_bakery import Bread
from flowy_sim.faults import DeciderDies

@pytest.mark.swf(explore={"faults": [DeciderDies()]})
def test_bread(swf_run):
    swf_run(Bread, 500)

@pytest.mark.swf(explore={"faults": [DeciderDies()]})
def test_no_decider_dies(swf_run):
    assert swf_run(Bread, 500).history.find("DecisionTaskTimedOut").attributes() == []
"""


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_explored_tests_show_what_was_found_and_tried(
    village: pytest.Pytester, processes: str
) -> None:
    village.makepyfile(test_it=EXPLORED)
    result = village.runpytest_subprocess("-q", processes, "--swf-report", "page.html")
    result.assert_outcomes(passed=1, failed=1)
    written = (village.path / "page.html").read_text(encoding="utf-8")
    names = ["test_it.py::test_no_decider_dies", "test_it.py::test_bread"]
    places = [written.index(name) for name in names]
    assert places == sorted(places)
    assert written.count("<article") == 2
    assert written.count("When was the run lost?") == 1
    assert "The simplest run that passes" in written
    assert written.count("What was tried") == 2
