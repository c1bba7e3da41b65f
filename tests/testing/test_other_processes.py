"""Histories are replayed in another process, where hashes, time and environment differ."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim.explore import _other_process, find
from flowy_sim.explore._other_process import OtherProcessError
from flowy_sim.faults import EVERYDAY, GradualDeploy
from flowy_sim.testing import Runner

pytestmark = pytest.mark.slow

BANKS = {"ours": 1, "theirs": 2}
HIDDEN: dict[str, Any] = {
    "address": id,
    "local": time.mktime,
    "process": os.getpid,
    "remember": BANKS.setdefault,
}
ENVIRONMENT = dict(os.environ)
STARTED_IN = os.getcwd()


@activity("charge", 1, "payments", start_to_close=60)
class Charge(Activity):
    def run(self, bank: str) -> str:
        raise NotImplementedError


class Purchase(Workflow):
    charge = ActivityProxy(Charge)

    def bank(self) -> str:
        return "ours"

    def run(self) -> str:
        return self.charge(self.bank()).result()


def purchase(cls: Any) -> Any:
    return workflow("purchase", 1, "purchases", execution_start_to_close=600)(cls)


@purchase
class Sound(Purchase):
    pass


@purchase
class Patched(Purchase):
    def run(self) -> str:
        self.patched("another bank")
        return super().run()


@purchase
class ByHash(Purchase):
    def bank(self) -> str:
        return str("ours".__hash__())


@purchase
class ByTimeZone(Purchase):
    def bank(self) -> str:
        return str(HIDDEN["local"](datetime(2024, 1, 1, tzinfo=UTC).timetuple()))


@purchase
class ByEnvironment(Purchase):
    def bank(self) -> str:
        return ENVIRONMENT.get("HOSTNAME", "nowhere")


@purchase
class ByFolder(Purchase):
    def bank(self) -> str:
        return STARTED_IN


@purchase
class ByAddress(Purchase):
    def bank(self) -> str:
        return str(HIDDEN["address"](Purchase))


@purchase
class ByProcessId(Purchase):
    def bank(self) -> str:
        return str(HIDDEN["process"]())


@purchase
class ByInheritedEnvironment(Purchase):
    def bank(self) -> str:
        return ENVIRONMENT["PATH"]


@purchase
class ByModuleState(Purchase):
    def bank(self) -> str:
        HIDDEN["remember"]("asked before", HIDDEN["process"]())
        return str(BANKS["asked before"])


@pytest.fixture(autouse=True)
def replayed_elsewhere() -> None:
    """Replay histories in another process, as users do."""


@pytest.fixture(autouse=True)
def none_replayed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_other_process, "_REPLAYED", set())


def explored(cls: type[Workflow], **options: Any) -> BaseException | None:
    def it_is_charged(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        assert runner(cls).result == "paid"

    found = find(it_is_charged, **options)
    assert found.complete is (found.failure is None)
    return None if found.failure is None else found.failure.error


DEPENDENT = [
    ByHash,
    ByAddress,
    ByTimeZone,
    ByEnvironment,
    ByProcessId,
    ByFolder,
    ByModuleState,
]


@pytest.mark.parametrize("cls", DEPENDENT)
def test_a_workflow_that_depends_on_the_process_is_found(cls: type[Workflow]) -> None:
    error = explored(cls)
    assert isinstance(error, OtherProcessError)
    assert f"{cls.__qualname__} decides differently in another process" in str(error)


def test_a_workflow_that_depends_on_its_history_alone_is_not_blamed() -> None:
    assert explored(Sound) is None


def test_variables_of_the_environment_are_not_removed_in_the_other_process() -> None:
    assert explored(ByInheritedEnvironment) is None


def test_a_difference_is_found_while_runs_are_still_made() -> None:
    def it_is_charged(runner: Runner) -> None:
        runner.stubs(Charge, result="paid")
        for _ in range(4):
            runner(ByHash)

    found = find(it_is_charged, faults=EVERYDAY, most_faults=9, runs=10**7, seconds=600)
    assert isinstance(found.failure and found.failure.error, OtherProcessError)
    assert found.seconds < 600


def test_a_workflow_is_not_blamed_for_what_newer_deciders_have_recorded() -> None:
    def it_is_charged(runner: Runner) -> None:
        runner.stubs(Charge, result="paid", takes=5)
        runner(Sound)

    assert find(it_is_charged, faults=[GradualDeploy((Patched,))], runs=40).failure is None


def test_code_that_another_process_cannot_import_is_not_tried() -> None:
    @purchase
    class Local(ByHash):
        pass

    assert explored(Local) is None


def test_it_is_not_tried_if_the_test_says_so() -> None:
    assert explored(ByHash, other_processes=False) is None
