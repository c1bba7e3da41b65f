"""For how long somebody who makes no call is waited for, in looks instead of real time."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from flowy_sim._simulation.presence import COMPUTING, GRACE, Participant, Participants
from flowy_sim._simulation.threads import computes

LOOK = GRACE / 5
MANY = 100


def looks_until_dropped(participants: Participants) -> int:
    """Look as often as somebody busy is waited for."""
    for looks in range(MANY):
        pause = participants.pause()
        if pause is None:
            return looks
        participants.quiet += pause
    raise AssertionError("somebody is waited for without end")


def seconds_until_dropped(participants: Participants) -> Any:
    return looks_until_dropped(participants) * LOOK


@pytest.fixture
def participants() -> Participants:
    return Participants()


def test_who_waits_for_something_else_is_waited_for_no_longer(participants: Participants) -> None:
    participants.acts(Participant("somebody", lambda: True))
    assert seconds_until_dropped(participants) == pytest.approx(GRACE, abs=1.5 * LOOK)


def test_who_computes_is_waited_for_until_it_waits_itself(participants: Participants) -> None:
    seen = iter([True] * 20)
    participants.acts(Participant("somebody", lambda: True, lambda: next(seen, False)))
    assert seconds_until_dropped(participants) == pytest.approx(19 * LOOK + GRACE, abs=1.5 * LOOK)


def test_who_computes_for_long_is_not_waited_for_for_ever(participants: Participants) -> None:
    participants.acts(Participant("somebody", lambda: True, lambda: True))
    assert seconds_until_dropped(participants) == pytest.approx(COMPUTING + GRACE, abs=1.5 * LOOK)


def test_who_takes_naps_does_not_compute(participants: Participants) -> None:
    seen = iter([True, False] * MANY)
    participants.acts(Participant("somebody", lambda: True, lambda: next(seen)))
    assert seconds_until_dropped(participants) == pytest.approx(GRACE, abs=1.5 * LOOK)


def test_each_call_begins_the_wait_anew(participants: Participants) -> None:
    somebody = Participant("somebody", lambda: True, lambda: True)
    participants.acts(somebody)
    looks = looks_until_dropped(participants)
    assert looks_until_dropped(participants) == 0
    participants.acts(somebody)
    assert looks_until_dropped(participants) == looks


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
