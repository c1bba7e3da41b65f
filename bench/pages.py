"""Pages about long histories in a browser.

Of reports: how soon they open, and how smoothly they scroll. Of the console: how soon they show a
change.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import servers
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
#: Lets `shown` become the time at which a text is drawn: in the last row of the table and of the
#: timeline of an execution, or in the first row of a list.
_WATCH = """(text) => {
  const isShown = () => {
    const listed = document.querySelector("#executions tbody tr");
    const rows = document.querySelectorAll(".events .chunk:last-of-type tr");
    const bands = document.querySelector(".rows")?.lastElementChild;
    return listed ? listed.textContent.includes(text)
      : [[...rows].at(-1), bands?.querySelector(".labels")?.lastElementChild]
        .every((each) => each?.textContent.includes(text));
  };
  window.shown = new Promise((done) => {
    const observer = new MutationObserver(() => {
      if (!isShown()) return;
      observer.disconnect();
      requestAnimationFrame(() => done(Date.now()));
    });
    observer.observe(document.body, { childList: true, subtree: true });
  });
}"""
_DOMAIN = "shop"
_LISTS = ({"name": "decisions"}, {"name": "work"})
_ORDER, _RESIZE = ({"name": name, "version": "1"} for name in ("order", "resize"))
_EXECUTION = "o"


def history(events: int) -> list[dict[str, Any]]:
    """Return the history of an execution with about N events, as plain poll loops make it."""
    from flowy_sim import Simulation

    swf: Any = Simulation().client()
    execution = {"workflowId": _EXECUTION, "runId": _long_execution(swf, events)}
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while not found or more:
        reply = swf.get_workflow_execution_history(domain=_DOMAIN, execution=execution, **more)
        found += reply["events"]
        more = {key: reply[key] for key in ("nextPageToken",) if key in reply}
    return found


def _long_execution(swf: Any, events: int) -> str:
    """Make an execution with about N events, and return its run ID."""
    swf.register_domain(name=_DOMAIN, workflowExecutionRetentionPeriodInDays="7")
    swf.register_workflow_type(
        domain=_DOMAIN,
        **_ORDER,
        defaultTaskList=_LISTS[0],
        defaultChildPolicy="TERMINATE",
        defaultTaskStartToCloseTimeout="60",
        defaultExecutionStartToCloseTimeout="86400",
    )
    swf.register_activity_type(
        domain=_DOMAIN,
        **_RESIZE,
        defaultTaskList=_LISTS[1],
        defaultTaskHeartbeatTimeout="NONE",
        defaultTaskStartToCloseTimeout="60",
        defaultTaskScheduleToStartTimeout="600",
        defaultTaskScheduleToCloseTimeout="660",
    )
    started = swf.start_workflow_execution(
        domain=_DOMAIN, workflowId=_EXECUTION, workflowType=_ORDER
    )
    for first in range(0, events * BATCH // (3 * BATCH + 3), BATCH):
        task = swf.poll_for_decision_task(domain=_DOMAIN, taskList=_LISTS[0], maximumPageSize=1)
        scheduled = [
            {
                "activityId": f"resize-{number}",
                "activityType": _RESIZE,
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
            task = swf.poll_for_activity_task(domain=_DOMAIN, taskList=_LISTS[1], identity="worker")
            token = task["taskToken"]
            swf.respond_activity_task_completed(taskToken=token, result=f'"small/{number}.jpg"')
    return str(started["runId"])


def changes(rounds: int, sizes: list[int]) -> str:
    """Return the table of how soon open pages of the console show a change."""
    rows = []
    with _browser() as browser:
        for size in sizes:
            with servers.flowy_sim() as served:
                swf = _client(served.url)
                run_id = _long_execution(swf, size)
                url = f"{served.url}/_console/execution?domain={_DOMAIN}&workflow={_EXECUTION}"
                name = f"an execution with {size:,} events is signaled"
                rows.append([name, *_shown_after(browser, url, rounds, _signal(swf, run_id))])
                if size == sizes[0]:
                    name = "an execution is started, in the list of executions"
                    found = _shown_after(browser, f"{served.url}/", rounds, _start(swf))
                    rows.insert(0, [name, *found])
    return table(["on an open page of the console", "shown after", "at most"], rows)


def _client(url: str) -> Any:
    import boto3

    return boto3.client(
        "swf",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="a",  # noqa: S106 - Any key is right.
    )


def _signal(swf: Any, run_id: str) -> Callable[[str], object]:
    return lambda name: swf.signal_workflow_execution(
        domain=_DOMAIN, workflowId=_EXECUTION, runId=run_id, signalName=name
    )


def _start(swf: Any) -> Callable[[str], object]:
    return lambda name: swf.start_workflow_execution(
        domain=_DOMAIN, workflowId=name, workflowType=_ORDER
    )


def _shown_after(
    browser: Browser, url: str, rounds: int, change: Callable[[str], object]
) -> tuple[str, str]:
    """Return the median and the maximum of the time from a call to its picture."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    try:
        page.goto(url)
        page.locator("#connection", has_text="live").wait_for()
        seconds = []
        for number in range(rounds):
            page.wait_for_timeout(1_000)
            page.evaluate(_WATCH, f"seen-{number}")
            called = time.time()
            change(f"seen-{number}")
            seconds.append(page.evaluate("window.shown") / 1e3 - called)
    finally:
        page.close()
    return f"{median(seconds) * 1e3:.0f} ms", f"{max(seconds) * 1e3:.0f} ms"


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
    from flowy_sim._report.page import page
    from flowy_sim._report.run_view import ReportedRun

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
