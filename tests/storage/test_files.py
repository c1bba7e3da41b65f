"""A file that cannot be used is refused with a sentence and left unchanged."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy_sim._engine.model import event_types, service_model
from flowy_sim._engine.model import member as member_of
from flowy_sim._storage import files, tables, writable_file
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.tables import EventLayout, encode
from tests.support.engine_contents import describe
from tests.support.engine_driver import DOMAIN, decision
from tests.support.properties import examples
from tests.support.served_file import Served, crash


async def _lived(path: Path) -> None:
    async with Served(path) as served:
        served.register()
        for number in range(5):
            served.start(f"order-{number}", input="x" * 300, tagList=["a", "b"])
        served.decide(decision("StartTimer", timerId="1", startToFireTimeout="30"))
        served.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-3")
        await served.durable()
        crash(path)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file that was closed, and one that was not."""
    folder = tmp_path_factory.mktemp("templates")
    asyncio.run(_lived(folder / "closed.db"))
    return folder


@pytest.fixture(params=["closed.db", "crashed.db"])
def path(request: pytest.FixtureRequest, templates: Path, tmp_path: Path) -> Path:
    return crash(templates / request.param, tmp_path / "kept.db")


def content(path: Path) -> dict[str, bytes]:
    """A file and its log, which SQLite makes when it looks at a file, without anything in it."""
    return {
        found.name: found.read_bytes()
        for found in path.parent.iterdir()
        if not found.name.endswith("-shm") and found.stat().st_size
    }


def opened(path: Path) -> dict[str, Any]:
    """What is in a file."""

    async def story() -> dict[str, Any]:
        async with Served(path) as served:
            return describe(served.engine)

    return asyncio.run(story())


def refused(path: Path) -> str:
    """The sentence with which a file is refused; the file is unchanged."""
    before = content(path)
    with pytest.raises(FileRefusedError) as refusal:
        opened(path)
    assert content(path) == before
    return str(refusal.value)


def test_a_missing_file_is_created(tmp_path: Path) -> None:
    opened(tmp_path / "new.db")

    assert [found.name for found in tmp_path.iterdir()] == ["new.db"]


@pytest.mark.parametrize("name", ["file:x.db?mode=memory", "a b%20c?#.db", ":memory:", "~", "-x"])
def test_a_file_may_have_a_name_that_means_something_else_to_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(_lived(Path(name)))
    assert len(opened(Path(name))) > 0
    assert opened(Path(name)) == opened(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(b"SQLite")


def test_an_empty_file_is_treated_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.touch()

    assert not opened(path)["domains"]


def test_no_other_file_is_touched_when_a_file_is_made(tmp_path: Path) -> None:
    others = [tmp_path / f"{prefix}new.db{suffix}" for prefix in ("", ".") for suffix in SUFFIXES]
    for other in others:
        other.write_bytes(b"mine")

    opened(tmp_path / "new.db")

    assert {other.read_bytes() for other in others} == {b"mine"}
    assert set(tmp_path.iterdir()) == {tmp_path / "new.db", *others}


SUFFIXES = (".new", ".tmp", "~", "-new", ".bak")


@pytest.mark.slow
def test_one_of_several_servers_gets_a_new_file(tmp_path: Path) -> None:
    program = (
        "import sys, asyncio; from pathlib import Path\n"
        "from flowy_sim._storage.files import FileRefusedError\n"
        "from tests.support.served_file import Served\n"
        "async def serve():\n"
        "    async with Served(Path(sys.argv[1])):\n"
        "        print('serves', flush=True); sys.stdin.read()\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try: asyncio.run(serve())\n"
        "except FileRefusedError as error: print(error, flush=True)\n"
    )
    for path, empty in ((tmp_path / "new.db", False), (tmp_path / "empty.db", True)):
        if empty:
            path.touch()
        servers = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        for server in servers:
            assert server.stdin is not None
            server.stdin.write("\n")
            server.stdin.flush()
        said = [server.stdout.readline() for server in servers if server.stdout is not None]
        for server in servers:
            server.communicate()
        assert said.count("serves\n") == 1
        assert all(" is in use" in line for line in said if line != "serves\n"), said


def test_what_cannot_hold_a_database_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("nowhere.db")
    (tmp_path / "loop").symlink_to("loop")
    for name, sentence in (
        ("fifo", "is not a regular file but a FIFO, a socket or a device; give another file"),
        ("link", "is a link to nowhere.db, which does not exist; give that file"),
        ("loop", "cannot be read: Too many levels of symbolic links"),
    ):
        with pytest.raises(FileRefusedError, match=sentence):
            opened(tmp_path / name)
    with pytest.raises(FileRefusedError, match="is not a regular file"):
        opened(Path("/dev/null"))


def test_a_link_to_an_empty_file_stays_one(tmp_path: Path) -> None:
    (tmp_path / "target.db").touch()
    (tmp_path / "link.db").symlink_to("target.db")

    opened(tmp_path / "link.db")

    assert (tmp_path / "link.db").is_symlink()
    assert (tmp_path / "target.db").stat().st_size


def test_a_file_that_two_processes_create_belongs_to_one(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    files.create(path)

    with pytest.raises(FileRefusedError, match="has just been created by another process"):
        files.create(path)


def test_nothing_is_left_beside_a_file_that_was_closed(path: Path) -> None:
    opened(path)

    assert [found.name for found in path.parent.iterdir()] == ["kept.db"]


def test_a_file_cannot_be_created_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileRefusedError, match=r"cannot be created \(.*\); give a file in"):
        opened(tmp_path / "no" / "kept.db")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, Path(), Path("/")):
        with pytest.raises(FileRefusedError, match="cannot be read: Is a directory"):
            opened(folder)


