"""Orders that are taken for granted."""

from __future__ import annotations

from typing import Any

from by_hand import Decision, Past, by_hand, complete, schedule
from planting import planted

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import DeciderDies
from flowy_sim.testing import Runner


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
def a_balance_is_read_before_another_is_written(runner: Runner, mended: bool) -> None:
    account = {"a": 100}

    def write(name: str, balance: int, amount: int) -> None:
        account[name] = balance + amount

    runner.stubs(Read, function=account.__getitem__)
    runner.stubs(Write, function=write)
    runner(PayInOneByOne if mended else PayIn, 5, 7)
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
def lines_are_appended_in_any_order(runner: Runner, mended: bool) -> None:
    file: list[str] = []
    runner.stubs(Append, function=file.append)
    runner(Report, mended)
    assert file == ["head", "body"]


@planted()
def the_first_result_is_taken_for_the_first_asked_for(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if past.is_first:
            return [schedule("width"), schedule("height")]
        completed = past.of("ActivityTaskCompleted")
        if len(completed) < 2:
            return []
        results = [each["result"] for each in completed]
        if mended:
            results = [f"{name} of it" for name in ("width", "height")]
        return [complete(" x ".join(results))]

    [run] = by_hand(runner, decide, lambda activity_id: f"{activity_id} of it")
    closed = run.history[-1]["workflowExecutionCompletedEventAttributes"]
    assert closed["result"] == "width of it x height of it"


@planted()
def the_last_one_asked_for_is_taken_for_the_last_to_come(runner: Runner, mended: bool) -> None:
    done: list[str] = []

    def decide(past: Past) -> list[Decision]:
        if past.is_first:
            return [schedule("pack"), schedule("wrap")]
        ready = len(past.done) == 2 if mended else "wrap" in past.done
        return [complete()] if ready else []

    by_hand(runner, decide, done.append)
    assert set(done) == {"pack", "wrap"}


@planted()
def decision_tasks_are_counted_instead_of_results(runner: Runner, mended: bool) -> None:
    def decide(past: Past) -> list[Decision]:
        if past.is_first:
            return [schedule("pack"), schedule("wrap")]
        tasks = len(past.of("DecisionTaskStarted"))
        return [complete()] if (len(past.done) == 2 if mended else tasks == 3) else []

    by_hand(runner, decide)


@planted()
def a_list_is_taken_for_a_queue(runner: Runner, mended: bool) -> None:
    seen: list[str] = []

    def decide(past: Past) -> list[Decision]:
        if mended:
            return [complete()] if "close" in past.done else [schedule(_next(past))]
        if past.is_first:
            return [schedule("open"), schedule("close")]
        return [complete()] if len(past.done) == 2 else []

    by_hand(runner, decide, seen.append)
    assert seen == ["open", "close"]


def _next(past: Past) -> str:
    return "close" if "open" in past.done else "open"


@planted([DeciderDies()])
def news_are_marked_as_read_before_the_answer_is_through(runner: Runner, mended: bool) -> None:
    read = {"up to": 0}

    def decide(past: Past) -> list[Decision]:
        new = past.new if mended else past.since(read["up to"])
        read["up to"] = past.started_id
        if past.of("WorkflowExecutionStarted", new):
            return [schedule("pack")]
        return [complete()] if past.of("ActivityTaskCompleted", new) else []

    runner.watch(lambda: read)
    by_hand(runner, decide)


@planted()
def one_order_waits_for_what_another_has_taken(runner: Runner, mended: bool) -> None:
    """Two executions take two locks each, in opposite orders."""
    holder: dict[str, str] = {}

    def work(activity_id: str) -> str:
        lock, who = activity_id.split()
        return "mine" if holder.setdefault(lock, who) == who else "taken"

    def decide(past: Past) -> list[Decision]:
        who = past.workflow_id
        forward = mended or who.endswith("1")
        first, second = ("a", "b") if forward else ("b", "a")
        got = [each["result"] for each in past.of("ActivityTaskCompleted")]
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
