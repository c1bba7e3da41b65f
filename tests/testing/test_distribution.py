"""Exploring is spread over the workers of an executor, or over shards, with the same result."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy import ConfigurationError
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim._cli import cli
from flowy_sim.explore import _explorer, find
from flowy_sim.explore._explore import make_setup
from flowy_sim.explore._explorer import Explorer, undisturbed
from flowy_sim.faults import EVERYDAY, AnswerLost, WorkerDies
from flowy_sim.testing import Runner

pytestmark = pytest.mark.slow

FAULTS: dict[str, Any] = {
    "faults": [WorkerDies(), AnswerLost()],
    "most_faults": 1,
    "seconds": 300,
}

MORE_FAULTS = {**FAULTS, "faults": EVERYDAY}


def images(runner: Runner) -> None:
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue", takes=15)
    runner.stubs(RenameImage, result="blue/small.jpg")
    runner(ImageCategorization, "photo.jpg")


class HereAndNow(Executor):
    """Does the work at once, in this process, and fails as often as it is told to.

    Args:
        fails: returns whether the worker dies, given the number of the part, from 0.
    """

    def __init__(self, fails: Callable[[int], bool] = lambda number: False) -> None:
        self.parts = 0
        self._fails = fails

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        number, self.parts = self.parts, self.parts + 1
        if self._fails(number):
            future.set_exception(RuntimeError("the worker died"))
        else:
            future.set_result(work(*args, **options))
        return future


@pytest.fixture(scope="module")
def alone() -> Any:
    found = find(images, **FAULTS)
    assert found.complete
    return found


@settings(max_examples=8)
@given(st.integers(1, 5), st.integers(0, 2**32))
def test_the_result_does_not_depend_on_how_the_work_is_spread(
    alone: Any, workers: int, seed: int
) -> None:
    random = Random(seed)
    executor = HereAndNow(lambda number: random.random() < 0.1)
    found = find(images, executor=executor, processes=workers, **FAULTS)
    assert found.complete
    assert found.share == pytest.approx(1)
    assert found.states == alone.states
    assert found.endings.keys() == alone.endings.keys()


@pytest.mark.parametrize("longer", [1, 3, 7])
def test_a_run_that_was_cut_short_is_made_again_in_full(
    alone: Any, monkeypatch: pytest.MonkeyPatch, longer: int
) -> None:
    # Time passes with each look at the clock, and there is a little more of it each time.
    monkeypatch.setattr(_explorer, "really_perf_counter", partial(next, count()))
    explorer = Explorer(images, make_setup(faults=FAULTS["faults"], most_faults=1), 0, str, None)
    with undisturbed():
        found = explorer.explore(1, math.inf)
        for time in count(2, longer):
            if found.complete:
                break
            found = explorer.explore(1_000, time)
    assert (found.runs, found.states) == (alone.runs, alone.states)
    assert found.share == pytest.approx(1)


@pytest.mark.parametrize("of", [1, 2, 7])
def test_all_shards_together_explore_all_of_the_space(alone: Any, of: int) -> None:
    shards = [find(images, shard=f"{number}/{of}", **FAULTS) for number in range(1, of + 1)]
    assert all(each.complete for each in shards)
    assert sum(each.share for each in shards) == pytest.approx(1)
    assert set().union(*(each.endings for each in shards)) == set(alone.endings)


def test_what_a_worker_finds_is_reported_with_its_story() -> None:
    failure = find(fails_if_a_worker_dies, faults=[WorkerDies()], executor=HereAndNow()).failure
    assert failure is not None
    assert "the worker dies" in "\n".join(failure.story)


def fails_if_a_worker_dies(runner: Runner) -> None:
    images(runner)
    assert not runner.runs[0].history.find("ActivityTaskTimedOut")


def test_a_part_of_which_every_worker_dies_ends_the_exploration() -> None:
    with pytest.raises(RuntimeError, match=r"3 workers .* the same part; .*: the worker died"):
        find(images, executor=HereAndNow(lambda number: True), **MORE_FAULTS)


def test_a_test_without_an_importable_name_is_refused() -> None:
    def local(runner: Runner) -> None:
        images(runner)

    executor = HereAndNow()
    with pytest.raises(ConfigurationError, match=r"local cannot be explored .* of a module"):
        find(local, executor=executor)
    assert executor.parts == 0


@pytest.mark.parametrize("given", ["0/3", "4/3", "3", "a/b", ""])
def test_a_shard_that_does_not_exist_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="shard must be like '3/16'"):
        find(images, shard=given)


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="which has a method submit; 7 has none"):
        find(images, executor=7)  # type: ignore[arg-type]


@pytest.mark.slow
def test_spawned_processes_explore_together(alone: Any) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        found = find(images, executor=executor, processes=2, **FAULTS)
    assert found.complete
    assert found.states == alone.states


def images_with_a_casualty(runner: Runner) -> None:
    """Kill the process that makes the fifth run, once."""
    killed = Path(os.environ["KILLED_ONCE"])
    runs = int(os.environ.get("RUNS", "0"))
    os.environ["RUNS"] = str(runs + 1)
    if runs == 5 and not killed.exists() and multiprocessing.parent_process() is not None:
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    images(runner)


@pytest.mark.slow
def test_a_worker_of_a_cluster_that_is_killed_takes_no_result_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("KILLED_ONCE", str(tmp_path / "killed"))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = find(
            images_with_a_casualty, executor=client.get_executor(), processes=2, **MORE_FAULTS
        )
    assert (tmp_path / "killed").exists()
    assert found.complete
    assert found.states == find(images, **MORE_FAULTS).states


# The command


def explored(*words: str) -> Any:
    target = "flowy.tutorial.workflows:ImageCategorization"
    return CliRunner().invoke(cli, ["explore", target, "photo.jpg", *words])


def test_reports_of_shards_are_merged(tmp_path: Path) -> None:
    files = []
    for number in (1, 2, 3):
        made = explored("--fault=worker-dies", f"--shard={number}/3", "--json")
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(made.stdout)
    merged = CliRunner().invoke(cli, ["explore", "--merge", *map(str, files)])
    assert merged.exit_code == 0
    assert "in 3 shards, all of the space." in merged.stdout
    two = CliRunner().invoke(cli, ["explore", "--merge", "--json", *map(str, files[:2])])
    assert json.loads(two.stdout)["missing"] == [3]
    assert not json.loads(two.stdout)["complete"]


def test_reports_that_do_not_belong_together_are_not_merged(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text('{"runs": 1}')
    refused = CliRunner().invoke(cli, ["explore", "--merge", str(file)])
    assert refused.exit_code == 2
    assert "is not the report of a shard; write one with" in refused.stderr
    made = explored("--most-faults=0", "--shard=1/2", "--json")
    file.write_text(made.stdout)
    twice = CliRunner().invoke(cli, ["explore", "--merge", str(file), str(file)])
    assert "Several files are reports of shard 1." in twice.stderr
    missing = CliRunner().invoke(cli, ["explore", "--merge", str(tmp_path / "none.json")])
    assert "none.json cannot be read: No such file or directory." in missing.stderr


def here_and_now() -> Executor:
    return HereAndNow()


def test_the_command_explores_with_an_executor() -> None:
    name = f"{__name__}:here_and_now"
    made = explored("--fault=worker-dies", f"--executor={name}")
    assert "all of the space" in made.stdout
    wrong = explored(f"--executor={__name__}:FAULTS")
    assert "needs one that returns a concurrent.futures.Executor" in wrong.stderr
