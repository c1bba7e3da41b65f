from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim import Simulation
from flowy_sim._console.search import ExecutionSearch
from flowy_sim._console.source import OPEN, STATUSES, Filter
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._server.endpoint import Endpoint
from tests.support.console_pages import Browser, Page
from tests.support.console_shop import DOMAIN, Shop, charge, decision, timer


def ids(page: Page) -> list[str]:
    """Return the workflow IDs of a list."""
    return [text for text, target in page.links.items() if "/execution?" in target]


def complete() -> dict[str, Any]:
    return decision("CompleteWorkflowExecution")


def fail() -> dict[str, Any]:
    return decision("FailWorkflowExecution", reason="no stock")


def test_a_list_shows_status_type_times_tags_and_what_is_waited_for(
    endpoint: Endpoint, browser: Browser, shop: Shop
) -> None:
    shop.start("order-1", tagList=["eu", "vip"])
    shop.decide(charge("charge-1"), timer("remind", 3600))
    shop.start("order-2")
    endpoint.advance(90)
    page = browser.open()
    assert "open order-1 Purchase 2 2024-01-01 00:00:00 1 min 30 s" in page.text
    assert "activity charge-1, timer remind eu vip" in page.text
    assert "a decider on orders" in page.text


def test_counts_are_filters(browser: Browser, shop: Shop) -> None:
    for number in range(5):
        shop.start(f"order-{number}")
    for each in (complete(), fail(), fail()):
        shop.decide(each)
    page = browser.open()
    assert {"all 5", "▸ open 2", "✓ completed 1", "✕ failed 2", "⊘ canceled 0"} <= set(page.links)
    failed = browser.open(page.links["✕ failed 2"])
    assert ids(failed) == ["order-2", "order-1"]
    assert "▸ open 2" in failed.links


def test_pages_of_a_list_have_at_most_100_rows_and_miss_none(browser: Browser, shop: Shop) -> None:
    started = [f"order-{number}" for number in range(230)]
    for each in started:
        shop.start(each)
    page, found = browser.open(), []
    while True:
        assert len(ids(page)) <= 100
        found += ids(page)
        if "Older" not in page.links:
            break
        # What starts meanwhile does not move the pages.
        shop.start(f"late-{len(found)}")
        page = browser.open(page.links["Older"])
    assert found == started[::-1]
    assert "Newest" in page.links


def test_the_box_takes_a_run_id(browser: Browser, shop: Shop) -> None:
    run_id = shop.start("order-1")
    assert "<title>order-1" in browser.open(q=run_id).source


def test_the_box_takes_a_workflow_id_and_shows_its_runs(browser: Browser, shop: Shop) -> None:
    for _ in range(2):
        shop.start("order-1")
        shop.decide(complete())
    shop.start("order-10")
    page = browser.open(q="order-1")
    assert len(page.values("tr", "data-run")) == 2
    anywhere = browser.open(page.links["Search for the text instead"])
    assert len(anywhere.values("tr", "data-run")) == 3


@pytest.mark.parametrize("text", ["DER-7", "refund", "prio"])
def test_the_box_takes_part_of_an_id_a_type_or_a_tag(
    browser: Browser, shop: Shop, text: str
) -> None:
    shop.start("order-6")
    shop.start("order-7", "Refund", tagList=["priority"])
    assert ids(browser.open(q=text)) == ["order-7"]


def test_filters_can_be_combined(endpoint: Endpoint, browser: Browser, shop: Shop) -> None:
    shop.start("order-1", "Refund", tagList=["eu"])
    shop.start("order-2", tagList=["eu"])
    endpoint.advance(3600)
    shop.start("order-3", "Refund", tagList=["eu"])
    assert ids(browser.open(type_name="Refund", tag="eu")) == ["order-3", "order-1"]
    assert ids(browser.open(type_name="Refund", started_from="2024-01-01 00:30")) == ["order-3"]
    assert ids(browser.open(tag="eu", started_to="2024-01-01 00:30")) == ["order-2", "order-1"]


@pytest.mark.parametrize(
    "query", [{"status": "SLEEPING"}, {"started_from": "yesterday"}, {"before": "x"}]
)
def test_a_filter_that_cannot_be_read_is_an_error_not_an_empty_list(
    browser: Browser, query: dict[str, str]
) -> None:
    page = browser.open(**query)
    assert page.status == 400
    assert next(iter(query.values())) in page.text
    assert "No execution matches" not in page.text


def test_a_search_for_a_text_gives_up_after_a_while_and_can_be_continued(
    browser: Browser, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy_sim._console.served._EXAMINED", 10)
    monkeypatch.setattr("flowy_sim._console.served._SLICE", 5)
    shop.start("needle")
    for number in range(12):
        shop.start(f"hay-{number}")
    page = browser.open(q="need")
    assert "Examined 10 executions" in page.text
    assert "No execution matches" not in page.text
    assert ids(browser.open(page.links["Search older ones"])) == ["needle"]


STATES = st.sampled_from(["", *STATUSES[:3]])
NAMES = st.sampled_from(["", "Purchase", "Refund"])
TAGS = st.sampled_from(["", "eu", "us"])
MOMENTS = st.none() | st.integers(0, 12).map(lambda each: each * 1000)
FILTERS = st.builds(
    Filter,
    status=STATES,
    type_name=NAMES,
    tag=TAGS,
    text=st.sampled_from(["", "1", "refund"]),
    started_from=MOMENTS,
    started_to=MOMENTS,
    closed_from=MOMENTS,
    closed_to=MOMENTS,
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A domain with executions of all kinds."""
    simulation = Simulation(start="1970-01-01T00:00:00Z")
    shop = Shop(simulation.client())
    for number in range(30):
        name = "Refund" if number % 3 else "Purchase"
        shop.start(f"order-{number}", name, tagList=["eu" if number % 2 else "us"])
        if number % 4:
            shop.decide(complete() if number % 5 else fail())
        simulation.clock.advance(0.4)
    return simulation.engine()


@given(wanted=FILTERS)
def test_a_search_through_an_index_finds_what_going_through_all_executions_finds(
    engine: Engine, wanted: Filter
) -> None:
    search = ExecutionSearch(engine.domains[DOMAIN], wanted)
    found = [execution for _, execution in search.found() if search.matches(execution)]
    expected = [each for each in engine.executions.values() if _meets(each, wanted)]
    assert {each.run_id for each in found} == {each.run_id for each in expected}
    assert len(found) == len(expected)
    keys = [key for key, _ in search.found()]
    assert keys == sorted(keys, reverse=True)


def _meets(execution: WorkflowExecution, wanted: Filter) -> bool:
    info = execution.info()
    started, closed = execution.started_at, execution.closed_at
    words = [info["execution"]["workflowId"], execution.run_id, *info["tagList"]]
    words += [info["workflowType"]["name"], info["workflowType"]["version"]]
    by_close = wanted.closed_from is not None or wanted.closed_to is not None
    return (
        wanted.status in ("", info.get("closeStatus", OPEN))
        and wanted.type_name in ("", info["workflowType"]["name"])
        and wanted.tag in ("", *info["tagList"])
        and any(wanted.text in word.lower() for word in words)
        and (wanted.started_from is None or started >= wanted.started_from)
        and (wanted.started_to is None or started <= wanted.started_to)
        and (not by_close or closed is not None)
        and (wanted.closed_from is None or (closed or 0) >= wanted.closed_from)
        and (wanted.closed_to is None or (closed or 0) <= wanted.closed_to)
    )
