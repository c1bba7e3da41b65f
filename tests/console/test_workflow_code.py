"""What the code of workflows tells pages, and what it must not do to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from flowy_sim import Simulation
from flowy_sim._console.source import OPEN, ExecutionRow, Place, Recorded
from flowy_sim._console.workflow_code import Inspection, WorkflowCode
from flowy_sim._server.endpoint import Endpoint
from tests.support.console_pages import Browser, console_server
from tests.support.console_shop import DOMAIN, Shop, timer

PURCHASES = "tests.support.purchases"
SECONDS = 60.0  # How long code may run, on a machine that is busy with other things.


@contextmanager
def running(*packages: str, seconds: float = SECONDS) -> Iterator[WorkflowCode]:
    code = WorkflowCode(packages, seconds)
    try:
        yield code
    finally:
        code.close()


def execution(
    workflow_id: str, name: str, decisions: Sequence[dict[str, Any]] = ()
) -> tuple[ExecutionRow, Recorded]:
    """Return an open execution that has made some decisions."""
    client: Any = Simulation().client()
    shop = Shop(client)
    run_id = shop.start(workflow_id, name)
    shop.decide(*decisions)
    named = {"workflowId": workflow_id, "runId": run_id}
    events = client.get_workflow_execution_history(domain=DOMAIN, execution=named)["events"]
    return ExecutionRow(workflow_id, run_id, name, "2", OPEN, 0, None, ()), Recorded(events)


def inspected(code: WorkflowCode, *of: tuple[ExecutionRow, Recorded]) -> list[Inspection]:
    async def ask() -> list[Inspection]:
        return [await code.inspect(Place(each[0].workflow_id), *each) for each in of]

    return asyncio.run(ask())


def test_without_packages_nothing_is_inspected_and_no_process_starts() -> None:
    with running() as code:
        assert inspected(code, execution("order-1", "Purchase")) == [Inspection()]


def test_code_tells_the_signals_and_where_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    with running(PURCHASES) as code:
        [found] = inspected(code, execution("order-1", "Purchase"))
    assert found == Inspection(["approve"], f"{PURCHASES}:Purchase")
    assert "not for the server" not in capfd.readouterr().out


@pytest.mark.slow
def test_why_code_tells_nothing_is_shown_word_for_word() -> None:
    purchase = execution("order-1", "Purchase", [timer("remind", 60)])
    with running(PURCHASES) as code:
        [found] = inspected(code, purchase)
    assert not found.signals
    assert "remind" in found.problem
    with running("tests.support.nothing") as code:
        [found] = inspected(code, purchase)
    assert "there is no module 'tests.support.nothing'" in found.problem
    with running("tests.support.bakery") as code:
        [found] = inspected(code, purchase)
    assert found.problem == "There is no workflow Purchase 2 in tests.support.bakery."


@pytest.mark.slow
def test_code_that_ends_its_process_or_never_returns_stops_nothing_else() -> None:
    with running(PURCHASES, seconds=1) as code:
        ended, hung = inspected(code, execution("ends", "Refund"), execution("hangs", "Refund"))
        code._seconds = SECONDS
        [fine] = inspected(code, execution("order-1", "Purchase"))
    sentence = "The code of Refund 2 ended its process, or took longer than 1 s."
    assert ended.problem == hung.problem == sentence
    assert (list(fine.signals), fine.problem) == (["approve"], "")


def test_code_runs_once_for_each_new_event(monkeypatch: pytest.MonkeyPatch) -> None:
    row, recorded = execution("order-1", "Purchase")
    asked: list[int] = []

    async def ask(row: ExecutionRow, recorded: Recorded) -> tuple[Inspection, float]:
        asked.append(len(recorded.events))
        return Inspection(["approve"]), 0.0

    with running(PURCHASES) as code:
        monkeypatch.setattr(code, "_ask", ask)
        newer = Recorded([*recorded.events, {}])
        inspected(code, (row, recorded), (row, recorded), (row, newer), (row, newer))
    assert asked == [4, 5]


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkflowCode.__init__, "__defaults__", ((), SECONDS))
        with console_server(packages=[PURCHASES]) as endpoint:
            yield endpoint


def test_the_page_and_the_timeline_show_the_signal(server: Endpoint) -> None:
    endpoint = server.named("awaits")
    endpoint.set_clock("paused")
    shop, browser = Shop(endpoint.client()), Browser(endpoint)
    shop.start("order-1")
    shop.decide()
    page = browser.open("_console/execution", domain=DOMAIN, workflow="order-1")
    assert "it waits for the signal 'approve', which has not been sent" in page.text
    assert "approve?" in page.text
    _, _, data = browser.ask("GET", f"_console/data?domain={DOMAIN}&workflow=order-1")
    assert b'"approve?"' in data
    shop.client.terminate_workflow_execution(domain=DOMAIN, workflowId="order-1")
    page = browser.open("_console/execution", domain=DOMAIN, workflow="order-1")
    assert f"{PURCHASES}:Purchase" in page.values("input", "value")


def test_the_page_says_why_the_signal_is_unknown(server: Endpoint) -> None:
    endpoint = server.named("differs")
    endpoint.set_clock("paused")
    shop, browser = Shop(endpoint.client()), Browser(endpoint)
    shop.start("order-1")
    shop.decide(timer("remind", 60))
    page = browser.open("_console/execution", domain=DOMAIN, workflow="order-1")
    assert "The code of Purchase 2 does not show which signals it awaits:" in page.text
    assert "timer remind fires" in page.text
