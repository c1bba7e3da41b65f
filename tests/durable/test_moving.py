"""Simulations are moved as JSON and go on where they were; what is wrong is not imported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import test_state_machine as machine
from describing import describe
from driver import DOMAIN, ORDER, PACK, decision
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_engines import Served
from test_restoring_at_random import campaign

from flowy_sim._engine import Engine
from flowy_sim._storage.adding import import_file
from flowy_sim._storage.documents import changes_from, check_engine, engine_document
from flowy_sim._storage.exporting import choose_executions, choose_simulation, export_file
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.forms import DocumentError
from flowy_sim._storage.importing import read_document
from flowy_sim._storage.restoring import restore
from flowy_sim._storage.tracking import Tracker

Document = dict[str, Any]


def read_again(document: Document) -> Any:
    return json.loads(json.dumps(document))


def pack(activity_id: str = "1") -> Document:
    return decision("ScheduleActivityTask", activityId=activity_id, activityType=PACK)


def child(workflow_id: str, **attributes: Any) -> Document:
    return decision(
        "StartChildWorkflowExecution", workflowId=workflow_id, workflowType=ORDER, **attributes
    )


class Lived:
    """A simulation in which something has happened, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens: dict[str, str] = {}
        asyncio.run(self._live())
        self.document = export_file(path)

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


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("lived") / "lived.db")


def in_file(path: Path, story: Callable[[Served], Any]) -> Any:
    """What comes of a story told with the simulation in a file."""

    async def tell() -> Any:
        async with Served(path) as served:
            told = story(served)
            await served.durable()
            return told

    return asyncio.run(tell())


