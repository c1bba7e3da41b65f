"""What was answered is durable: it is there after the process has been killed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy_sim._engine import Fault
from flowy_sim._storage import progress_mark, writable_file
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.journal import JournalError
from tests.support.engine_contents import describe
from tests.support.engine_driver import DOMAIN, PACK, decision
from tests.support.served_file import Served, crash

ALWAYS = {"oldestDate": 0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


def pack(activity_id: str = "1", **attributes: Any) -> dict[str, Any]:
    return decision("ScheduleActivityTask", activityId=activity_id, activityType=PACK, **attributes)


def running(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_what_was_answered_is_there_after_a_crash(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            run_id = served.start()
            served.decide(pack())
            await served.durable()
            history, held = served.history(run_id), describe(served.engine)

            async with Served(crash(path)) as restored:
                assert restored.history(run_id) == history
                assert describe(restored.engine) == held

    running(story())


def test_closed_histories_are_read_on_demand(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            run_id = served.start(tagList=["a"])
            served.decide(pack(), decision("StartTimer", timerId="1", startToFireTimeout="30"))
            served.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
            history = served.history(run_id)
            execution = {"workflowId": "order-1", "runId": run_id}
            described = served.call("DescribeWorkflowExecution", domain=DOMAIN, execution=execution)
            await served.durable()

            async with Served(crash(path)) as restored:
                request = {"domain": DOMAIN, "execution": execution, "maximumPageSize": 3}
                told: list[Any] = []
                page = restored.call("GetWorkflowExecutionHistory", **request)
                while "nextPageToken" in page:
                    told += page["events"]
                    token = page["nextPageToken"]
                    page = restored.call(
                        "GetWorkflowExecutionHistory", **request, nextPageToken=token
                    )
                assert told + page["events"] == history
                again = restored.call(
                    "DescribeWorkflowExecution", domain=DOMAIN, execution=execution
                )
                assert again == described
                restored.start(tagList=["a"])

    running(story())


def test_tokens_of_open_tasks_are_good_after_a_crash(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            run_id = served.start()
            served.decide(pack())
            task = served.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
            await served.durable()

            async with Served(crash(path)) as restored:
                token = task["taskToken"]
                restored.call("RespondActivityTaskCompleted", taskToken=token, result="done")

                assert restored.types(run_id)[-2:] == [
                    "ActivityTaskCompleted",
                    "DecisionTaskScheduled",
                ]

    running(story())


def test_page_tokens_are_good_after_a_crash(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            for number in range(3):
                served.start(f"order-{number}")
            request = {
                "domain": DOMAIN,
                "startTimeFilter": {"oldestDate": 0},
                "maximumPageSize": 2,
            }
            page = served.call("ListOpenWorkflowExecutions", **request)
            request["nextPageToken"] = page["nextPageToken"]
            expected = served.call("ListOpenWorkflowExecutions", **request)
            await served.durable()

            async with Served(crash(path)) as restored:
                assert restored.call("ListOpenWorkflowExecutions", **request) == expected

    running(story())


def test_what_falls_due_while_no_server_runs_happens_at_its_own_instant(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            run_id = served.start()
            served.decide(decision("StartTimer", timerId="1", startToFireTimeout="30"))
            began = served.world.clock.milliseconds
            await served.durable()

            async with Served(crash(path)) as restored:
                assert restored.world.clock.milliseconds == began
                restored.advance(3_000_000)
                fired = restored.history(run_id)[-2]

        assert fired["eventType"] == "TimerFired"
        assert round(fired["eventTimestamp"].timestamp() * 1000) == began + 30_000

    running(story())


def test_a_heartbeat_is_remembered(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            run_id = served.start()
            served.decide(pack(heartbeatTimeout="60"))
            task = served.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
            served.advance(50_000)
            token = task["taskToken"]
            served.call("RecordActivityTaskHeartbeat", taskToken=token, details="half")
            await served.durable()

            async with Served(crash(path)) as restored:
                restored.advance(59_000)
                assert restored.types(run_id)[-1] == "ActivityTaskStarted"
                restored.advance(1_000)
                timed_out = restored.history(run_id)[-2]

        assert timed_out["eventType"] == "ActivityTaskTimedOut"
        assert timed_out["activityTaskTimedOutEventAttributes"]["details"] == "half"

    running(story())


def test_the_clock_continues_from_the_last_time_seen(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            served.world.advance(1000)
            await served.durable()
            seen = served.world.clock.milliseconds

            async with Served(crash(path)) as restored:
                assert restored.world.clock.milliseconds == seen
                restored.world.set_mode("x60")
                await restored.durable()

                async with Served(crash(restored.path, path.with_name("again.db"))) as again:
                    assert again.world.clock.mode == "x60"

    running(story())


def test_simulations_accounts_and_regions_are_kept_apart(path: Path) -> None:
    async def story() -> None:
        runs = {}
        places = [("", "us-east-1"), ("", "eu-central-1"), ("other", "us-east-1")]
        async with Served(path) as served:
            for served.simulation, served.region in places:
                served.register()
                runs[served.simulation, served.region] = served.start()
                await served.durable()

            async with Served(crash(path)) as restored:
                for restored.simulation, restored.region in places:
                    (open_execution,) = restored.engine.executions
                    assert open_execution == runs[restored.simulation, restored.region]

    running(story())


def test_resets_and_removals_are_kept(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            for served.simulation in ("reset", "removed", "kept"):
                served.register()
                served.start()
            account = served.world.account
            served.simulations.begin("reset", account, {"seed": 7})
            served.simulations.remove("removed", account)
            served.simulation = "reset"
            served.register()
            await served.durable()

            async with Served(crash(path)) as restored:
                assert sorted(world.name for world in restored.simulations) == ["kept", "reset"]
                restored.simulation = "reset"
                assert restored.world.settings.seed == 7
                assert not restored.engine.executions
                assert list(restored.engine.domains) == [DOMAIN]

    running(story())


def test_calls_that_wait_together_share_a_transaction(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            await served.durable()
            commits = []
            served.journal._file.connection.set_trace_callback(
                lambda statement: statement == "COMMIT" and commits.append(statement)
            )

            async def start(number: int) -> None:
                served.start(f"order-{number}")
                await served.durable()

            await asyncio.gather(*map(start, range(50)))

            assert len(commits) == 1

    running(story())


def test_calls_that_change_nothing_are_not_committed(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            served.start()
            task = served.poll(maximumPageSize=1)
            before = served.world.journal.changes

            served.poll(maximumPageSize=1, nextPageToken=task["nextPageToken"])
            assert not served.poll().get("taskToken")
            served.call("CountOpenWorkflowExecutions", domain=DOMAIN, startTimeFilter=ALWAYS)
            with pytest.raises(Fault):
                served.start()

            assert served.world.journal.changes == before
            served.signal()
            assert served.world.journal.changes == before + 1

    running(story())


def test_refused_calls_need_not_be_kept(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            served.start()
            await served.durable()
            with pytest.raises(Fault):
                served.start()

            async with Served(crash(path)) as restored:
                assert describe(restored.engine) == describe(served.engine)

    running(story())


def test_executions_that_are_not_retained_leave_the_file(path: Path) -> None:
    async def story() -> None:
        async with Served(path) as served:
            served.register()
            for number in range(20):
                served.start(f"order-{number}")
                served.call(
                    "TerminateWorkflowExecution", domain=DOMAIN, workflowId=f"order-{number}"
                )
            served.advance(7 * 24 * 60 * 60 * 1000)
            served.start("last")
            await served.durable()
            connection = served.journal._file.connection

            assert connection.execute("SELECT count(*) FROM executions").fetchone() == (1,)
            assert connection.execute("SELECT count(DISTINCT number) FROM history").fetchone() == (
                1,
            )

    running(story())


class FullDisk:
    """A connection whose transactions cannot be committed while the disk is full."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.is_full = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        if self.is_full and statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self.connection.execute(statement, *values)


