"""Simulations are moved as database files and continue; invalid files are refused."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy_sim._engine.limits import Limits
from flowy_sim._engine.model import event_types
from flowy_sim._storage import tables
from flowy_sim._storage.file_reader import LoadedSimulation, StoredSimulation
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.journal import SimulationKey
from flowy_sim._storage.snapshot import (
    Imported,
    Selection,
    SnapshotError,
    import_file,
    read_snapshot,
    snapshot_file,
    write_snapshot,
)
from tests.support.engine_contents import describe
from tests.support.engine_driver import DOMAIN, ORDER, PACK, decision
from tests.support.engine_machine import LIMITS
from tests.support.properties import examples
from tests.support.served_file import ACCOUNT, Rows, Served, is_json, rows
from tests.support.stored_machine import campaign


def altered(path: Path, copy: Path, alter: Callable[[Rows], object]) -> Path:
    """A copy of a file with something different in it, and the right checksums."""
    content = rows(path)
    alter(content)
    shutil.copyfile(path, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        for table, columns in tables.COLUMNS.items():
            connection.execute(f"DELETE FROM {table}")
            encoded = [
                tuple(
                    json.dumps(value)
                    if is_json(table, column) or isinstance(value, list | dict)
                    else value
                    for column, value in zip(columns, row, strict=False)
                )
                for row in content[table]
            ]
            tables.put(connection, table, encoded)
    return copy


def executions(path: Path) -> list[str]:
    return [state[0] for _, _, state in rows(path)["executions"]]


def run_ids(path: Path) -> list[str]:
    return [state[1] for _, _, state in rows(path)["executions"]]


def add(path: Path, snapshot: Path, name: str | None = None) -> Imported:
    return import_file(path, snapshot, name=name)


def pack(activity_id: str = "1") -> dict[str, Any]:
    return decision("ScheduleActivityTask", activityId=activity_id, activityType=PACK)


def child(workflow_id: str, **attributes: Any) -> dict[str, Any]:
    return decision(
        "StartChildWorkflowExecution", workflowId=workflow_id, workflowType=ORDER, **attributes
    )


class Lived:
    """A simulation in which something has happened, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens: dict[str, str] = {}
        asyncio.run(self._live())
        self.snapshot = path.with_name("snapshot.db")
        snapshot_file(path, self.snapshot)
        self._parts = count(1)

    async def _live(self) -> None:
        async with Served(self.path) as served:
            served.register()
            served.start("order-1", input="half a pair: \ud800, ä", tagList=["a", "b"])
            timer = decision("StartTimer", timerId="1", startToFireTimeout="30")
            served.decide(timer, pack("a"), pack("b"), child("order-1-child"))
            served.advance(1000)
            held = served.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
            token = self.tokens["activity"] = held["taskToken"]
            served.call("RecordActivityTaskHeartbeat", taskToken=token, details="half")
            self.tokens["decision"] = served.poll()["taskToken"]
            served.signal()
            served.start("order-2")
            served.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-2")
            served.start("order-3")
            await served.durable()

    def only(self, *workflow_ids: str) -> Path:
        """A snapshot of the executions of some workflow IDs and their families alone."""
        part = self.path.with_name(f"part-{next(self._parts)}.db")
        snapshot_file(self.path, part, Selection(domain=DOMAIN, workflow_ids=workflow_ids))
        return part


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("lived") / "lived.db")


def in_file(path: Path, story: Callable[[Served], Any]) -> Any:
    """The result of a function called with the simulation in a file."""

    async def tell() -> Any:
        async with Served(path) as served:
            told = story(served)
            await served.durable()
            return told

    return asyncio.run(tell())


def test_what_was_imported_is_exported_again_the_same(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.snapshot)
    snapshot_file(path, tmp_path / "again.db")

    assert rows(tmp_path / "again.db") == rows(lived.snapshot)


def test_what_was_imported_is_the_same_engine(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.snapshot)

    assert in_file(path, lambda served: describe(served.engine)) == in_file(
        lived.path, lambda served: describe(served.engine)
    )


