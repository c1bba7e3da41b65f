"""A file that has less than was acknowledged is refused, whatever happened to it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy_sim._storage import progress_mark, writable_file
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.snapshot import snapshot_file
from tests.support.engine_contents import describe
from tests.support.engine_driver import DOMAIN
from tests.support.ordinary_user import as_ordinary_user
from tests.support.properties import examples
from tests.support.served_file import Served, crash

#: How many states are acknowledged between two copies.
STATES = 4
ENDINGS = ("", "-wal", "-progress")


class State:
    """What is in a file."""

    def __init__(self, served: Served) -> None:
        self._described = describe(served.engine)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and other._described == self._described

    def __hash__(self) -> int:
        return 0


async def _live(folder: Path) -> list[State]:
    """Serve a file for a while, and copy it and what belongs to it from time to time."""
    path, states = folder / "kept.db", []
    async with Served(path) as served:
        served.register()
        for moment in range(4):
            for number in range(3):
                served.start(f"order-{moment}-{number}", input="x" * 3_000)
                await served.durable()
                states.append(State(served))
            served.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId=f"order-{moment}-1")
            await served.durable()
            states.append(State(served))
            (folder / str(moment)).mkdir()
            crash(path, folder / str(moment) / "kept.db")
    return states


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[State]]:
    """A folder with copies from four moments, and what was acknowledged one after the other."""
    folder = tmp_path_factory.mktemp("copies")
    with pytest.MonkeyPatch.context() as patch:
        # The log is copied to the database between the moments.
        patch.setattr(writable_file, "_LOG_BYTES", 220_000)
        return folder, asyncio.run(_live(folder))


def opened(path: Path, *, accept_loss: bool = False) -> State:
    async def story() -> State:
        async with Served(path, accept_loss=accept_loss) as served:
            return State(served)

    return asyncio.run(story())


def content(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def lose(path: Path, content: bytes) -> None:
    path.unlink()


def shorten(kept: float) -> Callable[[Path, bytes], None]:
    def damage(path: Path, content: bytes) -> None:
        path.write_bytes(content[: int(kept * len(content))])

    return damage


def flip(place: float, bit: int) -> Callable[[Path, bytes], None]:
    def damage(path: Path, content: bytes) -> None:
        flipped = bytearray(content)
        if flipped:
            flipped[int(place * len(flipped))] ^= 1 << bit
        path.write_bytes(flipped)

    return damage


PLACES = st.floats(0, 1, exclude_max=True)
DAMAGE = st.one_of(
    st.just(lose), st.builds(shorten, PLACES), st.builds(flip, PLACES, st.integers(0, 7))
)


@given(
    ending=st.sampled_from(ENDINGS),
    damage=DAMAGE,
    others=st.lists(st.sampled_from(range(4)), min_size=3, max_size=3),
)
@settings(max_examples=1500 if "FLOWY_SOAK" in os.environ else examples(100))
def test_damaged_files_and_files_from_different_moments_are_refused_or_complete(
    copies: tuple[Path, list[State]],
    tmp_path_factory: pytest.TempPathFactory,
    ending: str,
    damage: Callable[[Path, bytes], None],
    others: list[int],
) -> None:
    folder, states = copies
    path = tmp_path_factory.mktemp("damaged") / "kept.db"
    for each, moment in zip(ENDINGS, others, strict=True):
        shutil.copyfile(folder / str(moment) / f"kept.db{each}", f"{path}{each}")
    damaged = Path(f"{path}{ending}")
    damage(damaged, damaged.read_bytes())
    before = content(path.parent)

    try:
        found = opened(path)
    except FileRefusedError:
        after = content(path.parent)
        assert {name: after[name] for name in before} == before
    else:
        assert states.index(found) >= STATES * (others[2] + 1) - 1


@pytest.mark.parametrize("moment", range(4))
def test_a_log_that_was_copied_in_part_loses_nothing(
    copies: tuple[Path, list[State]], tmp_path: Path, moment: int
) -> None:
    """On a full disk, pages are written in their order until one would be added."""
    folder, states = copies
    whole = crash(folder / str(moment) / "kept.db", tmp_path / "whole.db")
    before = whole.read_bytes()
    with closing(sqlite3.connect(whole)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    after = whole.read_bytes()
    assert len(after) > len(before) or moment

    for copied in range(0, len(after) + page, page):
        path = crash(folder / str(moment) / "kept.db", tmp_path / "kept.db")
        path.write_bytes(after[:copied] + before[copied:])
        assert opened(path) == states[STATES * (moment + 1) - 1]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_lost_file_is_reported_by_name_and_can_be_accepted(
    copies: tuple[Path, list[State]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    ending: str,
) -> None:
    folder, states = copies
    path = crash(folder / "3" / "kept.db", tmp_path / "kept.db")
    Path(f"{path}{ending}").unlink()

    with pytest.raises(FileRefusedError) as refusal:
        opened(path)
    sentence = str(refusal.value)
    assert "kept.db" in sentence
    assert "kept.db-progress" in sentence
    assert "kept.db-wal" in sentence
    assert "flowy-sim serve --accept-loss" in sentence
    with caplog.at_level(logging.WARNING, "flowy_sim"):
        found = opened(path, accept_loss=True)

    assert "The loss is accepted" in caplog.text
    assert found in states or ending != "-progress"
    caplog.clear()
    assert opened(path) == found
    assert not caplog.text


def test_the_database_alone_is_refused_after_a_crash_and_complete_after_a_stop(
    copies: tuple[Path, list[State]], tmp_path: Path
) -> None:
    folder, states = copies
    shutil.copyfile(folder / "3" / "kept.db", tmp_path / "crashed.db")
    shutil.copyfile(folder / "kept.db", tmp_path / "stopped.db")

    with pytest.raises(FileRefusedError, match=r"was not closed, and its progress file"):
        opened(tmp_path / "crashed.db")
    assert opened(tmp_path / "stopped.db") == states[-1]


def test_a_report_says_how_many_changes_are_missing_and_from_when(
    copies: tuple[Path, list[State]], tmp_path: Path
) -> None:
    folder, _ = copies
    path = crash(folder / "3" / "kept.db", tmp_path / "kept.db")
    log = Path(f"{path}-wal")
    log.write_bytes(log.read_bytes()[:-100])

    with pytest.raises(
        FileRefusedError,
        match=r"hold \d+ of the \d+ changes that kept.db-progress names; those made after "
        r"\d{4}-\d\d-\d\dT\S+Z, up to \d{4}\S+Z, are missing",
    ):
        opened(path)


def test_a_log_of_another_state_is_kept_under_another_name_when_the_loss_is_accepted(
    copies: tuple[Path, list[State]], tmp_path: Path
) -> None:
    folder, states = copies
    path = crash(folder / "3" / "kept.db", tmp_path / "kept.db")
    content = Path(f"{path}-wal").read_bytes()
    shutil.copyfile(folder / "0" / "kept.db", path)

    assert opened(path, accept_loss=True) not in states[STATES:]
    assert (tmp_path / "kept.db-wal.lost-1").read_bytes() == content


def test_a_file_that_is_served_keeps_its_log_when_another_server_would_accept_a_loss(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kept.db"

    async def story() -> None:
        async with Served(path) as served:
            served.register()
            await served.durable()
            with pytest.raises(FileRefusedError, match="is in use"):
                Served(path, accept_loss=True)
            served.start()
            await served.durable()
            assert content(tmp_path)["kept.db-wal"]

    asyncio.run(story())


@pytest.mark.parametrize("refused", ["open", "write"])
def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    # The superuser, as whom tests may run, can write everywhere.
    path = tmp_path / "kept.db"
    opened(path)
    before = path.read_bytes()

    def refuse(*arguments: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    real = os.open
    if refused == "open":
        monkeypatch.setattr(
            os, "open", lambda *each: refuse() if "-progress" in str(each[0]) else real(*each)
        )
    else:
        monkeypatch.setattr(progress_mark, "_write_at_start", refuse)

    with pytest.raises(
        FileRefusedError, match=r"Permission denied.*; make the file and its folder writable"
    ):
        opened(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert opened(path) is not None


@pytest.mark.parametrize("which", ["file", "folder"])
def test_a_read_only_file_or_folder_is_refused_for_writing_and_read_without_a_trace(
    tmp_path: Path, which: str
) -> None:
    path = tmp_path / "kept.db"
    opened(path)
    place = path if which == "file" else tmp_path
    place.chmod(0o555)
    try:

        def served() -> None:
            with pytest.raises(FileRefusedError, match="make the file and its folder writable"):
                opened(path)

        as_ordinary_user(served)
        as_ordinary_user(lambda: snapshot_file(path, tmp_path.parent / f"{tmp_path.name}.db"))
        assert os.listdir(tmp_path) == ["kept.db"]
    finally:
        place.chmod(0o755)
