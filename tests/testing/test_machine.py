"""A state machine around a workflow finds its bugs, in a few steps."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from flowy import Activity, ActivityProxy, ConfigurationError, Workflow, activity, workflow
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim.faults import WorkerDiesLate
from flowy_sim.strategies import WorkflowMachine
from flowy_sim.testing import Run
from tests.support.properties import examples


@activity("charge", 1, "payments", start_to_close=60, retry=5)
class Charge(Activity):
    def run(self, order: str, amount: int) -> str:
        raise NotImplementedError


@workflow("purchase", 1, "purchases", execution_start_to_close=86_400)
class Purchase(Workflow):
    charge = ActivityProxy(Charge)

    def run(self, order: str, amount: int = 1) -> Any:
        return self.charge(order, amount)


class Purchases(WorkflowMachine):
    workflow = Purchase
    charged: list[str]

    def set_up(self) -> None:
        self.charged = []
        self.runner.stubs(Charge, function=self.charge)

    def charge(self, order: str, amount: int) -> str:
        self.charged.append(order)
        return "paid"

    @rule(name=st.sampled_from(["hurry", "wait"]))
    def send_signal(self, name: str) -> None:
        self.signal(name)

    def ended(self, run: Run) -> None:
        assert run.status == "COMPLETED"


class CarefulPurchases(Purchases):
    most_executions = 1

    def charge(self, order: str, amount: int) -> str:
        if order not in self.charged:
            self.charged.append(order)
        return "paid"

    @invariant()
    def nobody_is_charged_twice(self) -> None:
        assert len(self.charged) == len(set(self.charged))


class CarelessPurchases(CarefulPurchases):
    faults = (WorkerDiesLate(),)
    charge = Purchases.charge


class Images(WorkflowMachine):
    workflow = ImageCategorization
    activities = "flowy.tutorial"


@pytest.mark.parametrize("machine", [Purchases, CarefulPurchases, Images])
def test_a_correct_workflow_survives_everything(machine: type[WorkflowMachine]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples(20), stateful_step_count=20)
    )


@pytest.mark.slow
def test_a_bug_is_found_and_shrunk_to_a_few_steps() -> None:
    with pytest.raises(AssertionError) as raised:
        run_state_machine_as_test(
            CarelessPurchases,
            settings=settings(
                max_examples=2_000,
                stateful_step_count=20,
                derandomize=True,
                phases=[Phase.generate, Phase.shrink],
            ),
        )
    program = "\n".join(raised.value.__notes__)
    program, _, story = program.partition("What happened:")
    assert re.search(r"0 s  purchase-1 starts with .*\n", story)
    assert re.search(r"! worker 1 \(charge-1\): the worker dies after the work", story)
    steps = re.findall(r"state\.(start|send_signal|take_turn|advance_time|inject_fault)\(", program)
    assert "start" in steps
    assert "inject_fault" in steps
    # Hypothesis sometimes leaves signals that reach no execution.
    assert len([step for step in steps if step != "send_signal"]) <= 8


def test_a_machine_that_names_no_workflow_is_refused() -> None:
    class Nothing(WorkflowMachine):
        pass

    with pytest.raises(ConfigurationError, match="Nothing names no workflow"):
        Nothing()
