from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest

from flowy_sim._engine.faults import (
    Fault,
    SerializationException,
    UnknownOperationException,
    ValidationException,
)
from flowy_sim._engine.model import enum, operation_names
from flowy_sim._engine.validation import ENUM_ORDERS, checked

EXECUTION = {"workflowId": "w", "runId": "r"}
TYPE = {"name": "n", "version": "1"}
START = {"domain": "d", "workflowId": "w", "workflowType": TYPE}
NULL = "Member must not be null"


def refusal(operation: str, request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        checked(operation, request)
    return caught.value


def message(operation: str, request: Any) -> str:
    fault = refusal(operation, request)
    assert type(fault) is ValidationException
    assert fault.message is not None
    return fault.message


def serialization(operation: str, request: Any) -> str | None:
    fault = refusal(operation, request)
    assert type(fault) is SerializationException
    return fault.message


def constraint(operation: str, request: Any) -> str:
    """The one constraint that a request breaks."""
    head, _, tail = message(operation, request).partition("failed to satisfy constraint: ")
    assert head.startswith("1 validation error detected: ")
    return tail


def decide(*decisions: Any, **others: Any) -> dict[str, Any]:
    return {"taskToken": "t", "decisions": list(decisions), **others}


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    name = f"{kind[0].lower()}{kind[1:]}DecisionAttributes"
    return {"decisionType": kind, name: attributes}


# What comes back


def test_a_valid_request_is_returned_unchanged() -> None:
    request = START | {"input": "", "tagList": ["a", None], "taskPriority": "-3"}
    assert checked("StartWorkflowExecution", request) == request


def test_the_result_shares_nothing_with_the_request() -> None:
    request = START | {"tagList": ["a"]}
    kept = checked("StartWorkflowExecution", request)
    request["tagList"].append("b")  # type: ignore[attr-defined]
    assert kept["tagList"] == ["a"]
    assert kept["workflowType"] is not TYPE


def test_unknown_and_null_members_are_left_out_at_every_level() -> None:
    request: dict[Any, Any] = START | {
        "TaskList": {"name": "x"},
        "input": None,
        "taskList": {"name": "t", "colour": 5},
        7: 7,
    }
    assert checked("StartWorkflowExecution", request) == START | {"taskList": {"name": "t"}}


def test_empty_optional_ids_versions_and_durations_are_as_good_as_absent() -> None:
    signal = {"domain": "d", "workflowId": "w", "signalName": "s"}
    assert checked("SignalWorkflowExecution", signal | {"runId": ""}) == signal
    filters = {"domain": "d", "startTimeFilter": {"oldestDate": 0}}
    kept = checked(
        "ListOpenWorkflowExecutions", filters | {"typeFilter": {"name": "n", "version": ""}}
    )
    assert kept["typeFilter"] == {"name": "n"}


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        (0, 0),
        (1_497_371_587, 1_497_371_587_000),
        (1.497371587073e9, 1_497_371_587_073),
        (datetime(1970, 1, 1, 0, 0, 1, 5999, UTC), 1_005),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(1970, 1, 2), 86_400_000),
        (-1.5, -1_500),
    ],
)
def test_timestamps_become_milliseconds_since_the_epoch(given: Any, milliseconds: int) -> None:
    kept = checked(
        "CountOpenWorkflowExecutions", {"domain": "d", "startTimeFilter": {"oldestDate": given}}
    )
    assert kept["startTimeFilter"] == {"oldestDate": milliseconds}


def test_tuples_mappings_and_text_enums_are_converted() -> None:
    class Name(StrEnum):
        DOMAIN = "d"

    kept = checked(
        "StartWorkflowExecution",
        MappingProxyType(
            START | {"domain": Name.DOMAIN, "tagList": ("a",), "taskList": MappingProxyType(TYPE)}
        ),
    )
    assert kept == START | {"tagList": ["a"], "taskList": {"name": "n"}}
    assert type(kept["domain"]) is str


# Types


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "class java.lang.Short can not be converted to an String"),
        (32_768, "class java.lang.Integer can not be converted to an String"),
        (1 << 31, "class java.lang.Long can not be converted to an String"),
        (1 << 63, "class java.math.BigInteger can not be converted to an String"),
        (1.5, "class java.lang.Double can not be converted to an String"),
        (True, "class java.lang.Boolean can not be converted to an String"),
        ([], "Start of list found where not expected"),
        ({}, "Start of structure or map found where not expected."),
        (b"x", "class bytes can not be converted to an String"),
    ],
)
def test_only_text_is_text(value: Any, text: str) -> None:
    assert serialization("StartWorkflowExecution", START | {"input": value}) == text
    assert serialization("StartWorkflowExecution", START | {"childPolicy": value}) == text
    assert serialization("StartWorkflowExecution", START | {"taskPriority": value}) == text
    assert serialization("StartWorkflowExecution", START | {"tagList": [value]}) == text