@pytest.mark.parametrize("foreign", [b"hello", b"SQLite format 3\0" + bytes(84)])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, foreign: bytes) -> None:
    path = tmp_path / "foreign.db"
    path.write_bytes(foreign)

    assert "is not a file of flowy-sim" in refused(path)


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE events (id INTEGER)")

    assert "is not a file of flowy-sim" in refused(path)


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        (tables.FORMAT + 1, "was written by a newer version of flowy-sim"),
        (tables.FORMAT - 1, "was written by an older version of flowy-sim"),
    ],
)
def test_another_version_s_file_is_refused(path: Path, version: int, sentence: str) -> None:
    with path.open("r+b") as file:
        file.seek(60)
        file.write(version.to_bytes(4, "big"))

    assert sentence in refused(path)


def test_a_newer_model_s_file_is_refused(path: Path) -> None:
    newer = EventLayout({}).members | {"TimerFired": ["startedEventId", "timerId", "weather"]}
    with closing(sqlite3.connect(path)) as connection, connection:
        tables.put(connection, "about", [("model", encode(newer))])

    assert "in which TimerFired has weather; upgrade botocore" in refused(path)


@given(st.data())
def test_events_are_read_as_the_model_had_them_that_wrote_them(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(event_types())))
    members = event_types()[name].members
    older = data.draw(st.permutations(members))[: data.draw(st.integers(0, len(members)))]
    layout = EventLayout({name: older})
    values = {member: data.draw(st.none() | st.text()) for member in older}
    before = event_types()[name].freeze(5, _as_structures(name, values))
    event = event_types()[name].freeze(
        6, _as_structures(name, {member: data.draw(st.none() | st.text()) for member in members})
    )

    written_before = encode([[5, name, *[member_of(before, each) for each in older]]])

    later = EventLayout(layout.members)
    assert later.decode(written_before) == [before]
    assert later.decode(layout.encode([event])) == [event]
    assert EventLayout({}).decode(EventLayout({}).encode([before, event])) == [before, event]


def _as_structures(name: str, values: Mapping[str, str | None]) -> dict[str, Any]:
    """The values, in the structures and lists that events of a type have them in."""
    shapes = service_model().shape_for(f"{name}EventAttributes").members

    def value_in(shape: Any, value: str | None) -> Any:
        if value is None or shape.type_name not in ("structure", "list"):
            return value
        return dict.fromkeys(shape.members, value) if shape.type_name == "structure" else [value]

    return {member: value_in(shapes[member], value) for member, value in values.items()}


