from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from logging.handlers import MemoryHandler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy._logs import ExecutionFilter, LoggingContext, RunInfo, WorkflowLogger

plain = logging.getLogger(__name__)
library = logging.getLogger("library.deep.inside")


class Execution:
    """An execution that is replayed unless a test changes that."""

    def __init__(self, number: int = 1) -> None:
        self.replayed = True
        self.source = RunInfo(f"order-{number}", f"run-{number}", "orders 1", lambda: self.replayed)


@pytest.fixture
def execution() -> Iterator[Execution]:
    execution = Execution()
    with LoggingContext(execution.source):
        yield execution


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_what_is_logged_in_a_replay_is_dropped(
    execution: Execution, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in (plain, library, WorkflowLogger("orders")):
        logger.info("then")
        logger.critical("then")
    assert messages(caplog) == []
    execution.replayed = False
    for logger in (plain, library, WorkflowLogger("orders")):
        logger.info("now")
    assert messages(caplog) == ["now"] * 3


def test_what_flowy_itself_logs_in_a_replay_appears(
    execution: Execution, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("flowy.deciding.decider").warning("the history is long")
    logging.getLogger("flowy.tutorial.workflows").warning("then")
    assert messages(caplog) == ["the history is long"]


def test_no_handler_emits_what_is_replayed(execution: Execution) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    memory = MemoryHandler(10, target=handler)
    logger = logging.Logger("alone")
    logger.addHandler(memory)
    logger.addHandler(handler)
    logger.error("then")
    memory.flush()
    assert stream.getvalue() == ""


def test_nothing_is_emitted_without_a_handler(
    execution: Execution, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.Logger("without handlers").error("then")
    assert capsys.readouterr().err == ""


def test_outside_of_executions_everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with LoggingContext(Execution().source):
        plain.info("within")
    plain.info("after")
    assert messages(caplog) == ["after"]


def test_records_name_the_execution(execution: Execution, caplog: pytest.LogCaptureFixture) -> None:
    execution.replayed = False
    WorkflowLogger("orders").info("%d left", 3, extra={"customer": "c-7"})
    (record,) = caplog.records
    told = vars(record)
    assert (record.name, record.getMessage()) == ("orders", "3 left")
    assert [told[name] for name in ("workflow_id", "run_id", "workflow_type", "customer")] == [
        "order-1",
        "run-1",
        "orders 1",
        "c-7",
    ]
    assert (record.pathname, record.funcName) == (
        __file__,
        test_records_name_the_execution.__name__,
    )


def test_an_attribute_that_the_author_gives_is_kept(
    execution: Execution, caplog: pytest.LogCaptureFixture
) -> None:
    execution.replayed = False
    WorkflowLogger("orders").info("sent", extra={"workflow_id": "another"})
    plain.info("sent", extra={"workflow_id": "another"})
    assert [vars(record)["workflow_id"] for record in caplog.records] == ["another"] * 2


def test_a_workflow_that_no_worker_runs_logs_too(caplog: pytest.LogCaptureFixture) -> None:
    WorkflowLogger("orders").warning("alone")
    assert [(r.getMessage(), vars(r)["workflow_id"]) for r in caplog.records] == [("alone", "-")]


def test_a_logger_reports_which_levels_it_would_log(execution: Execution) -> None:
    logger = WorkflowLogger("orders")
    assert not logger.isEnabledFor(logging.CRITICAL)
    execution.replayed = False
    assert logger.isEnabledFor(logging.DEBUG)
    logging.getLogger("orders").setLevel(logging.ERROR)
    try:
        assert not logger.isEnabledFor(logging.WARNING)
    finally:
        logging.getLogger("orders").setLevel(logging.NOTSET)


def test_a_filter_adds_the_execution_to_all_records_of_a_handler(execution: Execution) -> None:
    execution.replayed = False
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(ExecutionFilter())
    handler.setFormatter(logging.Formatter("%(workflow_id)s %(run_id)s: %(message)s"))
    logger = logging.Logger("alone")
    logger.addHandler(handler)
    logger.info("within")
    thread = threading.Thread(target=logger.info, args=("elsewhere",))
    thread.start()
    thread.join()
    assert stream.getvalue() == "order-1 run-1: within\n- -: elsewhere\n"


def test_executions_in_many_threads_are_told_apart() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(ExecutionFilter())
    handler.setFormatter(logging.Formatter("%(workflow_id)s %(message)s"))
    logger = logging.Logger("alone")
    logger.addHandler(handler)
    barrier = threading.Barrier(8)

    def decide(number: int) -> None:
        execution = Execution(number)
        with LoggingContext(execution.source):
            barrier.wait(60)
            logger.info("then")
            execution.replayed = False
            barrier.wait(60)
            logger.info("now")

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stream.getvalue().splitlines()) == [f"order-{number} now" for number in range(8)]


def test_suspended_executions_of_one_thread_are_told_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    greenlet = pytest.importorskip("greenlet")
    worker = greenlet.getcurrent()
    logger = WorkflowLogger("orders")

    def decide(execution: Execution) -> None:
        with LoggingContext(execution.source):
            logger.info("then")
            worker.switch()
            execution.replayed = False
            logger.info("now")
            worker.switch()
            plain.info("later")

    suspended = [greenlet.greenlet(decide) for _ in range(3)]
    for number, each in enumerate(suspended):
        each.switch(Execution(number))
    plain.info("the worker")
    for each in reversed(suspended):
        each.switch()
    suspended[1].switch()
    assert [(r.getMessage(), vars(r).get("workflow_id")) for r in caplog.records] == [
        ("the worker", None),
        ("now", "order-2"),
        ("now", "order-1"),
        ("now", "order-0"),
        ("later", None),
    ]


def test_another_record_factory_still_creates_records(
    execution: Execution, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ours = logging.getLogRecordFactory()

    def around(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = ours(*args, **kwargs)
        vars(record)["host"] = "h-1"
        return record

    logging.setLogRecordFactory(around)
    try:
        plain.info("then")
        execution.replayed = False
        plain.info("now")
    finally:
        logging.setLogRecordFactory(ours)
    assert [(r.getMessage(), vars(r)["host"]) for r in caplog.records] == [("now", "h-1")]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50)), max_size=20))
def test_what_appears_is_what_is_logged_for_the_first_time(steps: list[tuple[bool, int]]) -> None:
    stream = io.StringIO()
    logger = logging.Logger("alone")
    logger.addHandler(logging.StreamHandler(stream))
    execution = Execution()
    with LoggingContext(execution.source):
        for replayed, level in steps:
            execution.replayed = replayed
            logger.log(level, "%d", level)
    shown = "".join(f"{level}\n" for replayed, level in steps if not replayed)
    assert stream.getvalue() == shown
