"""Which lines and branches no run has taken, of workflows and of code with its own poll loop."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from flowy import Activity, ActivityProxy, TaskError, Workflow, activity, workflow
from flowy_sim.explore import Exploration, find
from flowy_sim.explore._code_coverage import CodeCoverage
from flowy_sim.faults import ActivityFails
from flowy_sim.testing import Runner
from tests.support.poll_loops import complete, register, start

measured = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring")


@activity("charge", 1, "payments", start_to_close=60)
class Charge(Activity):
    def run(self, amount: int) -> str:
        raise NotImplementedError


def parcel(amount: int) -> str:
    if amount > 100:
        return "insured"
    return "plain"


@workflow("order", 1, "orders")
class Order(Workflow):
    charge = ActivityProxy(Charge, error_handling=True)

    def run(self, amount: int) -> Any:
        try:
            paid = self.charge(amount).result()
        except TaskError:
            if amount:
                paid = "unpaid"
        return [kind for kind in (parcel(amount), paid) if kind]


def orders(runner: Runner) -> None:
    runner.stubs(Charge, result="paid")
    runner(Order, 7)


def lines_of(found: Exploration) -> list[str]:
    """Return the source of the lines of this file that never ran."""
    assert found.code is not None
    source = inspect.getsource(sys.modules[__name__]).splitlines()
    [file] = found.code
    return [source[line - 1].strip() for line in file.lines_never_run]


def branches_of(found: Exploration) -> list[str]:
    assert found.code is not None
    [file] = found.code
    return [way for _, way in file.branches_never_taken]


@measured
def test_lines_of_a_workflow_and_its_helpers_that_no_run_has_reached_are_reported() -> None:
    missing = lines_of(find(orders))
    assert missing == ['return "insured"', "if amount:", 'paid = "unpaid"']


@measured
@pytest.mark.parametrize("processes", [1, 2])
def test_lines_and_branches_are_those_of_all_runs_together(processes: int) -> None:
    found = find(orders, faults=[ActivityFails()], processes=processes)
    assert lines_of(found) == ['return "insured"']
    assert branches_of(found) == ["`amount` is false", "`kind` is false"]
    notes = dict(note.split(": ", 1) for note in found.notes())
    assert notes["Lines never run"].startswith("tests/testing/test_code_coverage.py:")
    assert notes["Branches never taken"].endswith("if `kind` is false")


@measured
def test_workers_of_an_executor_report_what_ran_there() -> None:
    with ThreadPoolExecutor(1) as executor:
        found = find(orders, faults=[ActivityFails()], executor=executor, processes=1)
    assert lines_of(found) == ['return "insured"']


def decide(client: Any) -> None:
    task = client.poll_for_decision_task(domain="simulated", taskList={"name": "decisions"})
    if task.get("taskToken"):
        kinds = [event["eventType"] for event in task["events"]]
        answer = refuse() if "WorkflowExecutionSignaled" in kinds else complete()
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[answer])


def refuse() -> dict[str, Any]:
    return complete("refused")


class Decider:
    """Decides; a new one for each worker."""

    def __call__(self, client: Any) -> None:
        decide(client)


@measured
@pytest.mark.parametrize("code", [decide, Decider])
def test_a_decider_that_polls_by_itself_is_measured_too(code: Callable[..., Any]) -> None:
    def test(runner: Runner) -> None:
        runner.loop(code)
        register(runner.simulation.client())
        runner.finish(start(runner.simulation.client()))

    assert lines_of(find(test)) == ['return complete("refused")']


def taken(*values: int | None) -> None:
    for each in values:
        value = each
        if value is not None and value > 1:
            continue
        while value:
            value -= 1


@measured
def test_copies_of_a_condition_in_the_compiled_code_are_one() -> None:
    with CodeCoverage() as coverage:
        coverage.add(taken)
        taken(2, 1)
        files = coverage.files()
    assert files is not None
    assert files[0].lines_never_run == ()
    assert [way for _, way in files[0].branches_never_taken] == ["`value` is None"]


@measured
def test_it_works_beside_another_tool_and_leaves_nothing_behind() -> None:
    lines: list[int] = []
    monitoring, code = sys.monitoring, parcel.__code__
    tool = next(each for each in (1, 2) if monitoring.get_tool(each) is None)
    monitoring.use_tool_id(tool, "another tool")
    try:
        monitoring.register_callback(
            tool, monitoring.events.LINE, lambda _, line: lines.append(line)
        )
        monitoring.set_local_events(tool, code, monitoring.events.LINE)
        found = find(orders)
        monitoring.set_local_events(tool, code, 0)
    finally:
        monitoring.free_tool_id(tool)
    assert 'return "insured"' in lines_of(find(orders)) == lines_of(found)
    assert len(lines) >= 2 * found.runs
    assert all(monitoring.get_tool(each) != "flowy_sim.explore" for each in range(6))


def test_a_report_says_if_lines_were_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "monitoring", raising=False)
    found = find(orders)
    assert found.code is None
    assert "Lines never run: not measured, which takes Python 3.12 or newer" in found.notes()


@measured
def test_lines_of_measured_code_are_those_that_can_run() -> None:
    coverage = CodeCoverage()
    with coverage:
        coverage.add(parcel)
    [file] = coverage.files() or ()
    begins = {line for _, line in dis.findlinestarts(parcel.__code__) if line}
    assert set(file.lines) == begins - {parcel.__code__.co_firstlineno}


@measured
def test_classes_of_python_and_of_frameworks_are_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    base = "class Base:\n    def never(self):\n        return 1\n"
    (folder / "framework_of_loops.py").write_text(base, "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    framework = import_module("framework_of_loops")

    class Worker(framework.Base, Thread):  # type: ignore[misc, name-defined]
        def run(self) -> None:
            """Do nothing, as `threading.Thread.run` does not."""

    coverage = CodeCoverage()
    with coverage:
        coverage.add(Worker)
    assert [file.path for file in coverage.files() or ()] == [__file__]
