from __future__ import annotations

from typing import Any

import pytest

from flowy import (
    Activity,
    ActivityWorker,
    ConfigurationError,
    RegistrationError,
    Workflow,
    WorkflowWorker,
    activity,
    scan,
    workflow,
)
from flowy._workers.registration import load_workflow
from tests.support.example_workflows import Add, Chain, Double
from tests.support.worker_loops import DOMAIN


def activity_worker(client: Any, *activities: type[Activity]) -> ActivityWorker:
    return ActivityWorker(client, DOMAIN, "numbers", activities)


def defaults(client: Any, name: str) -> Any:
    named = {"name": name, "version": "1"}
    return client.describe_activity_type(domain=DOMAIN, activityType=named)["configuration"]


def test_what_the_domain_does_not_know_is_registered_with_all_defaults(client: Any) -> None:
    activity_worker(client, Double).register()
    assert defaults(client, "double") == {
        "defaultTaskHeartbeatTimeout": "30",
        "defaultTaskList": {"name": "numbers"},
        "defaultTaskScheduleToCloseTimeout": "NONE",
        "defaultTaskScheduleToStartTimeout": "NONE",
        "defaultTaskStartToCloseTimeout": "300",
    }
    WorkflowWorker(client, DOMAIN, "decisions", [Chain]).register()
    named = {"name": "chain", "version": "1"}
    described = client.describe_workflow_type(domain=DOMAIN, workflowType=named)
    assert described["configuration"] == {
        "defaultChildPolicy": "TERMINATE",
        "defaultExecutionStartToCloseTimeout": "86400",
        "defaultTaskList": {"name": "decisions"},
        "defaultTaskStartToCloseTimeout": "60",
    }


def test_what_the_domain_knows_already_is_left_alone(client: Any) -> None:
    for _ in range(2):
        activity_worker(client, Double, Add).register()
        WorkflowWorker(client, DOMAIN, "decisions", [Chain]).register()


def test_a_type_with_other_defaults_is_refused_naming_each_difference(client: Any) -> None:
    client.register_activity_type(
        domain=DOMAIN,
        name="double",
        version="1",
        defaultTaskList={"name": "elsewhere"},
        defaultTaskHeartbeatTimeout="60",
        defaultTaskScheduleToCloseTimeout="NONE",
        defaultTaskStartToCloseTimeout="300",
    )
    with pytest.raises(RegistrationError) as refused:
        activity_worker(client, Add, Double).register()
    double = "activity double 1 is registered with"
    assert str(refused.value) == (
        f"the domain 'flowy' has other defaults than the code: "
        f"{double} defaultTaskHeartbeatTimeout '60', the code says '30'; "
        f"{double} defaultTaskList 'elsewhere', the code says 'numbers'; "
        f"{double} defaultTaskScheduleToStartTimeout unset, the code says 'NONE'; "
        "registered defaults cannot be changed: restore the code's, or give the type a new version"
    )
    with pytest.raises(Exception, match="Unknown type"):
        defaults(client, "add")


def test_a_workflow_with_other_defaults_is_refused(client: Any) -> None:
    WorkflowWorker(client, DOMAIN, "decisions", [Chain]).register()

    @workflow("chain", 1, "decisions", execution_start_to_close=60, child_policy="ABANDON")
    class Other(Workflow):
        def run(self) -> None: ...

    worker = WorkflowWorker(client, DOMAIN, "decisions", [Other])
    with pytest.raises(RegistrationError) as refused:
        worker.register()
    assert "defaultChildPolicy 'TERMINATE', the code says 'ABANDON'" in str(refused.value)
    assert "defaultExecutionStartToCloseTimeout '86400', the code says '60'" in str(refused.value)


def test_an_unknown_domain_says_how_to_register_it(client: Any) -> None:
    worker = ActivityWorker(client, "nowhere", "numbers", [Double])
    with pytest.raises(RegistrationError, match="flowy register-domain nowhere"):
        worker.register()


def test_a_deprecated_type_is_worked_on_with_a_warning(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    worker = activity_worker(client, Double)
    worker.register()
    client.deprecate_activity_type(domain=DOMAIN, activityType={"name": "double", "version": "1"})
    worker.register()
    assert "the activity double 1 is deprecated in flowy" in caplog.text


class Slow:
    """A client to whose domain another worker registers a type at the same moment."""

    def __init__(self, client: Any, other: ActivityWorker) -> None:
        self._client = client
        self._other = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def register_activity_type(self, **request: Any) -> Any:
        self._other.register()
        return self._client.register_activity_type(**request)


def test_another_worker_may_register_at_the_same_moment(client: Any) -> None:
    activity_worker(Slow(client, activity_worker(client, Double)), Double).register()

    @activity("add", 1, "numbers", heartbeat=7)
    class Other(Activity):
        def run(self) -> None: ...

    with pytest.raises(RegistrationError, match="defaultTaskHeartbeatTimeout '7', the code says"):
        activity_worker(Slow(client, activity_worker(client, Other)), Add).register()


def test_an_unrelated_fault_is_passed_on() -> None:
    class Refusing:
        def describe_activity_type(self, **request: Any) -> Any:
            raise PermissionError("not allowed")

    with pytest.raises(PermissionError):
        activity_worker(Refusing(), Double).register()


# Scanning


def test_a_package_is_searched_with_all_below_it_and_not_run() -> None:
    found = scan("tests.flowy.scanned")
    assert [str(cls.flowy_type) for cls in found.activities] == ["cut 1", "cut 2", "double 1"]
    assert [str(cls.flowy_type) for cls in found.workflows] == ["cutting 1"]


def test_a_module_is_searched_as_it_is() -> None:
    from tests.flowy.scanned.inner import work

    found = scan(work, "tests.flowy.scanned.inner.work")
    assert [cls.__name__ for cls in found.activities] == ["OldCut", "Cut", "Double"]
    assert [cls.__name__ for cls in found.workflows] == ["Cutting"]


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no module 'no_such', neither in this folder nor"):
        scan("no_such")
    with pytest.raises(ConfigurationError, match="; leave out "):
        scan("tests.flowy.scanned.py")
    with pytest.raises(ConfigurationError, match=r"; give only the module: tests\.flowy\.scanned"):
        scan("tests.flowy.scanned:Cutting")


def test_a_workflow_is_loaded_by_module_and_class() -> None:
    assert load_workflow("tests.flowy.scanned.inner.work:Cutting").__name__ == "Cutting"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "tests.flowy.scanned.inner.work",
            "name a workflow as module:Class, not 'tests.flowy.scanned.inner.work'",
        ),
        (
            "tests.flowy.scanned.inner.work.Cutting",
            "as module:Class, .*; did you mean tests.flowy.scanned.inner.work:Cutting",
        ),
        ("tests.flowy.scanned.inner.work:", "as module:Class"),
        (":Cutting", "as module:Class"),
        (
            "tests.flowy.scanned.inner.work:Nothing",
            "'Nothing' is not a workflow .* its workflows: Cutting",
        ),
        ("tests.flowy.scanned.inner.work:Cut", "'Cut' is not a workflow"),
        ("no_such:Cutting", "there is no module 'no_such'"),
    ],
)
def test_a_path_that_leads_to_no_workflow_is_refused(path: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        load_workflow(path)
