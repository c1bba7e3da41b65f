"""What decorators and proxies accept, and what they refuse at once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    ConfigurationError,
    NonDeterminismError,
    Retry,
    TaskTimedOut,
    UnrepeatableError,
    Workflow,
    activity,
    workflow,
)
from flowy._determinism.causes import Reason
from flowy._determinism.differences import Difference
from tests.support.example_workflows import Double


class Plain(Activity):
    def run(self) -> None: ...


class PlainWorkflow(Workflow):
    def run(self) -> None: ...


def fresh(base: type[Any]) -> Any:
    return type("Fresh", (base,), {})


@pytest.mark.parametrize(
    ("version", "text"), [(1, "1"), (1.5, "1.5"), ("1", "1"), ("2.0-beta", "2.0-beta")]
)
def test_versions_are_numbers_or_text(version: Any, text: str) -> None:
    assert activity("a", version, "l")(fresh(Plain)).flowy_type.version == text
    assert workflow("w", version, "l")(fresh(PlainWorkflow)).flowy_type.version == text


def test_every_default_that_the_service_needs_is_defined() -> None:
    assert activity("a", 1, "l")(fresh(Plain)).flowy_type.defaults == {
        "defaultTaskList": {"name": "l"},
        "defaultTaskHeartbeatTimeout": "NONE",
        "defaultTaskScheduleToCloseTimeout": "NONE",
        "defaultTaskScheduleToStartTimeout": "NONE",
        "defaultTaskStartToCloseTimeout": "300",
    }
    assert workflow("w", 1, "l")(fresh(PlainWorkflow)).flowy_type.defaults == {
        "defaultTaskList": {"name": "l"},
        "defaultExecutionStartToCloseTimeout": "86400",
        "defaultTaskStartToCloseTimeout": "60",
        "defaultChildPolicy": "TERMINATE",
    }


def test_defaults_are_the_options_of_the_decorator() -> None:
    declared = activity(
        name="a",
        version=1,
        task_list="l",
        heartbeat=10,
        schedule_to_close=100,
        schedule_to_start=0,
        start_to_close=None,
        retry=3,
        error_handling=True,
    )(fresh(Plain)).flowy_type
    assert declared.defaults == {
        "defaultTaskList": {"name": "l"},
        "defaultTaskHeartbeatTimeout": "10",
        "defaultTaskScheduleToCloseTimeout": "100",
        "defaultTaskScheduleToStartTimeout": "0",
        "defaultTaskStartToCloseTimeout": "NONE",
    }
    assert declared.retry == Retry(attempts=3, delay=0)
    assert declared.error_handling is True


ACTIVITY_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "the name of an activity must be text of 1 to 256 characters, not ''"),
    ({"name": 7}, "the name of an activity must be text"),
    ({"name": "x" * 257}, "must be text of 1 to 256 characters"),
    ({"version": True}, "version must be a number or text of 1 to 64 characters, not True"),
    ({"version": None}, "version must be a number or text"),
    ({"version": "x" * 65}, "version must be a number or text of 1 to 64"),
    ({"task_list": None}, "task_list must be text"),
    ({"heartbeat": 1.5}, r"heartbeat must be whole seconds .* not 1.5"),
    ({"heartbeat": "10"}, "heartbeat must be whole seconds"),
    ({"heartbeat": True}, "heartbeat must be whole seconds"),
    ({"start_to_close": -1}, "start_to_close must be whole seconds from 0"),
    ({"schedule_to_close": 100_000_000}, "must be whole seconds from 0 to 99999999"),
    ({"retry": 0}, "retry, the number of attempts, must be a whole number from 1"),
    ({"retry": None}, "retry, the number of attempts"),
    ({"error_handling": 1}, "error_handling must be True or False, not 1"),
]


@pytest.mark.parametrize(("mistake", "sentence"), ACTIVITY_MISTAKES)
def test_an_activity_is_refused_as_soon_as_it_is_declared(
    mistake: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        activity(**{"name": "a", "version": 1, "task_list": "l", **mistake})


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"name": ""}, "the name of a workflow must be text"),
        ({"version": []}, "version must be"),
        ({"task_list": ""}, "task_list must be text"),
        ({"execution_start_to_close": None}, "execution_start_to_close must be"),
        (
            {"execution_start_to_close": 31_536_001},
            "from 1 to 31536000, or a timedelta, not 31536001",
        ),
        ({"task_start_to_close": "NONE"}, "task_start_to_close must be"),
        ({"child_policy": "KILL"}, "one of TERMINATE, REQUEST_CANCEL, ABANDON, not 'KILL'"),
    ],
)
def test_a_workflow_is_refused_as_soon_as_it_is_declared(
    mistake: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        workflow(**{"name": "w", "version": 1, "task_list": "l", **mistake})


async def coroutine(self: Any) -> None: ...


def generator(self: Any) -> Any:
    yield


@pytest.mark.parametrize(
    ("decorate", "base"), [(activity("a", 1, "l"), Activity), (workflow("w", 1, "l"), Workflow)]
)
def test_a_class_that_a_worker_could_not_run_is_refused(
    decorate: Callable[[Any], Any], base: type[Any]
) -> None:
    with pytest.raises(ConfigurationError, match="Fresh has no method run"):
        decorate(fresh(base))
    with pytest.raises(ConfigurationError, match=f"a subclass of flowy.{base.__name__}, not"):
        decorate(object)
    with pytest.raises(ConfigurationError, match=f"a subclass of flowy.{base.__name__}.*, not"):
        decorate("a class")
    for run in (coroutine, generator):
        with pytest.raises(ConfigurationError, match="an ordinary method"):
            decorate(type("Fresh", (base,), {"run": run}))


def test_an_activity_can_be_called_like_any_object() -> None:
    assert Double().run(21) == 42


# Proxies


@pytest.mark.parametrize(
    ("arguments", "overrides", "sentence"),
    [
        ((Plain,), {}, "decorated with @activity, or a name and a version"),
        ((Double, 1), {}, "takes its version from there; leave 1 out"),
        (("double",), {}, "version must be a number or text"),
        (("", 1), {}, "the name of an activity must be text"),
        ((Double,), {"heartbeet": 1}, "no option heartbeet; the options are task_list, heartbeat"),
        ((Double,), {"heartbeat": "1"}, "heartbeat must be whole seconds"),
        ((Double,), {"retry": Retry}, "retry, the number of attempts"),
        ((Double,), {"error_handling": None}, "error_handling must be True or False"),
    ],
)
def test_a_proxy_is_refused_as_soon_as_it_is_made(
    arguments: tuple[Any, ...], overrides: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        ActivityProxy(*arguments, **overrides)


def test_a_retry_needs_an_attempt_and_whole_seconds() -> None:
    with pytest.raises(ConfigurationError, match="attempts of a retry"):
        Retry(attempts=0)
    with pytest.raises(ConfigurationError, match="delay of a retry"):
        Retry(delay=0.5)  # type: ignore[arg-type]


def test_a_proxy_outside_a_workflow_says_where_it_belongs() -> None:
    with pytest.raises(ConfigurationError, match="make it a class attribute of the workflow"):
        ActivityProxy(Double)(1)


def test_a_proxy_of_a_workflow_outside_a_decider_says_so() -> None:
    class Lone(PlainWorkflow):
        double = ActivityProxy(Double)

    assert isinstance(Lone.double, ActivityProxy)
    with pytest.raises(ConfigurationError, match="a workflow that a worker decides"):
        Lone().double(1)


# Errors


@pytest.mark.parametrize(
    "error",
    [
        NonDeterminismError(
            Difference(5, "this", "that", None, Reason.ADDED, "it was added", "take it away", "")
        ),
        UnrepeatableError("time.time()", "shop.py", 3, "self.now()"),
        TaskTimedOut("a 1", "a-1", 2, "HEARTBEAT", "half"),
    ],
)
def test_errors_travel_between_processes(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_all_errors_have_one_base() -> None:
    for name in flowy.__all__:
        value = getattr(flowy, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, flowy.FlowyError)
