from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from flowy import ActivityProxy, Workflow, activity, workflow
from flowy_sim._cli.progress import ExplorationProgress, RunProgress
from flowy_sim.explore import find
from flowy_sim.faults import EVERYDAY
from flowy_sim.testing import Runner
from tests.support.event_builder import History


@activity("knead", 1, "kitchen", start_to_close=60)
def knead(flour: int) -> str:
    return f"dough of {flour} g"


@workflow("bread", 1, "orders")
class Bread(Workflow):
    knead = ActivityProxy(knead)

    def run(self, flour):
        return self.knead(flour)


def drawn(history: History, encoding: str = "utf-8") -> str:
    """Return what is shown after the events of a history."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=60)
    progress = RunProgress(console)
    for event in history.events:
        progress.update("photo-1", event)
    with console.capture() as capture:
        console.print(progress._draw())
    return capture.get()


def test_what_waits_for_a_worker_is_not_shown():
    assert "resize-1" not in drawn(History().decide(0).schedule(0, "resize-1"))


def test_what_is_worked_on_is_shown():
    lines = drawn(History().decide(0).schedule(0, "resize-1").start(0, "resize-1"))

    assert "resize-1 " in lines
    assert "0 done" in lines


def test_what_ended_is_shown_with_a_mark():
    history = History().decide(0).schedule(0, "resize-1").schedule(0, "resize-2")
    history.start(0, "resize-1").start(0, "resize-2")
    history.end(1, "resize-1").end(1, "resize-2", "Failed")

    assert "✓ resize-1 " in drawn(history)
    assert "✗ resize-2 " in drawn(history)
    assert "2 done" in drawn(history)
    assert "+ resize-1 " in drawn(history, "ascii")


def test_of_many_tasks_some_are_shown_and_the_rest_are_counted():
    history = History().decide(0)
    for number in range(1, 9):
        history.schedule(0, f"resize-{number}").start(0, f"resize-{number}")

    lines = drawn(history)

    assert lines.count("resize-") == 5
    assert "0 done, 3 more running" in lines


def test_events_of_tasks_never_heard_of_are_ignored():
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(1, "resize-1")
    del history.events[4]

    assert "0 done" in drawn(history)


# Exploring


def shown_progress(monkeypatch: pytest.MonkeyPatch, console: Console, processes: int = 1) -> str:
    """Return what is shown while a test is explored."""

    def baked(runner: Runner) -> None:
        assert runner(Bread, 500).status != "OPEN"

    monkeypatch.setattr("flowy_sim.explore._explorer._PROGRESS_EVERY", 0)
    with console.capture() as capture, ExplorationProgress(console, 40, 60) as progress:
        find(
            baked,
            faults=EVERYDAY,
            runs=40,
            seconds=60,
            on_progress=progress.update,
            processes=processes,
        )
    return capture.get()


@pytest.mark.parametrize("processes", [1, 2])
def test_exploring_shows_its_progress(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    shown = shown_progress(monkeypatch, Console(force_terminal=True, width=90), processes)
    numbers = [int(found) for found in re.findall(r"(\d+) runs, \d+ states, ", shown)]
    assert numbers == sorted(numbers)
    assert 30 < numbers[-1] < 40
    assert re.search(r"[\d.]+% of the space.+0 of 60 s", shown)


def test_exploring_shows_nothing_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert shown_progress(monkeypatch, Console(file=io.StringIO())) == ""
