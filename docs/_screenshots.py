"""Take the pictures of pages: `nox -s screenshots` writes them into docs/images.

They show a shop with executions of every kind, in a simulation whose clock stands still unless it
is moved, so that only what has changed in the pages changes the pictures.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from flowy_sim._console.application import console
from flowy_sim._report.page import failed_first, page
from flowy_sim._report.run_view import ReportedRun
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.support.browser import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT, TALL = 1200, 760, 1080
DOMAIN = "shop"
_COLORS = 256
_CODE = """
from flowy import Workflow, workflow

@workflow("Approval", "2", "approval")
class Approval(Workflow):
    def run(self, order):
        return self.signal("approve").result()
"""

Decision = dict[str, Any]


class Shop:
    """A domain with executions, whose decider and workers are played by hand.

    Args:
        endpoint: the simulation.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.swf = endpoint.client()
        self.swf.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
        for name in ("Purchase", "Shipment", "Refund", "Approval"):
            self.swf.register_workflow_type(
                domain=DOMAIN,
                name=name,
                version="2",
                defaultTaskList={"name": name.lower()},
                defaultChildPolicy="TERMINATE",
                defaultTaskStartToCloseTimeout="60",
                defaultExecutionStartToCloseTimeout="604800",
            )
        for name in ("charge", "engrave", "label"):
            self.swf.register_activity_type(
                domain=DOMAIN,
                name=name,
                version="1",
                defaultTaskList={"name": name},
                defaultTaskHeartbeatTimeout="NONE",
                defaultTaskStartToCloseTimeout="300",
                defaultTaskScheduleToStartTimeout="NONE",
                defaultTaskScheduleToCloseTimeout="NONE",
            )

    def start(self, workflow_id: str, name: str = "Purchase", **members: Any) -> str:
        """Start an execution, and return its run ID."""
        named = {"name": name, "version": "2"}
        started = self.swf.start_workflow_execution(
            domain=DOMAIN, workflowId=workflow_id, workflowType=named, **members
        )
        return str(started["runId"])

    def decide(self, *decisions: Decision, of: str = "purchase") -> None:
        """Answer the next decision task."""
        task = self.swf.poll_for_decision_task(
            domain=DOMAIN, taskList={"name": of}, identity="decider@shop-1"
        )
        token = task["taskToken"]
        self.swf.respond_decision_task_completed(taskToken=token, decisions=decisions)

    def work(self, name: str, seconds: float, result: object = None, reason: str = "") -> None:
        """Do the next task of an activity, or fail it."""
        token = self.take(name)
        self.endpoint.advance(seconds)
        if reason:
            self.swf.respond_activity_task_failed(taskToken=token, reason=reason)
        else:
            written = json.dumps(result)
            self.swf.respond_activity_task_completed(taskToken=token, result=written)

    def take(self, name: str) -> str:
        """Take the next task of an activity, and return its token."""
        task = self.swf.poll_for_activity_task(
            domain=DOMAIN, taskList={"name": name}, identity=f"{name}-worker@shop-2"
        )
        return str(task["taskToken"])

    def history(self, workflow_id: str, run_id: str) -> ReportedRun:
        """Return an execution as reports show it."""
        execution = {"workflowId": workflow_id, "runId": run_id}
        reply = self.swf.get_workflow_execution_history(domain=DOMAIN, execution=execution)
        return ReportedRun(reply["events"], workflow_id, run_id)


def decision(name: str, **members: Any) -> Decision:
    """Return a decision."""
    return {"decisionType": name, f"{name[0].lower()}{name[1:]}DecisionAttributes": members}


def activity(name: str, activity_id: str, value: object) -> Decision:
    """Return the decision that schedules an activity."""
    return decision(
        "ScheduleActivityTask",
        activityId=activity_id,
        activityType={"name": name, "version": "1"},
        input=json.dumps(value),
    )


def timer(timer_id: str, seconds: int) -> Decision:
    """Return the decision that starts a timer."""
    return decision("StartTimer", timerId=timer_id, startToFireTimeout=str(seconds))


def fill(shop: Shop) -> None:
    """Make executions of every kind."""
    for number in range(1021, 1041):
        shop.start(f"order-{number}", tagList=["eu"] if number % 3 else ["us", "vip"])
        shop.endpoint.advance(7)
        match number % 7:
            case 1:
                shop.decide(decision("FailWorkflowExecution", reason="CardError: card declined"))
            case 4:
                shop.decide(decision("CancelWorkflowExecution"))
            case 5:
                shop.decide(timer("stock", 86_400))
            case _:
                shop.decide(decision("CompleteWorkflowExecution", result='"sent"'))
    shop.start("refund-88", "Refund", tagList=["us"])
    shop.swf.terminate_workflow_execution(domain=DOMAIN, workflowId="refund-88", reason="twice")
    shop.start("refund-89", "Refund", tagList=["eu"])


