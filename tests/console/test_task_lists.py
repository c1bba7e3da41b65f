from __future__ import annotations

from flowy_sim._server.endpoint import Endpoint
from tests.support.console_pages import Browser
from tests.support.console_shop import DOMAIN, Shop, charge
from tests.support.http_clients import Program

TASK_LISTS = "_console/task-lists"


def test_backlog_and_age_of_the_oldest_task(
    endpoint: Endpoint, browser: Browser, shop: Shop
) -> None:
    for number in range(3):
        shop.start(f"order-{number}")
        endpoint.advance(60)
    assert "orders decision tasks" in browser.open(TASK_LISTS).text
    assert "3 waiting, the oldest for 3 min" in browser.open(TASK_LISTS).text


def test_a_list_that_nobody_polls_is_an_alert_and_comes_first(browser: Browser, shop: Shop) -> None:
    shop.start("order-1")
    shop.decide()
    shop.start("order-2", taskList={"name": "zzz"})
    page = browser.open(TASK_LISTS)
    assert "zzz decision tasks ! no pollers 1 waiting" in page.text
    assert page.text.count("no pollers") == 1
    assert page.text.index("zzz") < page.text.index("orders")
    assert "alert" in page.values("span", "role")


def test_pollers_and_the_tasks_they_hold_for_how_long(
    endpoint: Endpoint, browser: Browser, shop: Shop
) -> None:
    run_id = shop.start("order-1")
    shop.decide(charge("charge-1"))
    shop.take("worker-7")
    endpoint.advance(90)
    page = browser.open(TASK_LISTS)
    assert "1 in progress" in page.text
    assert "charge-1 order-1 worker-7 at 127.0.0.1 1 min 30 s" in page.text
    assert run_id in browser.open(f"_console/{page.links['order-1']}").source


def test_a_poll_that_waits_is_shown(endpoint: Endpoint, browser: Browser, shop: Shop) -> None:
    with_poll = Program(endpoint.url)
    try:
        poll = {"domain": DOMAIN, "taskList": {"name": "cards"}, "identity": "idle"}
        with_poll.send("PollForActivityTask", poll)
        while not endpoint.ask("GET", "")["waitingPolls"]:
            pass
        assert "waits in a poll" in browser.open(TASK_LISTS).text
    finally:
        with_poll.hang_up()


def test_an_empty_domain_says_so(browser: Browser) -> None:
    assert "No task waits, and no worker polls." in browser.open(TASK_LISTS).text


def test_a_worker_that_has_stopped_polling_is_no_poller(browser: Browser, shop: Shop) -> None:
    shop.start("order-1")
    shop.decide()
    shop.start("order-2")
    # The connection of the client is open all the time.
    while "no pollers" not in browser.open(TASK_LISTS).text:
        pass
