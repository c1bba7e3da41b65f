"""Timelines that are used with mouse and keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim._report.run_view import ReportedRun
from tests.support.browser import PHONE, Tabs, violations
from tests.support.event_builder import History
from tests.support.reported_runs import family, many, order, siblings, timed, year

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


@pytest.fixture
def show(tabs: Tabs, report: Callable[..., Path]) -> Open:
    """Open the report about runs: ``show(order(), size=…)``."""

    def opened(*runs: History | ReportedRun, **options: Any) -> Page:
        reported = [
            run if isinstance(run, ReportedRun) else ReportedRun(run.events) for run in runs
        ]
        page = tabs.open(report(*reported), **options)
        page.wait_for_selector("[data-ready]", state="attached")
        return page

    return opened


def labels(page: Page) -> list[str]:
    return page.locator(".labels li bdi").all_text_contents()


def ticks(page: Page) -> list[str]:
    return page.locator(".ticks text").all_text_contents()


def bar(page: Page, kind: str = "work done") -> str:
    """Return where the first line of a kind is."""
    return str(page.locator(f'.stretched path[class="{kind}"]').first.get_attribute("d"))


def length(path: str) -> float:
    begin, end = re.match(r"M([-\d.]+) [\d.]+H([-\d.]+)", path).groups()  # type: ignore[union-attr]
    return float(end) - float(begin)


def changed(page: Page, before: list[str]) -> list[str]:
    """Wait until the axis shows something else, and return it."""
    page.wait_for_function(
        "before => [...document.querySelectorAll('.ticks text')].map(e => e.textContent).join()"
        " !== before.join()",
        arg=before,
    )
    return ticks(page)


# Zooming


def test_ctrl_and_the_wheel_zoom_at_the_pointer(show: Open) -> None:
    page = show(order())
    box = page.locator(".bars").first.bounding_box()
    assert box is not None
    before, whole = bar(page), ticks(page)
    x = box["x"] + box["width"] * 0.8  # In the bar, which the pointer stays in.
    page.mouse.move(x, box["y"] + 50)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -60)
    page.keyboard.up("Control")
    changed(page, whole)
    assert length(bar(page)) > 2 * length(before)
    begin = float(bar(page)[1:].split()[0])
    assert begin < 800 < begin + length(bar(page))
    assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize(("closer", "wider"), [("w", "s"), ("+", "-")])
def test_keys_zoom_and_pan(show: Open, closer: str, wider: str) -> None:
    page = show(order())
    whole = ticks(page)
    page.keyboard.press(closer)
    page.keyboard.press(closer)
    near = changed(page, whole)
    page.keyboard.press("d")
    later = changed(page, near)
    page.keyboard.press("a")
    assert changed(page, later) == near
    page.keyboard.press("0")
    assert changed(page, near) == whole
    page.keyboard.press(closer)
    page.keyboard.press(wider)
    assert page.locator(".thumb").is_hidden()


def test_dragging_pans_a_picture_that_is_zoomed(show: Open) -> None:
    page = show(order())
    whole = ticks(page)
    for _ in range(3):
        page.keyboard.press("w")
    near = changed(page, whole)
    page.locator(".bars").first.scroll_into_view_if_needed()
    box = page.locator(".bars").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 30, steps=4)
    page.mouse.up()
    assert changed(page, near) != whole
    assert page.locator(".panel").is_hidden()


def test_marks_of_the_axis_are_round_at_any_zoom(show: Open) -> None:
    page = show(order())
    whole = ticks(page)
    for _ in range(12):
        page.keyboard.press("w")
    milliseconds = [round(float(mark.removesuffix(" s")) * 1000) for mark in changed(page, whole)]
    assert {later - earlier for earlier, later in pairwise(milliseconds)} == {20}
    assert milliseconds[0] % 20 == 0


def test_dragging_on_the_small_picture_selects_a_time(show: Open) -> None:
    page = show(siblings(60))
    whole = ticks(page)
    box = page.locator(".minimap").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 30, steps=4)
    page.mouse.up()
    assert "40 s" in changed(page, whole)[0]
    assert page.locator(".window").is_visible()


# Rows


def test_filters_say_how_many_rows_they_hide(show: Open) -> None:
    page = show(siblings(60))
    page.keyboard.press("/")
    page.keyboard.type("RESIZE-1")
    assert labels(page) == ["resize ×11"]
    status = page.get_by_role("status")
    assert status.inner_text() == "51 of 62 rows are hidden by the filter. Show all"
    page.get_by_role("button", name="Show all", exact=True).click()
    assert labels(page) == ["decisions", "pack", "resize ×60"]
    assert status.inner_text() == ""


def test_rows_are_filtered_by_kind_and_by_whether_they_are_open_or_failed(show: Open) -> None:
    page = show(order())
    page.get_by_role("button", name="decisions").click()
    assert "decisions" not in labels(page)
    page.get_by_label("Rows", exact=True).select_option("failed")
    assert labels(page) == ["resize pack"]
    page.get_by_label("Rows", exact=True).select_option("open")
    assert labels(page) == ["timer disk full", "signal disk full"]


def test_equal_siblings_are_a_group_with_a_density_bar(show: Open) -> None:
    page = show(siblings(340))
    assert labels(page) == ["decisions", "pack", "resize ×340"]
    assert page.locator("path.density").count() == 1
    assert page.locator(".notes li").last.inner_text() == "2 failed"
    page.get_by_role("button", name="Open resize").click()
    assert len(labels(page)) == 343
    page.get_by_label("group").uncheck()
    assert len(labels(page)) == 342


def test_twenty_siblings_are_no_group(show: Open) -> None:
    assert len(labels(show(siblings(20)))) == 22


def test_children_open_in_place(show: Open) -> None:
    parent, child = family()
    runs = [
        ReportedRun(parent.events, "order-7", "run"),
        ReportedRun(child.events, "ship-7", "child-run"),
    ]
    page = show(*runs)
    first = page.locator("article").first
    rows = first.locator(".labels li bdi")
    assert rows.all_text_contents() == ["decisions", "resize pack", "child ship-7"]
    first.get_by_role("button", name="Open child ship-7").click()
    assert rows.all_text_contents()[3:] == ["decisions", "resize label", "resize carry"]
    # It worked from 14 to 20 s of 40 s, on the axis of its parent.
    bars = first.locator('.stretched path[class="work done"]').get_attribute("d")
    assert "M350.00 108H500.00" in str(bars)
    first.get_by_role("button", name="Close child ship-7").click()
    assert rows.count() == 3


# Idle time


def test_idle_time_is_folded_and_unfolds_on_a_click(show: Open) -> None:
    page = show(year())
    assert "≈ 365 d" in ticks(page)
    folded = length(bar(page))
    assert folded > 300
    strip = page.locator(".stretched path.fold").first.bounding_box()
    assert strip is not None
    page.mouse.click(strip["x"] + strip["width"] / 2, strip["y"] + 5)
    assert "≈ 365 d" not in changed(page, ["≈ 365 d"])
    assert page.get_by_label("fold idle time").is_checked()
    page.get_by_label("fold idle time").uncheck()
    page.get_by_label("fold idle time").check()
    assert length(bar(page)) == folded


def test_no_mark_of_the_axis_is_in_a_fold(show: Open) -> None:
    marks = [mark for mark in ticks(show(year())) if not mark.startswith("≈")]
    assert "5 s" in marks
    assert {"365 d 15 s", "365 d 20 s"} <= set(marks)


# Times


def test_times_are_since_the_start_or_in_a_named_zone(show: Open) -> None:
    page = show(order())
    axis, cell = page.locator(".axis-title"), page.locator("#e7 td").nth(1)
    assert (axis.inner_text(), cell.inner_text()) == ("time", "5 s")
    page.get_by_label("Times").select_option("utc")
    assert (axis.inner_text(), cell.inner_text()) == ("UTC", "2024-01-01 00:00:05.000")
    assert "00:00:02" in ticks(page)
    page.get_by_label("Times").select_option("local")
    assert (axis.inner_text(), cell.inner_text()) == ("Europe/Berlin", "2024-01-01 01:00:05.000")
    page.locator("h1").click()
    page.keyboard.press("t")
    assert axis.inner_text() == "time"


# Details and links


def test_a_row_opens_the_details_beside_the_page(show: Open) -> None:
    page = show(order())
    page.get_by_role("link", name="resize ship").click()
    panel = page.get_by_role("complementary", name="Event")
    assert panel.get_by_role("heading").inner_text() == "11 ActivityTaskScheduled resize ship"
    assert "completed, waited 1 s, worked 2 s" in panel.inner_text()
    panel.get_by_role("link", name="13").click()
    panel.get_by_text("13 ActivityTaskCompleted").wait_for()
    assert '["a parcel", {"kg": 2}]' in panel.inner_text()
    page.keyboard.press("Escape")
    assert panel.is_hidden()


def test_the_details_show_what_the_table_tells_at_an_earlier_event(show: Open) -> None:
    page = show(timed())
    assert page.locator("#e3 a", has_text="the rest is the same as in event 2").count() == 1
    page.get_by_role("link", name="resize second").click()
    panel = page.get_by_role("complementary", name="Event")
    assert "activityId: second" in panel.inner_text()
    assert "startToCloseTimeout: 60" in panel.inner_text()


def test_long_payloads_are_whole_in_the_details(show: Open) -> None:
    text = "x" * 32_768
    page = show(order(text))
    assert len(page.locator("#e7 pre").first.text_content() or "") == 2_000
    page.goto(page.url + "#e7")
    page.wait_for_function(
        "() => document.querySelector('.panel [data-of=details]')?.textContent.length === 32768"
    )


def test_each_view_has_an_address(show: Open, tabs: Tabs) -> None:
    page = show(order())
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("w")
    page.keyboard.press("f")
    page.get_by_label("Times").select_option("utc")
    page.wait_for_function("() => location.hash.includes('clock=utc')")
    address = page.url
    assert {"at=7", "row=5"} < set(address.split("#")[1].split("&"))
    again = tabs.open(address)
    again.wait_for_selector("[data-ready]", state="attached")
    assert again.locator(".panel h2").inner_text() == page.locator(".panel h2").inner_text()
    assert ticks(again) == ticks(page)
    assert again.locator("li.current").inner_text() == page.locator("li.current").inner_text()


def test_a_link_to_an_event_leads_there_without_scripts_as_well(
    tabs: Tabs, report: Callable[..., Path]
) -> None:
    path = report(ReportedRun(many(3332)))
    page = tabs.open(f"{path.as_uri()}#e9000", scripts=False)
    assert page.locator("#e9000").first.is_visible()
    box = page.locator("#e9000").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 800


# Keys


def test_the_page_is_used_with_keys_alone(show: Open) -> None:
    page = show(order())
    heading = page.locator(".panel h2")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent").startswith("decisions")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    assert heading.inner_text().startswith("5 ")
    for key, event in (
        ("ArrowRight", 6),
        ("Shift+ArrowRight", 9),
        ("Shift+ArrowLeft", 3),
        ("ArrowLeft", 2),
        ("End", 19),
        ("Home", 1),
        ("f", 7),
        ("f", 19),
        ("f", 7),
    ):
        page.keyboard.press(key)
        assert heading.inner_text().startswith(f"{event} "), key
    page.keyboard.press("k")
    assert heading.inner_text().startswith("2 ")


def test_a_group_opens_with_a_key(show: Open) -> None:
    page = show(siblings(30))
    for key in "jjj":
        page.keyboard.press(key)
    page.keyboard.press("o")
    assert len(labels(page)) == 33
    page.keyboard.press("o")
    assert len(labels(page)) == 3


def test_keys_are_listed_and_can_be_turned_off(show: Open) -> None:
    page = show(order())
    page.keyboard.press("?")
    assert page.get_by_role("dialog").get_by_text("next failure").is_visible()
    page.get_by_label("Enable keys without Ctrl or Alt").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("f")
    assert page.locator(".panel").is_hidden()


def test_keys_do_nothing_in_fields(show: Open) -> None:
    page = show(order())
    page.get_by_role("searchbox").fill("w")
    page.keyboard.type("fj?")
    assert page.locator(".panel").is_hidden()
    assert page.get_by_role("searchbox").input_value() == "wfj?"


def test_a_copied_link_is_reported(show: Open) -> None:
    page = show(order())
    page.keyboard.press("f")
    page.keyboard.press("c")
    page.get_by_text(re.compile("The link is (copied|in the address bar).")).wait_for()


# For everybody


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_when_everything_is_open(show: Open, dark: bool) -> None:
    parent, child = family()
    page = show(
        ReportedRun(siblings(60).events),
        ReportedRun(parent.events, "order-7", "run"),
        ReportedRun(child.events, "ship-7", "child-run"),
        dark=dark,
    )
    for button in page.locator(".toggle").all():
        button.click()
    page.keyboard.press("f")
    page.keyboard.press("w")
    page.get_by_label("Filter rows by text").first.fill("resize")
    assert violations(page) == []
    page.get_by_role("button", name="Keys").first.click()
    assert violations(page) == []


def test_a_telephone_shows_the_same(show: Open) -> None:
    page = show(order(), size=PHONE)
    page.get_by_role("link", name="resize ship").click()
    assert page.get_by_role("complementary", name="Event").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert violations(page) == []
