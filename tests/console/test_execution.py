from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from zipfile import ZipFile

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.console_pages import Browser, Page
from tests.support.console_shop import DOMAIN, Shop, charge, decision, timer
from tests.support.hostile_text import WORST, problems_of


def shown(browser: Browser, workflow_id: str, **query: Any) -> Page:
    return browser.open("_console/execution", workflow=workflow_id, **query)


def test_it_shows_payloads_events_and_what_caused_them(browser: Browser, shop: Shop) -> None:
    shop.start("order-1", input='{"items": ["book"]}')
    shop.decide(charge("charge-1"))
    page = shown(browser, "order-1")
    assert page.status == 200
    assert '{"items": ["book"]}' in page.text
    assert "5 ActivityTaskScheduled" in page.text.replace("0 s ", "")
    assert page.links["4"] == "#e4"
    assert "timeline" in page.values("div", "class")


def test_it_says_what_an_execution_waits_for(
    endpoint: Endpoint, browser: Browser, shop: Shop
) -> None:
    shop.start("order-1")
    shop.decide(charge("charge-1"), charge("charge-2"), timer("remind", 3600))
    token = shop.take("worker-7")
    shop.client.record_activity_task_heartbeat(taskToken=token, details="half")
    text = shown(browser, "order-1").text
    assert "activity charge 1 (charge-1) was taken by worker-7" in text
    assert "and has not answered" in text
    assert "never answered" not in text
    assert "activity charge 1 (charge-2) has been on the list 'cards'" in text
    assert "timer remind fires at 2024-01-01 01:00:00" in text
    assert "The execution times out in 1 d" in text


def test_a_heartbeat_is_shown_with_its_details(
    endpoint: Endpoint, browser: Browser, shop: Shop
) -> None:
    shop.start("order-1")
    shop.decide(charge("charge-1"))
    token = shop.take()
    endpoint.advance(60)
    shop.client.record_activity_task_heartbeat(taskToken=token, details="half")
    endpoint.advance(5)
    page = shown(browser, "order-1")
    assert "last heartbeat 5 s ago: half" in page.text
    assert "open, started at 0 s, last heartbeat at 1 min" in page.text
    assert "point beat" in page.values("path", "class")


def test_an_unpolled_list_is_named_in_the_words_of_the_stuck_detector(
    browser: Browser, shop: Shop
) -> None:
    shop.start("order-1", taskList={"name": "nowhere"})
    text = shown(browser, "order-1").text
    assert "its decision task has been on the list 'nowhere' since 2024-01-01 00:00:00; no" in text


def test_parents_children_and_continued_runs_are_linked_both_ways(
    endpoint: Endpoint, browser: Browser, shop: Shop
) -> None:
    shop.start("order-1")
    child = decision(
        "StartChildWorkflowExecution",
        workflowId="refund-1",
        workflowType={"name": "Refund", "version": "2"},
    )
    shop.decide(child)
    endpoint.advance(1)
    page = shown(browser, "order-1")
    opened = browser.open(f"_console/{page.links['refund-1']}")
    assert "<title>refund-1" in opened.source
    assert "order-1" in opened.links
    shop.decide(decision("ContinueAsNewWorkflowExecution", workflowTypeVersion="2"))
    newest = shown(browser, "refund-1")
    assert "continues refund-1" in newest.text
    before = browser.open(f"_console/{newest.links['refund-1']}")
    assert "continued by refund-1" in before.text


def test_the_history_can_be_read_and_downloaded_as_json(browser: Browser, shop: Shop) -> None:
    run_id = shop.start("order-1", input=WORST)
    page = shown(browser, "order-1")
    _, headers, body = browser.ask("GET", f"_console/{page.links['Download the history']}")
    assert headers["content-type"] == "application/json"
    assert "attachment" in headers["content-disposition"]
    events = json.loads(body)["events"]
    expected = shop.client.get_workflow_execution_history(
        domain=DOMAIN, execution={"workflowId": "order-1", "runId": run_id}
    )["events"]
    assert [each["eventId"] for each in events] == [each["eventId"] for each in expected]
    assert events[0]["workflowExecutionStartedEventAttributes"]["input"] == WORST
    assert problems_of(body.decode()) == []


