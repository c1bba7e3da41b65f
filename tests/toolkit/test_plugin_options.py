"""What the pytest plugin sees to: strict stubs, golden histories, coverage, boto3, many at once."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from bakery import Bread, Knead

import flowy
from flowy_sim import Simulation
from flowy_sim.alone import Alone
from flowy_sim.client import Client
from flowy_sim.runner import Runner
from flowy_sim.stubs import Stubs

BAKERY = (Path(__file__).parent / "bakery.py").read_text(encoding="utf-8")


def report(village: pytest.Pytester, code: str, *options: str, **outcomes: int) -> str:
    """Run tests and return what pytest prints."""
    village.makepyfile(test_it=f"import pytest\nfrom village_bakery import *\n\n{code}")
    result = village.runpytest_inprocess("--strict-markers", *options)
    result.assert_outcomes(**outcomes)
    return str(result.stdout)


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


def test_boto3_is_imported_only_where_it_is_asked_for(village: pytest.Pytester) -> None:
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


# Stubs


def test_a_stub_that_was_never_used_fails_the_test(village: pytest.Pytester) -> None:
    text = report(
        village,
        """
def test_bread(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    assert swf_run(Bread, 500).status == "COMPLETED"
""",
        failed=1,
    )
    sentence = "the stub of kneed 1 was never used; the nearest that was called is knead 1"
    assert f"\n{sentence}\n" in text
    assert "pytest_plugin/" not in text.partition("FAILURES")[2]


def test_stubs_need_no_use_where_a_marker_says_so_or_the_test_fails_anyway(
    village: pytest.Pytester,
) -> None:
    text = report(
        village,
        """
@pytest.mark.swf(strict=False)
def test_bread(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    swf_run(Bread, 500)

def test_cake(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    assert swf_run(Bread, 500).result == "cake"

def test_skipped(swf_stub):
    swf_stub("kneed", 1)
    pytest.skip("no flour")
""",
        passed=1,
        failed=1,
        skipped=1,
    )
    assert "Failed: the stub" not in text


def test_a_failing_test_names_stubs_that_are_probably_misspelt(village: pytest.Pytester) -> None:
    text = report(
        village,
        """
def test_bread(swf_run, swf_stub):
    swf_stub("kneed", 1, result="dough")
    swf_stub("clean", 1)
    assert swf_run(Bread, 500).result == "cake"
""",
        failed=1,
    )
    assert "- Stubs that were not used -" in text
    assert "the stub of kneed 1 was never used; the nearest that was called is knead 1" in text
    assert "clean" not in text.partition("not used -")[2]


def test_an_unexpected_call_fails_at_the_line_that_ran_the_workflow(
    village: pytest.Pytester,
) -> None:
    text = report(
        village,
        """
def test_bread(swf_run, swf_stub):
    swf_stub(Bake).when("dough", 200).then(result="bread")
    swf_stub(Knead, result="dough")
    swf_run(Bread, 500)
""",
        failed=1,
    )
    assert "UnexpectedCallError: bake 1 was called with dough='dough', degrees=220" in text
    assert re.search(r"^> +swf_run\(Bread, 500\)$", text, re.MULTILINE)
    assert "the service refuses" not in text
    assert "runner.py" not in text.partition("FAILURES")[2].partition("short test")[0]


# Golden histories

GOLDEN = """
@pytest.mark.swf(golden=True)
@pytest.mark.parametrize("flour", [500, 0])
def test_bread(swf_run, swf_stub, flour):
    swf_stub(Heat, result=220, takes=20)
    swf_run(Bread, flour)
    swf_run(Bread, flour + 1)
"""

CHANGED = BAKERY.replace("dough = self.knead(flour)", "dough = self.knead(flour, 1)")


def test_golden_histories_are_recorded_and_replayed(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    kept = sorted((village.path / "histories" / "test_it").iterdir())
    assert [path.name for path in kept] == [
        "test_bread_0.2.json",
        "test_bread_0.json",
        "test_bread_500.2.json",
        "test_bread_500.json",
    ]
    first = json.loads(kept[-1].read_text(encoding="utf-8"))["events"][0]
    assert first["eventType"] == "WorkflowExecutionStarted"
    assert first["eventTimestamp"] == "2024-01-01T00:00:00+00:00"
    report(village, GOLDEN, passed=2)


def test_recording_twice_writes_the_same_bytes(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    folder_of_histories = village.path / "histories" / "test_it"
    once = {path: path.read_bytes() for path in folder_of_histories.iterdir()}
    report(village, GOLDEN, "--swf-record", passed=2)
    assert once == {path: path.read_bytes() for path in folder_of_histories.iterdir()}


def test_code_that_would_break_running_executions_fails(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    village.makepyfile(town_bakery=CHANGED)
    text = report(village, f"from town_bakery import Bread\n{GOLDEN}", failed=2)
    assert "test_bread_500.json does not replay any more: event 5 of the history shows" in text
    assert "[[500, 1], {}]" in text
    assert "record it again: pytest --swf-record" in text
    assert "pytest_plugin/" not in text.partition("FAILURES")[2]


def test_a_golden_test_that_was_not_recorded_says_how(village: pytest.Pytester) -> None:
    text = report(village, GOLDEN, failed=2)
    assert "no history of this test is kept as" in text
    assert "record it once with pytest --swf-record" in text


def test_a_golden_history_of_another_workflow_is_told(village: pytest.Pytester) -> None:
    report(village, GOLDEN, "--swf-record", passed=2)
    other = GOLDEN.replace("Bread, flour", "Cake").replace("+ 1", "")
    cake = """
@workflow("cake", 1, "orders")
class Cake(Workflow):
    heat = ActivityProxy(Heat)

    def run(self):
        return self.heat(1)
"""
    text = report(village, cake + other, failed=2)
    assert "is a history of bread 1, which this test does not run" in text


def test_golden_histories_need_a_runner(village: pytest.Pytester) -> None:
    text = report(village, "@pytest.mark.swf(golden=True)\ndef test_it(): pass", failed=1)
    assert "golden=True) is for tests that use swf_run" in text


def test_a_golden_test_that_runs_nothing_says_so(village: pytest.Pytester) -> None:
    code = "@pytest.mark.swf(golden=True)\ndef test_it(swf_run): pass"
    assert "has run no workflow by swf_run" in report(village, code, "--swf-record", failed=1)


# Coverage

COVERED = """
@pytest.mark.parametrize("flour", [500, 0])
def test_bread(swf_run, swf_stub, flour):
    swf_stub(Heat, timeout="HEARTBEAT").then(result=220)
    swf_run(Bread, flour)

def test_by_hand(swf, swf_client):
    pass

@workflow("cake", 1, "orders")
class Cake(Workflow):
    ice = ActivityProxy("ice", 1)

    def run(self):
        return "cake"

def test_cake(swf_run):
    swf_run(Cake)
"""

MET = """\
bread 1
  activity bake 1   never called
  activity heat 1   timed out (HEARTBEAT) 1; never completed, failed, timed out (START_TO_CLOSE), \
canceled
  activity knead 1  failed 2, completed 1; never timed out (START_TO_CLOSE), canceled
cake 1
  activity ice 1    never called
3 of 9 outcomes met
"""


def test_coverage_says_what_was_met_and_what_never(village: pytest.Pytester) -> None:
    assert MET in report(village, COVERED, "--swf-coverage", passed=4)


FAMILY = """
@workflow("cake", 1, "orders")
class Cake(Workflow):
    bread = WorkflowProxy(Bread, error_handling=True)
    other = WorkflowProxy("other", 1, error_handling=True)

    def run(self):
        done = [self.bread(500), self.bread(0), self.other()]
        return [outcome.done for outcome in done if not wait(outcome)]

def test_cake(swf_run, swf_stub):
    swf_stub(Bread, result=1).then(error=OSError("cold"))
    swf_stub.child("other", 1)
    swf_run(Cake)
"""


def test_coverage_tells_of_children(village: pytest.Pytester) -> None:
    text = report(village, f"from flowy import *\n{FAMILY}", "--swf-coverage", passed=1)
    assert (
        """\
  child bread 1  completed 1, failed 1; never timed out (START_TO_CLOSE), canceled, terminated
  child other 1  completed 1; never failed, timed out (START_TO_CLOSE), canceled, terminated
"""
        in text
    )


def test_coverage_is_reported_only_where_it_is_wanted(village: pytest.Pytester) -> None:
    assert "outcomes met" not in report(village, COVERED, passed=4)


# Activities alone


def test_an_activity_runs_alone(swf_activity: Alone) -> None:
    assert swf_activity(Knead, 500) == "dough of 500 g"
    with pytest.raises(ValueError, match="there is no flour"):
        swf_activity(Knead, 0)


# Many at once

MANY = """
@pytest.mark.parametrize("flour", range(1, 501))
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


def test_five_hundred_tests_run_in_parallel_processes_and_are_covered_together(
    village: pytest.Pytester,
) -> None:
    village.makepyfile(test_it=f"import pytest\nfrom village_bakery import *\n\n{MANY}")
    result = village.runpytest_subprocess("-n2", "-q", "--swf-coverage")
    result.assert_outcomes(passed=500)
    assert "  activity bake 1   completed 500; never failed" in str(result.stdout)


def test_five_hundred_runs_in_parallel_threads_write_the_same_history() -> None:
    def bake(number: int) -> list[object]:
        stubs = Stubs()
        stubs(Knead, error=OSError("no bowl"), takes=number % 7).then(result="dough", takes=30)
        run = Runner(Simulation(seed=3), stubs=stubs).run(Bread, 500)
        return [run.result, run.simulated_seconds, run.run_id]

    alone = [bake(number) for number in range(7)]
    with ThreadPoolExecutor(50) as threads:
        together = list(threads.map(bake, range(500)))
    assert together == [alone[number % 7] for number in range(500)]


def test_the_replay_of_a_golden_history_needs_a_whole_file(tmp_path: Path) -> None:
    from flowy_sim.histories.files import load

    (tmp_path / "x.json").write_text('{"events": [{"eventId": 2}]}', encoding="utf-8")
    with pytest.raises(flowy.HistoryError, match="does not hold the whole history"):
        load(tmp_path / "x.json")


# Markers

WRONG = [
    ("sed=1", "@pytest.mark.swf takes keywords seed, start, "),
    ("seed='7'", "@pytest.mark.swf: seed='7': give a whole number."),
    ("start='2024-01-01'", "@pytest.mark.swf: '2024-01-01' names no time zone; give a datetime"),
    ("latency='none'", "@pytest.mark.swf: latency='none': give DEFAULT, ZERO or RECORDED of "),
    ("limits={'polls': 1}", "@pytest.mark.swf: limits={'polls': 1}: give a Limits, such as "),
    ("activities='nowhere'", "@pytest.mark.swf: there is no module 'nowhere'"),
    ("activities=7", "@pytest.mark.swf: activities and workflows are looked for in classes"),
    ("activities=[Bread]", "bakery.Bread'> is no class decorated with @activity"),
    ("workflows=Knead", "bakery.Knead'> is no class decorated with @workflow"),
    ("workers=0", "@pytest.mark.swf: workers must be a whole number from 1"),
    ("task_lists='oven'", "@pytest.mark.swf: task_lists must be a list of texts, not 'oven'"),
    ("payloads='s3://x'", "@pytest.mark.swf: payloads must be a Payloads, such as "),
    ("freeze='yes'", "@pytest.mark.swf: freeze is True or False, not 'yes'"),
    ("golden=1", "@pytest.mark.swf: golden is True or False, not 1"),
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


def test_a_wrong_marker_is_told_in_a_sentence_and_nothing_else(village: pytest.Pytester) -> None:
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
