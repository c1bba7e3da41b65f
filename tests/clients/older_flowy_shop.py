"""A shop on flowy 0.4.1: ``python older_flowy_shop.py decider|worker``, in its own environment.

It has the import name of this project and nothing else in common with it.
"""

# It ships no types.
# mypy: ignore-errors

from __future__ import annotations

import sys

from flowy import SWFActivityConfig, SWFActivityWorker, SWFWorkflowConfig, SWFWorkflowWorker

TIMES = {"schedule_to_close": 300, "schedule_to_start": 300, "start_to_close": 60, "heartbeat": 60}
double = SWFActivityConfig(
    default_task_list="work", **{f"default_{name}": value for name, value in TIMES.items()}
)
order = SWFWorkflowConfig(
    default_task_list="decisions",
    default_workflow_duration=200_000,
    default_decision_duration=60,
    default_child_policy="TERMINATE",
)
order.conf_activity("double", 1)
order.conf_activity("add", 1)


def total(heartbeat, *numbers):
    return sum(numbers)


class Order:
    """Doubles numbers at the same time, and adds them up."""

    def __init__(self, double, add):
        self.double = double
        self.add = add

    def __call__(self, numbers):
        return self.add(*[self.double(number) for number in numbers])


if sys.argv[1] == "decider":
    decider = SWFWorkflowWorker()
    decider.register(order, Order, version=1, name="Order")
    decider.run_forever("shop", "decisions")
else:
    worker = SWFActivityWorker()
    worker.register(double, lambda heartbeat, number: 2 * number, version=1, name="double")
    worker.register(double, total, version=1, name="add")
    worker.run_forever("shop", "work")