def test_an_export_is_served_as_it_is(lived: Lived, tmp_path: Path) -> None:
    path = Path(shutil.copyfile(lived.snapshot, tmp_path / "served.db"))

    assert in_file(path, lambda served: describe(served.engine)) == in_file(
        lived.path, lambda served: describe(served.engine)
    )


def test_a_file_that_was_served_is_imported_without_an_export(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.path)
    snapshot_file(path, tmp_path / "again.db")

    assert rows(tmp_path / "again.db") == rows(lived.snapshot)


def test_open_tasks_keep_their_tokens_and_timers_fire(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.snapshot)

    def story(served: Served) -> list[str]:
        served.call("RespondDecisionTaskCompleted", taskToken=lived.tokens["decision"])
        served.call("RespondActivityTaskCompleted", taskToken=lived.tokens["activity"])
        served.advance(30_000)
        run_id = next(iter(served.engine.domains[DOMAIN].open_executions.values())).run_id
        return served.types(run_id)

    told = in_file(path, story)

    assert {"ActivityTaskCompleted", "TimerFired"} <= set(told)


@pytest.mark.parametrize("seed", range(examples(6)))
def test_any_engine_is_the_same_after_it_was_moved(seed: int, tmp_path: Path) -> None:
    engine = campaign(seed, crashes=False).engine
    limits = {
        limit.name: value
        for limit in fields(LIMITS)
        if (value := getattr(LIMITS, limit.name)) != getattr(Limits(), limit.name)
    }
    engine_settings = {"seed": engine.seed, "limits": limits}
    stored = StoredSimulation(
        1, SimulationKey("", ACCOUNT), engine_settings, engine.now, "virtual", engine.now, {}
    )
    write_snapshot([LoadedSimulation(stored, {engine.region: engine})], tmp_path / "moved.db")

    ((_, engines),) = loaded = read_snapshot(tmp_path / "moved.db")
    write_snapshot(loaded, tmp_path / "again.db")

    assert rows(tmp_path / "again.db") == rows(tmp_path / "moved.db")
    assert describe(engines[engine.region]) == describe(engine)


def test_a_simulation_is_added_to_others_under_another_name(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.snapshot)
    add(path, lived.snapshot, "other")

    assert [state[0] for _, state, _ in rows(path)["simulations"]] == ["", "other"]
    snapshot_file(path, tmp_path / "other.db", Selection(simulation="other"))

    def rename(content: Rows) -> None:
        content["simulations"][0][1][0] = "other"

    renamed = altered(lived.snapshot, tmp_path / "renamed.db", rename)
    assert rows(tmp_path / "other.db") == rows(renamed)


def test_chosen_executions_come_with_their_families(lived: Lived) -> None:
    chosen = lived.only("order-1-child")

    assert executions(chosen) == ["order-1", "order-1-child"]
    assert "WorkflowType" in [kind for _, kind, *_ in rows(chosen)["types"]]
    read_snapshot(chosen)


def test_executions_are_added_to_those_that_are_there(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.only("order-3"))
    in_file(path, lambda served: served.start("before"))
    add(path, lived.only("order-1", "order-2"))

    def story(served: Served) -> list[str]:
        polled = [served.poll()["workflowExecution"]["workflowId"] for _ in range(3)]
        served.call("RespondActivityTaskCompleted", taskToken=lived.tokens["activity"])
        assert served.start("after") not in run_ids(lived.snapshot)
        return polled

    assert in_file(path, story) == ["order-3", "before", "order-1"]
    read_snapshot(path)


def refusal_of(path: Path, snapshot: Path) -> str:
    """The sentence with which an import is refused; the file is unchanged."""
    before = path.read_bytes()
    with pytest.raises((SnapshotError, FileRefusedError)) as refusal:
        add(path, snapshot)
    assert path.read_bytes() == before
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_run_is_imported_only_once(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.snapshot)

    assert "already has the run" in refusal_of(path, lived.snapshot)


