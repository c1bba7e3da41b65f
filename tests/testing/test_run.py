from __future__ import annotations

import pytest

import flowy_sim
import flowy_sim.explore
from flowy_sim import Simulation
from flowy_sim.testing import NoResultError, Run, Runner, Stubs
from flowy_sim.testing._run import fetch, history, open_executions
from flowy_sim.testing._runner import DOMAIN
from tests.support.bakery import Bread, Knead


def run(flour: int, takes: float = 0) -> Run:
    stubs = Stubs()
    if takes:
        stubs(Knead, result="dough", takes=takes)
    return Runner(Simulation(), stubs=stubs).run(Bread, flour)


def test_a_completed_run_has_its_type_and_result() -> None:
    completed = run(500, takes=90)
    assert completed.type == "bread 1"
    assert completed.status == "COMPLETED"
    assert completed.result == "bread of dough at 220"
    assert (completed.reason, completed.details) == ("", "")
    assert completed.simulated_seconds == 90
    assert completed.describe() == "bread 1 (bread-1) completed after 1 min 30 s"


def test_a_failed_run_has_a_reason_and_no_result() -> None:
    failed = run(0)
    assert failed.status == "FAILED"
    assert failed.reason == "knead 1 (knead-1.2) failed: ValueError: there is no flour"
    with pytest.raises(NoResultError) as error:
        failed.result  # noqa: B018
    lines = str(error.value).splitlines()
    assert lines[0] == f"bread 1 (bread-1) failed after 0 s: {failed.reason}"
    assert failed.timeline() in str(error.value)
    assert lines[-1] == "ValueError: there is no flour"


def test_a_terminated_run_has_neither() -> None:
    runner = Runner(Simulation())
    execution = runner.start(Bread, 500)
    client = runner.simulation.client()
    client.terminate_workflow_execution(domain=DOMAIN, workflowId="bread-1", reason="closing time")
    terminated = runner.finish(execution)
    assert terminated.describe() == "bread 1 (bread-1) terminated after 0 s: closing time"


def test_a_run_that_timed_out_says_so() -> None:
    stubs = Stubs()
    stubs(Knead, takes=90)
    timed_out = Runner(Simulation(), stubs=stubs).run(Bread, 1, execution_start_to_close=60)
    assert timed_out.describe() == "bread 1 (bread-1) timed out after 1 min: START_TO_CLOSE"


def test_an_open_run_is_open() -> None:
    runner = Runner(Simulation())
    execution = runner.start(Bread, 500)
    client = runner.simulation.client()
    assert open_executions(client, DOMAIN, 5) == [execution]
    still_open = fetch(client, DOMAIN, execution)
    assert still_open.status == "OPEN"
    assert still_open.describe() == "bread 1 (bread-1) is open after 0 s"
    with pytest.raises(NoResultError, match="is open after 0 s"):
        still_open.result  # noqa: B018


@pytest.mark.parametrize("after", [0, 1, 5, 22, 23, 24])
def test_a_history_can_be_fetched_from_any_event_on(after: int) -> None:
    runner = Runner(Simulation())
    execution = runner.start(Bread, 500)
    whole = runner.finish(execution).history
    rest = history(runner.simulation.client(), DOMAIN, execution, after=after)
    assert rest == whole[after:]


def test_a_picture_fits_the_width_asked_for() -> None:
    assert max(map(len, run(500, takes=90).timeline(60).splitlines())) <= 60


def test_a_run_does_not_print_its_history() -> None:
    assert "history" not in repr(run(500))


def test_errors_of_tests_are_named_by_where_they_are_imported_from() -> None:
    for package, names in (
        (flowy_sim, ("NoResultError", "StuckError", "UnexpectedCallError")),
        (flowy_sim.explore, ("EndlessError", "FoundError")),
    ):
        for name in names:
            assert f"{getattr(package, name)}" == f"<class '{package.__name__}.{name}'>"
