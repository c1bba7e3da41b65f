"""Pages about runs: from commands, and as a picture alone."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import boto3
import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from flowy._cli import cli as flowy_cli
from flowy_sim import mock_swf
from flowy_sim._events.spans import read
from flowy_sim._report.event_table import EventTable, pretty
from flowy_sim._report.page import SCRIPTS, asset, failed_first, page, svg
from flowy_sim._report.picture import BAND_ROWS, Picture
from flowy_sim._report.run_view import ReportedRun
from flowy_sim.testing._history_files import iso
from tests.support.event_builder import History
from tests.support.hostile_text import WORST, hostile_texts, problems_of
from tests.support.reported_runs import many, order, timed

VOID = {"meta", "path", "line", "input"}
OPTIONAL = {"li", "p", "td", "th", "tr", "dt", "dd"}


class Page(HTMLParser):
    """A page, read without a browser.

    Attributes:
        tags: the names of its elements.
        ids: the values of ``id``.
        links: the values of ``href``.
        loads: whatever could make a browser request something.
        text: what it shows.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID | OPTIONAL:
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            elif name == "href":
                self.links.append(str(value))
            elif name in ("src", "srcset", "style", "action", "data") or name.startswith("on"):
                self.loads.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def html(*runs: History) -> str:
    return page([ReportedRun(run.events, "order-7", "run") for run in runs], "Orders")


def test_a_page_makes_no_request() -> None:
    written = html(order(), order())
    read_page = Page(written)
    assert read_page.loads == []
    assert not {"link", "img", "iframe", "form", "object"} & set(read_page.tags)
    assert all(link.startswith("#") for link in read_page.links)
    assert "url(" not in written
    assert "@import" not in written


