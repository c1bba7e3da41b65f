"""For how long a client that makes no call is waited for, in looks instead of real time."""

from __future__ import annotations

import sys
import threading
from typing import Any, NamedTuple

import pytest

from flowy_sim._simulation.presence import COMPUTING, GRACE, Poller, Presence
from flowy_sim._simulation.regions import TaskKey, TaskList
from flowy_sim._simulation.running_threads import computes

LOOK = GRACE / 5
MANY = 100


def looks_until_dropped(presence: Presence) -> int:
    """Look as often as a busy client is waited for."""
    for looks in range(MANY):
        pause = presence.busy()
        if pause is None:
            return looks
        presence.quiet += pause
    raise AssertionError("a client is waited for without end")


def seconds_until_dropped(presence: Presence) -> Any:
    return looks_until_dropped(presence) * LOOK


@pytest.fixture
def presence() -> Presence:
    return Presence()


def test_who_waits_for_something_else_is_waited_for_no_longer(presence: Presence) -> None:
    presence.acts(Poller("somebody", lambda: True))
    assert seconds_until_dropped(presence) == pytest.approx(GRACE, abs=1.5 * LOOK)


def test_who_computes_is_waited_for_until_it_waits_itself(presence: Presence) -> None:
    seen = iter([True] * 20)
    presence.acts(Poller("somebody", lambda: True, lambda: next(seen, False)))
    assert seconds_until_dropped(presence) == pytest.approx(19 * LOOK + GRACE, abs=1.5 * LOOK)


def test_who_computes_for_long_is_not_waited_for_for_ever(presence: Presence) -> None:
    presence.acts(Poller("somebody", lambda: True, lambda: True))
    assert seconds_until_dropped(presence) == pytest.approx(COMPUTING + GRACE, abs=1.5 * LOOK)


def test_who_takes_naps_does_not_compute(presence: Presence) -> None:
    seen = iter([True, False] * MANY)
    presence.acts(Poller("somebody", lambda: True, lambda: next(seen)))
    assert seconds_until_dropped(presence) == pytest.approx(GRACE, abs=1.5 * LOOK)


def test_each_call_begins_the_wait_anew(presence: Presence) -> None:
    somebody = Poller("somebody", lambda: True, lambda: True)
    presence.acts(somebody)
    looks = looks_until_dropped(presence)
    assert looks_until_dropped(presence) == 0
    presence.acts(somebody)
    assert looks_until_dropped(presence) == looks


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a thread does")
def test_linux_tells_a_thread_that_computes_from_one_that_waits() -> None:
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(1000))

    computing = threading.Thread(target=compute)
    waiting = threading.Thread(target=over.wait)
    look_again = threading.Event()
    for thread in (computing, waiting):
        thread.start()
    try:
        while not computes(computing.native_id):
            look_again.wait(0.001)
        while computes(waiting.native_id):
            look_again.wait(0.001)
    finally:
        over.set()
        for thread in (computing, waiting):
            thread.join()


def test_a_thread_that_is_gone_does_not_compute() -> None:
    assert not computes(0)


class Held(NamedTuple):
    """A task that is handed out, as `Presence` sees it."""

    key: TaskKey
    task_list: TaskList

    def is_open(self) -> bool:
        return True

    @property
    def in_full(self) -> str:
        return f"decision task of 'order-1' from {self.task_list}"


def test_the_warning_that_time_stands_still_names_simulation_domain_and_list(
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = iter([0.0, 0.0, 6.0, 6.0])
    presence = Presence(real_seconds=lambda: next(real), name="suite-a")
    task_list = TaskList("us-east-1", "PollForDecisionTask", "shop", "decisions")
    task: Any = Held(("run", 3), task_list)
    presence.hold(task, Poller("worker-1", lambda: True))
    assert presence.held_tasks.is_any_held()
    assert caplog.messages == [
        "Simulated time of 'suite-a' has stood still for 6 real seconds, because worker-1 holds "
        "the decision task of 'order-1' from decision task list 'decisions' of domain 'shop'."
    ]