def order(shop: Shop) -> list[ReportedRun]:
    """Let an order run: a payment that is tried again, parallel work, a night, a shipment."""
    item = {"lamp": 2, "engraving": "to Ada"}
    run_id = shop.start("order-1042", input=json.dumps(item), tagList=["eu", "vip"])
    shop.decide(activity("charge", "charge-1", {"cents": 4200}))
    shop.endpoint.advance(4)
    shop.work("charge", 21, reason="CardError: the bank did not answer within 20 s")
    shop.decide(timer("charge-1.2-delay", 30))
    shop.endpoint.advance(30)
    shop.decide(activity("charge", "charge-1.2", {"cents": 4200}))
    shop.work("charge", 16, {"receipt": "R-2291"})
    shop.decide(*(activity("engrave", f"engrave-{n}", {"letter": n}) for n in range(1, 25)))
    for number in range(1, 25):
        shop.work("engrave", 2.5, number, reason="JigError: misaligned" if number == 9 else "")
    shop.decide(timer("opening-hours", 50_400), decision("RecordMarker", markerName="priced"))
    shop.endpoint.advance(50_400)
    shipment = {"workflowId": "shipment-1042", "workflowType": {"name": "Shipment", "version": "2"}}
    shop.decide(decision("StartChildWorkflowExecution", **shipment))
    shop.endpoint.advance(1)
    shop.decide(activity("label", "label-1", {"to": "Berlin"}), of="shipment")
    shop.work("label", 18, "label-1.pdf")
    shop.decide(timer("courier", 3_600), of="shipment")
    shop.decide(timer("reminder", 5_400))
    shop.endpoint.advance(25)
    shop.swf.signal_workflow_execution(
        domain=DOMAIN, workflowId="order-1042", signalName="hurry", input='{"by": "support"}'
    )
    shop.endpoint.advance(3)
    shop.decide(activity("charge", "charge-2", {"cents": 900}))
    shop.take("charge")
    shop.endpoint.advance(12)
    child = shop.swf.list_open_workflow_executions(
        domain=DOMAIN, startTimeFilter={"oldestDate": 0}, executionFilter=shipment_filter()
    )["executionInfos"][0]["execution"]
    return [shop.history("order-1042", run_id), shop.history("shipment-1042", child["runId"])]


def approval(shop: Shop) -> None:
    """Let an execution wait for a signal, which only its code tells."""
    shop.start("approval-7", "Approval", input='[[{"discount": "20 %"}], {}]', tagList=["vip"])
    shop.endpoint.advance(2)
    shop.decide(of="approval")
    shop.swf.signal_workflow_execution(
        domain=DOMAIN, workflowId="approval-7", signalName="comment", input='"ask the boss"'
    )
    shop.endpoint.advance(3)
    shop.decide(of="approval")
    shop.endpoint.advance(4)


def shipment_filter() -> dict[str, str]:
    """Return what finds the shipment."""
    return {"workflowId": "shipment-1042"}


class Camera:
    """Takes pictures of pages.

    Args:
        browser: the browser.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def take(
        self,
        name: str,
        url: str,
        do: Callable[[Page], None] | None = None,
        *,
        height: int = HEIGHT,
        dark: bool = False,
    ) -> None:
        """Take a picture of a page, after something has been done with it."""
        page = self._browser.new_page(
            viewport={"width": WIDTH, "height": height},
            color_scheme="dark" if dark else "light",
            timezone_id="UTC",
        )
        page.goto(url)
        if "console" in page.evaluate("document.body.className"):
            page.locator("#connection", has_text="live").wait_for()
        if do is not None:
            do(page)
        page.mouse.move(0, 0)
        taken = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
        small = taken.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
        small.save(IMAGES / f"{name}.png", optimize=True)
        page.close()


def open_order(page: Page) -> None:
    """Open the page of the order, and its child in the timeline."""
    page.get_by_role("link", name="order-1042", exact=True).click()
    page.wait_for_selector("[data-ready]", state="attached")
    page.locator("#connection", has_text="live").wait_for()


def open_approval(page: Page) -> None:
    """Open the page of the execution that waits for a signal."""
    page.get_by_role("link", name="approval-7", exact=True).click()
    page.wait_for_selector("[data-ready]", state="attached")
    page.locator("#connection", has_text="live").wait_for()


def open_child(page: Page) -> None:
    """Open the child in the timeline, and the failure."""
    page.wait_for_selector("[data-ready]", state="attached")
    page.get_by_role("button", name="Open child").first.click()
    page.locator(".labels", has_text="label-1").first.wait_for()


def open_failure(page: Page) -> None:
    """Show the first failure in the panel."""
    open_child(page)
    page.keyboard.press("f")
    page.locator(".panel").wait_for()


def write_code(folder: Path) -> str:
    """Write a package with the code of the execution that waits, and return its name."""
    Path(folder, "approvals.py").write_text(_CODE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    return "approvals"


def main() -> None:
    """Take all pictures."""
    settings = ServerSettings(simulation=Settings(clock="paused", start="2026-03-02T08:00:00Z"))
    with (
        tempfile.TemporaryDirectory() as folder,
        running() as browser,
        serving(settings, console) as endpoint,
        serving(settings, partial(console, packages=[write_code(Path(folder))])) as knowing,
    ):
        shop, camera = Shop(endpoint), Camera(browser)
        fill(shop)
        runs = order(shop)
        home = f"{endpoint.url}/?domain={DOMAIN}"
        camera.take("console-executions", home)
        camera.take("console-execution", home, open_order, height=TALL)
        camera.take("console-execution-dark", home, open_order, height=TALL, dark=True)
        camera.take("console-task-lists", f"{endpoint.url}/_console/task-lists?domain={DOMAIN}")
        approval(Shop(knowing))
        camera.take("console-awaited-signal", f"{knowing.url}/", open_approval, height=620)
        report = Path(folder, "report.html")
        report.write_text(page(failed_first(runs), "Order 1042"), encoding="utf-8")
        camera.take("report", report.as_uri(), open_child)
        camera.take("report-details", report.as_uri(), open_failure, dark=True)


if __name__ == "__main__":
    main()
