"""``flowy-sim write-test`` writes tests that repeat recorded runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flowy import Execution
from flowy_sim import Simulation
from flowy_sim._cli import cli
from flowy_sim.testing import Runner
from flowy_sim.testing._history_files import save

ORDERS = """
from flowy import Activity, ActivityProxy, LambdaProxy, Workflow, WorkflowProxy, activity, workflow


@activity("charge", 1, "payments", start_to_close=60, retry=3)
class Charge(Activity):
    def run(self, amount: int) -> str: ...


@activity("ship", 1, "shipping", start_to_close=600)
class Ship(Activity):
    def run(self, order: str) -> dict: ...


@workflow("order", 1, "orders", execution_start_to_close=86400)
class Order(Workflow):
    charge = ActivityProxy(Charge)
    ship = ActivityProxy(Ship, error_handling=True)
    invoice = WorkflowProxy("invoice", 2, error_handling=True)
    weigh = LambdaProxy("weigh", error_handling=True)

    def run(self, order: str, amount: int):
        paid = self.charge(amount).result()
        approved = self.signal("approve").result()
        weight, invoice = self.weigh(order), self.invoice(order)
        shipped = self.ship(order)
        errors = [str(each.error) for each in (weight, invoice, shipped)]
        return [paid, approved, errors]
"""


class OutOfStock(Exception):
    pass


Then = Callable[[Execution], object]


def approve(runner: Runner) -> Then:
    value = {"by": 'a "friend"'}
    return lambda execution: runner.after(30, lambda: runner.signal(execution, "approve", value))


def all_is_well(runner: Runner) -> Then:
    runner.stubs("charge", 1, result="paid", takes=7.5)
    runner.stubs("ship", 1, result={"parcel": [1, 2]}, takes=100)
    runner.stubs.child("invoice", 2, result="sent", takes=3)
    runner.stubs.lambda_function("weigh", result=7)
    return approve(runner)


def all_goes_wrong(runner: Runner) -> Then:
    runner.stubs("charge", 1, timeout="START_TO_CLOSE").then(error=OSError("busy"), takes=3).then(
        result="paid"
    )
    runner.stubs("ship", 1, error=OutOfStock("none of them"), takes=100)
    runner.stubs.child("invoice", 2, error=ValueError("no address"))
    runner.stubs.lambda_function("weigh", error=KeyError("scales"))
    return approve(runner)


def payment_fails(runner: Runner) -> Then:
    runner.stubs("charge", 1, error=OutOfStock("no money"))
    return lambda execution: None


def it_is_canceled(runner: Runner) -> Then:
    runner.stubs("charge", 1, result="paid", takes=20)
    return lambda execution: runner.after(10, lambda: runner.cancel(execution))


def it_is_terminated(runner: Runner) -> Then:
    runner.stubs("charge", 1, result="paid", takes=20)
    terminate = runner.simulation.client().terminate_workflow_execution
    ids = {"domain": runner.domain, "workflowId": "order-7"}
    return lambda execution: runner.after(90, lambda: terminate(**ids))


def it_times_out(runner: Runner) -> Then:
    runner.stubs("charge", 1, result="paid", takes=20)
    return lambda execution: None


@pytest.fixture
def orders(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytester.makepyfile(shop_orders=ORDERS)
    monkeypatch.syspath_prepend(pytester.path)
    monkeypatch.delitem(sys.modules, "shop_orders", raising=False)
    return importlib.import_module("shop_orders")


def write(*words: str) -> Any:
    return CliRunner().invoke(cli, ["write-test", *words])


@pytest.mark.parametrize(
    "answers",
    [all_is_well, all_goes_wrong, payment_fails, it_is_canceled, it_is_terminated, it_times_out],
)
def test_a_run_is_repeated_by_the_test_that_is_written_for_it(
    pytester: pytest.Pytester, orders: Any, answers: Callable[[Runner], Then]
) -> None:
    runner = Runner(Simulation(), times_out=True)
    then = answers(runner)
    role = "arn:aws:iam::123456789012:role/weighing"
    execution = runner.start(orders.Order, "o-7", 12, workflow_id="order-7", lambda_role=role)
    then(execution)
    run = runner.finish(execution)
    save(pytester.path / "history.json", run.history, execution)
    written = write("shop_orders:Order", "history.json", "-o", "test_order_7.py")
    assert written.stdout == "Wrote test_order_7.py. Run it: pytest test_order_7.py\n"
    code = (pytester.path / "test_order_7.py").read_text()
    assert f'run.status == "{run.status}"' in code
    assert "def test_order_7_ends_as_before(swf_run, swf_stub):" in code
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_test_of_a_decider_on_boto3_names_no_class(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(Simulation(), domain="shop")
    from tests.support import shop

    shop.register(runner.simulation.client())
    runner.loop(shop.decide_once)
    runner.stubs("pack", 1, function=lambda step: step)
    execution = runner.start(("order", "1"), input="2 5", workflow_id="order-1")
    run = runner.finish(execution)
    assert run.status == "COMPLETED"
    save(pytester.path / "history.json", run.history, execution)
    write("--decider", "tests.support.shop:decide_once", "history.json", "-o", "test_order_1.py")
    code = (pytester.path / "test_order_1.py").read_text()
    assert "swf_run.loop(decide_once)" in code
    assert 'swf_stub("pack", "1", result="1"' in code


def test_the_failure_that_exploring_finds_is_written_as_a_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pytester.path)
    words = ["flowy.tutorial:ImageCategorization", "photo.jpg", "--completes"]
    found = CliRunner().invoke(
        cli, ["explore", *words, "--fault=activity-fails", "--write-test=test_found.py"]
    )
    assert found.exit_code == 1
    assert "Wrote test_found.py. Run it: pytest test_found.py" in found.stderr
    assert 'run.status == "FAILED"' in (pytester.path / "test_found.py").read_text()
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_a_failure_of_a_decider_that_is_not_known_is_not_written_as_a_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(by_hand=BY_HAND)
    monkeypatch.chdir(pytester.path)
    monkeypatch.syspath_prepend(pytester.path)
    found = CliRunner().invoke(cli, ["explore", "by_hand:order", "--write-test=test_order.py"])
    assert found.exit_code == 1
    assert "no workflow of by_hand is order 1. A decider without flowy is" in found.stderr
    assert not (pytester.path / "test_order.py").exists()


BY_HAND = """
from tests.support.poll_loops import decider, register, start


