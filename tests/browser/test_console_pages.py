"""The console in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from flowy_sim._console.application import console
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import Server, listen, serving_in_thread, url_of
from flowy_sim._server.settings import ServerSettings
from tests.support.browser import DESK, LAPTOP, PHONE, Tabs, violations
from tests.support.console_pages import VIRTUAL, console_server
from tests.support.console_shop import DOMAIN, Shop, charge, decision, timer
from tests.support.hostile_text import WORST

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZES = [PHONE, LAPTOP, DESK]
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


def signal(shop: Shop, name: str, workflow_id: str = "order-1") -> None:
    shop.client.signal_workflow_execution(domain=DOMAIN, workflowId=workflow_id, signalName=name)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_axe_finds_no_violation(
    endpoint: Endpoint, shop: Shop, tabs: Tabs, path: str, dark: bool
) -> None:
    page = tabs.open(endpoint.url + path, dark=dark)
    is_live(page)
    assert violations(page) == []


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


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_hostile_ids_neither_run_nor_widen_a_page(
    endpoint: Endpoint, tabs: Tabs, size: tuple[int, int], path: str
) -> None:
    shop = Shop(endpoint.client())
    script = "<script>window.hacked=1</script>"
    for each in (WORST, "x" * 256, script, "<img src=x onerror=hacked()>"):
        shop.start(each, tagList=[each], taskList={"name": each})
        shop.client.signal_workflow_execution(domain=DOMAIN, workflowId=each, signalName=each)
    shop.start("order-1", input="y" * 32_768, taskList={"name": "z" * 256})
    page = tabs.open(endpoint.url + path, size=size)
    is_live(page)
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    if path == PAGES["executions"]:
        page.get_by_role("link", name=script).first.click()
        page.get_by_role("heading", name=script).wait_for()
        assert page.evaluate("window.hacked") is None


def test_a_change_is_on_the_page_without_loading_it_again(
    endpoint: Endpoint, shop: Shop, tabs: Tabs
) -> None:
    listed = tabs.open(endpoint.url)
    shown = listed.context.new_page()
    shown.goto(endpoint.url + PAGES["execution"])
    is_live(listed)
    is_live(shown)
    for page in (listed, shown):
        page.evaluate("window.same = true")
    shop.start("order-4")
    listed.get_by_role("link", name="order-4").wait_for()
    signal(shop, "hurry")
    shown.locator("tr", has_text="WorkflowExecutionSignaled").wait_for()
    shown.locator(".labels", has_text="signal hurry").wait_for()
    for page in (listed, shown):
        assert page.evaluate("window.same")


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
        signal(shop, f"hurry-{number}")
    page = tabs.open(endpoint.url + PAGES["execution"])
    is_live(page)
    details = page.locator("tr#e1 details")
    details.locator("summary").click()
    page.get_by_label("Filter rows by text").focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#e60'))")
    page.evaluate("scrollTo(0, 1200)")
    before = page.evaluate("[scrollY, getSelection().toString()]")
    signal(shop, "last")
    page.locator("tr", has_text="signal last").wait_for(state="attached")
    assert page.evaluate("[scrollY, getSelection().toString()]") == before
    assert details.get_attribute("open") is not None
    assert page.evaluate("document.activeElement.type") == "search"


def test_a_page_says_that_the_server_is_gone_and_recovers(tabs: Tabs) -> None:
    settings = ServerSettings(simulation=VIRTUAL)
    listener = listen("127.0.0.1", 0)
    endpoint, port = Endpoint(url_of(listener)), listener.getsockname()[1]
    with serving_in_thread(Server(listener, settings, grace_seconds=1, make_pages=console)):
        Shop(endpoint.client()).start("order-1")
        page = tabs.open(endpoint.url)
        is_live(page)
    listener.close()
    page.get_by_text("not connected").wait_for()
    page.get_by_role("link", name="order-1").wait_for()
    again = listen("127.0.0.1", port)
    with serving_in_thread(Server(again, settings, grace_seconds=1, make_pages=console)):
        Shop(endpoint.client()).start("order-2")
        page.get_by_role("link", name="order-2").wait_for()
        is_live(page)
        assert page.get_by_role("link", name="order-1").count() == 0
    again.close()
    # The browser itself reports that it could not connect.
    tabs.expected.append("ERR_")


class TestActions:
    def test_signal_from_a_dialog(self, endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
        page = tabs.open(endpoint.url + PAGES["execution"])
        page.get_by_role("button", name="Signal…").click()
        page.get_by_label("Name").fill("hurry")
        page.get_by_label("Input").last.fill('{"by": 1}')
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_text("The signal was sent.").wait_for()
        page.locator("tr", has_text="WorkflowExecutionSignaled").wait_for()

    def test_what_cannot_be_undone_is_confirmed_first(
        self, endpoint: Endpoint, shop: Shop, tabs: Tabs
    ) -> None:
        page = tabs.open(endpoint.url + PAGES["execution"])
        page.get_by_role("button", name="Terminate…").click()
        dialog = page.get_by_role("dialog", name="Terminate the execution")
        assert "This cannot be undone." in dialog.inner_text()
        dialog.get_by_role("button", name="Cancel").click()
        assert page.locator("h1").inner_text().count("open") == 1
        page.get_by_role("button", name="Terminate…").click()
        dialog.get_by_role("button", name="Terminate").click()
        page.locator("h1", has_text="terminated").wait_for()

    def test_start_leads_to_the_new_execution(
        self, endpoint: Endpoint, shop: Shop, tabs: Tabs
    ) -> None:
        page = tabs.open(endpoint.url)
        page.get_by_role("button", name="Start…").click()
        page.get_by_label("Workflow type").fill("Refund")
        page.get_by_label("Version").last.fill("2")
        page.get_by_label("Workflow ID", exact=True).fill("refund-1")
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_role("heading", name="refund-1").wait_for()

    def test_answer_an_activity_by_hand(self, endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
        page = tabs.open(endpoint.url + PAGES["execution"])
        page.get_by_role("button", name="Complete…").click()
        page.get_by_label("Result").fill("42")
        page.get_by_role("button", name="Complete", exact=True).click()
        page.locator("tr", has_text="ActivityTaskCompleted").wait_for()

    def test_a_refusal_is_shown_verbatim_and_keeps_the_form(
        self, endpoint: Endpoint, shop: Shop, tabs: Tabs
    ) -> None:
        page = tabs.open(endpoint.url)
        page.get_by_role("button", name="Start…").click()
        page.get_by_label("Workflow type").fill("Nothing")
        page.get_by_label("Version").last.fill("9")
        page.get_by_label("Workflow ID", exact=True).fill("x")
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_text("UnknownResourceFault: Unknown type").wait_for()
        assert page.get_by_label("Workflow type").input_value() == "Nothing"
        tabs.expected.append("404")

    def test_jump_and_advance(self, endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
        page = tabs.open(endpoint.url)
        page.get_by_role("button", name="+1 min").click()
        page.locator("#clock", has_text="2024-01-01 00:02:30").wait_for()
        page.get_by_role("button", name="Jump").click()
        page.get_by_text("This has happened: timer remind fires (order-1).").wait_for()
        page.locator("#clock", has_text="2024-01-01 01:00:00").wait_for()

    def test_times_can_be_shown_in_the_zone_of_the_browser(
        self, endpoint: Endpoint, shop: Shop, tabs: Tabs
    ) -> None:
        page = tabs.open(endpoint.url)
        page.get_by_role("button", name="UTC").click()
        page.locator("#clock", has_text="2024-01-01 01:01:30 Europe/Berlin").wait_for()


def test_children_open_in_place(endpoint: Endpoint, shop: Shop, tabs: Tabs) -> None:
    shop.start("parent")
    child = decision(
        "StartChildWorkflowExecution",
        workflowId="child-1",
        workflowType={"name": "Refund", "version": "2"},
    )
    shop.decide(child)
    endpoint.advance(1)
    shop.decide(charge("charge-of-child"))
    page = tabs.open(f"{endpoint.url}/_console/execution?workflow=parent")
    page.get_by_role("button", name=re.compile("^Open ")).click()
    page.locator(".labels", has_text="charge-of-child").wait_for()


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
        signal(shop, name, "long")
        task = shop.client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "long"})
        shop.client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=markers)
    page = tabs.open(f"{endpoint.url}/_console/execution?workflow=long")
    is_live(page)
    assert page.locator(".events tr[id]").count() > 9990
    signal(shop, "hurry", "long")
    page.locator("tr", has_text="signal hurry").wait_for(state="attached")
