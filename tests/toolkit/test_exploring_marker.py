"""A test marked with ``explore`` is run under many orders and faults."""

from __future__ import annotations

import re

import pytest

from flowy.errors import ConfigurationError
from flowy_sim import Simulation

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


def test_what_its_own_order_hides_is_found_and_repeated(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHOP + CARELESS)
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=1)
    report.stdout.fnmatch_lines(
        ["E*FoundError: test nobody pays twice: assert [[]7, 7[]] == [[]7[]]*"]
    )
    found = re.search(r"repeat: pytest (\S+) --swf-choices='(.+)'", str(report.stdout))
    assert found is not None
    again = pytester.runpytest_inprocess(found[1], f"--swf-choices={found[2]}")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*found in 1 run*"])
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
    report = pytester.runpytest_inprocess("-rP")
    report.assert_outcomes(passed=1)
    report.stdout.fnmatch_lines(["* runs and * states in *, all of the space"])


def test_what_a_test_says_of_itself_is_heard(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest

pytestmark = pytest.mark.swf(explore=True)

def test_that_fails():
    pytest.fail("not today")

def test_that_is_skipped():
    pytest.skip("not today")
"""
    )
    pytester.runpytest_inprocess().assert_outcomes(failed=1, skipped=1)


@pytest.mark.parametrize(
    ("marked", "sentence"),
    [
        ("explore=7", "*takes True, or a dictionary of the options of*explore*not 7"),
        ("explore=True", "*the fixture 'client' uses 'swf', which is new in each run*"),
    ],
)
def test_what_cannot_be_explored_is_refused(
    pytester: pytest.Pytester, marked: str, sentence: str
) -> None:
    pytester.makepyfile(
        f"""
import pytest

@pytest.fixture
def client(swf):
    return swf.client()

@pytest.mark.swf({marked})
def test_it(client):
    pass
"""
    )
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(failed=1)
    report.stdout.fnmatch_lines([sentence])


def test_an_option_that_exploring_has_not_is_told(swf: Simulation) -> None:
    with pytest.raises(ConfigurationError, match="exploring has no option fault; it has faults,"):
        swf.explore(lambda runner: None, fault=[])
