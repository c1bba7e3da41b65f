"""A test whose marker says ``explore`` is run in many orders and under many faults."""

from __future__ import annotations

import json
import re

import pytest

from flowy.errors import ConfigurationError
from flowy_sim import Simulation
from flowy_sim.explore import explore

SHOP = """
import pytest

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.faults import EVERYDAY, WorkerDiesLate

@activity("charge", 1, "payments", start_to_close=60, retry=2)
class Charge(Activity):
    def run(self, amount):
        raise NotImplementedError

@workflow("purchase", 1, "purchases")
class Purchase(Workflow):
    charge = ActivityProxy(Charge)

    def run(self, amount):
        return self.charge(amount)
"""
CARELESS = """
@pytest.mark.swf(explore={"faults": [WorkerDiesLate()]})
def test_nobody_pays_twice(swf_run, swf_stub):
    paid = []
    swf_stub(Charge, function=paid.append)
    swf_run(Purchase, 7)
    assert paid == [7]
"""


def test_a_bug_that_the_default_order_hides_is_found_and_repeated(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(SHOP + CARELESS)
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=1)
    report.stdout.fnmatch_lines(
        [
            ">*assert paid == [[]7[]]",
            "E*assert [[]7, 7[]] == [[]7[]]*",
            "E*0 s  purchase-1 starts with *",
            "E*0 s  ! worker 1 (charge-1): the worker dies after the work, before it answers",
        ]
    )
    report.stdout.no_fnmatch_line("*traceback entries are hidden*")
    report.stdout.no_fnmatch_line("*direct cause*")
    found = re.search(r"repeat: pytest (\S+) --swf-choices='(.+)'", str(report.stdout))
    assert found is not None
    again = pytester.runpytest_inprocess(found[1], f"--swf-choices={found[2]}")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*found in the run with the given choices*"])
    pytester.runpytest_inprocess(found[1], "--swf-choices=").assert_outcomes(passed=1)


def test_each_run_has_a_simulation_and_stubs_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        SHOP
        + """
@pytest.mark.swf(seed=3, workers=1, explore={"faults": EVERYDAY, "most_faults": 1})
class TestPurchases:
    @pytest.mark.parametrize("amount", [7])
    def test_they_end(self, swf, swf_client, swf_run, swf_stub, amount):
        assert swf.seed == 3
        assert not swf_client.list_domains(registrationStatus="REGISTERED")["domainInfos"]
        assert swf_run.simulation is swf
        assert not swf_run.runs
        swf_stub(Charge, result="paid")
        assert swf_run(Purchase, amount).status == "COMPLETED"
"""
    )
    report = pytester.runpytest_inprocess("-rP", "--junit-xml=report.xml")
    report.assert_outcomes(passed=1)
    report.stdout.fnmatch_lines(["* runs and * states in *, all of the space"])
    written = (pytester.path / "report.xml").read_text(encoding="utf-8")
    assert re.search('name="explored" value=".+ runs and .+, all of the space"', written)


def test_failing_and_skipping_inside_an_explored_test_work(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest

pytestmark = pytest.mark.swf(explore=True)

def test_that_fails():
    pytest.fail("not today")

def test_that_is_skipped():
    pytest.skip("not today")

def test_that_nothing_is_raised():
    with pytest.raises(ValueError):
        pass
"""
    )
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=2, skipped=1)
    report.stdout.no_fnmatch_line("*flowy_sim*")


def test_types_that_a_fixture_has_registered_are_explained(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest

@pytest.fixture
def registered(swf_boto3):
    client = swf_boto3.client("swf")
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")

@pytest.mark.swf(domain="shop", explore=True)
def test_it(swf_run, registered):
    swf_run(("order", "1"))

@pytest.mark.swf(domain="shop")
def test_once(swf_run, registered):
    swf_run(("order", "1"))
"""
    )
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=2)
    report.stdout.fnmatch_lines(["*StartError: order 1 cannot*", "*A fixture has called a simul*"])
    report.stdout.no_fnmatch_line("*def start*")


@pytest.mark.parametrize(
    ("marked", "test", "sentence"),
    [
        (
            "explore=7",
            "def test_it(client):",
            "*takes True, or a dictionary of the options of*explore*not 7",
        ),
        (
            "explore=True",
            "async def test_it():",
            "*must be an ordinary function; this one is async",
        ),
        (
            "explore=True",
            "def test_it(client):",
            "*the fixture 'client' uses 'swf', which is new in each run*",
        ),
    ],
)
def test_what_cannot_be_explored_is_refused(
    pytester: pytest.Pytester, marked: str, test: str, sentence: str
) -> None:
    pytester.makepyfile(
        f"""
import pytest

@pytest.fixture
def client(swf):
    return swf.client()

@pytest.mark.swf({marked})
{test}
    pass
"""
    )
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=1)
    report.stdout.fnmatch_lines([sentence])


def test_an_unknown_option_is_refused(swf: Simulation) -> None:
    with pytest.raises(ConfigurationError, match="exploring has no option fault; it has faults,"):
        explore(lambda runner: None, simulation=swf, fault=[])


# What holds for all runs together

STRICT = """
@pytest.mark.swf(explore={"faults": [WorkerDiesLate()], "processes": None})
def test_it_ends(swf_run, swf_stub):
    swf_stub(Charge).when(7).then(result="paid").when(8).then(result="paid, too")
    if swf_run(Purchase, 7).history.find("ActivityTaskTimedOut"):
        swf_stub("charge", 2, result="never")
"""


