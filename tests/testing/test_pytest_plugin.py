from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import flowy
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation
from flowy_sim._engine.latency import Latency
from flowy_sim._engine.limits import Limits
from flowy_sim.testing import Runner, Stubs
from tests.support.bakery import Bread, Knead

Replay = Callable[[type[flowy.Workflow], Any], None]


def test_a_photograph_is_filed_under_its_color(swf_run: Runner, swf_stub: Stubs) -> None:
    swf_stub("resize", 1, result="small.jpg", takes=40)
    swf_stub("predominantcolor", 1, result="blue", takes=15)
    swf_stub("renameimage", 1, function=lambda path, color: f"{color}/{path}")

    run = swf_run(ImageCategorization, "photo.jpg", 150)

    assert run.result == "blue/small.jpg"
    assert run.simulated_seconds == 40


def test_a_simulation_is_fresh(swf: Simulation) -> None:
    assert swf.seed == 0
    assert swf.clock.now.isoformat() == "2024-01-01T00:00:00+00:00"
    assert swf.client().list_domains(registrationStatus="REGISTERED")["domainInfos"] == []


def test_a_run_takes_place_in_the_simulation_of_the_test(swf: Simulation, swf_run: Runner) -> None:
    swf_run(Bread, 500)
    assert swf.client().list_domains(registrationStatus="REGISTERED")["domainInfos"]


@pytest.mark.swf(
    seed=7, start="2030-01-01T00:00:00Z", latency=Latency.ZERO, limits=Limits(domains=1)
)
def test_a_marker_says_how_the_simulation_is_made(swf: Simulation) -> None:
    assert swf.seed == 7
    assert swf.clock.now.year == 2030
    client = swf.client()
    client.register_domain(name="only", workflowExecutionRetentionPeriodInDays="7")
    with pytest.raises(client.exceptions.LimitExceededFault):
        client.register_domain(name="other", workflowExecutionRetentionPeriodInDays="7")


@pytest.mark.swf(seed=1, workers=1)
class TestMarkers:
    @pytest.mark.swf(seed=2)
    def test_the_nearest_marker_counts(self, swf_run: Runner, swf_stub: Stubs) -> None:
        assert swf_run.simulation.seed == 2
        swf_stub("resize", 1, takes=10)
        swf_stub("predominantcolor", 1, takes=10)
        swf_stub("renameimage", 1)
        # One worker does one thing at a time.
        assert swf_run(ImageCategorization, "photo.jpg").simulated_seconds == 20


@pytest.mark.swf(activities="tests.support.bakery", freeze=True)
def test_a_marker_says_how_workflows_are_run(swf_run: Runner, swf_stub: Stubs) -> None:
    import time

    swf_stub(Knead, function=lambda flour: str(time.time()))
    assert swf_run(Bread, 500).result == "bread of 1704067200.0 at 220"


def test_a_run_replays(swf_run: Runner, swf_replay: Replay) -> None:
    swf_replay(Bread, swf_run(Bread, 500))


def test_a_run_replays_up_to_where_it_is_stuck(swf_run: Runner, swf_replay: Replay) -> None:
    with pytest.raises(Exception, match="Nothing more will happen"):
        swf_run(ImageCategorization, "photo.jpg")
    swf_replay(ImageCategorization, swf_run.runs[0])


