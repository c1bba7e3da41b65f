"""The pytest plugin: clients, activities without a service, many tests at once, the marker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

from flowy_sim import Simulation
from flowy_sim._clients.in_process import Client
from flowy_sim.testing import ActivityEnvironment, Runner, Stubs
from tests.support.bakery import Bread, Knead

# Clients


def test_the_client_is_that_of_the_simulation(swf: Simulation, swf_client: Client) -> None:
    swf_client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
    assert list(swf.engine().domains) == ["shop"]


def test_boto3_is_answered_by_the_simulation(swf: Simulation, swf_boto3: ModuleType) -> None:
    client = swf_boto3.client("swf")
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
    assert list(swf.engine().domains) == ["shop"]


def test_boto3_needs_neither_region_nor_credentials(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    boto3 = request.getfixturevalue("swf_boto3")
    assert boto3.client("swf").list_domains(registrationStatus="REGISTERED")["domainInfos"] == []


@pytest.mark.slow
def test_boto3_is_imported_only_if_it_is_used(village: pytest.Pytester) -> None:
    village.makepyfile(
        """
        import sys
        from village_bakery import Bread

        def test_bread(swf_run, swf_client):
            assert swf_run(Bread, 500).status == "COMPLETED"
            assert "boto3" not in sys.modules

        def test_boto3(swf_boto3):
            assert "boto3" in sys.modules
        """
    )
    village.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)


# Activities alone


def test_an_activity_runs_alone(swf_activity: ActivityEnvironment) -> None:
    assert swf_activity(Knead, 500) == "dough of 500 g"
    with pytest.raises(ValueError, match="there is no flour"):
        swf_activity(Knead, 0)


# Many at once

MANY = """
@pytest.mark.parametrize("flour", range(1, 101))
def test_bread(swf_run, swf_stub, swf_client, flour):
    swf_stub(Heat, result=220, takes=20)
    run = swf_run(Bread, flour)
    assert run.result == f"bread of dough of {flour} g at 220"
    assert run.workflow_id == "bread-1"
    history = swf_client.get_workflow_execution_history(
        domain=swf_run.domain, execution={"workflowId": run.workflow_id, "runId": run.run_id}
    )
    assert history["events"] == run.history
"""


@pytest.mark.slow
def test_a_hundred_tests_run_in_parallel_processes_and_are_covered_together(
    village: pytest.Pytester,
) -> None:
    village.makepyfile(test_it=f"import pytest\nfrom village_bakery import *\n\n{MANY}")
    result = village.runpytest_subprocess("-n2", "-q", "--swf-coverage")
    result.assert_outcomes(passed=100)
    assert "  activity bake 1   completed 100; never failed" in str(result.stdout)


@pytest.mark.slow
def test_a_hundred_runs_in_parallel_threads_write_the_same_history() -> None:
    def bake(number: int) -> list[object]:
        stubs = Stubs()
        stubs(Knead, error=OSError("no bowl"), takes=number % 7).then(result="dough", takes=30)
        run = Runner(Simulation(seed=3), stubs=stubs).run(Bread, 500)
        return [run.result, run.simulated_seconds, run.run_id]

    alone = [bake(number) for number in range(7)]
    with ThreadPoolExecutor(50) as threads:
        together = list(threads.map(bake, range(100)))
    assert together == [alone[number % 7] for number in range(100)]


# Markers

WRONG = [
    ("sed=1", "@pytest.mark.swf takes keywords seed, start, "),
    ("seed='7'", "@pytest.mark.swf: seed='7': give a whole number."),
    ("start='2024-01-01'", "@pytest.mark.swf: '2024-01-01' has no time zone; give a datetime"),
    ("latency='none'", "@pytest.mark.swf: latency='none': give Latency.DEFAULT, "),
    ("limits={'polls': 1}", "@pytest.mark.swf: limits={'polls': 1}: give a Limits, such as "),
    ("activities='nowhere'", "@pytest.mark.swf: there is no module 'nowhere'"),
    ("activities=7", "@pytest.mark.swf: activities and workflows must be classes"),
    ("activities=[Bread]", "bakery.Bread'> is not a class decorated with @activity"),
    ("workflows=Knead", "bakery.Knead'> is not a class decorated with @workflow"),
    ("workers=0", "@pytest.mark.swf: workers must be a whole number from 1"),
    ("task_lists='oven'", "@pytest.mark.swf: task_lists must be a list of texts, not 'oven'"),
    ("payloads='s3://x'", "@pytest.mark.swf: payloads must be a Payloads, such as "),
    ("freeze='yes'", "@pytest.mark.swf: freeze must be True or False, not 'yes'"),
    ("golden=1", "@pytest.mark.swf: golden must be True or False, not 1"),
    ("explore={'fault': 1}", "@pytest.mark.swf: exploring has no option fault; it has faults, "),
    ("explore={'faults': 'all'}", "@pytest.mark.swf: faults must be a list of faults such as "),
    ("explore={'faults': [Restart]}", "Restart is a class, write Restart()"),
    ("explore={'runs': 0}", "@pytest.mark.swf: runs must be a whole number from 1"),
    ("explore={'seconds': 'x'}", "@pytest.mark.swf: seconds must be a number of at least 0"),
    ("explore={'processes': 0}", "@pytest.mark.swf: processes must be a whole number from 1"),
    ("explore={'invariants': [7]}", "@pytest.mark.swf: invariants must be a list of functions"),
    ("explore={'most_faults': -1}", "@pytest.mark.swf: most_faults must be a whole number"),
    ("explore={'most_turns': 0}", "@pytest.mark.swf: most_turns must be a whole number from 1"),
    ("explore={'workers': 0}", "@pytest.mark.swf: workers must be a whole number from 1"),
]


def test_a_wrong_marker_fails_with_one_sentence_and_nothing_else(village: pytest.Pytester) -> None:
    tests = "".join(
        f"@pytest.mark.swf({marked})\ndef test_{number}(swf_run): swf_run(Bread, 500)\n\n"
        for number, (marked, _) in enumerate(WRONG)
    )
    imports = "import pytest\nfrom flowy_sim.faults import *\nfrom village_bakery import *\n"
    village.makepyfile(test_it=f"{imports}\n{tests}")
    told = village.runpytest_inprocess("--strict-markers").outlines
    told = told[: next(place for place, line in enumerate(told) if "short test summary" in line)]
    sentences = [line for line in told[7:] if line and line[0] not in "_="]
    assert len(sentences) == len(WRONG)
    for _, sentence in WRONG:
        assert any(sentence in line for line in sentences), sentence