def order(runner):
    runner.loop(decider(), "decide")
    client = runner.simulation.client()
    register(client)
    assert runner.finish(start(client)).result == "shipped"
"""


def test_an_existing_file_is_kept(pytester: pytest.Pytester, orders: Any) -> None:
    runner = Runner(Simulation())
    payment_fails(runner)
    execution = runner.start(orders.Order, "o-7", 12)
    save(pytester.path / "history.json", runner.finish(execution).history, execution)
    (pytester.path / "test_order.py").write_text("mine")
    refused = write("shop_orders:Order", "history.json", "-o", "test_order.py")
    assert refused.exit_code == 1
    assert "test_order.py exists already; choose another name" in refused.stderr
    assert (pytester.path / "test_order.py").read_text() == "mine"


def test_an_open_execution_is_refused(pytester: pytest.Pytester, orders: Any) -> None:
    runner = Runner(Simulation())
    execution = runner.start(orders.Order, "o-7", 12)
    from flowy_sim.testing._run import history

    events = history(runner.simulation.client(), runner.domain, execution)
    save(pytester.path / "history.json", events, execution)
    refused = write("shop_orders:Order", "history.json", "-o", "test_order.py")
    assert "the execution is still open" in refused.stderr
    assert not Path("test_order.py").exists()


def test_a_history_of_another_workflow_is_refused(pytester: pytest.Pytester, orders: Any) -> None:
    runner = Runner(Simulation())
    payment_fails(runner)
    run = runner(orders.Order, "o-7", 12)
    save(pytester.path / "history.json", run.history)
    path = "flowy.tutorial:ImageCategorization"
    refused = write(path, "history.json", "-o", "test_order.py")
    assert "history.json is a history of order 1, and flowy.tutorial:Image" in refused.stderr
    missing = write(path, "missing.json", "-o", "test_order.py")
    assert missing.stderr == "Error: missing.json cannot be read: No such file or directory.\n"
    assert not Path("test_order.py").exists()


@pytest.mark.parametrize("words", [("shop_orders:Order",), ("--decider=a:b", "c:d", "e.json")])
def test_a_wrong_number_of_arguments_is_refused(words: tuple[str, ...], orders: Any) -> None:
    refused = write(*words, "-o", "test_order.py")
    assert refused.exit_code == 2
    assert "Give a WORKFLOW and one HISTORY" in refused.stderr
