"""What user code logs and prints while it is explored."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.explore import Failure, find
from flowy_sim.faults import WorkerDiesLate
from flowy_sim.testing import Runner

log = logging.getLogger("test_shop")


@activity("charge", 1, "payments", start_to_close=60, retry=2)
class Charge(Activity):
    def run(self) -> None:
        raise NotImplementedError


@workflow("order", 1, "orders")
class Order(Workflow):
    charge = ActivityProxy(Charge)

    def run(self) -> Any:
        self.logger.info("an order")
        return self.charge()


def charged_once(runner: Runner) -> None:
    charged: list[int] = []

    def charge() -> None:
        log.warning("charging")
        print("beep", end="")
        print(" beep")
        charged.append(1)

    runner.stubs(Charge, function=charge)
    runner(Order)
    assert charged == [1]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler of the root logger writes."""
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


def failure(**options: Any) -> Failure:
    found = find(charged_once, faults=[WorkerDiesLate()], **options).failure
    assert found is not None
    return found


def test_what_the_failing_run_logs_and_prints_is_shown_with_the_failure() -> None:
    found = failure()
    assert [line.split(" s  ") for line in found.output] == [
        ["       0", f"INFO {__name__}: an order"],
        ["       0", "WARNING test_shop: charging"],
        ["       0", "beep beep"],
        ["      60", "WARNING test_shop: charging"],
        ["      60", "beep beep"],
    ]
    *_, repeat = str(found).splitlines()
    assert repeat.startswith("repeat: ")
    assert "\nlogged:\n" in str(found)


def test_all_other_runs_log_and_print_nothing(
    written: io.StringIO, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert not find(charged_once).failure
    failure()
    assert written.getvalue() == ""
    assert capsys.readouterr().out == ""
    assert caplog.records == []
    log.warning("afterwards")
    print("afterwards")
    assert written.getvalue() == "afterwards\n"
    assert capsys.readouterr().out == "afterwards\n"
    assert [each.message for each in caplog.records] == ["afterwards"]


def test_other_threads_log_as_before(written: io.StringIO) -> None:
    begins, ends = threading.Event(), threading.Event()

    def other() -> None:
        begins.wait(60)
        log.warning("another thread")
        ends.set()

    thread = threading.Thread(target=other)
    thread.start()

    def test(runner: Runner) -> None:
        begins.set()
        ends.wait(60)

    find(test)
    thread.join()
    assert written.getvalue() == "another thread\n"


def test_a_test_may_read_what_it_logs_itself() -> None:
    def test(runner: Runner) -> None:
        handler = logging.StreamHandler(io.StringIO())
        log.addHandler(handler)
        log.warning("a line")
        log.removeHandler(handler)
        assert handler.stream.getvalue() == "a line\n"

    assert not find(test).failure


def test_nothing_is_suppressed_on_request(written: io.StringIO) -> None:
    find(charged_once, quiet=False)
    assert "charging" in written.getvalue()


def test_repeating_a_run_suppresses_nothing(
    written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    found = failure(choices="the worker dies after the work, before it answers 1=1")
    assert written.getvalue().count("charging") == 2
    assert capsys.readouterr().out == 2 * "beep beep\n"
    assert found.output == ()


def test_much_output_is_shortened_unless_the_story_is_full() -> None:
    def test(runner: Runner) -> None:
        for number in range(30):
            print(number)
        raise AssertionError

    short, full = (find(test, full_story=each).failure for each in (False, True))
    assert short is not None
    assert full is not None
    assert len(full.output) == 30
    assert "… 20 lines left out (--story full" in short.output[0]
    assert short.output[1:] == full.output[20:]


def test_explored_tests_that_use_caplog_receive_their_logs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import logging, pytest

        @pytest.mark.swf(explore=True)
        def test_it(swf_run, caplog, capsys):
            logging.getLogger("shop").warning("a line")
            print("a line")
            assert "a line" in caplog.text
            assert capsys.readouterr().out == "a line\\n"
    """)
    pytester.runpytest("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)
