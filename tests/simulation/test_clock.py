from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim import RealClock, ScaledClock, Simulation, VirtualClock
from flowy_sim._simulation.clock import from_milliseconds, parse_instant
from tests.support.exact_calls import EXACT_CALLS
from tests.support.shop import activity, event_types, history, poll_for_decision, register, start


@pytest.mark.parametrize(
    "start",
    [
        "2024-02-29T12:00:00Z",
        "2024-02-29T13:00:00+01:00",
        datetime(2024, 2, 29, 12, tzinfo=UTC),
        datetime(2024, 2, 29, 7, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_a_clock_starts_at_an_instant_however_it_is_written(start: datetime | str) -> None:
    assert VirtualClock(start).now == datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert VirtualClock(start).now.tzinfo is UTC


@pytest.mark.parametrize("start", ["2024-02-29T12:00:00", "2024-02-29", datetime(2024, 2, 29)])
def test_an_instant_without_a_time_zone_is_refused(start: datetime | str) -> None:
    with pytest.raises(ValueError, match="has no time zone; give a datetime with tzinfo=UTC"):
        Simulation(start=start)


@pytest.mark.parametrize("start", ["yesterday", "", 5, b"2024-01-01T00:00:00Z"])
def test_something_that_is_not_an_instant_is_refused(start: str) -> None:
    with pytest.raises(ValueError, match="is not an instant; give a datetime"):
        Simulation(start=start)


def test_a_clock_and_a_start_together_are_refused() -> None:
    with pytest.raises(ValueError, match="a clock or a start, not both"):
        Simulation(start="2024-01-01T00:00:00Z", clock=VirtualClock())


def test_a_clock_belongs_to_one_simulation() -> None:
    clock = VirtualClock()
    Simulation(clock=clock)
    with pytest.raises(ValueError, match="belongs to another simulation"):
        Simulation(clock=clock)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), "5", None, True])
def test_time_does_not_run_backwards(seconds: float) -> None:
    for clock in (VirtualClock(), ScaledClock(1, real_seconds=lambda: 0.0)):
        before = clock.milliseconds
        with pytest.raises(ValueError, match="it runs forwards only; give a number of at least 0"):
            clock.advance(seconds)
        assert clock.milliseconds == before


@pytest.mark.parametrize("seconds", [float("inf"), 1e12])
def test_time_ends_with_the_year_9999(seconds: float) -> None:
    with pytest.raises(ValueError, match="after the year 9999"):
        VirtualClock().advance(seconds)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.timezones()))
def test_milliseconds_and_instants_are_the_same(instant: datetime) -> None:
    known = from_milliseconds(parse_instant(instant))
    assert timedelta(0) <= instant - known < timedelta(milliseconds=1)


def test_what_falls_due_while_time_passes_happens_at_its_own_instant() -> None:
    simulation = Simulation(latency=EXACT_CALLS)
    client = simulation.client()
    register(client)
    run_id = start(client)
    token = poll_for_decision(client)["taskToken"]
    client.respond_decision_task_completed(taskToken=token, decisions=[activity("1")])
    begin = simulation.clock.now

    simulation.clock.advance(3600)

    assert simulation.clock.now == begin + timedelta(hours=1)
    timed_out = history(client, run_id)[5]
    assert timed_out["eventType"] == "ActivityTaskTimedOut"
    assert timed_out["eventTimestamp"] == begin + timedelta(seconds=50)


def test_twenty_simulations_have_twenty_times() -> None:
    simulations = [Simulation() for _ in range(20)]
    for number, simulation in enumerate(simulations):
        simulation.clock.advance(number)
    begin = parse_instant("2024-01-01T00:00:00Z")
    assert [each.clock.milliseconds - begin for each in simulations] == list(range(0, 20_000, 1000))


def test_a_scaled_clock_runs_on_its_own_and_can_be_put_forward() -> None:
    real = [100.0]
    clock = ScaledClock(60, start="2024-01-01T00:00:00Z", real_seconds=lambda: real[0])
    simulation = Simulation(clock=clock)
    client = simulation.client(poll_seconds=0)
    register(client)
    run_id = start(client)
    begin = clock.now

    real[0] += 10
    assert clock.now == begin + timedelta(minutes=10)
    clock.advance(30)
    assert clock.now == begin + timedelta(minutes=10, seconds=30)
    assert clock.seconds_until(clock.milliseconds + 120_000) == pytest.approx(2.0)
    assert clock.seconds_until(clock.milliseconds - 1) == 0

    clock.advance(365 * 24 * 3600)
    assert event_types(client, run_id)["WorkflowExecutionTimedOut"] == 1
    assert history(client, run_id)[-1]["eventTimestamp"] == begin + timedelta(days=365)


@pytest.mark.parametrize("rate", [0, -1, "fast", float("nan"), True])
def test_an_invalid_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate is a number greater than 0"):
        ScaledClock(rate)


def test_real_time_never_runs_backwards_and_is_not_advanced() -> None:
    real = [1_700_000_000.5]
    clock = RealClock(real_seconds=lambda: real[0])
    assert clock.milliseconds == 1_700_000_000_500
    real[0] -= 100
    assert clock.milliseconds == 1_700_000_000_500
    assert clock.seconds_until(1_700_000_002_500) == 2.0
    with pytest.raises(ValueError, match="Real time cannot be advanced"):
        clock.advance(1)


def test_a_real_clock_has_the_machines_time() -> None:
    before = datetime.now(UTC)
    now = Simulation(clock=RealClock()).clock.now
    assert before - timedelta(milliseconds=1) <= now <= datetime.now(UTC)
