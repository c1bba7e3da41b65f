"""An exploration goes on where the last one of the same test stopped, if both keep a corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowy import ConfigurationError
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim.explore import find
from flowy_sim.faults import AnswerLost, WorkerDies
from flowy_sim.testing import Runner

pytestmark = pytest.mark.slow

FAULTS: dict[str, Any] = {"faults": [WorkerDies(), AnswerLost()], "most_faults": 1, "seconds": 300}
may_fail = True


def images(runner: Runner) -> None:
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue", takes=15)
    runner.stubs(RenameImage, result="blue/small.jpg")
    run = runner(ImageCategorization, "photo.jpg")
    runner.sometimes(run.status == "FAILED", "the workflow fails")


def images_are_filed(runner: Runner) -> None:
    images(runner)
    assert may_fail or runner.runs[0].status == "COMPLETED"


@pytest.mark.parametrize("processes", [1, 2])
def test_parts_of_an_exploration_explore_as_much_as_one_that_is_not_stopped(
    tmp_path: Path, processes: int
) -> None:
    whole = find(images, **FAULTS)
    parts = [find(images, runs=6, corpus=tmp_path, processes=processes, **FAULTS)]
    while not parts[-1].complete:
        assert len(parts) < 30
        parts.append(find(images, runs=6, corpus=tmp_path, processes=processes, **FAULTS))
    assert len(parts) > 1
    assert parts[-1].share == pytest.approx(1)
    assert parts[-1].states == whole.states
    assert set().union(*(each.endings for each in parts)) == set(whole.endings)


def test_a_run_that_failed_is_made_first_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.may_fail", False)
    first = find(images_are_filed, corpus=tmp_path, **FAULTS)
    again = find(images_are_filed, corpus=tmp_path, **FAULTS)
    assert first.failure is not None
    assert again.failure is not None
    assert again.failure.choices == first.failure.choices
    assert again.runs < first.runs


def test_other_options_begin_anew_but_notable_runs_are_made_first(tmp_path: Path) -> None:
    find(images, runs=12, corpus=tmp_path, **FAULTS)
    [file] = tmp_path.iterdir()
    notable = json.loads(file.read_text())["notable"]
    assert "the workflow fails" in notable
    other = {**FAULTS, "most_faults": 0}
    assert find(images, corpus=tmp_path, **other).complete
    assert find(images, corpus=tmp_path, **FAULTS).complete


def test_shards_and_tests_keep_corpora_of_their_own(tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        find(images, shard=shard, corpus=tmp_path, runs=40, **FAULTS)
    find(images_are_filed, corpus=tmp_path, runs=5, **FAULTS)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "images-1-2.json",
        "images-2-2.json",
        "images_are_filed.json",
    ]


def test_a_file_that_is_no_corpus_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "images.json"
    for wrong in ("{", "[]", "{}", '{"format": 99}'):
        file.write_text(wrong)
        with pytest.raises(ConfigurationError, match=r"images.json is .* corpus"):
            find(images, corpus=tmp_path, **FAULTS)
        assert file.read_text() == wrong


def test_what_was_found_is_reported_if_the_corpus_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(f"{__name__}.may_fail", False)

    def full(*arguments: Any, **others: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        assert find(images_are_filed, corpus=tmp_path, **FAULTS).failure is not None
    assert "images_are_filed.json cannot be written: No space left on device" in caplog.text


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        find(images, corpus=tmp_path / "file" / "corpus", **FAULTS)
