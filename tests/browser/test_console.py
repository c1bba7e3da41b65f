"""The console in a real browser."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.browser import DESK, PHONE, Tabs, violations
from tests.support.console_pages import console_server
from tests.support.console_shop import DOMAIN, Shop, charge, decision, timer
from tests.support.hostile_text import WORST, problems_of
from tests.support.properties import SOAK
from tests.support.served_file import Served

if TYPE_CHECKING:
    from playwright.sync_api import Page

Show = Callable[..., "Page"]


@pytest.fixture(scope="package")
def server() -> Iterator[Endpoint]:
    with console_server() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(server: Endpoint, request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """A simulation whose clock stands still until it is moved."""
    endpoint = server.named(re.sub(r"\W+", "-", request.node.name)[:40].strip("-"))
    endpoint.reset()
    endpoint.set_clock("paused")
    yield endpoint
    endpoint.remove()


@pytest.fixture
def shop(endpoint: Endpoint) -> Shop:
    return Shop(endpoint.client())


@pytest.fixture
def show(tabs: Tabs, endpoint: Endpoint) -> Iterator[Show]:
    """Open the list of executions, or the page of one: ``show("order-1")``."""

    def opened(workflow_id: str = "", **options: Any) -> Page:
        page = tabs.open(f"{endpoint.url}/", **options)
        live(page)
        if workflow_id:
            page.get_by_role("link", name=workflow_id, exact=True).click()
            page.wait_for_selector("[data-ready]", state="attached")
            live(page)
        return page

    yield opened
    # Pages would ask for a simulation that is removed.
    tabs.close()


def live(page: Page) -> None:
    """Wait until the page follows changes."""
    page.locator("#connection", has_text=re.compile("^live$")).wait_for()


def order(shop: Shop) -> None:
    """Make an execution with an activity that a worker has, a timer, and a signal."""
    shop.start("order-1", tagList=["eu"], input='{"lamp": 2}')
    shop.decide(charge("charge-1", input='{"cents": 4200}'), timer("remind", 3600))
    shop.take()
    shop.signal("hurry")


# Live updates


def test_a_new_execution_appears_in_the_list_by_itself(shop: Shop, show: Show) -> None:
    page = show()
    shop.start("order-1")
    page.get_by_role("link", name="order-1", exact=True).wait_for()


def test_new_events_appear_and_nothing_moves(shop: Shop, show: Show) -> None:
    order(shop)
    for number in range(60):
        shop.signal(f"note-{number}")
    page = show("order-1", size=(1280, 500))
    page.locator("#e40").scroll_into_view_if_needed()
    top = "() => document.getElementById('e40').getBoundingClientRect().top"
    before = page.evaluate(top)
    shop.signal("late")
    page.locator(".events", has_text="signal late").wait_for()
    page.locator(".labels", has_text="signal late").wait_for()
    assert abs(page.evaluate(top) - before) < 1


def test_the_clock_of_the_page_follows_the_simulation(
    endpoint: Endpoint, shop: Shop, show: Show
) -> None:
    order(shop)
    page = show("order-1")
    endpoint.advance(90)
    page.locator("#clock", has_text="00:01:30").wait_for()
    page.locator("#clock", has_text="in 58 min 30 s: timer remind").wait_for()
    page.locator("#waits", has_text="23 h 58 min").wait_for()


def test_what_was_typed_and_selected_stays(shop: Shop, show: Show) -> None:
    page = show()
    page.get_by_role("searchbox").fill("ord")
    shop.start("order-1")
    page.get_by_role("link", name="order-1", exact=True).wait_for()
    assert page.get_by_role("searchbox").input_value() == "ord"


# Timeline


def test_the_timeline_of_an_execution_is_used_as_in_reports(shop: Shop, show: Show) -> None:
    order(shop)
    page = show("order-1")
    rows = page.locator(".labels li bdi")
    assert rows.all_text_contents() == ["decisions", "charge-1", "timer remind", "signal hurry"]
    page.get_by_role("link", name="charge-1").click()
    panel = page.get_by_role("complementary", name="Event")
    assert 'input: {"cents": 4200}' in panel.inner_text()
    page.wait_for_function("() => location.search.includes('at=5')")
    assert "run=" in page.url
    page.keyboard.press("/")
    page.keyboard.type("remind")
    assert rows.all_text_contents() == ["timer remind"]
    page.wait_for_function("() => location.search.includes('find=remind')")
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    assert rows.all_text_contents() == ["timer remind"]
    assert panel.is_visible()


def test_children_open_in_place(endpoint: Endpoint, shop: Shop, show: Show) -> None:
    shop.start("order-1")
    child = {"workflowType": {"name": "Refund", "version": "2"}, "workflowId": "refund-1"}
    shop.decide(decision("StartChildWorkflowExecution", **child))
    endpoint.advance(1)
    shop.decide()
    shop.decide(charge("refund-charge"))
    page = show("order-1")
    page.get_by_role("button", name="Open child refund-1").click()
    page.locator(".labels", has_text="refund-charge").wait_for()


# Actions


def act(page: Page, opens: str, **fields: str) -> None:
    """Fill in the form of an action and send it."""
    page.get_by_role("button", name=opens).first.click()
    dialog = page.get_by_role("dialog")
    for label, value in fields.items():
        dialog.get_by_label(label.replace("_", " "), exact=False).first.fill(value)
    dialog.locator("button.primary, button.dangerous").click()


def test_an_execution_is_started(show: Show, shop: Shop, endpoint: Endpoint) -> None:
    page = show()
    act(page, "Start", Workflow_type="Purchase", Version="2", Workflow_ID="order-9", Input="[1]")
    page.get_by_role("heading", name="order-9").wait_for()
    page.locator(".payloads", has_text="[1]").wait_for()


def test_a_signal_is_sent_and_shown(show: Show, shop: Shop) -> None:
    order(shop)
    page = show("order-1")
    act(page, "Signal", Name="approve", Input='{"by": "me"}')
    page.locator(".labels", has_text="signal approve").wait_for()
    page.locator(".events", has_text='{"by": "me"}').wait_for()


def test_what_cannot_be_undone_is_confirmed_first(show: Show, shop: Shop) -> None:
    order(shop)
    page = show("order-1")
    page.get_by_role("button", name=re.compile("^Terminate")).click()
    assert "This cannot be undone." in page.get_by_role("dialog").inner_text()
    page.get_by_role("button", name="Cancel", exact=True).last.click()
    assert page.locator("#head", has_text="open").is_visible()
    act(page, "Terminate", Reason="no stock")
    page.locator("#head", has_text="terminated").wait_for()
    page.locator("#problems", has_text="no stock").wait_for()


def test_a_held_activity_is_answered_by_hand(show: Show, shop: Shop) -> None:
    order(shop)
    page = show("order-1")
    act(page, "Complete", Result='"paid"')
    page.locator(".events", has_text='result: "paid"').wait_for()


def test_time_jumps_to_what_comes_next(show: Show, shop: Shop) -> None:
    order(shop)
    shop.decide()
    page = show("order-1")
    assert "timer remind" in page.locator("#clock").inner_text()
    page.get_by_role("button", name="Jump").first.click()
    page.locator("#clock", has_text="01:00:00").wait_for()
    page.locator(".events", has_text="TimerFired").wait_for()


def test_a_refusal_is_shown_in_the_words_of_the_service(tabs: Tabs, show: Show, shop: Shop) -> None:
    tabs.expected.append("status of 400")
    order(shop)
    page = show()
    act(page, "Start", Workflow_type="Purchase", Version="2", Workflow_ID="order-1")
    alert = page.get_by_role("dialog").get_by_role("alert")
    alert.filter(has_text="WorkflowExecutionAlreadyStartedFault").wait_for()


def test_an_action_is_copied_as_a_command(show: Show, shop: Shop) -> None:
    order(shop)
    page = show("order-1")
    page.get_by_text("Copy as", exact=True).first.click()
    shown = page.locator(".copies").inner_text()
    assert "aws swf get-workflow-execution-history" in shown
    assert "--endpoint-url" in shown


# Servers that stop


@contextmanager
def served(path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a file in a process of its own, which is killed in the end."""
    command = [sys.executable, "-m", "flowy_sim", "serve", "--db", str(path), "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet) as started:
        try:
            assert started.stdout is not None
            started.stdout.readline()
            yield started
        finally:
            started.send_signal(signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills processes")
def test_a_page_says_when_the_server_is_gone_and_catches_up_when_it_is_back(
    tabs: Tabs, tmp_path: Path, port: int
) -> None:
    tabs.expected.append("net::ERR_")  # The server is killed.
    path = tmp_path / "shop.db"
    endpoint = Endpoint(f"http://127.0.0.1:{port}")
    with served(path, port):
        shop = Shop(endpoint.client())
        order(shop)
        page = tabs.open(f"{endpoint.url}/?domain={DOMAIN}")
        live(page)
    page.locator("#connection", has_text="not connected").wait_for()
    # What cannot be updated stays on the screen, and is not an empty list.
    assert page.get_by_role("link", name="order-1", exact=True).is_visible()
    with served(path, port):
        Shop.start(shop, "order-2")
        page.get_by_role("link", name="order-2", exact=True).wait_for()
        live(page)


EXECUTIONS = 100_000 if SOAK else 20_000


@pytest.mark.slow
def test_a_list_of_many_thousand_executions(tabs: Tabs, tmp_path: Path, port: int) -> None:
    tabs.expected.append("net::ERR_")  # The server is killed.
    path = tmp_path / "shop.db"
    fill(path, EXECUTIONS)
    with served(path, port):
        page = tabs.open(f"http://127.0.0.1:{port}/?domain={DOMAIN}")
        live(page)
        rows = page.locator("table.executions tbody tr")
        assert rows.count() == 100
        assert f"{EXECUTIONS:,}" in page.locator(".counts").inner_text()
        first = rows.first.inner_text()
        page.get_by_role("link", name=re.compile("Older|Next")).click()
        page.wait_for_url(re.compile("after|before|from|page"))
        assert rows.count() == 100
        assert rows.first.inner_text() != first
        page.get_by_role("searchbox").fill(wanted := f"order-{EXECUTIONS * 7 // 9}")
        page.keyboard.press("Enter")
        page.get_by_role("link", name=wanted, exact=True).wait_for()


def fill(path: Path, count: int) -> None:
    """Write a file with executions."""

    async def write() -> None:
        async with Served(path) as served:
            Shop(_Calls(served))
            named = {"domain": DOMAIN, "workflowType": {"name": "Purchase", "version": "2"}}
            for number in range(count):
                served.call("StartWorkflowExecution", workflowId=f"order-{number}", **named)
            await served.durable()

    # The event loop of this thread is playwright's.
    thread = threading.Thread(target=lambda: asyncio.run(write()))
    thread.start()
    thread.join()


class _Calls:
    """A client that calls the engine."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **request: self._served.call(operation, **request)


# For everybody


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", ["", "task-lists", "order-1"])
def test_axe_finds_no_violation(shop: Shop, show: Show, path: str, dark: bool) -> None:
    order(shop)
    page = show("order-1" if path == "order-1" else "", dark=dark)
    if path == "task-lists":
        page.get_by_role("link", name="Task lists").click()
        live(page)
    assert violations(page) == []


@pytest.mark.parametrize("size", [PHONE, DESK], ids=lambda size: str(size[0]))
def test_no_page_is_wider_than_the_window(shop: Shop, show: Show, size: tuple[int, int]) -> None:
    order(shop)
    shop.start("x" * 256)
    wide = "document.documentElement.scrollWidth"
    page = show(size=size)
    assert page.evaluate(wide) <= size[0]
    page.get_by_role("link", name="Task lists").click()
    assert page.evaluate(wide) <= size[0]
    page = show("order-1", size=size)
    assert page.evaluate(wide) <= size[0]


def test_the_worst_of_texts_is_only_ever_text(shop: Shop, show: Show) -> None:
    # IDs cannot hold control characters; payloads, reasons and signals can.
    worst = WORST.replace("\ud800", "")
    shop.start("<script>alert(1)</script>", input=worst, tagList=["<b>"])
    shop.client.signal_workflow_execution(
        domain=DOMAIN,
        workflowId="<script>alert(1)</script>",
        signalName="<img src=x onerror=alert(2)>",
        input=worst,
    )
    page = show("<script>alert(1)</script>")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert page.locator("img").count() == 0
    assert "␛[2J" in page.locator("body").inner_text()
    assert not problems_of(page.locator("body").inner_text())