def test_stubs_that_no_run_has_used_fail_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHOP + STRICT)
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=1)
    report.stdout.fnmatch_lines(
        [
            "when(amount=8) of the stub of charge 1 was never used",
            "the stub of charge 2 was never used; the nearest that was called is charge 1",
            "*Captured explored call*",
        ]
    )


def test_what_only_some_runs_use_is_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        SHOP
        + """
@pytest.mark.swf(explore={"faults": [WorkerDiesLate()]})
def test_it_ends(swf_run, swf_stub):
    swf_stub(Charge, result="paid")
    swf_stub("refund", 1, result="paid back")
    swf_run(Careful, 7)

@workflow("careful", 1, "purchases")
class Careful(Workflow):
    charge = ActivityProxy(Charge, retry=1, error_handling=True)
    refund = ActivityProxy("refund", 1, task_list="payments", start_to_close=60,
                           schedule_to_start=60, schedule_to_close=60, heartbeat=60)

    def run(self, amount):
        charged = self.charge(amount)
        return charged.result() if charged.done and not charged.error else self.refund(amount)
"""
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    again = pytester.runpytest_inprocess("--swf-choices=")
    again.assert_outcomes(passed=1)


def test_stubs_need_no_use_where_the_marker_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHOP + STRICT.replace("explore=", "strict=False, explore="))
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_coverage_counts_all_explored_runs(pytester: pytest.Pytester, processes: int) -> None:
    pytester.makepyfile(
        SHOP
        + f"""
@pytest.mark.swf(explore={{"faults": EVERYDAY, "processes": {processes}, "runs": 100}})
def test_it_ends(swf_run, swf_stub):
    swf_stub(Charge, result="paid")
    swf_run(Purchase, 7)
"""
    )
    report = pytester.runpytest_inprocess("--swf-coverage")
    report.assert_outcomes(passed=1)
    report.stdout.fnmatch_lines(
        [
            "purchase 1",
            "  activity charge 1  completed *, timed out (START_TO_CLOSE) *, failed *; "
            "never canceled",
            "3 of 4 outcomes met",
        ]
    )


GOLDEN = """
@pytest.mark.swf(golden=True, explore={"faults": EVERYDAY, "most_faults": 1})
def test_it_ends(swf_run, swf_stub):
    swf_stub(Charge, result="paid")
    swf_run(Purchase, 7)
"""


@pytest.mark.slow
def test_the_plainest_run_of_an_explored_test_is_golden(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHOP + GOLDEN)
    pytester.runpytest_inprocess().stdout.fnmatch_lines(["*record it with pytest --swf-record*"])
    pytester.runpytest_inprocess("--swf-record").assert_outcomes(passed=1)
    [kept] = (pytester.path / "histories").rglob("*.json")
    events = json.loads(kept.read_text(encoding="utf-8"))["events"]
    assert [event["eventType"] for event in events[-2:]] == [
        "DecisionTaskCompleted",
        "WorkflowExecutionCompleted",
    ]
    assert len(events) == 11
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    pytester.makepyfile((SHOP + GOLDEN).replace("self.charge(amount)", "self.charge(amount + 1)"))
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=1)
    report.stdout.fnmatch_lines(["*no longer replays: event 5 of the history shows*"])


def test_choices_that_the_run_never_reaches_are_reported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHOP + CARELESS)
    report = pytester.runpytest_inprocess("--swf-choices=the network fails 3=1", "-W", "default")
    report.assert_outcomes(passed=1, warnings=1)
    report.stdout.fnmatch_lines(["*never reached these choices: the network fails 3=1;*"])


def test_a_run_with_given_choices_is_not_recorded(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHOP + GOLDEN)
    report = pytester.runpytest_inprocess("--swf-record", "--swf-choices=")
    report.assert_outcomes(failed=1)
    report.stdout.fnmatch_lines(["*--swf-record keeps the plainest run of an explored test*"])
    assert not (pytester.path / "histories").exists()


def test_clients_of_a_module_call_the_simulation_of_each_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        shop="""
import boto3

swf = boto3.client("swf", region_name="eu-west-1")
ORDER = {"name": "order", "version": "1"}


def register():
    swf.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
    swf.register_workflow_type(domain="shop", **ORDER, defaultTaskList={"name": "orders"},
        defaultChildPolicy="TERMINATE", defaultTaskStartToCloseTimeout="30",
        defaultExecutionStartToCloseTimeout="600")


def decide():
    while True:
        task = swf.poll_for_decision_task(domain="shop", taskList={"name": "orders"})
        if task.get("taskToken"):
            done = {"decisionType": "CompleteWorkflowExecution"}
            swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[done])


def count():
    since = {"oldestDate": 0}
    return swf.count_closed_workflow_executions(domain="shop", startTimeFilter=since)["count"]
"""
    )
    pytester.makepyfile(
        """
import pytest
from flowy_sim.explore import explore
from flowy_sim.faults import DeciderDies
from shop import ORDER, count, decide, register

pytestmark = pytest.mark.swf(domain="shop", region="eu-west-1")


def order(runner):
    register()
    runner.loop(decide)
    assert runner(("order", "1")).status == "COMPLETED"
    assert count() == 1


def test_once(swf_run):
    order(swf_run)


@pytest.mark.swf(explore={"faults": [DeciderDies()]})
def test_explored(swf_run, swf_boto3):
    order(swf_run)


def test_explored_without_the_marker():
    explore(order, faults=[DeciderDies()], domain="shop", region="eu-west-1")
"""
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=3)