def test_a_call_that_cannot_be_written_fails_and_has_changed_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy_sim._storage.file_journal.RETRY_SECONDS", 0)

    async def story() -> None:
        async with Served(path) as served:
            served.register()
            served.start("first")
            await served.durable()
            before = describe(served.engine)
            disk = FullDisk(served.journal._file.connection)
            served.journal._file.connection = disk

            task = served.poll()
            served.start("second")
            with pytest.raises(JournalError, match=r"kept\.db cannot be written: .* is full"):
                await served.durable()

            assert describe(served.engine) == before
            with pytest.raises(JournalError):
                served.start("second")
            assert describe(served.engine) == before
            disk.is_full = False
            run_id = served.start("second")
            assert served.poll()["taskToken"] == task["taskToken"]
            await served.durable()

            async with Served(crash(path)) as restored:
                assert describe(restored.engine) == describe(served.engine)
                assert run_id in restored.engine.executions

    running(story())


def test_simulations_begin_and_end_although_that_could_not_be_written_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy_sim._storage.file_journal.RETRY_SECONDS", 0)

    async def story() -> None:
        async with Served(path) as served:
            served.simulation = "ended"
            served.register()
            await served.durable()
            disk = FullDisk(served.journal._file.connection)
            served.journal._file.connection = disk
            served.simulations.remove("ended", served.world.account)
            served.simulation = "begun"
            begun = served.simulations.begin("begun", served.world.account, {})
            with pytest.raises(JournalError):
                await begun.journal.durable()
            disk.is_full = False
            served.register()
            await served.durable()

            async with Served(crash(path)) as restored:
                assert [world.name for world in restored.simulations] == ["begun"]

    running(story())


