"""Pages of executions that stay open while their histories grow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

import pytest

from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.settings import ServerSettings
from tests.support.browser import Tabs
from tests.support.console_pages import VIRTUAL, console_server
from tests.support.console_shop import DOMAIN, Shop, charge, decision, timer
from tests.support.hostile_text import WORST

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: What a page shows, a line for each element and text: what belongs to the visitor is left out.
SHOWN = """() => {
  const own = new Set(["open", "tabindex", "hidden", "style", "data-ready"]);
  const lines = [];
  const walk = (node, depth) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const text = node.nodeValue.replace(/\\s+/g, " ").trim();
      if (text) lines.push(" ".repeat(depth) + text);
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      const names = node.getAttributeNames().filter((name) => !own.has(name)).sort();
      const written = names.map((name) => ` ${name}=${node.getAttribute(name).trim()}`);
      const shown = written.filter((each) => !each.endsWith("="));
      lines.push(" ".repeat(depth) + node.localName + shown.join(""));
      for (const child of node.childNodes) walk(child, depth + 1);
    }
  };
  walk(document.querySelector("#clock"), 0);
  walk(document.querySelector("#main"), 0);
  return lines;
}"""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    # Who polls stays known: that is looked at only now and then.
    with console_server(ServerSettings(simulation=replace(VIRTUAL, patience=600))) as served:
        served.set_clock("paused")
        yield served


class Changes:
    """Changes an execution at random.

    Args:
        endpoint: the simulation.
        seed: of the choices.
    """

    def __init__(self, endpoint: Endpoint, seed: int) -> None:
        self.random = random.Random(seed)
        self.endpoint = endpoint
        self.shop = Shop(endpoint.client())
        self.shop.start("order-1", input='{"lamp": 2}')
        self._held: list[str] = []
        self._count = 0

    def make(self, count: int) -> None:
        """Make a number of changes; some of them are several events."""
        ways = [self._signal, self._decide, self._decide, self._take, self._answer, self._answer]
        for _ in range(count):
            self.random.choice([*ways, self._beat, self._pass])()

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"

    def _signal(self) -> None:
        name = self.random.choice(["hurry", "stop", self._name("note")])
        self.shop.client.signal_workflow_execution(
            domain=DOMAIN, workflowId="order-1", signalName=name, input=self._payload()
        )

    def _payload(self) -> str:
        return self.random.choice(["", '{"cents": 4200}', "x" * 3000, WORST.replace("\ud800", "")])

    def _decide(self) -> None:
        self._signal()
        self.shop.decide(*(self._decision() for _ in range(self.random.randrange(4))))

    def _decision(self) -> dict[str, Any]:
        child = {"workflowType": {"name": "Refund", "version": "2"}}
        return self.random.choice(
            [
                charge(self._name("charge"), input=self._payload()),
                charge(self._name("charge"), input='{"cents": 100}'),
                timer(self._name("remind"), self.random.choice([5, 3600])),
                decision("RecordMarker", markerName=self._name("mark")),
                decision("CancelTimer", timerId="unknown"),
                decision("StartChildWorkflowExecution", workflowId=self._name("child"), **child),
            ]
        )

    def _take(self) -> None:
        pending = self.shop.client.count_pending_activity_tasks(
            domain=DOMAIN, taskList={"name": "cards"}
        )
        if pending["count"]:
            self._held.append(self.shop.take())

    def _answer(self) -> None:
        self._take()
        if not self._held:
            return
        token = self._held.pop(self.random.randrange(len(self._held)))
        if self.random.random() < 0.6:
            self.shop.client.respond_activity_task_completed(taskToken=token, result="paid")
        else:
            self.shop.client.respond_activity_task_failed(
                taskToken=token, reason=self._payload()[:200]
            )

    def _beat(self) -> None:
        if self._held:
            self.shop.client.record_activity_task_heartbeat(
                taskToken=self._held[-1], details=self._payload()[:2000]
            )

    def _pass(self) -> None:
        self.endpoint.advance(self.random.choice([0.5, 7, 1000]))


def shown(page: Page) -> list[str]:
    """Return what a page shows at its top, once it has drawn it."""
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)
    return list(page.evaluate(SHOWN))


def settled(page: Page, other: Page) -> tuple[list[str], list[str]]:
    """Return what two pages show, once both show the same or do not come to that."""
    both = shown(page), shown(other)
    for _ in range(50):
        if both[0] == both[1]:
            break
        both = shown(page), shown(other)
    return both


@pytest.mark.parametrize("seed", range(2))
def test_an_open_page_becomes_what_it_would_be_if_it_were_loaded_again(
    tabs: Tabs, endpoint: Endpoint, seed: int
) -> None:
    changes = Changes(endpoint, seed)
    changes.make(seed * 25)
    url = f"{endpoint.url}/_console/execution?workflow=order-1"
    page = tabs.open(url)
    page.locator("#connection", has_text="live").wait_for()
    for round_ in range(4):
        changes.make(10 + 20 * round_)
        again = tabs.open(url)
        again.wait_for_selector("[data-ready]", state="attached")
        found, expected = settled(page, again)
        assert "\n".join(unified_diff(expected, found, n=1)) == ""
        again.context.close()
    tabs.close()  # The server stops before the pages do.
