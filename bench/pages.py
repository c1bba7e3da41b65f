"""Reports of long histories in a browser: how soon they open, and how smoothly they scroll."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.measure import table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BATCH = 100
"""The number of activities that a decision schedules."""

#: Scrolls down a hundred times by a third of a screen and returns the milliseconds of each frame.
_SCROLL = """() => new Promise((done) => {
  const frames = [];
  let last = performance.now();
  const step = (now) => {
    frames.push(now - last);
    last = now;
    scrollBy(0, 270);
    if (frames.length < 101) requestAnimationFrame(step);
    else done(frames.slice(1));
  };
  requestAnimationFrame(step);
})"""
#: Zooms in thirty times with all groups open and returns the milliseconds of each frame.
_ZOOM = """() => new Promise((done) => {
  const frames = [];
  let last = performance.now();
  const step = (now) => {
    frames.push(now - last);
    last = now;
    dispatchEvent(new KeyboardEvent("keydown", { key: frames.length % 2 ? "w" : "s" }));
    if (frames.length < 31) requestAnimationFrame(step);
    else done(frames.slice(1));
  };
  requestAnimationFrame(step);
})"""


def history(events: int) -> list[dict[str, Any]]:
    """Return the history of an execution with about so many events, as plain poll loops make it."""
    from flowy_sim import Simulation

    swf: Any = Simulation().client()
    domain, lists = "shop", ({"name": "decisions"}, {"name": "work"})
    order, resize = ({"name": name, "version": "1"} for name in ("order", "resize"))
    swf.register_domain(name=domain, workflowExecutionRetentionPeriodInDays="7")
    swf.register_workflow_type(
        domain=domain,
        **order,
        defaultTaskList=lists[0],
        defaultChildPolicy="TERMINATE",
        defaultTaskStartToCloseTimeout="60",
        defaultExecutionStartToCloseTimeout="86400",
    )
    swf.register_activity_type(
        domain=domain,
        **resize,
        defaultTaskList=lists[1],
        defaultTaskHeartbeatTimeout="NONE",
        defaultTaskStartToCloseTimeout="60",
        defaultTaskScheduleToStartTimeout="600",
        defaultTaskScheduleToCloseTimeout="660",
    )
    started = swf.start_workflow_execution(domain=domain, workflowId="o", workflowType=order)
    execution = {"workflowId": "o", "runId": started["runId"]}
    for first in range(0, events * BATCH // (3 * BATCH + 3), BATCH):
        task = swf.poll_for_decision_task(domain=domain, taskList=lists[0], maximumPageSize=1)
        scheduled = [
            {
                "activityId": f"resize-{number}",
                "activityType": resize,
                "input": json.dumps([f"photos/{number}.jpg", {"width": 150}]),
            }
            for number in range(first, first + BATCH)
        ]
        decisions = [
            {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": each,
            }
            for each in scheduled
        ]
        swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)
        for number in range(BATCH):
            task = swf.poll_for_activity_task(domain=domain, taskList=lists[1], identity="worker")
            token = task["taskToken"]
            swf.respond_activity_task_completed(taskToken=token, result=f'"small/{number}.jpg"')
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while not found or more:
        reply = swf.get_workflow_execution_history(domain=domain, execution=execution, **more)
        found += reply["events"]
        more = {key: reply[key] for key in ("nextPageToken",) if key in reply}
    return found


def pages(rounds: int, sizes: list[int]) -> str:
    """Return the table of pages: how large they are, how soon they open, how they scroll."""
    rows = []
    with _browser() as browser, tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            events = history(size)
            path = Path(folder, f"{size}.html")
            began = time.perf_counter()
            path.write_text(_page(events), encoding="utf-8")
            wrote = time.perf_counter() - began
            found = [_opened(browser, path) for _ in range(rounds)]
            ready, worked, scrolled, zoomed = zip(*found, strict=True)
            rows.append(
                [
                    f"{len(events):,}",
                    f"{path.stat().st_size / 1e6:.1f} MB",
                    f"{wrote:.1f} s",
                    f"{median(ready):.1f} s, {median(worked):.1f} s",
                    f"{median(scrolled) * 1e3:.0f} ms",
                    f"{median(zoomed) * 1e3:.0f} ms",
                ]
            )
    head = ["events", "file", "written in", "usable after, processor time"]
    return table([*head, "processor time a frame, scrolling", "zooming"], rows)


def _page(events: list[dict[str, Any]]) -> str:
    from flowy_sim._report.page import ReportedRun, page

    return page([ReportedRun(events, "order-7")], "Order 7")


@contextmanager
def _browser() -> Iterator[Browser]:
    from tests.support.browser import running

    with running() as browser:
        yield browser


def _opened(browser: Browser, path: Path) -> tuple[float, float, float, float]:
    """Open a page as a new visitor.

    Returns:
        The seconds until its scripts are ready, and the processor time of all of the browser until
        then; its processor time for a frame while the page is scrolled, and while it is zoomed.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    try:
        began, worked = time.perf_counter(), _processor_seconds(browser)
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_selector("[data-ready]", state="attached")
        ready, worked = time.perf_counter() - began, _processor_seconds(browser) - worked
        scrolled = _each_frame(browser, page, _SCROLL)
        page.evaluate("() => scrollTo(0, 0)")
        page.locator(".toggle").first.click()
        return ready, worked, scrolled, _each_frame(browser, page, _ZOOM)
    finally:
        page.close()


def _each_frame(browser: Browser, page: Page, moves: str) -> float:
    before = _processor_seconds(browser)
    frames = page.evaluate(moves)
    return (_processor_seconds(browser) - before) / len(frames)


def _processor_seconds(browser: Browser) -> float:
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return float(sum(process["cpuTime"] for process in found))
