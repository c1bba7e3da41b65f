"""Pages about explorations: when a run was lost, what it is compared with, what was covered."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim._report.exploration import ReportedExploration, page
from flowy_sim.explore import FoundError, explore, find
from flowy_sim.faults import AnswerLate, DeciderDies, InjectedFault, WorkerDiesLate
from flowy_sim.testing import Runner


@activity("charge", 1, "payments", start_to_close=60, retry=2)
class Charge(Activity):
    def run(self, order: str) -> str:
        raise NotImplementedError


@activity("ship", 1, "parcels", start_to_close=60)
class Ship(Activity):
    def run(self, order: str) -> str:
        raise NotImplementedError


@workflow("order", 1, "orders")
class Order(Workflow):
    charge = ActivityProxy(Charge)
    ship = ActivityProxy(Ship)

    def run(self, order: str) -> Any:
        self.charge(order).result()
        return self.ship(order)


def nobody_pays_twice(runner: Runner) -> None:
    charged: list[str] = []
    runner.stubs(Charge, function=charged.append)
    runner.stubs(Ship, result="<b>shipped</b>")
    runner(Order, "order-7")
    print("charged", charged)
    assert charged == ["order-7"]


def always_fails(runner: Runner) -> None:
    runner.stubs(Charge, result="paid")
    runner.stubs(Ship, result="shipped")
    runner(Order, "order-7")
    raise AssertionError


def reported(test: Any, **options: Any) -> ReportedExploration:
    pages: list[ReportedExploration] = []
    find(test, report=pages.append, **options)
    return pages[0]


@pytest.fixture(scope="module")
def lost() -> ReportedExploration:
    return reported(nobody_pays_twice, faults=[DeciderDies(), WorkerDiesLate()])


@pytest.mark.slow
def test_most_continuations_fail_from_the_moment_on_at_which_a_run_is_lost(
    lost: ReportedExploration,
) -> None:
    shares = [point.share for point in lost.points]
    place = next(i for i, point in enumerate(lost.points) if "the worker dies" in str(point.words))
    assert max(shares[:place]) < 0.5
    assert set(shares[place:]) == {1.0}
    assert "The run is lost 0 s after the start" in page([lost], (), "orders")


def test_the_same_seed_gives_the_same_points(lost: ReportedExploration) -> None:
    again = reported(nobody_pays_twice, faults=[DeciderDies(), WorkerDiesLate()])
    assert again.points == lost.points


def test_the_failing_run_is_beside_the_simplest_one_that_passes(lost: ReportedExploration) -> None:
    failing, passing = lost.failing, lost.passing
    assert failing is not None
    assert passing is not None
    assert any("! worker" in line for line in failing.story)
    assert not any("!" in line for line in passing.story)
    assert [words for _, words in failing.runs[0].faults] == [
        "the worker dies after the work, before it answers"
    ]
    assert "charged ['order-7', 'order-7']" in failing.output[-1]
    text = page([lost], (), "orders")
    assert text.index("The run that fails") < text.index("The simplest run that passes")
    assert text.count("the runs differ from here on") == 2
    assert "! the worker dies after the work" in text
    assert "<b>shipped" not in text


def test_a_test_that_fails_in_each_run_has_no_decisive_moment_and_no_run_to_compare() -> None:
    found = reported(always_fails, faults=[DeciderDies()])
    assert found.passing is None
    assert {point.share for point in found.points} == {1.0}
    text = html.unescape(page([found], (), "orders"))
    assert "No moment decides: from the start, 16 of 16 continuations fail." in text
    assert "lost here" not in text
    assert "No run that passes was found" in text


@pytest.mark.parametrize(
    "fault", [WorkerDiesLate(), pytest.param(AnswerLate(), marks=pytest.mark.slow)]
)
def test_a_fault_is_marked_on_the_timeline_of_the_execution_that_it_struck(
    fault: InjectedFault,
) -> None:
    def two_orders(runner: Runner) -> None:
        charged: list[str] = []
        runner.stubs(Charge, function=charged.append)
        runner.stubs(Ship, result="shipped", takes=100)
        started = [runner.start(Order, order) for order in ("lamp", "table")]
        for each in started:
            runner.finish(each)
        assert len(charged) == 2

    failing = reported(two_orders, faults=[fault]).failing
    assert failing is not None
    assert sorted(len(run.faults) for run in failing.runs) == [0, 1]


@pytest.mark.slow
def test_points_of_a_long_run_are_thinned_but_faults_are_kept() -> None:
    def many(runner: Runner) -> None:
        charged: list[str] = []
        runner.stubs(Charge, function=charged.append)
        runner.stubs(Ship, result="shipped")
        for number in range(12):
            runner(Order, str(number))
        assert len(charged) == 12

    found = reported(many, faults=[DeciderDies(), WorkerDiesLate()], runs=100)
    assert 2 < len(found.points) <= 32
    assert any("the worker dies" in str(point.words) for point in found.points)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in Python 3.12")
def test_a_page_of_a_single_run_shows_what_it_has_covered() -> None:
    found = reported(nobody_pays_twice, faults=[WorkerDiesLate()], choices="")
    [file] = found.files
    assert file.name.endswith("test_exploration_pages.py")
    lines = [line.source.strip() for line in file.lines]
    assert "return self.ship(order)" in lines


def test_a_page_of_a_test_that_passes_shows_what_was_tried_and_covered(tmp_path: Path) -> None:
    def passes(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        runner.stubs(Ship, result="shipped")
        runner(Order, "order-7")

    path = tmp_path / "page.html"
    explore(passes, faults=[DeciderDies()], report=path)
    text = html.unescape(path.read_text(encoding="utf-8"))
    assert "every order of tasks and turns, with at most 1 fault of 1 kind" in text
    assert "activity charge 1  completed" in text
    if sys.version_info >= (3, 12):
        assert "return self.ship(order)" in text
    assert re.search(r"order 1 COMPLETED: \"shipped\"", text)
    assert "When was the run lost?" not in text


def test_a_page_is_written_also_if_explore_fails(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with pytest.raises(FoundError):
        explore(nobody_pays_twice, faults=[WorkerDiesLate()], report=str(path))
    assert "When was the run lost?" in path.read_text(encoding="utf-8")


def test_a_redacted_page_shows_no_values(lost: ReportedExploration) -> None:
    text = page([lost], (), "orders", redact=True)
    assert "order-7" not in text
    assert "shipped" not in text.partition("What was covered")[0]


def test_pages_make_no_requests_and_run_no_code_of_the_user(lost: ReportedExploration) -> None:
    text = page([lost._replace(name="<script>alert(1)</script>")], (), "orders")
    assert "<script>alert" not in text
    assert not re.search(r"(src|href)=\"?https?:", text)
