"""Reports in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flowy_sim._report.run_view import ReportedRun
from tests.support.browser import DESK, LAPTOP, PHONE, Tabs, violations
from tests.support.hostile_text import WORST, problems_of
from tests.support.reported_runs import many, order

if TYPE_CHECKING:
    from playwright.sync_api import Route

SIZES = [PHONE, LAPTOP, DESK]

Report = Callable[..., Path]


def test_a_page_of_ten_thousand_events_opens_without_complaint(tabs: Tabs, report: Report) -> None:
    page = tabs.open(report(ReportedRun(many(3332))))
    assert page.get_by_text("a-3331").first.is_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation(tabs: Tabs, report: Report, dark: bool) -> None:
    page = tabs.open(report(ReportedRun(order().events), ReportedRun(many(50))), dark=dark)
    assert violations(page) == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
def test_a_page_is_never_wider_than_the_window(
    tabs: Tabs, report: Report, size: tuple[int, int]
) -> None:
    page = tabs.open(report(ReportedRun(order("x" * 32_768).events)), size=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


# Text from outside


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_worst_of_texts_is_only_ever_text(tabs: Tabs, report: Report, scripts: bool) -> None:
    text = f"{WORST}<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    run = ReportedRun(order(text).events, text, text, text, [text], text)
    page = tabs.open(report(run, title=text), scripts=scripts)
    dialogs: list[object] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    assert page.locator("img").count() == 0
    assert "<script>alert(2)</script>" in page.locator("h1").inner_text()
    if scripts:
        page.wait_for_selector("[data-ready]", state="attached")
        page.keyboard.press("f")
        page.get_by_role("searchbox").fill("<img")
        shown = page.locator("body").inner_text()
        assert page.locator("img").count() == 0
        assert "␛[2J" in shown
        assert not problems_of(shown)
    assert dialogs == []


def test_text_from_right_to_left_does_not_turn_what_is_around_it(
    tabs: Tabs, report: Report
) -> None:
    page = tabs.open(report(ReportedRun(order("\u202e\u05e9\u05dc\u05d5\u05dd").events)))
    page.wait_for_selector("[data-ready]", state="attached")
    row = page.locator(".labels li", has_text="timer").first
    assert r"\u202e" in row.inner_text()
    assert row.locator("bdi").count() == 1


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
def test_a_text_without_a_space_breaks_in_the_details_too(
    tabs: Tabs, report: Report, size: tuple[int, int]
) -> None:
    page = tabs.open(report(ReportedRun(order("x" * 32_768).events)), size=size)
    page.wait_for_selector("[data-ready]", state="attached")
    page.keyboard.press("f")
    page.wait_for_selector(".panel [data-of=details]")
    panel = page.locator(".panel-body")
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


# Where less is allowed


def test_a_page_without_scripts_and_styles_is_a_list_and_a_table(
    tabs: Tabs, report: Report
) -> None:
    path = report(ReportedRun(order().events))
    sandboxed = "sandbox allow-same-origin; default-src 'none'; style-src 'self'"

    def serve(route: Route) -> None:
        body = path.read_text(encoding="utf-8")
        headers = {"Content-Security-Policy": sandboxed}
        route.fulfill(body=body, content_type="text/html; charset=utf-8", headers=headers)

    # Jenkins shows artefacts with this policy, whose violations the browser reports.
    tabs.expected += ["Content Security Policy", "sandboxed"]
    page = tabs.open(
        "http://jenkins.test/report.html",
        before=lambda page: page.route("http://jenkins.test/**", serve),
    )
    assert page.get_by_role(
        "link", name="resize ship, completed, waited 1 s, worked 2 s"
    ).is_visible()
    assert page.locator("svg:visible").count() == 0
    assert 'result: ["a parcel", {"kg": 2}]' in page.locator("#e13").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= LAPTOP[0]


def test_a_printed_page_shows_all_members_and_no_tools(tabs: Tabs, report: Report) -> None:
    page = tabs.open(report(ReportedRun(order().events)), dark=True)
    page.wait_for_selector("[data-ready]", state="attached")
    page.keyboard.press("f")
    page.emulate_media(media="print")
    assert page.get_by_text("activityType: resize 1").first.is_visible()
    for tool in (".tools", ".panel", ".minimap"):
        assert page.locator(f"{tool}:visible").count() == 0
    paper = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.locator(".bars").first.is_visible()


def test_a_redacted_page_says_so(tabs: Tabs, report: Report) -> None:
    page = tabs.open(report(ReportedRun(order().events), redact=True))
    assert page.get_by_text("are redacted in this file").is_visible()
    assert "a parcel" not in page.locator("body").inner_text()
