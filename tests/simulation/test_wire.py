from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim._clients import wire
from flowy_sim._engine.faults import (
    Fault,
    SerializationException,
    UnknownOperationException,
    UnknownResourceFault,
    ValidationException,
    WorkflowExecutionAlreadyStartedFault,
)

MODERN = {"content-type": "application/x-amz-json-1.0"}
LEGACY = {"content-type": "application/json; charset=UTF-8", "content-encoding": "amz-1.0"}


def instant(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [
        (1435159034741, "1.435159034741E9"),
        (1497371589140, "1.49737158914E9"),
        (1370438990000, "1.37043899E9"),
        (1500000000000, "1.5E9"),
        (1000000000000, "1.0E9"),
        (10_000_000_000, "1.0E7"),
        (9_999_999_999, "9999999.999"),
        (12_345, "12.345"),
        (0, "0.0"),
        (-1435159034741, "-1.435159034741E9"),
    ],
)
def test_instants_are_spelled_as_java_spells_numbers(milliseconds: int, written: str) -> None:
    assert wire.spelled_instant(instant(milliseconds)) == written


@given(st.integers(-(10**13), 10**13))
def test_an_instant_survives_its_spelling(milliseconds: int) -> None:
    assert float(wire.spelled_instant(instant(milliseconds))) == milliseconds / 1000


JSON = st.recursive(
    st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_replies_are_json_with_keys_in_order_and_no_white_space(value: dict[str, Any]) -> None:
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert wire.spelled(value) == expected


def test_what_has_no_value_is_left_out() -> None:
    assert wire.spelled({"reason": None, "details": ""}) == '{"details":""}'


@pytest.mark.parametrize(
    "target",
    [
        "SimpleWorkflowService.ListDomains",
        "com.amazonaws.swf.service.model.SimpleWorkflowService.ListDomains",
    ],
)
def test_both_spellings_of_the_target_are_understood(target: str) -> None:
    assert wire.read_target({"x-amz-target": target}) == "ListDomains"


@pytest.mark.parametrize(
    "headers", [{}, {"x-amz-target": "ListDomains"}, {"x-amz-target": "DynamoDB.ListTables"}]
)
def test_the_target_of_another_service_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnknownOperationException):
        wire.read_target(headers)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b'{"x": NaN}',
        b'{"x": -Infinity}',
        b"\xff\xfe",
        b'{"x": "\xff"}',
        b"[" * 100_000,
        b'{"x": ' + b"9" * 5_000 + b"}",
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(SerializationException):
        wire.read_body(body)


def test_a_body_is_read_as_it_is() -> None:
    body = '{"name": "é\\u00e9", "tagList": [null], "date": 1.5E9}'.encode()
    assert wire.read_body(body) == {"name": "éé", "tagList": [None], "date": 1.5e9}


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [(MODERN, "application/x-amz-json-1.0"), (LEGACY, "application/json")],
)
def test_a_reply_is_in_the_spelling_of_its_request(
    headers: dict[str, str], content_type: str
) -> None:
    response = wire.reply({"startedEventId": 0}, "an-id", headers)
    assert response == (
        200,
        {"x-amzn-RequestId": "an-id", "Content-Type": content_type, "Content-Length": "20"},
        b'{"startedEventId":0}',
    )


def test_a_void_operation_has_an_empty_body() -> None:
    response = wire.reply({}, "an-id", MODERN)
    assert (response.status, response.body) == (200, b"")
    assert response.headers["Content-Length"] == "0"
    assert response.headers["Content-Type"] == "application/x-amz-json-1.0"


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (
            UnknownResourceFault("Unknown domain: x"),
            '{"__type":"com.amazonaws.swf.base.model#UnknownResourceFault",'
            '"message":"Unknown domain: x"}',
        ),
        (
            WorkflowExecutionAlreadyStartedFault(""),
            '{"__type":"com.amazonaws.swf.base.model#WorkflowExecutionAlreadyStartedFault",'
            '"message":""}',
        ),
        (
            ValidationException("Invalid token"),
            '{"__type":"com.amazon.coral.validate#ValidationException","message":"Invalid token"}',
        ),
        (
            SerializationException("class java.lang.Short can not be converted to an String"),
            '{"__type":"com.amazon.coral.service#SerializationException",'
            '"Message":"class java.lang.Short can not be converted to an String"}',
        ),
        (
            SerializationException(),
            '{"__type":"com.amazon.coral.service#SerializationException"}',
        ),
        (
            UnknownOperationException(),
            '{"__type":"com.amazon.coral.service#UnknownOperationException"}',
        ),
    ],
)
def test_a_fault_names_its_type_first(fault: Fault, body: str) -> None:
    response = wire.refusal(fault, "an-id", MODERN)
    assert (response.status, response.body.decode()) == (400, body)
    assert response.headers["Content-Length"] == str(len(body))
