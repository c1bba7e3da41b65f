"""``flowy-sim replay``: histories from files, by the current code."""

from __future__ import annotations

import json
import os
import re
from importlib import import_module
from pathlib import Path

import pytest

from flowy_sim import Simulation
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import iso

DOCS = Path(__file__).parents[2] / "docs"

SHOP = """
from flowy import Activity, ActivityProxy, Workflow, activity, workflow

@activity("pack", 1, "shop")
def pack(order: int) -> str:
    return f"parcel {order}"

@workflow("order", 1, "shop")
class Order(Workflow):
    pack = ActivityProxy(pack)

    def run(self, order):
        return [self.pack(order).result(), self.pack(order + 1).result()]
"""


@pytest.fixture
def events(write, folder, monkeypatch):
    """Events of a finished order."""
    write("shop.py", SHOP)
    monkeypatch.syspath_prepend(folder)
    return Runner(Simulation()).run(import_module("shop").Order, 7).history


@pytest.fixture
def keep(folder):
    def keep(name, document):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        text = document if isinstance(document, str) else json.dumps(document, default=iso)
        path.write_text(text, encoding="utf-8")

    return keep


def test_histories_that_the_code_follows_are_replayed(invoke, events, keep):
    keep("histories/a.json", {"events": events})
    keep("histories/b.json", {"events": events[:9]})
    keep("c.json", events)
    result = invoke("replay", "shop:Order", "histories", "c.json")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "replays: a.json",
        "replays: b.json",
        "replays: c.json",
        "3 histories: 3 replayed, 0 differ, 0 unreadable",
    ]


@pytest.mark.parametrize("how", ["one after the other", "in a list", "newest first"])
def test_pages_are_put_together(invoke, events, keep, how):
    pages = [{"events": events[:6], "nextPageToken": "x"}, {"events": events[6:]}]
    texts = [json.dumps(page, default=iso) for page in pages]
    keep(
        "pages.json",
        {
            "one after the other": "\n".join(texts),
            "in a list": f"[{', '.join(texts)}]",
            "newest first": json.dumps(
                [
                    {"events": events[:5:-1], "nextPageToken": "x"},
                    {"events": events[5::-1]},
                ],
                default=iso,
            ),
        }[how],
    )
    result = invoke("replay", "shop:Order", "pages.json")
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "replays: pages.json")


def test_code_that_decides_differently_is_reported(invoke, events, keep, write):
    keep("order.json", {"events": events})
    write("newshop.py", SHOP.replace("order + 1", "order + 2"))
    result = invoke("replay", "newshop:Order", "order.json")
    assert result.exit_code == 1
    assert result.output.startswith("differs: order.json: event 11 of the history shows")
    assert "[[8], {}]" in result.output
    assert "[[9], {}]" in result.output
    assert "1 history: 0 replayed, 1 differ, 0 unreadable" in result.output


def test_the_report_is_as_the_document_shows(invoke, events, keep, write, folder):
    document = (DOCS / "testing" / "golden.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"flowy-sim replay prints -->\n```text\n(.*?)```", document, re.DOTALL)
    keep("histories/order-17.json", {"events": events[:6]})
    keep("histories/order-18.json", {"events": events})
    write("changed.py", SHOP.replace("order + 1", "order + 2"))
    printed = invoke("replay", "changed:Order", "histories").output
    printed = printed.replace(f"{folder / 'changed.py'}, line", "shop.py, line").splitlines()
    assert [*printed[:3], "…", printed[-1]] == shown.splitlines()


def test_histories_of_other_workflows_are_left_out(invoke, events, keep, write):
    write("other.py", SHOP.replace('"order", 1', '"order", 2'))
    keep("histories/order.json", {"events": events})
    result = invoke("replay", "other", "histories")
    assert result.exit_code == 1
    assert result.output == (
        "1 history: 0 replayed, 0 differ, 0 unreadable, 1 of other workflows\n"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "unreadable: x.json: is not JSON"),
        ("", "unreadable: x.json: is not JSON"),
        ("[" * 100_000, "unreadable: x.json: is not JSON"),
        ("[]", "unreadable: x.json: is not a history"),
        ("7", "unreadable: x.json: is not a history"),
        ('{"events": 3}', "unreadable: x.json: is not a history"),
        ('{"events": "none"}', "unreadable: x.json: is not a history"),
        ('[{"eventId": "one"}]', "unreadable: x.json: is not a history"),
        ('{"events": [{"eventId": 2}]}', "is not the complete history of one execution"),
        ('{"events": [{"eventId": 1}]}', "event 1 of a history must be WorkflowExecutionStarted"),
        ('{"events": [{"eventId": 1}], "nextPageToken": "x"}', "is only part of a history"),
    ],
)
def test_a_file_that_is_not_a_history_is_reported(invoke, write, keep, text, sentence):
    write("shop.py", SHOP)
    keep("x.json", text)
    result = invoke("replay", "shop", "x.json")
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_is_read_in_any_encoding(invoke, events, folder, keep, write, encoding):
    write("shop.py", SHOP)
    text = json.dumps({"events": events}, indent=2, default=str).replace("\n", "\r\n")
    (folder / "x.json").write_bytes(text.encode(encoding))
    assert invoke("replay", "shop", "x.json").output == (
        "replays: x.json\n1 history: 1 replayed, 0 differ, 0 unreadable\n"
    )
    assert invoke("report", "x.json", "-o", "x.html").exit_code == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_does_not_stop_the_others(invoke, events, folder, keep, write):
    write("shop.py", SHOP)
    keep("histories/order.json", {"events": events})
    os.mkfifo(folder / "histories" / "another.json")
    assert "1 history: 1 replayed" in invoke("replay", "shop", "histories").output
    assert invoke("report", "histories", "-o", "x.html").exit_code == 0


@pytest.mark.parametrize("attributes", [{}, [], {"workflowType": "order"}])
@pytest.mark.parametrize(
    "command",
    [
        ("replay", "shop:Order"),
        ("report", "--output", "x.html"),
        ("write-test", "--output", "test_x.py", "shop:Order"),
    ],
)
def test_events_that_amazon_swf_does_not_write_are_reported_in_one_sentence(
    invoke, write, keep, command, attributes
):
    write("shop.py", SHOP)
    start = {"eventId": 1, "eventType": "WorkflowExecutionStarted", "eventTimestamp": 0}
    keep("x.json", [{**start, "workflowExecutionStartedEventAttributes": attributes}])
    result = invoke(*command, "x.json")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "histor" in result.output


def test_programs_get_json(invoke, events, keep):
    keep("a.json", {"events": events})
    result = invoke("replay", "shop", "a.json", "--json")
    assert json.loads(result.output) == {
        "histories": [
            {"name": "a.json", "outcome": "replays", "events": len(events), "error": None}
        ]
    }


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere", "there is no module 'nowhere'"),
        ("json", "has no workflows"),
        ("shop:Pack", "is not a workflow"),
    ],
)
def test_a_missing_workflow_is_reported(invoke, write, keep, name, sentence):
    write("shop.py", SHOP)
    keep("a.json", "[]")
    result = invoke("replay", name, "a.json")
    assert result.exit_code == 2
    assert sentence in result.stderr
