"""What the tools show of histories whose every text was chosen by an attacker."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from rich.console import Console

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim import Simulation
from flowy_sim._events.waits import Workers, explain
from flowy_sim._report import timeline
from flowy_sim.explore._story import RunStory, headline
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import iso
from flowy_sim.testing._run import Run
from tests.support.event_builder import START, History
from tests.support.hostile_text import WORST, hostile_texts, problems_of

NOBODY = Workers([], [], [])


def history(text: str, *, closed: bool = True) -> list[dict[str, Any]]:
    """Return a history with a text wherever a client chooses one."""
    type_ = {"name": text, "version": text}
    made = History()
    made.events.clear()
    made.add(0, "WorkflowExecutionStarted", workflowType=type_, executionStartToCloseTimeout="60")
    made.decide(0).schedule(0, text, type_).start(1, text)
    made.end(2, text, "Failed", reason=text, details=text)
    made.add(2, "WorkflowExecutionSignaled", signalName=text)
    made.add(2, "StartTimerFailed", timerId=text, cause="TIMER_ID_ALREADY_IN_USE")
    made.add(3, "TimerStarted", timerId=text, startToFireTimeout="10")
    if closed:
        made.add(4, "WorkflowExecutionFailed", reason=f"{text}!", details=text)
    return made.events


@given(hostile_texts())
def test_timelines_show_no_text_that_could_do_harm(text: str) -> None:
    events = history(text)
    for width in (30, 80):
        assert not problems_of(timeline.text(events, width))
        assert timeline.text(events, width, ascii=True).isascii()
    output = io.StringIO()
    Console(file=output, width=80).print(timeline.rich_text(events))
    assert not problems_of(output.getvalue())


@given(hostile_texts())
def test_outcomes_and_explanations_of_stuck_runs_show_none_either(text: str) -> None:
    failed = Run(text, text, history(text))  # type: ignore[arg-type]
    assert not problems_of(failed.describe())
    assert "\n" not in failed.describe()
    stuck = Run(text, text, history(text, closed=False))  # type: ignore[arg-type]
    explained = explain(stuck, (), NOBODY, START)
    assert not problems_of(explained)
    first, *others = explained.splitlines()
    assert others
    assert all(line.startswith("- ") for line in others), first


@activity("fail", 1, "hostile")
class Fail(Activity):
    def run(self, text: str) -> None:
        raise ValueError(text)


@workflow("hostile", 1, "hostile")
class Hostile(Workflow):
    fail = ActivityProxy(Fail)

    def run(self, text: str) -> str:
        self.fail(text).result()
        return text


@settings(max_examples=20, deadline=None)
@given(hostile_texts())
def test_stories_of_explored_runs_show_none_either(text: str) -> None:
    runner = Runner(Simulation(), activities=[Fail], workflows=[Hostile])
    story = RunStory()
    runner.run(Hostile, text)
    story.update(runner)
    story.add_accident(runner, text)
    error = ValueError(text)
    lines = [*story.lines(error), headline(error)]
    assert not problems_of("".join(lines))
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize("option", ["", "--verbose"])
def test_a_run_shows_none_either(invoke: Any, option: str) -> None:
    result = invoke("run", *filter(None, [option]), f"{__name__}:Hostile", json.dumps(WORST))
    assert result.exit_code == 1
    assert not problems_of(result.output)
    assert "␛[2J" in result.output


@pytest.mark.parametrize("command", ["replay", "verify"])
def test_files_of_histories_show_none_either(invoke: Any, folder: Any, command: str) -> None:
    runner = Runner(Simulation(), activities=[Fail], workflows=[Hostile])
    events = runner.run(Hostile, "harmless").history
    written = json.dumps({"events": events}, default=iso)
    escaped = json.dumps(WORST)[1:-1]
    name = folder / "\x1b[2Jbad.json"
    name.write_text(written.replace("fail-1", escaped).replace("harmless", "other"))
    words = [f"{__name__}:Hostile"] if command == "replay" else []
    result = invoke(command, *words, str(folder))
    assert not problems_of(result.output)
    assert "␛[2Jbad.json" in result.output


def test_an_argument_that_names_nothing_is_shown_harmlessly(invoke: Any) -> None:
    result = invoke("run", "photo\u202e\x1b[2J.jpg")
    assert result.exit_code == 1
    assert not problems_of(result.output)
    assert r"photo\u202e␛[2J.jpg is neither a file" in result.output