@pytest.mark.parametrize("moment", ["log", "progress"])
def test_a_call_fails_if_the_disk_does_not_take_it_and_nothing_is_lost_when_it_does_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr("flowy_sim._storage.file_journal.RETRY_SECONDS", 0)
    where = writable_file if moment == "log" else progress_mark
    name = "make_durable" if moment == "log" else "_write_at_start"

    def refuse(*arguments: Any) -> None:
        raise OSError(5, "Input/output error")

    async def story() -> None:
        async with Served(path) as served:
            served.register()
            served.start("first")
            await served.durable()
            with monkeypatch.context() as failing:
                failing.setattr(where, name, refuse)
                served.start("second")
                with pytest.raises(
                    JournalError, match=r"kept\.db cannot be written: .*output error"
                ):
                    await served.durable()
            # Whether the call was carried out is unknown to its client. What is answered from now
            # on is based on what is in the file.
            before = describe(served.engine)
            served.start("third")
            await served.durable()

            async with Served(crash(path)) as restored:
                assert describe(restored.engine) == describe(served.engine) != before
            crash(path)

    running(story())
    log = path.with_name("crashed.db-wal")
    log.write_bytes(log.read_bytes()[:-100])
    with pytest.raises(FileRefusedError, match="are missing"):
        Served(path.with_name("crashed.db"))


@pytest.mark.skipif(os.name == "nt", reason="Windows does not rename or remove open files")
@pytest.mark.parametrize("ending", ["", "-wal", "-progress"])
def test_a_call_fails_while_the_file_is_not_where_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("flowy_sim._storage.file_journal.RETRY_SECONDS", 0)
    moved, elsewhere = path.with_name(path.name + ending), path.with_name("elsewhere")

    async def story() -> None:
        async with Served(path) as served:
            served.register()
            await served.durable()
            before = describe(served.engine)
            moved.rename(elsewhere)
            served.start("first")
            with pytest.raises(JournalError, match=rf"{moved.name} was removed, renamed or repl"):
                await served.durable()
            assert describe(served.engine) == before
            with pytest.raises(JournalError):
                served.start("first")
            moved.write_bytes(b"")
            with pytest.raises(JournalError):
                served.start("first")

            elsewhere.rename(moved)
            served.start("second")
            await served.durable()
            async with Served(crash(path)) as restored:
                assert describe(restored.engine) == describe(served.engine) != before
            moved.rename(elsewhere)

    running(story())
    kept = {name for name in os.listdir(path.parent) if not name.startswith("crashed")}
    assert kept == ({"elsewhere"} if not ending else {path.name, "elsewhere"})


@given(orders=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("sse")), max_size=30))
@settings(max_examples=20)
def test_nothing_of_a_forgotten_execution_stays_in_the_file_and_nothing_else_is_lost(
    tmp_path_factory: pytest.TempPathFactory, orders: list[tuple[int, str]]
) -> None:
    path = tmp_path_factory.mktemp("forgetting") / "kept.db"

    async def act(served: Served) -> None:
        for number, action in orders:
            with suppress(Fault):
                if action == "s":
                    served.start(f"order-{number}")
                    served.signal(f"order-{number}")
                else:
                    served.call(
                        "TerminateWorkflowExecution", domain=DOMAIN, workflowId=f"order-{number}"
                    )
            await served.durable()

    async def story() -> None:
        async with Served(path) as served:
            served.register()
            await act(served)
        async with Served(path) as served:
            await act(served)
            served.advance(7 * 24 * 60 * 60 * 1000)
            served.start("last")
            await served.durable()
            in_file = served.journal._file.connection.execute(
                "SELECT DISTINCT domain, number FROM history ORDER BY number"
            ).fetchall()
            assert [number for _, number in in_file] == sorted(
                execution.number for execution in served.engine.executions.values()
            )
            async with Served(crash(path)) as restored:
                assert describe(restored.engine) == describe(served.engine)

    running(story())
