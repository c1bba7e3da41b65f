"""Workers that die in the middle of the work: at heartbeats and at checkpoints."""

from __future__ import annotations

from collections.abc import Callable

import flowy
from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import EVERYDAY, WorkerDiesMidway
from flowy_sim.testing import Runner
from tests.planted.bugs import planted

WORK: list[Callable[[Activity], None]] = []
"""What the activity does in this run."""


@activity("work", 1, "works", start_to_close=600, heartbeat=60, retry=3)
class Work(Activity):
    def run(self) -> str:
        WORK[-1](self)
        return "done"


@workflow("job", 1, "jobs", execution_start_to_close=86_400)
class Job(Workflow):
    work = ActivityProxy(Work)

    def run(self) -> str:
        return self.work().result()


def done(runner: Runner, work: Callable[[Activity], None]) -> None:
    WORK[:] = [work]
    assert runner(Job).result == "done"


DIES = [WorkerDiesMidway()]


@planted(EVERYDAY, most_faults=1)
def money_is_debited_and_not_credited(runner: Runner, fixed: bool) -> None:
    accounts = {"mine": 10, "yours": 0}
    moved: set[str] = set()

    def work(self: Activity) -> None:
        if fixed and moved:
            return
        if not fixed:
            accounts["mine"] -= 1
            flowy.checkpoint("between debit and credit")
            accounts["yours"] += 1
            return
        flowy.checkpoint("before the transaction")
        accounts.update(mine=9, yours=1)
        moved.add("one")

    done(runner, work)
    assert accounts == {"mine": 9, "yours": 1}


@planted(DIES)
def a_row_is_written_twice(runner: Runner, fixed: bool) -> None:
    rows: list[int] = []

    def work(self: Activity) -> None:
        for number in range(3):
            if number not in rows or not fixed:
                rows.append(number)
            self.heartbeat(str(number))

    done(runner, work)
    assert rows == [0, 1, 2]


@planted(DIES)
def half_a_file_stays(runner: Runner, fixed: bool) -> None:
    files: dict[str, str] = {}

    def work(self: Activity) -> None:
        name = "photo.part" if fixed else "photo"
        if files.get("photo"):
            return
        files[name] = "half"
        flowy.checkpoint("in the middle of the file")
        files["photo"] = "whole"

    @runner.invariant
    def a_photo_is_whole() -> None:
        assert files.get("photo", "whole") == "whole"

    done(runner, work)


@planted(DIES)
def a_lock_is_left_behind(runner: Runner, fixed: bool) -> None:
    locks: dict[str, str] = {}

    def work(self: Activity) -> None:
        holder = self.context.workflow_id if fixed else self.context.activity_id
        assert locks.setdefault("door", holder) == holder, "it is locked"
        flowy.checkpoint("while it is locked")
        del locks["door"]

    done(runner, work)


@planted(DIES)
def a_counter_is_increased_before_the_work(runner: Runner, fixed: bool) -> None:
    counted = [0]
    ended: list[str] = []

    def work(self: Activity) -> None:
        if not fixed:
            counted[0] += 1
        self.heartbeat("counted")
        ended.append("done")
        counted[0] = len(ended) if fixed else counted[0]

    done(runner, work)
    assert counted[0] == len(ended)


@planted(DIES)
def a_mail_is_sent_before_it_is_noted(runner: Runner, fixed: bool) -> None:
    mails: list[str] = []
    keys: set[str] = set()

    def send(key: str) -> None:
        if key not in keys or not fixed:
            mails.append(key)
        keys.add(key)

    def work(self: Activity) -> None:
        send("order-1")
        flowy.checkpoint("between sending and noting")

    done(runner, work)
    assert mails == ["order-1"]


@planted(DIES)
def the_progress_is_noted_before_the_work(runner: Runner, fixed: bool) -> None:
    progress, pages = [0], list[int]()

    def work(self: Activity) -> None:
        for page in range(progress[0], 3):
            if fixed:
                if page not in pages:
                    pages.append(page)
                progress[0] = page + 1
            else:
                progress[0] = page + 1
            flowy.checkpoint("between two pages")
            if not fixed:
                pages.append(page)

    done(runner, work)
    assert pages == [0, 1, 2]


@planted(DIES)
def what_is_old_is_deleted_before_the_new_is_there(runner: Runner, fixed: bool) -> None:
    versions = {"old"}

    def work(self: Activity) -> None:
        if fixed:
            versions.add("new")
            flowy.checkpoint("between the versions")
            versions.discard("old")
            return
        versions.clear()
        flowy.checkpoint("between the versions")
        versions.add("new")

    @runner.invariant
    def there_is_a_version() -> None:
        assert versions

    done(runner, work)