def test_a_file_that_is_served_is_refused(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            await served.durable()
            with pytest.raises(FileRefusedError, match="is in use by another process"):
                Served(path)
            served.start("order-7")
            await served.durable()

    asyncio.run(story())


def test_a_file_that_changes_while_it_is_opened_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = iter([((1, 1), None), ((2, 2), None)])
    monkeypatch.setattr(files, "signature", lambda path: next(stamps))

    with pytest.raises(FileRefusedError, match="has just been changed by another process"):
        opened(path)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.95])
def test_a_truncated_file_is_refused(templates: Path, tmp_path: Path, kept: float) -> None:
    path = crash(templates / "closed.db", tmp_path / "kept.db")
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * kept))

    assert "is damaged" in refused(path)


@pytest.mark.slow
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=examples(150))
def test_a_file_with_a_flipped_bit_is_refused_or_unchanged(
    templates: Path, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    path = crash(templates / "closed.db", tmp_path_factory.mktemp("bit") / "kept.db")
    damaged = bytearray(path.read_bytes())
    damaged[int(place * len(damaged))] ^= 1 << bit
    expected = opened(path)
    path.write_bytes(damaged)

    try:
        found = opened(path)
    except FileRefusedError:
        assert path.read_bytes() == damaged
    else:
        assert found == expected


def test_a_row_that_another_program_changed_is_refused(path: Path) -> None:
    opened(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE history SET events = replace(events, 'order', 'older')")
        connection.execute("UPDATE executions SET state = replace(state, 'order', 'older')")

    assert "a row of the table executions is not as it was written" in refused(path)


def test_a_file_that_is_mostly_empty_is_made_smaller_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.db"

    async def story() -> None:
        async with Served(path) as served:
            served.register()
            for number in range(200):
                served.start(f"order-{number}", input="x" * 10_000)
                served.call(
                    "TerminateWorkflowExecution", domain=DOMAIN, workflowId=f"order-{number}"
                )
            await served.durable()
            served.advance(7 * 24 * 60 * 60 * 1000)
            served.start("last")
            await served.durable()

    asyncio.run(story())
    large = path.stat().st_size
    before = opened(path)
    assert path.stat().st_size == large
    monkeypatch.setattr(writable_file, "_COMPACTED_PAGES", 100)

    assert opened(path) == before
    assert path.stat().st_size < large / 10


def test_the_last_write_is_there_completely_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    states: list[dict[str, Any]] = []
    #: The size of the log, and the progress file, when each state was durable.
    reached: list[tuple[int, bytes]] = []

    async def story() -> None:
        async with Served(path) as served:

            async def durable() -> None:
                await served.durable()
                states.append(describe(served.engine))
                progress = path.with_name("kept.db-progress").read_bytes()
                reached.append((path.with_name("kept.db-wal").stat().st_size, progress))

            opening = path.with_name("kept.db-progress").read_bytes()
            await durable()
            reached[0] = 0, opening
            served.register()
            await durable()
            for together in range(4):
                for number in range(5):
                    served.start(f"order-{together}-{number}", input="x" * 2_000)
                served.decide(decision("StartTimer", timerId="1", startToFireTimeout="30"))
                await durable()
            crash(path)

    asyncio.run(story())
    log = tmp_path / "crashed.db-wal"
    written = log.read_bytes()
    # As if the process had been killed after so many bytes of the log, also within transactions.
    (tmp_path / "cut").mkdir()
    for length in [*range(0, len(written), len(written) // 60), len(written)]:
        copied = crash(tmp_path / "crashed.db", tmp_path / "cut" / "cut.db")
        copied.with_name("cut.db-wal").write_bytes(written[:length])
        last = max(index for index, (size, _) in enumerate(reached) if size <= length)
        copied.with_name("cut.db-progress").write_bytes(reached[last][1])

        assert opened(copied) == states[last]


def test_a_file_with_the_former_index_is_served_without_it(templates: Path, tmp_path: Path) -> None:
    path = crash(templates / "closed.db", tmp_path / "kept.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(tables.FORMER_INDEX[3])
        before = connection.execute("SELECT * FROM history").fetchall()

    async def story() -> None:
        async with Served(path):
            pass

    asyncio.run(story())
    with closing(sqlite3.connect(path)) as connection:
        assert tables.FORMER_INDEX not in tables.definitions(connection)
        assert connection.execute("SELECT * FROM history").fetchall() == before