def test_a_number_for_a_duration_is_refused_as_reported() -> None:
    timer = decision("StartTimer", timerId="t", startToFireTimeout=5)
    assert (
        serialization("RespondDecisionTaskCompleted", decide(timer))
        == "class java.lang.Short can not be converted to an String"
    )


HISTORY = {"domain": "d", "execution": EXECUTION}


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("maximumPageSize", "5", "class java.lang.String can not be converted to an Integer"),
        ("maximumPageSize", True, "class java.lang.Boolean can not be converted to an Integer"),
        ("maximumPageSize", None, None),
        ("maximumPageSize", float("nan"), None),
        ("reverseOrder", None, None),
        ("reverseOrder", 1, "class java.lang.Short can not be converted to an Boolean"),
        ("reverseOrder", "yes", "'yes' can not be converted to an Boolean"),
        ("execution", "w", "Expected null"),
        ("execution", [], "Start of list found where not expected"),
    ],
)
def test_values_of_another_type_are_not_converted(
    member: str, value: Any, text: str | None
) -> None:
    assert serialization("GetWorkflowExecutionHistory", HISTORY | {member: value}) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "Expected list or null"),
        (5, "Expected list or null"),
        ({}, "Start of structure or map found where not expected."),
    ],
)
def test_only_a_list_is_a_list(value: Any, text: str) -> None:
    assert serialization("StartWorkflowExecution", START | {"tagList": value}) == text


@pytest.mark.parametrize("value", ["2024-01-01", True, [], float("inf"), 1e306])
def test_only_a_number_or_a_datetime_is_a_time(value: Any) -> None:
    request = {"domain": "d", "startTimeFilter": {"oldestDate": value}}
    assert type(refusal("ListOpenWorkflowExecutions", request)) is SerializationException


def test_types_are_checked_before_constraints() -> None:
    request = {"domain": "", "workflowId": "w" * 300, "input": 5}
    assert serialization("StartWorkflowExecution", request)


def test_a_request_that_is_no_structure_is_refused() -> None:
    assert type(refusal("ListDomains", [])) is SerializationException
    assert type(refusal("ListDomains", "x")) is SerializationException
    assert type(refusal("ListDomains", None)) is SerializationException


def test_an_unknown_operation_is_refused() -> None:
    assert type(refusal("ListDomain", {})) is UnknownOperationException


# Constraints


def test_a_missing_run_id_is_reported_as_measured() -> None:
    expected = (
        "1 validation error detected: Value null at 'execution.runId' failed to satisfy "
        "constraint: Member must not be null"
    )
    for execution in ({"workflowId": "w"}, {"workflowId": "w", "runId": None}):
        request = {"domain": "d", "execution": execution}
        assert message("DescribeWorkflowExecution", request) == expected
        assert message("GetWorkflowExecutionHistory", request) == expected


def test_a_missing_structure_is_reported_without_its_members() -> None:
    assert message("DescribeWorkflowExecution", {}) == (
        "2 validation errors detected: "
        f"Value null at 'domain' failed to satisfy constraint: {NULL}; "
        f"Value null at 'execution' failed to satisfy constraint: {NULL}"
    )


def test_all_problems_are_reported_in_the_order_of_the_model() -> None:
    request = {"childPolicy": "NONE", "tagList": list("abcdef"), "workflowType": {}, "domain": ""}
    assert message("StartWorkflowExecution", request).split("; ") == [
        "6 validation errors detected: Value '' at 'domain' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
        f"Value null at 'workflowId' failed to satisfy constraint: {NULL}",
        f"Value null at 'workflowType.name' failed to satisfy constraint: {NULL}",
        f"Value null at 'workflowType.version' failed to satisfy constraint: {NULL}",
        "Value '[a, b, c, d, e, f]' at 'tagList' failed to satisfy constraint: "
        "Member must have length less than or equal to 5",
        "Value 'NONE' at 'childPolicy' failed to satisfy constraint: "
        "Member must satisfy enum value set: [TERMINATE, REQUEST_CANCEL, ABANDON]",
    ]


def test_places_in_lists_are_counted_from_one() -> None:
    marker = decision("RecordMarker", markerName=None)
    assert message("RespondDecisionTaskCompleted", decide(marker)) == (
        "1 validation error detected: Value null at "
        "'decisions.1.member.recordMarkerDecisionAttributes.markerName' failed to satisfy "
        f"constraint: {NULL}"
    )
    good = decision("RecordMarker", markerName="m")
    assert "'decisions.2.member.decisionType'" in message(
        "RespondDecisionTaskCompleted", decide(good, {})
    )