def test_two_executions_of_a_workflow_id_cannot_be_open(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    add(path, lived.only("order-3"))
    in_file(path, lambda served: served.start("order-2"))

    assert "an execution of 'order-2' is open" in refusal_of(path, lived.only("order-2"))


def test_a_snapshot_that_is_ahead_in_time_is_refused(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    in_file(path, lambda served: served.register())

    assert "let time pass there first" in refusal_of(path, lived.only("order-3"))


def test_a_simulation_with_another_seed_does_not_know_the_tokens(
    lived: Lived, tmp_path: Path
) -> None:
    def reseed(content: Rows) -> None:
        content["simulations"][0][1][2]["seed"] = 7

    path = tmp_path / "moved.db"
    add(path, altered(lived.only("order-3"), tmp_path / "other.db", reseed))
    imported = add(path, lived.only("order-1"))

    assert imported.lost_tokens == 2


def test_no_file_is_created_for_an_invalid_snapshot(lived: Lived, tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"bad")
    with pytest.raises(FileRefusedError, match=r"bad\.db is not a file of flowy-sim"):
        add(tmp_path / "moved.db", tmp_path / "bad.db")

    def forget(content: Rows) -> None:
        content["history"] = content["history"][1:]

    altered(lived.snapshot, tmp_path / "bad.db", forget)
    with pytest.raises(SnapshotError, match=r"bad\.db cannot be imported: "):
        add(tmp_path / "moved.db", tmp_path / "bad.db")

    assert [found.name for found in tmp_path.iterdir()] == ["bad.db"]


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        (tables.FORMAT + 1, "was written by a newer version of flowy-sim, in format 4"),
        (tables.FORMAT - 1, r"A development version from before 0\.1\.0 can serve and export it"),
    ],
)
def test_another_format_is_refused(
    lived: Lived, tmp_path: Path, version: int, sentence: str
) -> None:
    path = Path(shutil.copyfile(lived.snapshot, tmp_path / "other.db"))
    with path.open("r+b") as file:
        file.seek(60)
        file.write(version.to_bytes(4, "big"))

    with pytest.raises(FileRefusedError, match=sentence):
        read_snapshot(path)


