"""The examples in docs/workflows.md form one module, and each of them runs."""

from __future__ import annotations

import ast
import logging
import re
import subprocess
import sys
from collections import Counter
from datetime import date
from decimal import Decimal
from importlib import util
from pathlib import Path
from typing import Any

import pytest

import flowy
from flowy import replay
from flowy._determinism.code_check import unrepeatable_calls
from flowy_sim import Simulation
from flowy_sim.testing import Run, Runner, Stubs

DOCUMENT = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module that the examples form."""
    path = tmp_path_factory.mktemp("guide") / "guide.py"
    path.write_text("\n\n".join(BLOCKS), encoding="utf-8")
    spec = util.spec_from_file_location("guide", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["guide"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["guide"]


@pytest.fixture
def stubs() -> Stubs:
    return Stubs()


@pytest.fixture
def runner(guide: Any, stubs: Stubs) -> Runner:
    return Runner(Simulation(), activities=[guide], workflows=[guide], stubs=stubs)


def types(run: Run) -> Counter[str]:
    return Counter(event["eventType"] for event in run.history)


def signal(runner: Runner, workflow_id: str, name: str, text: str) -> None:
    runner.simulation.client().signal_workflow_execution(
        domain=runner.domain, workflowId=workflow_id, signalName=name, input=text
    )


def test_a_chain(guide: Any, runner: Runner) -> None:
    assert runner.run(guide.Translation, "hello").result == "de: hello in German"


def test_a_fan_out_runs_at_the_same_time(guide: Any, runner: Runner, stubs: Stubs) -> None:
    stubs(guide.translate, function=lambda text, language: language[:2], takes=30)
    run = runner.run(guide.Translations, "hello", ["German", "Greek"])
    assert run.result == "German: Ge | Greek: Gr"
    assert run.simulated_seconds == 30


def test_a_branch(guide: Any, runner: Runner) -> None:
    assert runner.run(guide.CarefulTranslation, "short").result == "short in German"
    assert runner.run(guide.CarefulTranslation, "long " * 1_001).result == "too long"


def test_a_reduction(guide: Any, runner: Runner, stubs: Stubs) -> None:
    assert runner.run(guide.Words, ["one", "two words", "three more words"]).result == 6
    stubs(guide.count, result=1)
    stubs(guide.add, function=lambda one, other: one + other, takes=1)
    many = runner.run(guide.Words, ["x"] * 32)
    assert many.result == 32
    assert many.simulated_seconds == 5


def test_results_in_the_order_in_which_they_end(guide: Any, runner: Runner, stubs: Stubs) -> None:
    stubs(guide.translate, result="late", takes=9).then(result="first", takes=2).then(
        result="second", takes=5
    )
    assert runner.run(guide.Fastest, "x").result == ["first", "second", "late"]


def test_errors_are_handled(guide: Any, runner: Runner, stubs: Stubs) -> None:
    assert runner.run(guide.InsistingTranslation, "x").result == "x in Klingon"
    stubs(guide.translate, error=ValueError("no such language")).then(takes=float("inf"))
    failed = runner.run(guide.InsistingTranslation, "x")
    assert failed.result == "attempt 1 failed: ValueError: no such language"
    timed_out = runner.run(guide.InsistingTranslation, "x")
    assert timed_out.result == "no answer in time (START_TO_CLOSE)"


def test_attempts(guide: Any, runner: Runner, stubs: Stubs) -> None:
    stubs(guide.translate, error=OSError("busy")).then(error=OSError("busy")).then(result="a b")
    run = runner.run(guide.StubbornTranslation, "x")
    assert run.result == 2
    assert 27 <= run.simulated_seconds <= 30
    stubs(guide.translate, error=ValueError("no such language"))
    again = runner.run(guide.StubbornTranslation, "x")
    assert again.status == "FAILED"
    assert again.simulated_seconds == 0


def test_options(guide: Any, runner: Runner) -> None:
    run = runner.run(guide.Illustration, ["a ship"])
    assert run.result == ["a picture of a ship", "a picture of the sea"]
    ship, sea = (
        event["activityTaskScheduledEventAttributes"]
        for event in run.history
        if event["eventType"] == "ActivityTaskScheduled"
    )
    for attributes in (ship, sea):
        assert attributes["taskList"] == {"name": "large-machines"}
        assert attributes["taskPriority"] == "5"
        assert attributes["heartbeatTimeout"] == "10"
    assert (ship["startToCloseTimeout"], sea["startToCloseTimeout"]) == ("300", "3600")


def test_an_activity_is_timed_out(guide: Any, runner: Runner, stubs: Stubs) -> None:
    assert runner.run(guide.Sketch, "a ship").result == "a picture of a ship"
    stubs(guide.draw, takes=21)
    late = runner.run(guide.Sketch, "a ship")
    assert (late.result, late.simulated_seconds) == ("no picture in time (START_TO_CLOSE)", 40)
    assert types(late)["ActivityTaskTimedOut"] == 2, "draw is declared with retry=2"


def test_a_month_passes(guide: Any, runner: Runner) -> None:
    run = runner.run(guide.Reminder, "water the plants", execution_start_to_close=40 * 86_400)
    assert run.result == "en: water the plants"
    assert run.simulated_seconds == 30 * 86_400


@pytest.mark.parametrize(
    ("told", "result"), [("true", "en: yes?"), ("false", "rejected"), (None, "expired")]
)
def test_signals(guide: Any, runner: Runner, told: str | None, result: str) -> None:
    execution = runner.start(
        guide.Approval, "yes?", workflow_id="a", execution_start_to_close=4 * 86_400
    )
    if told is not None:
        runner.after(3600, lambda: signal(runner, "a", "approved", told))
    assert runner.finish(execution).result == result


def test_a_signal_that_arrives_before_run_asks_for_it_is_kept(guide: Any, runner: Runner) -> None:
    execution = runner.start(guide.Approval, "yes?", workflow_id="a")
    signal(runner, "a", "approved", "true")
    assert runner.finish(execution).result == "en: yes?"


def test_children(guide: Any, runner: Runner) -> None:
    run = runner.run(guide.Book, ["one", "two"])
    assert run.result == {"words": 4, "approval": "en: German: one in German"}
    started = [
        event["startChildWorkflowExecutionInitiatedEventAttributes"]
        for event in run.history
        if event["eventType"] == "StartChildWorkflowExecutionInitiated"
    ]
    assert [attributes.get("tagList") for attributes in started] == [["book"], ["book"], None]
    assert started[-1]["workflowId"] == "approval-of-the-book"


def test_a_lambda_function(guide: Any, runner: Runner, stubs: Stubs) -> None:
    stubs.lambda_function("summarize", function=lambda event: event["text"][: event["sentences"]])
    assert runner.run(guide.Summary, "a long text").result == "a l"


def test_cancellation(guide: Any, runner: Runner) -> None:
    execution = runner.start(guide.Copying, "a", workflow_id="c")
    client = runner.simulation.client()
    runner.after(
        60,
        lambda: client.request_cancel_workflow_execution(domain=runner.domain, workflowId="c"),
    )
    run = runner.finish(execution)
    assert run.status == "CANCELED"
    assert types(run)["ActivityTaskScheduled"] == 2


def test_an_activity_receives_its_cancellation(guide: Any, runner: Runner, stubs: Stubs) -> None:
    stubs(guide.Copy, result="a", takes=600, heartbeat=30)
    execution = runner.start(guide.Copying, "a", workflow_id="c")
    client = runner.simulation.client()
    runner.after(
        60,
        lambda: client.request_cancel_workflow_execution(domain=runner.domain, workflowId="c"),
    )
    run = runner.finish(execution)
    assert run.status == "CANCELED"
    assert types(run)["ActivityTaskCancelRequested"] == 1


def test_a_new_run(guide: Any, runner: Runner) -> None:
    year = 366 * 86_400 - 86_400
    run = runner.run(guide.Newspaper, 95, 102, execution_start_to_close=year)
    assert run.result == 102
    assert [each.status for each in run.earlier] == ["CONTINUED_AS_NEW"]


def test_determinism(guide: Any, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHEAPEST_LANGUAGE", "Dutch")
    run = runner.run(guide.Sample, ["a", "b", "c"])
    monkeypatch.setenv("CHEAPEST_LANGUAGE", "Danish")
    assert run.result["page"] in ("a in Dutch", "b in Dutch", "c in Dutch")
    assert run.result["on"] == "Monday"
    assert run.result["id"] != runner.run(guide.Sample, ["a"]).result["id"]
    replay.replay(guide.Sample, run.history, execution=flowy.Execution(run.workflow_id, run.run_id))


def test_logs_appear_once_and_name_the_execution(
    guide: Any, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run = runner.run(guide.Noted, "two words")
    first, second = [record for record in caplog.records if record.name == "guide"]
    assert first.getMessage() == "a translation is requested"
    assert second.getMessage() == "translated 2 words"
    assert (vars(second)["workflow_id"], vars(second)["run_id"]) == (run.workflow_id, run.run_id)


def test_no_example_is_reported_as_unrepeatable(guide: Any) -> None:
    for name in re.findall(r"^class (\w+)\(Workflow\)", "\n".join(BLOCKS), re.MULTILINE):
        assert unrepeatable_calls(getattr(guide, name)) == []


def test_a_change_of_code_under_a_running_execution(guide: Any, runner: Runner) -> None:
    run = runner.run(guide.Portrait, "Ada")
    assert run.result[1] == "the life of Ada in Latin"
    replay.replay(guide.Portrait, run.history)

    @flowy.workflow("portrait", 1, "texts")
    class OldPortrait(flowy.Workflow):
        draw = flowy.ActivityProxy(guide.draw)

        def run(self, name: str) -> list[str]:
            return flowy.gather(self.draw(name), self.draw(f"the house of {name}"))

    old = Runner(Simulation(), activities=[guide]).run(OldPortrait, "Ada")
    replay.replay(guide.Portrait, old.history)


def test_values(guide: Any, runner: Runner) -> None:
    invoice = guide.Invoice("c-7", date(2024, 2, 29), Decimal("99.90"))
    run = runner.run(guide.Dunning, invoice)
    assert run.result == "109.90"


def test_more_activities_than_may_be_open(guide: Any, runner: Runner, stubs: Stubs) -> None:
    stubs(guide.count, result=1, takes=1)
    run = runner.run(guide.Library, ["x"] * 1_100)
    assert run.result == 1_100
    assert run.simulated_seconds == 2
    assert not any(event["eventType"].endswith("Failed") for event in run.history)


def test_every_workflow_on_the_page_is_run() -> None:
    """A new example on the page needs a test here."""
    shown = set(re.findall(r"^class (\w+)\(Workflow\)", "\n".join(BLOCKS), re.MULTILINE))
    tests = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in shown if f"guide.{name}" not in tests} == set()


def test_every_name_that_the_page_mentions_exists() -> None:
    for name in re.findall(r"`flowy\.(\w+)[(`]", DOCUMENT):
        assert hasattr(flowy, name), name
    for name in re.findall(r"`self\.(\w+)[(`]", DOCUMENT):
        assert hasattr(flowy.Workflow, name), name
    for name in re.findall(r"`(Task\w+|\w+Failed|\w+Canceled)`", DOCUMENT):
        assert hasattr(flowy, name), name


def test_the_page_names_exactly_the_options_that_exist() -> None:
    section = DOCUMENT.partition("The options of activities are")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    of_activities, of_children = flowy.options.ActivityOverrides, flowy.options.WorkflowOverrides
    assert named == {*of_activities.__annotations__, *of_children.__annotations__}


def test_the_examples_are_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    path = tmp_path / "guide.py"
    path.write_text("\n\n".join(BLOCKS), encoding="utf-8")
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", ""),
            *("--follow-imports", "silent", path.name),
        ],
        cwd=tmp_path,
        env={"MYPYPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout.startswith("Success"), checked.stdout


def test_the_examples_are_no_wider_than_the_code() -> None:
    for block in BLOCKS:
        ast.parse(block)
        assert max(map(len, block.splitlines())) <= 100