def test_attributes_that_do_not_belong_to_the_decision_are_checked_too() -> None:
    mixed = decision("CancelTimer", timerId="t") | decision("StartTimer", timerId="t")
    mixed["decisionType"] = "CancelTimer"
    assert "startToFireTimeout" in message("RespondDecisionTaskCompleted", decide(mixed))


@pytest.mark.parametrize(
    ("operation", "request_", "values"),
    [
        (
            "RespondDecisionTaskCompleted",
            decide({"decisionType": "Sleep"}),
            "CompleteWorkflowExecution, StartTimer, RequestCancelExternalWorkflowExecution, "
            "SignalExternalWorkflowExecution, CancelTimer, RecordMarker, ScheduleActivityTask, "
            "ContinueAsNewWorkflowExecution, ScheduleLambdaFunction, FailWorkflowExecution, "
            "RequestCancelActivityTask, StartChildWorkflowExecution, CancelWorkflowExecution",
        ),
        (
            "ListClosedWorkflowExecutions",
            {
                "domain": "d",
                "startTimeFilter": {"oldestDate": 0},
                "closeStatusFilter": {"status": "CONTINUE"},
            },
            "TERMINATED, TIMED_OUT, COMPLETED, CONTINUED_AS_NEW, CANCELED, FAILED",
        ),
        ("ListDomains", {"registrationStatus": ""}, "REGISTERED, DEPRECATED"),
    ],
)
def test_enums_are_listed_in_the_order_of_the_service(
    operation: str, request_: Any, values: str
) -> None:
    assert constraint(operation, request_) == f"Member must satisfy enum value set: [{values}]"


@pytest.mark.parametrize("name", ENUM_ORDERS)
def test_the_order_of_an_enum_has_exactly_its_values(name: str) -> None:
    assert sorted(ENUM_ORDERS[name]) == sorted(enum(name))


def test_lengths_are_counted_in_utf_16_units() -> None:
    def with_input(text: str) -> dict[str, Any]:
        return START | {"input": text}

    for good in ("x" * 32_768, "é" * 32_768, "😀" * 16_384, "\ud800" * 32_768):
        assert checked("StartWorkflowExecution", with_input(good))["input"] == good
    for bad in ("x" * 32_769, "é" * 32_769, "😀" * 16_385):
        assert (
            constraint("StartWorkflowExecution", with_input(bad))
            == "Member must have length less than or equal to 32768"
        )


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1001, "Member must have value less than or equal to 1000"),
        (-1, "Member must have value greater than or equal to 0"),
    ],
)
def test_page_sizes_out_of_range_are_refused_as_measured(size: int, expected: str) -> None:
    request = {"registrationStatus": "REGISTERED", "maximumPageSize": size}
    assert constraint("ListDomains", request) == expected


def test_a_bad_element_of_a_list_of_texts_is_reported_with_the_whole_list() -> None:
    assert message("UntagResource", {"resourceArn": "a", "tagKeys": ["k", ""]}) == (
        "1 validation error detected: Value '[k, ]' at 'tagKeys' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 128, "
        "Member must have length greater than or equal to 1]"
    )


def test_types_in_a_list_are_checked_before_its_constraints() -> None:
    for keys in (["", 5], ["k" * 200, None, 5]):
        assert serialization("UntagResource", {"resourceArn": "a", "tagKeys": keys})


def test_null_elements_are_only_allowed_among_tags() -> None:
    assert checked("StartWorkflowExecution", START | {"tagList": [None]})["tagList"] == [None]
    assert "Value null at 'decisions.1.member'" in message(
        "RespondDecisionTaskCompleted", decide(None)
    )
    assert "Value null at 'tagKeys.2.member'" in message(
        "UntagResource", {"resourceArn": "a", "tagKeys": ["k", None]}
    )


# Durations, periods and priorities


@pytest.mark.parametrize("value", ["0", "3600", "3601", "99999999", "NONE", "007", "+5"])
def test_a_duration_is_seconds_or_none(value: str) -> None:
    kept = checked("StartWorkflowExecution", START | {"taskStartToCloseTimeout": value})
    assert kept["taskStartToCloseTimeout"] == value


@pytest.mark.parametrize("value", ["abc", "1.5", "none", " 5", "٣", "-", "1e3"])
def test_something_that_is_not_a_duration_is_refused(value: str) -> None:
    request = START | {"taskStartToCloseTimeout": value}
    assert constraint("StartWorkflowExecution", request) == (
        "Member must be a number of seconds or NONE"
    )


def test_a_negative_duration_is_refused() -> None:
    request = START | {"taskStartToCloseTimeout": "-1"}
    assert (
        constraint("StartWorkflowExecution", request)
        == "Member must have value greater than or equal to 0"
    )


