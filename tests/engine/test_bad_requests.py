"""Any request gets a reply or a fault with its message, never a Python exception."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim._engine.engine import Engine
from flowy_sim._engine.faults import Fault, SerializationException, ValidationException
from flowy_sim._engine.model import input_shape, operation_names, service_model
from flowy_sim._engine.validation import checked
from tests.support.bad_requests import Case, cases, dotted, example, good_requests

CASES: dict[str, list[Case]] = defaultdict(list)
for case in cases():
    CASES[case.operation].append(case)

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["NONE", "0", "5", "-1", "TERMINATE", "StartTimer", "REGISTERED"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@cache
def of_shape(shape: Any) -> st.SearchStrategy[Any]:
    """A value that resembles a shape, and is mostly valid."""
    match shape.type_name:
        case "structure":
            members = {name: of_shape(member) for name, member in shape.members.items()}
            required = {name: members.pop(name) for name in shape.required_members}
            good: st.SearchStrategy[Any] = st.fixed_dictionaries(required, optional=members)
        case "list":
            good = st.lists(of_shape(shape.member), max_size=6)
        case _:
            good = st.just(example(shape))
            if shape.type_name == "string" and shape.enum:
                good |= st.sampled_from(shape.enum)
    return st.one_of([good] * 9 + [junk])


def holding_everything() -> tuple[Engine, dict[str, str]]:
    """An engine with one of everything that the valid requests name, and the names of these."""
    engine = Engine()
    defaults = {
        "defaultTaskList": {"name": "5"},
        "defaultTaskStartToCloseTimeout": "NONE",
    }
    of_activities = {
        "defaultTaskHeartbeatTimeout": "NONE",
        "defaultTaskScheduleToCloseTimeout": "NONE",
        "defaultTaskScheduleToStartTimeout": "NONE",
    }
    of_workflows = {
        "defaultExecutionStartToCloseTimeout": "3600",
        "defaultChildPolicy": "ABANDON",
    }
    type_ = {"name": "5", "version": "5"}
    domain = {"domain": "5"}
    engine.call("RegisterDomain", {"name": "5", "workflowExecutionRetentionPeriodInDays": "5"}, 0)
    engine.call("RegisterWorkflowType", {**domain, **type_, **defaults, **of_workflows}, 0)
    engine.call("RegisterActivityType", {**domain, **type_, **defaults, **of_activities}, 0)
    start = {**domain, "workflowId": "5", "workflowType": type_, "tagList": ["5"]}
    run_id = engine.call("StartWorkflowExecution", start, 0)["runId"]
    poll = {**domain, "taskList": {"name": "5"}}
    attributes = {"activityId": "5", "activityType": type_}
    decision = {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": attributes,
    }
    token = engine.call("PollForDecisionTask", poll, 0)["taskToken"]
    decided = {"taskToken": token, "decisions": [decision]}
    engine.call("RespondDecisionTaskCompleted", decided, 0)
    activity = engine.call("PollForActivityTask", poll, 0)["taskToken"]
    engine.call("SignalWorkflowExecution", {**domain, "workflowId": "5", "signalName": "5"}, 0)
    decision_ = engine.call("PollForDecisionTask", poll, 0)["taskToken"]
    engine.call("StartWorkflowExecution", start | {"workflowId": "closed"}, 0)
    engine.call("TerminateWorkflowExecution", {**domain, "workflowId": "closed"}, 0)
    return engine, {"runId": run_id, "activity": activity, "decision": decision_}


def to_the_point(operation: str, request: Any, names: dict[str, str]) -> Any:
    """The request with the names of what the engine holds."""
    if not isinstance(request, dict):
        return request
    told = dict(request)
    if told.get("taskToken") == "5":
        told["taskToken"] = names["decision" if "Decision" in operation else "activity"]
    if told.get("nextPageToken") == "5":
        del told["nextPageToken"]
    if told.get("runId") == "5":
        told["runId"] = names["runId"]
    execution = told.get("execution")
    if isinstance(execution, dict) and execution.get("runId") == "5":
        told["execution"] = execution | {"runId": names["runId"]}
    return told


#: Why the valid requests of an operation may still be refused.
UNFIT = {
    "DeleteActivityType": "TypeNotDeprecatedFault",
    "DeleteWorkflowType": "TypeNotDeprecatedFault",
    "ListTagsForResource": "UnknownResourceFault",
    "RegisterActivityType": "TypeAlreadyExistsFault",
    "RegisterDomain": "DomainAlreadyExistsFault",
    "RegisterWorkflowType": "TypeAlreadyExistsFault",
    "StartWorkflowExecution": "WorkflowExecutionAlreadyStartedFault",
    "TagResource": "UnknownResourceFault",
    "UndeprecateActivityType": "TypeAlreadyExistsFault",
    "UndeprecateDomain": "DomainAlreadyExistsFault",
    "UndeprecateWorkflowType": "TypeAlreadyExistsFault",
    "UntagResource": "UnknownResourceFault",
}


def fault_of(call: Callable[[str, Any], Any], operation: str, request: Any) -> Fault | None:
    try:
        call(operation, request)
    except Fault as fault:
        return fault
    return None


@pytest.mark.parametrize("operation", sorted(operation_names()))
def test_a_single_mistake_is_refused_with_its_message(operation: str) -> None:
    for case in CASES[operation]:
        fault = fault_of(checked, operation, case.request)
        assert (type(fault) if fault else None) is case.fault, case.what
        if isinstance(fault, ValidationException):
            assert case.message is not None
            assert case.message in str(fault.message), case.what
            assert not str(fault.message).startswith("0"), case.what


def test_every_member_of_every_request_is_tried() -> None:
    tried = {(case.operation, case.what) for some in CASES.values() for case in some}

    def members(shape: Any, path: tuple[str | int, ...]) -> Any:
        if shape.type_name == "list":
            yield from members(shape.member, (*path, 0))
        elif shape.type_name == "structure":
            for name, member in shape.members.items():
                yield (*path, name)
                yield from members(member, (*path, name))

    for operation in operation_names():
        for path in members(input_shape(operation), ()):
            assert (operation, f"{dotted(path)} is missing") in tried
            assert (operation, f"{dotted(path)} is null") in tried


@pytest.mark.parametrize("operation", sorted(operation_names()))
def test_superfluous_members_of_a_request_are_dropped(operation: str) -> None:
    for request in good_requests(operation):
        once = checked(operation, request)
        assert checked(operation, {**request, "unknown": {"x": [None]}, "x": None}) == once


@pytest.mark.parametrize("operation", sorted(operation_names()))
@given(data=st.data())
def test_junk_is_accepted_or_refused_as_the_service_does(
    operation: str, data: st.DataObject
) -> None:
    request = data.draw(of_shape(input_shape(operation)) | junk)
    before = repr(request)
    fault = fault_of(checked, operation, request)
    assert repr(request) == before
    assert fault is None or type(fault) in (SerializationException, ValidationException)


@pytest.mark.parametrize("operation", sorted(operation_names()))
def test_a_refused_call_leaves_the_engine_as_it_was(operation: str) -> None:
    model = service_model().operation_model(operation)
    assert operation not in UNFIT or UNFIT[operation] in {s.name for s in model.error_shapes}
    engine, names = holding_everything()
    before = pickle.dumps(engine)
    for case in CASES[operation]:
        request = to_the_point(operation, case.request, names)
        fault = fault_of(partial(engine.call, now=0), operation, request)
        if fault is None:
            assert case.fault is None, case.what
            engine, names = holding_everything()
            before = pickle.dumps(engine)
        elif case.fault is None:
            assert fault.code == UNFIT[operation], case.what
        else:
            assert type(fault) is case.fault, case.what
        assert pickle.dumps(engine) == before, case.what
