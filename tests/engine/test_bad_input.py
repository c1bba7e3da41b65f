"""Tokens that are not what they should be: refused as invalid, and nothing changes.

What is wrong with members of other kinds is tried in `test_bad_requests`.
"""

from __future__ import annotations

import base64
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim._engine import Fault
from flowy_sim._engine.faults import ValidationException
from flowy_sim._engine.model import input_shape, operation_names
from tests.support.engine_driver import DOMAIN, PACK, START, Driver, decision


def taking(member: str) -> list[str]:
    """The operations that take a token."""
    return sorted(name for name in operation_names() if member in input_shape(name).members)


#: An activity poll has a member for page tokens by inheritance; its replies have no pages.
PAGED = [name for name in taking("nextPageToken") if name != "PollForActivityTask"]


class Issuer:
    """A service that has handed out a token of every kind.

    Attributes:
        requests: a request with a good token, by operation.
    """

    def __init__(self, seed: int = 0) -> None:
        self.service = Driver(seed=seed)
        self.requests: dict[str, dict[str, Any]] = {}
        self._hand_out_task_tokens()
        self._hand_out_page_tokens()

    def _hand_out_task_tokens(self) -> None:
        service = self.service
        run_id = service.start()
        service.start("order-2")
        service.start("order-3")
        service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-3")
        service.start("order-3")
        service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-3")
        service.decide(decision("ScheduleActivityTask", activityId="1", activityType=PACK))
        activity = service.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
        self.execution = {"workflowId": "order-1", "runId": run_id}
        tokens = {"Activity": activity["taskToken"], "Decision": service.poll()["taskToken"]}
        for operation in taking("taskToken"):
            kind = "Decision" if "Decision" in operation else "Activity"
            self.requests[operation] = {"taskToken": tokens[kind]}

    def _hand_out_page_tokens(self) -> None:
        for number in "12":
            self.service.call(
                "RegisterDomain", name=number, workflowExecutionRetentionPeriodInDays="1"
            )
            for kind in ("Activity", "Workflow"):
                named = {"domain": DOMAIN, "name": "More", "version": number}
                self.service.call(f"Register{kind}Type", **named)
        self.service.start("order-4")
        every = {
            "domain": DOMAIN,
            "execution": self.execution,
            "maximumPageSize": 1,
            "registrationStatus": "REGISTERED",
            "startTimeFilter": {"oldestDate": 0},
            "taskList": {"name": "decisions"},
        }
        for operation in PAGED:
            members = input_shape(operation).members
            request = {name: value for name, value in every.items() if name in members}
            reply = self.service.call(operation, **request)
            self.requests[operation] = {**request, "nextPageToken": reply["nextPageToken"]}

    def fault(self, operation: str, token: str) -> Fault | None:
        """The answer of the service to a token; a refusal changes nothing."""
        request = dict(self.requests[operation])
        request["taskToken" if "taskToken" in request else "nextPageToken"] = token
        before = pickle.dumps(self.service.engine)
        try:
            self.service.engine.call(operation, request, START)
        except Fault as fault:
            assert pickle.dumps(self.service.engine) == before
            return fault
        return None

    def token(self, operation: str) -> str:
        request = self.requests[operation]
        return str(request.get("taskToken", request.get("nextPageToken")))


OPERATIONS = sorted([*taking("taskToken"), *PAGED])
issuer = Issuer()


def is_invalid(fault: Fault | None) -> bool:
    return isinstance(fault, ValidationException) and fault.message == "Invalid token"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_valid_token_is_accepted(operation: str) -> None:
    assert Issuer().fault(operation, issuer.token(operation)) is None


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_token_for_something_else_is_invalid(operation: str) -> None:
    own = issuer.token(operation)
    for other in OPERATIONS:
        same_kind = issuer.token(other) == own
        assert same_kind or is_invalid(issuer.fault(operation, issuer.token(other))), other


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_token_of_another_service_is_invalid(operation: str) -> None:
    assert is_invalid(issuer.fault(operation, Issuer(seed=1).token(operation)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_token_that_was_cut_or_extended_is_invalid(operation: str) -> None:
    token = issuer.token(operation)
    content = base64.b64decode(token)
    for length in range(1, len(token)):
        assert is_invalid(issuer.fault(operation, token[:length]))
    for spoilt in (content[1:], content + b"x", content[:-1], content[::-1], content[:7]):
        assert is_invalid(issuer.fault(operation, base64.b64encode(spoilt).decode()))


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
def test_a_token_with_another_bit_is_invalid(operation: str, data: st.DataObject) -> None:
    content = bytearray(base64.b64decode(issuer.token(operation)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert is_invalid(issuer.fault(operation, base64.b64encode(content).decode()))


@pytest.mark.parametrize("operation", OPERATIONS)
@given(
    token=st.text(min_size=1) | st.binary(min_size=1).map(lambda b: base64.b64encode(b).decode())
)
def test_any_text_is_invalid(operation: str, token: str) -> None:
    assert is_invalid(issuer.fault(operation, token))