def test_an_export_in_json_names_the_versions_that_read_it(tmp_path: Path) -> None:
    path = tmp_path / "everything.json"
    path.write_text('{"format": "flowy-sim export", "version": 1, "simulations": []}')

    with pytest.raises(FileRefusedError, match=r"A development version from before 0\.1\.0 can"):
        read_snapshot(path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER again AFTER INSERT ON history BEGIN DELETE FROM about; END",
        "CREATE VIEW everything AS SELECT * FROM history",
        "CREATE TABLE more (id INTEGER)",
        "ALTER TABLE history ADD COLUMN more INTEGER",
    ],
)
def test_a_file_with_other_tables_is_refused(lived: Lived, tmp_path: Path, statement: str) -> None:
    path = Path(shutil.copyfile(lived.snapshot, tmp_path / "other.db"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)

    with pytest.raises(FileRefusedError, match="its tables are not those of this format"):
        read_snapshot(path)


def test_summaries_of_closed_executions_are_not_trusted(lived: Lived, tmp_path: Path) -> None:
    def lie(content: Rows) -> None:
        for _, _, state in content["executions"]:
            if state[4] is not None:
                state[4]["length"] = 7

    path = tmp_path / "moved.db"
    add(path, altered(lived.snapshot, tmp_path / "lie.db", lie))

    snapshot_file(path, tmp_path / "again.db")
    assert rows(tmp_path / "again.db") == rows(lived.snapshot)


def set_member(event: list[Any], name: str, value: object) -> None:
    event[event_types()[event[1]].position[name]] = value


def wrong(content: Rows, table: str, alter: Callable[[list[Any]], object]) -> Rows:
    for row in content[table]:
        alter(row)
    return content


@pytest.mark.parametrize(
    ("table", "alter", "sentence"),
    [
        ("simulations", lambda row: row[1].__setitem__(1, "me"), "'me' is not an account"),
        ("simulations", lambda row: row[1].__setitem__(0, "a/b"), "'a/b' cannot be the name"),
        ("simulations", lambda row: row[1].__setitem__(4, "fast"), "'fast' is not a clock"),
        ("simulations", lambda row: row[1][2].update(seed=1.5), "seed=1.5"),
        ("engines", lambda row: row.__setitem__(2, 7), "7 is not a region"),
        ("engines", lambda row: row.__setitem__(3, 1 << 62), "which no clock shows"),
        ("domains", lambda row: row[2].update(started=1 << 40), "a domain has had 1099511627776"),
        ("domains", lambda row: row[2].update(started=0), "has 0 executions, 1 of them closed"),
        ("domains", lambda row: row[2].update(tags={"a": 5}), "class java.lang.Short can not be"),
        ("domains", lambda row: row[2].update(retention="100"), "less than or equal to 90"),
        ("domains", lambda row: row[2].update(more=1), "more"),
        (
            "types",
            lambda row: row[3].update(defaults={"defaultA": 1}),
            "members that are not known",
        ),
        ("types", lambda row: row[3].update(created_at="now"), "'now' is not a whole number"),
        ("executions", lambda row: row[2].__setitem__(0, row[1]), "class java.lang.Short"),
        ("executions", lambda row: row[2].__setitem__(1, "same"), "same"),
        ("history", lambda row: row[3][0].__setitem__(1, "Nothing"), "Nothing"),
        ("history", lambda row: set_member(row[3][0], "input", 5), "class java.lang.Short"),
        ("history", lambda row: set_member(row[3][0], "childPolicy", "KEEP"), "enum value set"),
        ("history", lambda row: set_member(row[3][0], "childPolicy", None), "not as the service"),
        ("effects", lambda row: row.__setitem__(4, "miracle"), "is not a kind of effect"),
        ("heartbeats", lambda row: row.__setitem__(4, 5), "class java.lang.Short"),
    ],
)
def test_a_wrong_value_is_named(
    lived: Lived, tmp_path: Path, table: str, alter: Callable[[list[Any]], object], sentence: str
) -> None:
    bad = altered(lived.snapshot, tmp_path / "bad.db", lambda it: wrong(it, table, alter))

    with pytest.raises(SnapshotError) as refusal:
        read_snapshot(bad)
    assert sentence in str(refusal.value)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in the content of a file."""
    if path:
        yield path
    if isinstance(value, dict | list):
        names = value if isinstance(value, dict) else range(len(value))
        for name in names:
            yield from places(value[name], (*path, name))


ANYTHING: list[Any] = [None, True, -1, 0, 3, 10**30, 1.5, float("nan"), "", "x", [], [[]], {}]


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=examples(150))
def test_a_snapshot_with_anything_wrong_in_it_is_refused_with_a_sentence_or_can_be_served(
    lived: Lived, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = rows(lived.snapshot)
    everywhere = sorted((place for place in places(content) if len(place) > 1), key=repr)
    *way, last = data.draw(st.sampled_from(everywhere), "place")
    change = data.draw(st.sampled_from(["remove", "replace", "repeat"]), "change")
    value = data.draw(st.sampled_from(ANYTHING), "value") if change == "replace" else None

    def alter(content: Rows) -> None:
        holder: Any = content
        for step in way:
            holder = holder[step]
        if len(way) == 2 and change != "replace":
            # A column is there in every row.
            holder[last] = None
        elif change == "remove":
            del holder[last]
        elif change == "repeat" and isinstance(holder, list):
            holder.append(holder[last])
        elif len(way) == 1:
            holder[last] = [value] * len(holder[last])
        else:
            holder[last] = value

    try:
        bad = altered(lived.snapshot, tmp_path_factory.mktemp("bad") / "bad.db", alter)
    except (sqlite3.Error, OverflowError):
        # SQLite itself refuses to hold it.
        return
    try:
        read_snapshot(bad)
    except (SnapshotError, FileRefusedError) as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert "\n" not in sentence
    else:
        moved = bad.with_name("moved.db")
        add(moved, bad)
        assert in_file(moved, lambda served: served.engine.now) is not None
