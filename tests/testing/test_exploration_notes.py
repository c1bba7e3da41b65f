"""What an exploration reports besides failures: what it tried, and what never happened."""

from __future__ import annotations

import re

import pytest

from flowy import ConfigurationError
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation
from flowy_sim.explore import find
from flowy_sim.explore._story import MOST_LINES
from flowy_sim.faults import HeartbeatLate, WorkerDies
from flowy_sim.testing import Runner


def images(runner: Runner) -> None:
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue", takes=15)
    runner.stubs(RenameImage, result="blue/small.jpg")
    run = runner(ImageCategorization, "photo.jpg")
    runner.sometimes(run.status == "FAILED", "the workflow fails")
    runner.sometimes(len(run.calls(Resize)) > 9, "a photograph is resized ten times")


def test_the_report_says_what_was_tried_and_what_was_not() -> None:
    found = find(images, faults=[WorkerDies(), HeartbeatLate()], most_faults=1)
    notes = dict(line.split(": ", 1) for line in found.notes())
    assert notes["Tried"] == (
        "every order of tasks and turns, with at most 1 fault of 2 kinds in a run"
    )
    not_tried = notes["Not tried"].partition(";")[0].split(", ")
    assert "AnswerLost" in not_tried
    assert "WorkerDies" not in not_tried
    assert notes["Never struck"] == "the heartbeat arrives late"


def test_without_faults_none_is_said_to_have_missed_its_occasion() -> None:
    found = find(images)
    assert found.notes()[0] == "Tried: every order of tasks and turns, with no faults"
    assert not found.never_struck


@pytest.mark.parametrize("processes", [1, 2])
def test_conditions_that_were_true_in_no_run_are_reported(processes: int) -> None:
    found = find(images, faults=[WorkerDies()], processes=processes)
    assert found.met["the workflow fails"] > 0
    assert found.never_met == ["a photograph is resized ten times"]
    assert "Never true: a photograph is resized ten times" in found.notes()


def test_a_condition_that_must_happen_fails_the_test_if_it_does_not() -> None:
    with pytest.raises(AssertionError, match=r"true in none of \d+ runs: a photograph is resized"):
        find(images, faults=[WorkerDies()], must_happen=True)


def test_a_condition_needs_a_name() -> None:
    with pytest.raises(ConfigurationError, match="the name of a condition"):
        Runner(Simulation()).sometimes(True, "")


def never_ends_well(runner: Runner) -> None:
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue", takes=15)
    runner.stubs(RenameImage, result="blue/small.jpg")
    for number in range(4):
        runner(ImageCategorization, f"{number}.jpg")
    raise AssertionError("the photograph of imagecateg-2 is blurred")


def test_a_story_says_how_many_lines_it_leaves_out_and_shows_all_on_request() -> None:
    short = find(never_ends_well).failure
    full = find(never_ends_well, full_story=True).failure
    assert short is not None
    assert full is not None
    assert len(str(short).splitlines()) <= MOST_LINES
    *kept, left_out = short.story
    assert f"… {len(full.story) - len(kept)} lines left out (--story full" in left_out
    assert set(kept) < set(full.story)


def test_lines_about_what_the_error_names_are_kept_first() -> None:
    short = find(never_ends_well).failure
    full = find(never_ends_well, full_story=True).failure
    assert short is not None
    assert full is not None
    assert {line for line in full.story if re.search("(?<! of )imagecateg-2", line)} < set(
        short.story
    )


def many_steps(runner: Runner) -> None:
    renamed: list[str] = []
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue", takes=15)
    runner.stubs(RenameImage, function=lambda path, color: renamed.append(path))
    for number in range(3):
        runner(ImageCategorization, f"{number}.jpg")
    assert not renamed


def test_lines_about_the_activity_that_an_assertion_is_about_are_kept_first() -> None:
    short = find(many_steps).failure
    full = find(many_steps, full_story=True).failure
    assert short is not None
    assert full is not None
    ends = [line for line in full.story if re.search("renameimage-3 of .* completes", line)]
    assert len(ends) == 3
    assert set(ends) < set(short.story)


def test_a_story_shows_what_executions_and_signals_were_given_and_returned() -> None:
    def test(runner: Runner) -> None:
        runner.stubs(Resize, result="small.jpg")
        runner.stubs(PredominantColor, result="blue")
        runner.stubs(RenameImage, result="blue/small.jpg")
        execution = runner.start(ImageCategorization, "photo.jpg", 150)
        runner.signal(execution, "hurry", {"up": True})
        runner.finish(execution)
        raise AssertionError

    failure = find(test, full_story=True).failure
    assert failure is not None
    story = [line.partition(" s  ")[2] for line in failure.story]
    assert story[0] == "imagecateg-1 starts with 'photo.jpg', 150"
    assert story[1] == "imagecateg-1 receives the signal hurry = {'up': True}"
    assert "resize-1 completes = 'small.jpg'" in story
    assert story[-1] == "imagecateg-1 completes = 'blue/small.jpg'"


def test_a_story_shows_the_values_that_were_chosen() -> None:
    def test(runner: Runner) -> None:
        customer = runner.choose("the customer", ["Ann", "Bob"])
        runner.stubs(Resize, result="small.jpg", takes=40)
        runner.stubs(PredominantColor, result="blue", takes=40)
        runner.stubs(RenameImage, result="blue/small.jpg")
        run = runner(ImageCategorization, "photo.jpg")
        assert (customer, run.simulated_seconds) != ("Bob", 80)

    found = find(test, workers=(None, 1))
    assert found.failure is not None
    lines = [line.split(maxsplit=2)[2] for line in found.failure.story]
    assert lines[:2] == ["workers on each task list: 1", "the customer: 'Bob'"]