def test_only_new_events_are_sent_to_a_page_that_has_the_others(
    browser: Browser, shop: Shop
) -> None:
    shop.start("order-1")
    shop.decide(timer("remind", 60))
    page = shown(browser, "order-1", after=4)
    assert page.values("tr", "id") == ["e5"]
    assert "timeline" not in page.values("div", "class")


def test_a_long_history_is_drawn_in_another_process(browser: Browser, shop: Shop) -> None:
    shop.start("order-1")
    for number in range(120):
        shop.client.signal_workflow_execution(
            domain=DOMAIN, workflowId="order-1", signalName=f"hurry-{number}"
        )
    page = shown(browser, "order-1")
    assert "hurry-119" in page.text
    status, _, body = browser.ask("GET", f"_console/data?workflow=order-1&domain={DOMAIN}")
    assert status == 200
    assert len(json.loads(body)["events"]) == 122


@pytest.mark.parametrize("path", ["execution", "data", "history"])
def test_an_unknown_execution_is_an_error_in_the_words_of_the_service(
    browser: Browser, shop: Shop, path: str
) -> None:
    status, _, body = browser.ask("GET", f"_console/{path}?workflow=nobody&run=x")
    assert status == 404
    assert b"Unknown execution: WorkflowExecution=[workflowId=nobody, runId=x]" in body


def as_test(browser: Browser, workflow_id: str, **fields: str) -> tuple[int, dict[str, str], bytes]:
    """Send the form that copies a run as a test."""
    query = urlencode({"workflow": workflow_id}, errors="surrogatepass")
    form = urlencode(fields).encode()
    return browser.ask("POST", f"_console/test?{query}", form)


def test_a_closed_run_is_copied_as_a_test_with_its_history(browser: Browser, shop: Shop) -> None:
    shop.start("Order №7")
    shop.decide(decision("CompleteWorkflowExecution", result="done"))
    assert "Copy as test" in shown(browser, "Order №7").text
    status, headers, body = as_test(browser, "Order №7", code="shop.orders:Order")
    assert status == 200
    assert headers["content-disposition"] == 'attachment; filename="test_order_7.zip"'
    with ZipFile(BytesIO(body)) as archive:
        assert archive.namelist() == ["test_order_7.py", "test_order_7.json"]
        test = archive.read("test_order_7.py").decode()
        history = json.loads(archive.read("test_order_7.json"))
    assert "from shop.orders import Order" in test
    assert "workflows=[Order]" in test
    assert 'with_name("test_order_7.json")' in test
    assert 'assert run.raw_result == "done"' in test
    assert history["workflowId"] == "Order №7"
    assert len(history["events"]) == 5
    _, _, body = as_test(browser, "Order №7", code="shop:decide", polls="on")
    with ZipFile(BytesIO(body)) as archive:
        assert b"swf_run.loop(decide)" in archive.read("test_order_7.py")


@pytest.mark.parametrize("code", ["", "shop", "shop:", "a:b\nimport os", "shop.orders:Order()"])
def test_what_is_not_the_name_of_code_makes_no_test(
    browser: Browser, shop: Shop, code: str
) -> None:
    shop.start("order-1")
    shop.decide(decision("CompleteWorkflowExecution"))
    status, _, body = as_test(browser, "order-1", code=code)
    assert status == 400
    assert "is not the name of code" in body.decode()


def test_an_open_run_makes_no_test(browser: Browser, shop: Shop) -> None:
    shop.start("order-1")
    assert "Copy as test" not in shown(browser, "order-1").text
    status, _, body = as_test(browser, "order-1", code="shop:Order")
    assert status == 400
    assert "The execution is still open" in body.decode()
