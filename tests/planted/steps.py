"""Activities and workflows of which the planted workflows are made."""

from __future__ import annotations

from typing import Any

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.testing import Runner

DAY = 86_400
ROLE = "arn:aws:iam::123456789012:role/lambda"


def step(name: str, retry: int = 1) -> Any:
    """An activity that tests stub."""

    class Step(Activity):
        def run(self, *args: str) -> Any:
            raise OSError(f"{name} is not available")

    return activity(name, 1, "shop", start_to_close=600, retry=retry)(Step)


Reserve, Release = step("reserve"), step("release", retry=3)
Charge, Refund, Ship = step("charge"), step("refund", retry=3), step("ship")


class Shop(Workflow):
    """A workflow that sees it if one of its activities fails."""

    reserve = ActivityProxy(Reserve, error_handling=True)
    release = ActivityProxy(Release, error_handling=True)
    charge = ActivityProxy(Charge, error_handling=True)
    refund = ActivityProxy(Refund, error_handling=True)
    ship = ActivityProxy(Ship, error_handling=True)


order = workflow("order", 1, "orders", execution_start_to_close=30 * DAY)


def note(runner: Runner, ledger: list[str], *activities: Any) -> None:
    """Stub activities with functions that write their names down."""
    for each in activities:
        name = each.flowy_type.name
        runner.stubs(each, function=lambda *args, name=name: ledger.append(name))
