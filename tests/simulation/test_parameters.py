"""Arguments of the client in process, compared with botocore: what it checks and sends."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim._clients.in_process import request
from flowy_sim._engine.model import input_shape, operation_names, service_model
from flowy_sim._engine.validation import CheckedRequest, checked

ANYTHING = st.sampled_from(
    [None, "", "x", 0, -1, True, 1.0, 1.5, [None], {}, ("x",), b"x", "é\ud800"]
)
INSTANTS = st.sampled_from(
    [
        0,
        1.5,
        "2024-01-01T00:00:00Z",
        datetime(2024, 1, 1, 0, 0, 1, 999_999, UTC),
        datetime(2024, 1, 1),
    ]
)


def values(shape: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a shape, a few of them wrong."""
    match shape.type_name:
        case "structure":
            required = set(shape.required_members)
            members = {name: values(member) for name, member in shape.members.items()}
            right = st.fixed_dictionaries(
                {name: member for name, member in members.items() if name in required},
                optional={name: member for name, member in members.items() if name not in required},
            )
            return st.one_of(right, right, right, right | _with_unknown(right), ANYTHING)
        case "list":
            right = st.lists(values(shape.member), max_size=2)
            return st.one_of(right, right, right, right.map(tuple), ANYTHING)
        case "timestamp":
            return st.one_of(INSTANTS, INSTANTS, ANYTHING)
        case "integer":
            return st.one_of(st.integers(-5, 2000), st.integers(-5, 2000), ANYTHING)
        case "boolean":
            return st.one_of(st.booleans(), st.booleans(), ANYTHING)
        case _:
            return st.one_of(st.just("text"), st.just("text"), st.text(max_size=3), ANYTHING)


def _with_unknown(structures: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return structures.map(lambda members: {**members, "colour": "blue"})


def calls() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Return a strategy for operations and arguments."""
    return st.sampled_from(sorted(operation_names())).flatmap(
        lambda operation: st.tuples(
            st.just(operation),
            values(input_shape(operation)).filter(lambda arguments: isinstance(arguments, dict)),
        )
    )


@given(calls())
def test_arguments_are_checked_and_spelled_as_botocore_does(
    call: tuple[str, dict[str, Any]],
) -> None:
    operation, arguments = call
    model = service_model().operation_model(operation)
    objections = ParamValidator().validate(arguments, model.input_shape).generate_report()
    if objections:
        with pytest.raises(ParamValidationError) as raised:
            request(operation, arguments)
        assert str(raised.value) == f"Parameter validation failed:\n{objections}"
    else:
        sent = create_serializer("json").serialize_to_request(arguments, model)["body"]
        spelled = request(operation, arguments)
        assert spelled == json.loads(sent)
        if isinstance(spelled, CheckedRequest):
            assert spelled == checked(operation, spelled)


def test_arguments_that_need_no_spelling_are_not_checked_again() -> None:
    decision = {"decisionType": "CompleteWorkflowExecution"}
    arguments = {"taskToken": "x", "decisions": [decision]}
    spelled = request("RespondDecisionTaskCompleted", arguments)
    assert isinstance(spelled, CheckedRequest)
    assert spelled == arguments


def test_a_request_shares_nothing_that_can_change_with_the_arguments() -> None:
    task_list = {"name": "orders"}
    spelled = request("PollForActivityTask", {"domain": "shop", "taskList": task_list})
    task_list["name"] = "others"
    assert spelled["taskList"] == {"name": "orders"}
