"""The console in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.browser import Tabs, violations
from tests.support.console_pages import console_server
from tests.support.console_shop import DOMAIN, Shop, charge, decision, timer

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = {
    "executions": "/",
    "execution": "/_console/execution?workflow=order-1",
    "task lists": "/_console/task-lists",
}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with console_server() as served:
        served.set_clock("paused")
        yield served


@pytest.fixture
def shop(endpoint: Endpoint) -> Shop:
    """A shop with an execution of which a worker has a task, one that failed and one that waits."""
    shop = Shop(endpoint.client())
    shop.start("order-1", input='{"items": ["book"]}', tagList=["eu"])
    shop.decide(charge("charge-1"), timer("remind", 3600))
    shop.take("worker-7")
    shop.start("order-2")
    shop.decide(decision("FailWorkflowExecution", reason="no stock"))
    shop.start("order-3", taskList={"name": "nowhere"})
    endpoint.advance(90)
    return shop


def is_live(page: Page) -> None:
    """Wait until a page follows changes."""
    page.get_by_role("status").get_by_text("live", exact=True).wait_for()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation_in_dialogs_and_menus(
    endpoint: Endpoint, shop: Shop, tabs: Tabs, dark: bool
) -> None:
    page = tabs.open(endpoint.url + PAGES["execution"], dark=dark)
    is_live(page)
    page.get_by_role("button", name="Terminate…").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_text("Copy as").first.click()
    assert violations(page) == []
    page.goto(f"{endpoint.url}/_console/execution?workflow=order-2")
    page.get_by_text("Copy as test").click()
    assert violations(page) == []


@pytest.mark.parametrize("width", [1200, 1440, 2560])
def test_the_details_stand_beside_the_page_and_no_heading_breaks(
    endpoint: Endpoint, shop: Shop, tabs: Tabs, width: int
) -> None:
    page = tabs.open(endpoint.url + PAGES["execution"], size=(width, 900))
    is_live(page)
    page.get_by_role("link", name="charge-1").first.click()
    panel = page.get_by_role("complementary", name="Event").bounding_box()
    table = page.locator(".events table").bounding_box()
    bar = page.locator("header.bar")
    assert panel is not None
    assert table is not None
    assert table["x"] + table["width"] <= panel["x"]
    assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth")
    heights = page.locator(".events th").evaluate_all("all => all.map((th) => th.clientHeight)")
    assert max(heights) < 40


def test_a_run_is_copied_as_a_test_by_a_button(endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
    page = tabs.open(f"{endpoint.url}/_console/execution?workflow=order-2")
    is_live(page)
    page.get_by_text("Copy as test").click()
    page.get_by_label("Code to test").fill("shop.orders:Order")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    assert started.value.suggested_filename == "test_order_2.zip"


def test_many_tabs_share_one_stream(endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
    first = tabs.open(endpoint.url)
    streams: list[str] = []
    first.context.on("request", lambda each: "/stream" in each.url and streams.append(each.url))
    pages = [first]
    for _ in range(7):
        pages.append(first.context.new_page())
        pages[-1].goto(endpoint.url)
    for page in pages:
        is_live(page)
    shop.start("order-4")
    for page in pages:
        page.bring_to_front()
        page.get_by_role("link", name="order-4").wait_for()
    assert len(streams) <= 1
    # When the page that has the stream is closed, another one opens it.
    first.close()
    shop.start("order-5")
    for page in pages[1:]:
        page.bring_to_front()
        page.get_by_role("link", name="order-5").wait_for()


def test_focus_selection_scroll_and_opened_details_stay(
    endpoint: Endpoint, shop: Shop, tabs: Tabs
) -> None:
    for number in range(60):
        shop.signal(f"hurry-{number}")
    page = tabs.open(endpoint.url + PAGES["execution"])
    is_live(page)
    details = page.locator("tr#e1 details")
    details.locator("summary").click()
    page.get_by_label("Filter rows by text").focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#e60'))")
    page.evaluate("scrollTo(0, 1200)")
    before = page.evaluate("[scrollY, getSelection().toString()]")
    shop.signal("last")
    page.locator("tr", has_text="signal last").wait_for(state="attached")
    assert page.evaluate("[scrollY, getSelection().toString()]") == before
    assert details.get_attribute("open") is not None
    assert page.evaluate("document.activeElement.type") == "search"


def test_times_can_be_shown_in_the_zone_of_the_browser(
    endpoint: Endpoint, shop: Shop, tabs: Tabs
) -> None:
    page = tabs.open(endpoint.url)
    page.get_by_role("button", name="UTC").click()
    page.locator("#clock", has_text="2024-01-01 01:01:30 Europe/Berlin").wait_for()


def test_every_view_has_a_url(endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
    page = tabs.open(endpoint.url + PAGES["execution"] + "&at=5")
    page.get_by_role("complementary", name="Event").get_by_text("ActivityTaskScheduled").wait_for()
    page.get_by_label("Filter rows by text").fill("charge")
    page.wait_for_url("**find=charge**")
    assert "at=5" in page.url


def test_pages_can_be_read_without_scripts(endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
    page = tabs.open(endpoint.url, scripts=False)
    page.get_by_role("link", name="order-1").click()
    assert page.get_by_text("ActivityTaskScheduled").is_visible()
    assert page.get_by_text("activity charge 1 (charge-1) was taken by worker-7").is_visible()


def test_a_page_of_ten_thousand_events_opens_and_follows(
    endpoint: Endpoint, shop: Shop, tabs: Tabs
) -> None:
    markers = [
        decision("RecordMarker", markerName=f"m-{number}", details="x" * 50)
        for number in range(4995)
    ]
    shop.start("long", taskList={"name": "long"})
    for name in ("once", "twice"):
        shop.signal(name, "long")
        task = shop.client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "long"})
        shop.client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=markers)
    page = tabs.open(f"{endpoint.url}/_console/execution?workflow=long")
    is_live(page)
    assert page.locator(".events tr[id]").count() > 9990
    shop.signal("hurry", "long")
    page.locator("tr", has_text="signal hurry").wait_for(state="attached")
