"""Code that relies on an order that is not guaranteed."""

from __future__ import annotations

from typing import Any

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import DeciderDies
from flowy_sim.testing import Runner
from tests.planted.bugs import planted
from tests.planted.by_hand import Decision, History, by_hand, complete, schedule


@activity("read", 1, "accounts", start_to_close=60)
class Read(Activity):
    def run(self, account: str) -> int:
        raise NotImplementedError


@activity("write", 1, "accounts", start_to_close=60)
class Write(Activity):
    def run(self, account: str, balance: int, amount: int) -> None:
        raise NotImplementedError


@workflow("pay_in", 1, "payments")
class PayIn(Workflow):
    read = ActivityProxy(Read)
    write = ActivityProxy(Write)

    def run(self, *amounts: int) -> Any:
        return [self.write("a", self.read("a"), amount) for amount in amounts]


@workflow("pay_in", 1, "payments")
class PayInOneByOne(PayIn):
    def run(self, *amounts: int) -> Any:
        for amount in amounts:
            self.write("a", self.read("a"), amount).result()


@planted()
def a_balance_is_read_before_the_last_write(runner: Runner, fixed: bool) -> None:
    account = {"a": 100}

    def write(name: str, balance: int, amount: int) -> None:
        account[name] = balance + amount

    runner.stubs(Read, function=account.__getitem__)
    runner.stubs(Write, function=write)
    runner(PayInOneByOne if fixed else PayIn, 5, 7)
    assert account["a"] == 112


@activity("append", 1, "files", start_to_close=60)
class Append(Activity):
    def run(self, line: str) -> str:
        raise NotImplementedError


@workflow("report", 1, "reports")
class Report(Workflow):
    append = ActivityProxy(Append)

    def run(self, in_turn: bool) -> Any:
        lines = []
        for line in ("head", "body"):
            lines.append(self.append(line))
            if in_turn:
                lines[-1].result()
        return lines


@planted()
def lines_are_appended_in_any_order(runner: Runner, fixed: bool) -> None:
    file: list[str] = []
    runner.stubs(Append, function=file.append)
    runner(Report, fixed)
    assert file == ["head", "body"]


@planted()
def results_are_expected_in_the_order_of_the_calls(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.is_first:
            return [schedule("width"), schedule("height")]
        completed = history.of("ActivityTaskCompleted")
        if len(completed) < 2:
            return []
        results = [each["result"] for each in completed]
        if fixed:
            results = [f"{name} of it" for name in ("width", "height")]
        return [complete(" x ".join(results))]

    [run] = by_hand(runner, decide, lambda activity_id: f"{activity_id} of it")
    closed = run.history[-1]["workflowExecutionCompletedEventAttributes"]
    assert closed["result"] == "width of it x height of it"


@planted()
def the_last_call_is_expected_to_finish_last(runner: Runner, fixed: bool) -> None:
    done: list[str] = []

    def decide(history: History) -> list[Decision]:
        if history.is_first:
            return [schedule("pack"), schedule("wrap")]
        ready = len(history.done) == 2 if fixed else "wrap" in history.done
        return [complete()] if ready else []

    by_hand(runner, decide, done.append)
    assert set(done) == {"pack", "wrap"}


@planted()
def decision_tasks_are_counted_instead_of_results(runner: Runner, fixed: bool) -> None:
    def decide(history: History) -> list[Decision]:
        if history.is_first:
            return [schedule("pack"), schedule("wrap")]
        tasks = len(history.of("DecisionTaskStarted"))
        return [complete()] if (len(history.done) == 2 if fixed else tasks == 3) else []

    by_hand(runner, decide)


@planted()
def a_task_list_is_taken_for_a_queue(runner: Runner, fixed: bool) -> None:
    seen: list[str] = []

    def decide(history: History) -> list[Decision]:
        if fixed:
            return [complete()] if "close" in history.done else [schedule(_next(history))]
        if history.is_first:
            return [schedule("open"), schedule("close")]
        return [complete()] if len(history.done) == 2 else []

    by_hand(runner, decide, seen.append)
    assert seen == ["open", "close"]


def _next(history: History) -> str:
    return "close" if "open" in history.done else "open"


@planted([DeciderDies()])
def events_are_marked_as_read_before_the_answer_arrives(runner: Runner, fixed: bool) -> None:
    read = {"up to": 0}

    def decide(history: History) -> list[Decision]:
        new = history.new if fixed else history.since(read["up to"])
        read["up to"] = history.started_id
        if history.of("WorkflowExecutionStarted", new):
            return [schedule("pack")]
        return [complete()] if history.of("ActivityTaskCompleted", new) else []

    runner.watch(lambda: read)
    by_hand(runner, decide)


@planted()
def two_executions_deadlock(runner: Runner, fixed: bool) -> None:
    """Two executions take two locks each, in opposite orders."""
    holder: dict[str, str] = {}

    def work(activity_id: str) -> str:
        lock, who = activity_id.split()
        return "mine" if holder.setdefault(lock, who) == who else "taken"

    def decide(history: History) -> list[Decision]:
        who = history.workflow_id
        forward = fixed or who.endswith("1")
        first, second = ("a", "b") if forward else ("b", "a")
        got = [each["result"] for each in history.of("ActivityTaskCompleted")]
        if not got:
            return [schedule(f"{first} {who}")]
        if got == ["taken"]:
            return [complete("later")]
        if got == ["mine"]:
            return [schedule(f"{second} {who}")]
        for lock in [lock for lock, each in holder.items() if each == who and "taken" not in got]:
            del holder[lock]
        return [complete("done")] if "taken" not in got else []

    by_hand(runner, decide, work, starts=("order", "order"))