def test_plugin_start_imports_neither_boto3_nor_flowy() -> None:
    code = (
        "import sys, pytest, importlib; import flowy_sim.pytest_plugin as plugin; "
        "[importlib.import_module(name) for name in plugin.pytest_plugins]; "
        "print(*(name for name in sys.modules if name.startswith(('boto', 'flowy'))))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "flowy_sim.pytest_plugin._fixtures" in loaded
    others = [name for name in loaded if not name.startswith("flowy_sim.pytest_plugin")]
    assert sorted(others) == ["flowy_sim", "flowy_sim._older_flowy"]


def failing(pytester: pytest.Pytester, test: str) -> str:
    pytester.makepyfile(f"import pytest\nfrom village_bakery import *\n\n{test}")
    result = pytester.runpytest_inprocess("--strict-markers")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    return str(result.stdout)


def test_asking_a_failed_run_for_its_result_shows_why_it_failed(
    village: pytest.Pytester,
) -> None:
    report = failing(
        village,
        """
def test_bread(swf_run):
    assert swf_run(Bread, 0).result == "bread"
""",
    )
    assert (
        "NoResultError: bread 1 (bread-1) failed after 0 s: knead 1 (knead-1.2) failed: "
        "ValueError: there is no flour\n"
    ) in report
    assert "raise ValueError(" in report
    assert report.count("bread 1 · failed") == 1
    assert "run.py" not in report.partition("FAILURES")[2].partition("short test summary")[0]


def test_a_failed_test_shows_what_ran_when_and_the_seed(
    village: pytest.Pytester,
) -> None:
    report = failing(
        village,
        """
@pytest.mark.swf(seed=41)
def test_bread(swf_run, swf_stub):
    swf_stub(Knead, result="dough", takes=40)
    assert swf_run(Bread, 500).result == "cake"
""",
    )
    assert "Amazon SWF, simulated with seed 41" in report
    assert "bread 1 (bread-1) completed after 40 s" in report
    assert "knead-1" in report


@pytest.mark.slow
def test_a_terminal_without_unicode_is_shown_the_picture_in_ascii(
    village: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    village.makepyfile(
        """
        from village_bakery import Bread

        def test_bread(swf_run):
            assert swf_run(Bread, 0).status == "COMPLETED"

        def test_result(swf_run):
            assert swf_run(Bread, 0).result == "bread"
        """
    )
    report = village.runpytest_subprocess()
    picture = ["bread 1 - failed - *", "decisions *", "knead-1 *"]
    report.stdout.fnmatch_lines([*picture, *(f"E *{line}" for line in picture)])


def test_a_test_that_succeeds_shows_nothing(village: pytest.Pytester) -> None:
    village.makepyfile(
        """
        from village_bakery import Bread

        def test_bread(swf_run):
            assert swf_run(Bread, 0).status == "FAILED"
        """
    )
    result = village.runpytest_inprocess("-rA")
    assert result.ret == 0
    assert "Amazon SWF" not in str(result.stdout)


def test_a_test_of_a_workflow_that_fails_shows_where(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
from flowy import Workflow, workflow

@workflow("careless", 1, "list")
class Careless(Workflow):
    def run(self):
        return {}["nothing"]

def test_it(swf_run):
    assert swf_run(Careless).status == "COMPLETED"
"""
    )
    report = pytester.runpytest_inprocess()
    report.stdout.fnmatch_lines(
        ["careless 1 (careless-1) failed after 0 s: KeyError: 'nothing'", "*line 6, in run"]
    )


def test_a_stuck_run_fails_at_the_line_that_ran_it(village: pytest.Pytester) -> None:
    report = failing(
        village,
        """
@pytest.mark.swf(activities=[Knead, Heat])
def test_bread(swf_run):
    swf_run(Bread, 500)
""",
    )
    assert "swf_run(Bread, 500)\n" in report
    assert "StuckError: Nothing more will happen after 2024-01-01 00:00:00" in report
    assert "bake 1 (bake-3) has been waiting" in report
    assert "bread 1 · open" in report
    assert "runner.py" not in report.partition("FAILURES")[2].partition("short test summary")[0]


def test_a_history_that_the_code_does_not_follow_fails_at_the_line(
    village: pytest.Pytester,
) -> None:
    run = Runner(Simulation()).run(Bread, 500)
    (village.path / "histories").mkdir()
    (village.path / "histories" / "bread.json").write_text(
        json.dumps({"events": run.history}, default=str), encoding="utf-8"
    )
    report = failing(
        village,
        """
from flowy import ActivityProxy, Workflow, workflow

def test_bread(swf_replay):
    swf_replay(Bread, "histories/bread.json")

def test_other_bread(swf_replay):
    @workflow("bread", 1, "orders")
    class Other(Workflow):
        knead = ActivityProxy(Knead)

        def run(self, flour, degrees=220):
            return self.knead(flour + 1)

    swf_replay(Other, "histories/bread.json")
""",
    )
    assert "1 failed, 1 passed" in report
    assert (
        "NonDeterminismError: event 5 of the history shows ActivityTaskScheduled(knead-1, "
        "knead 1, [[500], {}]), but the workflow's code decided ScheduleActivityTask(knead-1, "
        "knead 1, [[501], {}])"
    ) in report
    assert "decisions.py" not in report


@pytest.mark.parametrize(
    ("marker", "wrong"), [("swf(seeds=1)", "seeds"), ("swf(1)", "1"), ("swf('x', y=2)", "'x', y")]
)
def test_a_wrong_marker_is_refused(village: pytest.Pytester, marker: str, wrong: str) -> None:
    village.makepyfile(
        f"""
        import pytest

        @pytest.mark.{marker}
        def test_it(swf):
            pass
        """
    )
    result = village.runpytest_inprocess("--strict-markers")
    assert (
        "@pytest.mark.swf takes keywords seed, start, region, latency, limits, patience, "
        "empty_poll_token, activities, "
        "workflows, domain, workers, task_lists, most_restarts, times_out, "
        "ends_within, arguments, starts, freeze, payloads, "
        "virtual_sleep, strict, golden, "
        "ignore, any_order, explore, "
        f"not {wrong}"
    ) in str(result.stdout)


def test_the_marker_is_listed(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.swf(seed=…*): how Amazon SWF is simulated*"])


def test_a_decider_without_flowy_finds_a_domain_to_register_types_in(
    swf_run: Runner, swf_client: flowy.SwfClient
) -> None:
    def decider(client: flowy.SwfClient) -> None:
        task = client.poll_for_decision_task(domain=swf_run.domain, taskList={"name": "by hand"})
        if task.get("taskToken"):
            decision = {"decisionType": "CompleteWorkflowExecution"}
            client.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=[decision]
            )

    swf_run.loop(decider)
    named = {"name": "greet", "version": "1"}
    swf_client.register_workflow_type(domain=swf_run.domain, **named)
    started = swf_client.start_workflow_execution(
        domain=swf_run.domain,
        workflowId="greet-1",
        workflowType=named,
        taskList={"name": "by hand"},
        childPolicy="TERMINATE",
        executionStartToCloseTimeout="60",
        taskStartToCloseTimeout="10",
    )
    run = swf_run.finish(flowy.Execution("greet-1", started["runId"]))
    assert run.status == "COMPLETED"
