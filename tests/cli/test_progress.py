from __future__ import annotations

import io

from handwritten import History
from rich.console import Console

from flowy_sim.cli.progress import Progress


def drawn(history: History, encoding: str = "utf-8") -> str:
    """Return what is shown after the events of a history."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=60)
    progress = Progress(console)
    for event in history.events:
        progress.tell("photo-1", event)
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


def test_of_many_tasks_some_are_shown_and_the_others_counted():
    history = History().decide(0)
    for number in range(1, 9):
        history.schedule(0, f"resize-{number}").start(0, f"resize-{number}")

    lines = drawn(history)

    assert lines.count("resize-") == 5
    assert "0 done, 3 more at work" in lines


def test_events_of_tasks_never_heard_of_are_ignored():
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(1, "resize-1")
    del history.events[4]

    assert "0 done" in drawn(history)