def test_its_own_policy_allows_its_style_and_its_script_and_nothing_else() -> None:
    written = html(order())
    [policy] = re.findall(r'Content-Security-Policy" content="(.*?)"', written)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy
    for name, element in (("style", "<style>"), ("script", '<script type="module">')):
        [text] = re.findall(rf"{element}(.*?)</{name}>", written, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_all_scripts_take_sixty_kilobytes_at_most() -> None:
    assert sum(len(asset(name).encode()) for name in SCRIPTS) <= 60_000


def test_each_script_imports_only_from_those_before_it() -> None:
    for index, name in enumerate(SCRIPTS):
        imported = re.findall(r'^import .* from "\./(.*)";$', asset(name), re.MULTILINE)
        assert set(imported) <= set(SCRIPTS[:index])


def test_each_link_leads_to_something_on_the_page() -> None:
    read_page = Page(html(order(), order()))
    assert {link[1:] for link in read_page.links} <= set(read_page.ids)
    assert len(read_page.ids) == len(set(read_page.ids))


def test_events_are_linked_to_their_causes_and_effects() -> None:
    rows = html(order(), order()).split("<tr id=")[:20]
    [completed] = [row for row in rows if "ActivityTaskCompleted" in row]
    [scheduled] = [row for row in rows if "ActivityTaskScheduled" in row and "ship" in row]
    ids = [re.match(r"r1e(\d+)>", row)[1] for row in (scheduled, completed)]  # type: ignore[index]
    assert f"href=#r1e{ids[1]}>" in scheduled
    assert f"href=#r1e{ids[0]}>" in completed


@settings(max_examples=25, deadline=None)
@given(hostile_texts())
def test_text_from_a_history_is_only_ever_text(text: str) -> None:
    written = page([ReportedRun(order(text).events, text, text, text, [text], text)], text)
    assert not problems_of(written)
    written.encode()
    assert set(Page(written).tags) == set(Page(html(order("harmless"))).tags) | {"pre"}
    drawn = svg(order(text).events)
    assert not problems_of(drawn)
    ElementTree.fromstring(drawn)


def test_a_page_shows_what_the_worst_of_texts_is() -> None:
    shown = Page(html(order(WORST))).text
    assert r"␛[2J" in shown
    assert "<script>" in shown


def test_payloads_are_indented_if_they_are_json_and_long() -> None:
    assert pretty("[1, 2]") == "[1, 2]"
    assert pretty("no JSON\x1b") == "no JSON␛"
    assert pretty(json.dumps(["x" * 80, 1])).count("\n") == 3


def test_attempts_are_segments_with_waiting_and_work() -> None:
    [band] = Picture(read(order().events)).bands
    assert {"wait", "work failed", "work done", "sleep open"} <= set(band.paths)
    assert [cap.text for cap in band.caps] == ["✕", "▸"]


def test_a_bar_that_is_too_short_to_be_seen_is_a_point() -> None:
    history = History().schedule(0, "a").start(0, "a").end(0.01, "a")
    history.schedule(0, "b").start(1, "b").end(1000, "b")
    [band] = Picture(read(history.events)).bands
    assert band.paths["point done"].count("v14") == 1


def test_only_long_timelines_have_a_minimap() -> None:
    assert 'class="minimap"' not in html(order())
    assert 'class="minimap"' in page([ReportedRun(many(50))], "many")


def test_rows_come_in_bands_and_paths_do_not_grow_with_rows() -> None:
    few, lots = Picture(read(many(BAND_ROWS))).bands, Picture(read(many(3 * BAND_ROWS))).bands
    assert len(lots) == len(few) + 2
    assert sorted(len(band.rows) for band in lots)[-3:] == [BAND_ROWS] * 3
    assert max(len(band.paths) for band in lots) <= 4


@pytest.mark.slow
def test_ten_thousand_events_make_a_page_of_three_megabytes_at_most() -> None:
    events = many(3332)
    assert len(events) >= 9_999
    assert len(page([ReportedRun(events)], "many").encode()) <= 3_000_000


def test_what_several_events_have_in_common_is_told_once() -> None:
    first, second = html(timed()).split("<tr id=")[2:]
    assert "startToCloseTimeout: 60" in first
    assert "startToCloseTimeout: 60" not in second
    assert "<a href=#e2>the rest is the same as in event 2</a>" in second


def test_of_ten_thousand_events_each_shows_its_members_without_scripts() -> None:
    table, events = EventTable(), many(3332)
    table.add(events, read(events))
    assert not any(row.is_cut for row in table.rows)


def test_a_history_without_times_and_an_empty_one_are_shown_as_well() -> None:
    history = order()
    for event in history.events:
        del event["eventTimestamp"]
    assert "event" in Page(html(history)).text
    Page(page([ReportedRun([])], "nothing"))
    assert "There are no runs." in page([], "none")


def test_what_failed_comes_first() -> None:
    runs = [ReportedRun(many(1), "fine"), ReportedRun(order().events, "bad")]
    assert [run.workflow_id for run in failed_first(runs)] == ["bad", "fine"]


# Commands


def saved(folder: Path, name: str, events: list[dict[str, Any]]) -> None:
    (folder / name).write_text(json.dumps({"events": events}, default=iso))


def test_histories_become_one_page(invoke: Any, folder: Path) -> None:
    saved(folder, "fine.json", many(2))
    saved(folder, "bad.json", order().events)
    result = invoke("report", "fine.json", "bad.json", "-o", "all.html")
    assert (result.exit_code, result.output) == (0, "Wrote all.html: 2 histories.\n")
    shown = Page(Path("all.html").read_text()).text
    assert shown.index("bad.json") < shown.index("fine.json")


def test_the_timeline_alone_is_a_picture(invoke: Any, folder: Path) -> None:
    saved(folder, "bad.json", order().events)
    assert invoke("report", "bad.json", "--svg", "-o", "bad.svg").exit_code == 0
    assert ElementTree.parse("bad.svg").getroot().tag.endswith("svg")
    saved(folder, "fine.json", many(2))
    refused = invoke("report", ".", "--svg", "-o", "all.svg")
    assert refused.exit_code == 2
    assert "--svg is for one history" in refused.output


def test_redacted_pages_show_no_payloads_and_say_so(invoke: Any, folder: Path) -> None:
    saved(folder, "bad.json", order("top secret").events)
    assert invoke("report", "bad.json", "--redact", "-o", "bad.html").exit_code == 0
    written = Path("bad.html").read_text()
    shown = Page(written).text
    assert "a parcel" not in shown
    assert "[redacted, 23 characters]" in shown
    assert "Inputs, results and details are redacted" in shown
    [packed] = re.findall(r'class="data" data-run="">(.*?)<', written)
    assert "a parcel" not in gzip.decompress(base64.b64decode(packed)).decode()


def test_a_run_writes_a_redacted_page_if_it_writes_one(invoke: Any, folder: Path) -> None:
    assert invoke("run", "--report", "run.html", "--redact").exit_code == 0
    shown = Page(Path("run.html").read_text()).text
    assert "predominantcolor-2" in shown
    assert "characters]" in shown
    assert "--redact is for the page of --report" in invoke("run", "--redact").output


def test_what_is_no_history_is_refused_with_a_sentence(invoke: Any, folder: Path) -> None:
    (folder / "rubbish.json").write_text("{}")
    result = invoke("report", "rubbish.json", "-o", "page.html")
    assert result.exit_code == 1
    assert "rubbish.json is not a history" in result.output
    assert not Path("page.html").exists()


def test_a_run_writes_its_page(invoke: Any, folder: Path) -> None:
    result = invoke("run", "--report", "run.html")
    assert result.exit_code == 0
    assert "The report is in run.html" in result.output
    assert "predominantcolor-2" in Page(Path("run.html").read_text()).text
    refused = invoke("run", "--report", "nowhere/run.html")
    assert "The folder of the report does not exist" in refused.output


def test_an_execution_at_a_service_is_written_as_a_page(folder: Path) -> None:
    with mock_swf():
        swf = boto3.client("swf", region_name="us-east-1")
        swf.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
        swf.register_workflow_type(
            domain="shop",
            name="order",
            version="1",
            defaultChildPolicy="TERMINATE",
            defaultExecutionStartToCloseTimeout="60",
            defaultTaskStartToCloseTimeout="60",
            defaultTaskList={"name": "d"},
        )
        swf.start_workflow_execution(
            domain="shop", workflowId="o-1", workflowType={"name": "order", "version": "1"}
        )
        words = ["show", "--domain", "shop", "o-1", "--report", "o.html"]
        result = CliRunner().invoke(flowy_cli, words)
    assert result.exit_code == 0, result.output
    assert "WorkflowExecutionStarted" in Page(Path("o.html").read_text()).text