def test_what_was_imported_is_exported_again_the_same(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    import_file(path, read_again(lived.document))

    assert json.dumps(export_file(path)) == json.dumps(lived.document)


def test_what_was_imported_is_the_same_engine(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    import_file(path, read_again(lived.document))

    assert in_file(path, lambda served: describe(served.engine)) == in_file(
        lived.path, lambda served: describe(served.engine)
    )


def test_open_tasks_keep_their_tokens_and_timers_fire(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    import_file(path, read_again(lived.document))

    def story(served: Served) -> list[str]:
        served.call("RespondDecisionTaskCompleted", taskToken=lived.tokens["decision"])
        served.call("RespondActivityTaskCompleted", taskToken=lived.tokens["activity"])
        served.advance(30_000)
        run_id = next(iter(served.engine.domains[DOMAIN].open_executions.values())).run_id
        return served.types(run_id)

    told = in_file(path, story)

    assert {"ActivityTaskCompleted", "TimerFired"} <= set(told)


@pytest.mark.parametrize("seed", range(6))
def test_any_engine_is_the_same_after_it_was_moved(seed: int) -> None:
    engine = campaign(seed, crashes=False).engine
    document = read_again(engine_document(engine))
    moved = Engine(
        account=engine.account, region=engine.region, seed=engine.seed, limits=machine.LIMITS
    )
    check_engine(document, "it")
    restore(changes_from(document), Tracker(moved))

    assert engine_document(moved) == engine_document(engine)
    assert describe(moved) == describe(engine)


def test_a_simulation_comes_beside_others_under_another_name(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    import_file(path, lived.document)
    renamed = read_again(lived.document)
    renamed["simulations"][0]["name"] = "other"
    import_file(path, renamed)

    both = export_file(path)
    assert [each["name"] for each in both["simulations"]] == ["", "other"]
    choose_simulation(both, "other")
    assert both == renamed


def without(document: Document, *workflow_ids: str) -> Document:
    """The executions of a document, of these workflow ids and their families alone."""
    chosen: Document = read_again(document)
    choose_executions(chosen, DOMAIN, workflow_ids)
    return chosen


def test_chosen_executions_come_with_their_families(lived: Lived) -> None:
    chosen = without(lived.document, "order-1-child")
    (domain,) = chosen["simulations"][0]["regions"][0]["domains"]

    named = [each["workflowExecution"]["workflowId"] for each in domain["executions"]]
    assert named == ["order-1", "order-1-child"]
    assert domain["WorkflowType"]
    read_document(chosen)


def test_executions_are_added_to_those_that_are_there(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    import_file(path, without(lived.document, "order-3"))
    in_file(path, lambda served: served.start("before"))
    import_file(path, without(lived.document, "order-1", "order-2"))

    def story(served: Served) -> list[str]:
        polled = [served.poll()["workflowExecution"]["workflowId"] for _ in range(3)]
        served.call("RespondActivityTaskCompleted", taskToken=lived.tokens["activity"])
        assert served.start("after") not in run_ids(lived.document)
        return polled

    assert in_file(path, story) == ["order-3", "before", "order-1"]
    read_document(export_file(path))


def run_ids(document: Document) -> list[str]:
    (region,) = document["simulations"][0]["regions"]
    return [each["workflowExecution"]["runId"] for each in region["domains"][0]["executions"]]


def refusal_of(path: Path, document: Any) -> str:
    """The sentence with which an import is refused; the file is as it was."""
    before = path.read_bytes()
    with pytest.raises((DocumentError, FileRefusedError)) as refusal:
        import_file(path, document)
    assert path.read_bytes() == before
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_run_comes_once(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    import_file(path, lived.document)

    assert "already has the run" in refusal_of(path, lived.document)


def test_two_executions_of_a_workflow_id_cannot_be_open(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    import_file(path, without(lived.document, "order-3"))
    in_file(path, lambda served: served.start("order-2"))

    chosen = without(lived.document, "order-2")
    assert "an execution of 'order-2' is open" in refusal_of(path, chosen)


def test_nothing_comes_from_the_future(lived: Lived, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    in_file(path, lambda served: served.register())

    assert "let time pass there first" in refusal_of(path, without(lived.document, "order-3"))


def test_a_simulation_with_another_seed_does_not_know_the_tokens(
    lived: Lived, tmp_path: Path
) -> None:
    path = tmp_path / "moved.db"
    other = read_again(without(lived.document, "order-3"))
    other["simulations"][0]["settings"]["seed"] = 7
    import_file(path, other)
    # It is another run there; that of the document is no longer in the way.
    imported = import_file(path, without(lived.document, "order-1"))

    assert imported.lost_tokens == 2


def test_a_file_that_was_to_be_made_is_not_made_for_a_bad_document(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="It is not what 'flowy-sim export' writes"):
        import_file(tmp_path / "moved.db", [])

    assert not list(tmp_path.iterdir())


def test_a_newer_format_is_refused(lived: Lived) -> None:
    with pytest.raises(DocumentError, match="in version 2 of the format; this flowy-sim reads"):
        read_document({**lived.document, "version": 2})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    if path:
        yield path
    if isinstance(value, dict | list):
        names = value if isinstance(value, dict) else range(len(value))
        for name in names:
            yield from places(value[name], (*path, name))


ANYTHING: list[Any] = [None, True, -1, 0, 3, 10**30, 1.5, float("nan"), "", "x", [], [[]], {}]


@given(data=st.data())
@settings(max_examples=150)
def test_a_document_with_anything_wrong_in_it_is_refused_with_a_sentence(
    lived: Lived, data: st.DataObject
) -> None:
    document = deepcopy(lived.document)
    everywhere = sorted(places(document), key=repr)
    *way, last = data.draw(st.sampled_from(everywhere), "place")
    holder: Any = document
    for step in way:
        holder = holder[step]
    change = data.draw(st.sampled_from(["remove", "replace", "repeat"]), "change")
    if change == "remove":
        del holder[last]
    elif change == "repeat" and isinstance(holder, list):
        holder.append(deepcopy(holder[last]))
    else:
        holder[last] = data.draw(st.sampled_from(ANYTHING), "value")

    try:
        read_document(document)
    except DocumentError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert "\n" not in sentence
