"""Workers detect what workflows must not do, log once, and explain differences."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import flowy
from flowy import (
    ActivityProxy,
    ActivityWorker,
    NonDeterminismError,
    UnrepeatableError,
    Workflow,
    WorkflowWorker,
    activity,
    start,
    workflow,
)
from flowy._determinism.causes import Reason
from flowy.replay import replay
from flowy_sim import Simulation
from flowy_sim.testing import Runner, Stubs
from tests.support.replayed_runs import made
from tests.support.worker_loops import DOMAIN, carried_out, history, types

plain = logging.getLogger(__name__)


@pytest.fixture
def stubs() -> Stubs:
    stubs = Stubs()
    stubs("one", 1, result="1", takes=1)
    stubs("two", 1, result="2", takes=1)
    return stubs


@pytest.fixture
def runner(stubs: Stubs) -> Runner:
    return Runner(Simulation(), stubs=stubs)


@workflow("stamped", 1, "decisions")
class Stamped(Workflow):
    def run(self) -> float:
        return time.time()


@workflow("stamped", 1, "decisions", guard=False)
class Unguarded(Stamped):
    pass


def test_a_worker_refuses_a_workflow_that_reads_the_clock(simulated: Any) -> None:
    with pytest.raises(UnrepeatableError, match=r"time\.time\(\) in the run") as caught:
        WorkflowWorker(simulated, DOMAIN, "decisions", [Stamped])
    assert caught.value.line == Stamped.run.__code__.co_firstlineno + 1


def test_the_guard_can_be_switched_off(runner: Runner, tmp_path: Path) -> None:
    assert runner.run(Unguarded).result > 0

    def script(self: Any) -> str:
        (tmp_path / "file").write_text("x")
        return "written"

    assert (
        runner.run(workflow("off", 1, "decisions", guard=False)(made(script))).result == "written"
    )


@activity("double", 1, "numbers")
def double(number: int) -> int:
    return 2 * number


@workflow("careless", 1, "decisions")
class Careless(Workflow):
    double = ActivityProxy(double)

    def run(self, path: str) -> str:
        self.double(1).result()
        with suppress(Exception):
            Path(path).write_text("x")
        return "written"


@pytest.mark.parametrize("suspended", [0, 10])
def test_what_writes_a_file_is_not_answered(
    simulated: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, suspended: int
) -> None:
    path = tmp_path / "file"
    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [Careless], suspended=suspended)
    worker = ActivityWorker(simulated, DOMAIN, "numbers", [double])
    decider.register()
    worker.register()
    execution = start(simulated, DOMAIN, Careless, str(path))
    assert all([decider.run_once(), worker.run_once(), decider.run_once()])
    events = history(simulated, execution)
    assert types(events)[-1] == "DecisionTaskStarted"
    assert not path.exists()
    assert f"{__file__}, line" in caplog.text
    assert "a file opened for writing in the run of a workflow" in caplog.text


@workflow("noted", 1, "decisions")
class Noted(Workflow):
    double = ActivityProxy(double)

    def run(self) -> int:
        self.logger.info("began")
        two = self.double(1).result()
        plain.info("half way")
        four = self.double(two).result()
        self.logger.info("done", extra={"number": four})
        return four


@pytest.mark.parametrize("suspended", [0, 10])
def test_what_a_worker_decides_is_logged_once(
    simulated: Any, caplog: pytest.LogCaptureFixture, suspended: int
) -> None:
    caplog.set_level(logging.INFO)
    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [Noted], suspended=suspended)
    worker = ActivityWorker(simulated, DOMAIN, "numbers", [double])
    decider.register()
    worker.register()
    execution = start(simulated, DOMAIN, Noted)
    carried_out(simulated, execution, [decider, worker])
    own = [record for record in caplog.records if record.name == __name__]
    assert [record.getMessage() for record in own] == ["began", "half way", "done"]
    told = vars(own[-1])
    assert (told["workflow_id"], told["run_id"]) == execution
    assert (told["workflow_type"], told["number"]) == ("noted 1", 4)


def test_a_history_that_grows_long_is_reported_once(
    runner: Runner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy._decider.turns.LONG_HISTORY", 20)

    def script(self: Any) -> None:
        for _ in range(5):
            self.one().result()

    runner.run(made(script))
    (record,) = [record for record in caplog.records if record.name == "flowy.workflow"]
    assert "call self.restart()" in record.getMessage()


def test_what_flowy_does_for_a_workflow_is_allowed(stubs: Stubs, tmp_path: Path) -> None:
    payloads = flowy.Payloads(store=tmp_path / "store")
    runner = Runner(Simulation(), stubs=stubs, payloads=payloads)

    def setting() -> str:
        (tmp_path / "setting").write_text("deep")
        return (tmp_path / "setting").read_text()

    def script(self: Any) -> list[str]:
        return [self.one("x" * 50_000).result(), self.side_effect(setting)]

    assert runner.run(made(script)).result == ["1", "deep"]
    assert len(list((tmp_path / "store").iterdir())) == 1


def test_a_replay_of_the_past_logs_nothing(
    runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def script(self: Any) -> None:
        self.logger.info("began")
        self.one().result()
        plain.info("done")

    cls = made(script)
    run = runner.run(cls)
    caplog.clear()
    replay(cls, run.history)
    assert caplog.records == []


# What differs.


def old(self: Any) -> list[str]:
    first = self.one("a", size=64)
    return [first.result(), self.two("b").result()]


def changed_arguments(self: Any) -> Any:
    return [self.one("a", size=128).result(), self.two("b").result()]


def changed_type(self: Any) -> Any:
    return [self.two("a", size=64).result(), self.two("b").result()]


def one_more(self: Any) -> Any:
    self.sleep(5)
    return old(self)


def one_more_at_once(self: Any) -> Any:
    self.timer(5)
    return old(self)


def one_less(self: Any) -> Any:
    return [self.one("a", size=64).result()]


def other_order(self: Any) -> Any:
    self.two("b")
    return self.one("a", size=64).result()


def a_side_effect_more(self: Any) -> Any:
    self.side_effect(lambda: 1)
    return old(self)


def another_result(self: Any) -> Any:
    return old(self)[::-1]


def raises(self: Any) -> Any:
    old(self)
    raise ValueError("no such size")


CHANGES = [
    (changed_arguments, 5, Reason.ARGUMENTS, 1),
    (changed_type, 5, Reason.TYPE, 1),
    (one_more, 5, Reason.TYPE, 1),
    (one_more_at_once, 5, Reason.ADDED, 1),
    (one_less, 11, Reason.ENDS_EARLIER, None),
    (other_order, 5, Reason.ADDED, 1),
    (a_side_effect_more, 5, Reason.ADDED, 1),
    (another_result, 17, Reason.OUTCOME, None),
    (raises, 17, Reason.RAISES, None),
]


@pytest.mark.parametrize(("new", "event_id", "reason", "line"), CHANGES)
def test_a_difference_is_explained(
    runner: Runner, new: Any, event_id: int, reason: Reason, line: int | None
) -> None:
    run = runner.run(made(old))
    with pytest.raises(NonDeterminismError) as caught:
        replay(made(new), run.history)
    difference = caught.value.difference
    assert (difference.event_id, difference.reason) == (event_id, reason)
    if line is not None:
        assert difference.site == (__file__, new.__code__.co_firstlineno + line, new.__name__)
        assert f"line {new.__code__.co_firstlineno + line}, in" in str(caught.value)


def test_a_patch_check_that_was_removed_is_reported(runner: Runner) -> None:
    def asking(self: Any) -> Any:
        return self.one().result() if self.patched("larger") else None

    run = runner.run(made(asking))
    replay(made(asking), run.history)
    with pytest.raises(NonDeterminismError) as caught:
        replay(made(lambda self: self.one().result()), run.history)
    assert caught.value.difference.reason is Reason.PATCH_REMOVED


def test_a_side_effect_that_was_removed_is_reported(runner: Runner) -> None:
    def rolling(self: Any) -> Any:
        return self.side_effect(lambda: 4), self.one().result()

    run = runner.run(made(rolling))
    with pytest.raises(NonDeterminismError) as caught:
        replay(made(lambda self: (4, self.one().result())), run.history)
    assert caught.value.difference.reason is Reason.SIDE_EFFECT_REMOVED
