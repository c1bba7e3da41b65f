"""Text beyond ASCII counts as at the service, and histories with escapes still replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy import (
    Activity,
    ActivityProxy,
    ActivityWorker,
    SerializationError,
    Workflow,
    WorkflowWorker,
    activity,
    outcome,
    start,
    workflow,
)
from flowy._payloads.serializers import encoder
from flowy._payloads.stores import FolderStore, keep
from flowy._payloads.text import DATA_LIMIT, length
from flowy.payloads import PLAIN, Payloads
from flowy.replay import replay
from tests.support.worker_loops import DOMAIN, attributes, history

ROOM = DATA_LIMIT - len('""')


@pytest.mark.parametrize(
    ("character", "longest"),
    [("a", ROOM), ("é", ROOM), ("中", ROOM), ("\uffff", ROOM), ("😀", ROOM // 2)],
)
def test_a_character_takes_as_many_as_at_the_service(character: str, longest: int) -> None:
    assert length(PLAIN.encode_result("x 1", character * longest)) in (DATA_LIMIT, DATA_LIMIT - 1)
    with pytest.raises(SerializationError, match="takes 32,7"):
        PLAIN.encode_result("x 1", character * (longest + 1))


LONE = ["\ud800", "\udfff", "a\udc00b", "😀\ud83d", "\udc00\ud800"]


@pytest.mark.parametrize("surrogate", LONE)
def test_a_lone_surrogate_is_escaped(surrogate: str) -> None:
    text = PLAIN.encode_result("x 1", ["é", surrogate])
    assert text.encode()
    assert "é" in text
    assert PLAIN.decode_result("x 1", text) == ["é", surrogate]


@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_a_text_is_the_same_json_as_with_escapes(value: Any) -> None:
    for text in (PLAIN.encode(value), encoder(PLAIN.serializer, lambda result: None)(value)):
        assert json.loads(text) == json.loads(json.dumps(value))
        assert text.encode("utf-8", "strict")


def test_a_set_keeps_the_order_that_it_had_with_escapes() -> None:
    values = {"é", "z", "中", "😀", "\ufffd"}
    assert json.loads(PLAIN.encode(values)) == sorted(values, key=json.dumps)


@pytest.mark.slow
@given(st.text(min_size=1))
def test_a_stored_value_keeps_the_reference_that_it_had_with_escapes(text: str) -> None:
    kept: dict[str, bytes] = {}

    class Memory:
        put = staticmethod(kept.__setitem__)
        get = staticmethod(kept.__getitem__)

    value = text + "é" * DATA_LIMIT
    payloads = Payloads(store=Memory())  # type: ignore[arg-type]
    reference = payloads.encode_result("x 1", value)
    (key,) = kept
    assert kept[key] == json.dumps(value).encode()
    assert reference == f"flowy:stored:{key}:{len(json.dumps(value))}"
    assert payloads.decode_result("x 1", reference) == value


@activity("greet", 1, "numbers")
class Greet(Activity):
    def run(self, name: str) -> str:
        return name


@workflow("greeter", 1, "decisions")
class Greeter(Workflow):
    greet = ActivityProxy(Greet)

    def run(self, name: str) -> str:
        self.side_effect(lambda: name)
        return self.greet(name).result()


def escaping(events: list[dict[str, Any]], store: FolderStore) -> list[dict[str, Any]]:
    """Return a history as it was recorded when everything beyond ASCII was escaped."""

    def escape(text: str) -> str:
        escaped = json.dumps(json.loads(text))
        return escaped if len(escaped) <= DATA_LIMIT else keep(store, "x", escaped)

    return [
        {
            name: {
                key: escape(text) if key in ("input", "result", "details") else text
                for key, text in value.items()
            }
            if isinstance(value, dict)
            else value
            for name, value in event.items()
        }
        for event in events
    ]


@pytest.mark.parametrize("name", ["Zoë", "中" * 6_000, "😀" * 10_000])
def test_a_history_with_escapes_replays(simulated: Any, tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path)
    payloads = Payloads(store=store)
    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [Greeter], payloads=payloads)
    worker = ActivityWorker(simulated, DOMAIN, "numbers", [Greet], payloads=payloads)
    for each in (decider, worker):
        each.register()
    execution = start(simulated, DOMAIN, Greeter, name, payloads=payloads)
    for each in (decider, worker, decider):
        each.run_once()
    ended = outcome(simulated, DOMAIN, execution)
    assert ended is not None
    assert ended.result == name
    events = history(simulated, execution)
    assert name in attributes(events, "ActivityTaskScheduled")[0]["input"]
    replay(Greeter, escaping(events, store), payloads=payloads)