def test_an_execution_lasts_a_year_at_most() -> None:
    child = decision("StartChildWorkflowExecution", workflowId="w", workflowType=TYPE)
    attributes = child["startChildWorkflowExecutionDecisionAttributes"]
    for value, expected in (
        ("31536001", "Member must have value less than or equal to 31536000"),
        ("NONE", "Member must be a number of seconds"),
    ):
        timeout = {"executionStartToCloseTimeout": value}
        attributes.update(timeout)
        registration = {"domain": "d", **TYPE, "defaultExecutionStartToCloseTimeout": value}
        again = decision("ContinueAsNewWorkflowExecution", **timeout)
        # NONE is documented for these two, and a limit is not.
        assert checked("RespondDecisionTaskCompleted", decide(child, again))
        assert constraint("StartWorkflowExecution", START | timeout) == expected
        assert constraint("RegisterWorkflowType", registration) == expected
    assert checked("StartWorkflowExecution", START | {"executionStartToCloseTimeout": "31536000"})


def test_a_timer_needs_seconds() -> None:
    for value in ("NONE", "x"):
        timer = decision("StartTimer", timerId="t", startToFireTimeout=value)
        assert (
            constraint("RespondDecisionTaskCompleted", decide(timer))
            == "Member must be a number of seconds"
        )


@pytest.mark.parametrize("value", ["0", "901", "NONE"])
def test_a_lambda_function_gets_a_quarter_of_an_hour_at_most(value: str) -> None:
    function = decision("ScheduleLambdaFunction", id="i", name="n", startToCloseTimeout=value)
    assert constraint("RespondDecisionTaskCompleted", decide(function))


@pytest.mark.parametrize(("value", "good"), [("90", True), ("NONE", True), ("91", False)])
def test_closed_executions_are_kept_ninety_days_at_most(value: str, good: bool) -> None:
    request = {"name": "d", "workflowExecutionRetentionPeriodInDays": value}
    if good:
        assert checked("RegisterDomain", request) == request
    else:
        assert constraint("RegisterDomain", request).endswith("less than or equal to 90")


@pytest.mark.parametrize("value", ["2147483648", "-2147483649", "high", "", "1.0", "9" * 5000])
def test_a_priority_is_a_java_int(value: str) -> None:
    assert constraint("StartWorkflowExecution", START | {"taskPriority": value})


# Rules between members


def test_a_closing_decision_must_be_the_last() -> None:
    close = decision("CompleteWorkflowExecution")
    timer = decision("CancelTimer", timerId="t")
    for decisions in ([close, timer], [close, close]):
        assert (
            message("RespondDecisionTaskCompleted", decide(*decisions))
            == "Close must be last decision in list"
        )
    assert checked("RespondDecisionTaskCompleted", decide(timer, close))


def test_nothing_may_be_started_before_a_closing_decision() -> None:
    close = decision("FailWorkflowExecution")
    for other in (
        decision("ScheduleActivityTask", activityId="a", activityType=TYPE),
        decision("StartTimer", timerId="t", startToFireTimeout="1"),
    ):
        assert (
            message("RespondDecisionTaskCompleted", decide(other, close))
            == "Specified decision is incompatible with close decision"
        )


def test_a_decision_must_have_its_attributes() -> None:
    for given in ({}, {"StartTimerDecisionAttributes": {"timerId": "t"}}):
        assert message(
            "RespondDecisionTaskCompleted", decide({"decisionType": "StartTimer", **given})
        ) == ("StartTimerDecisionAttributes must be specified for decision of type StartTimer")


def test_a_closing_decision_needs_no_attributes() -> None:
    for kind in ("Complete", "Fail", "Cancel", "ContinueAsNew"):
        request = decide({"decisionType": f"{kind}WorkflowExecution"})
        assert checked("RespondDecisionTaskCompleted", request) == request


def test_a_list_of_closed_executions_needs_one_time_filter() -> None:
    time = {"oldestDate": 0}
    for operation in ("ListClosedWorkflowExecutions", "CountClosedWorkflowExecutions"):
        assert message(operation, {"domain": "d"}) == "Must specify time filter"
        both = {"domain": "d", "startTimeFilter": time, "closeTimeFilter": time}
        assert message(operation, both) == (
            "Cannot specify both a startTimeFilter and a closeTimeFilter"
        )


def test_filters_exclude_each_other() -> None:
    request = {
        "domain": "d",
        "startTimeFilter": {"oldestDate": 0},
        "tagFilter": {"tag": "t"},
        "executionFilter": {"workflowId": "w"},
    }
    for kind in ("ListOpen", "CountOpen", "ListClosed", "CountClosed"):
        assert message(f"{kind}WorkflowExecutions", request) == (
            "Cannot specify more than one exclusive filters in the same query: "
            "[executionFilter, tagFilter]"
        )


@pytest.mark.parametrize("operation", sorted(operation_names()))
def test_an_empty_request_is_refused_for_its_required_members(operation: str) -> None:
    assert "Member must not be null" in message(operation, {})
