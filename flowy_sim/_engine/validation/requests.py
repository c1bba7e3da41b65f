"""Checks of requests that need not know what the service holds.

They come in the service's order: the types of values (SerializationException), the constraints of
the model (one ValidationException that lists every problem), and rules between members (a
ValidationException in free text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from flowy_sim._engine.faults import UnknownOperationException, ValidationException
from flowy_sim._engine.model import (
    decision_attributes_key,
    enum,
    input_shape,
    operation_names,
    service_model,
)
from flowy_sim._engine.validation.coercion import Refused
from flowy_sim._engine.validation.constraints import Check, structure_check

Request = dict[str, Any]
Rule = Callable[[Request], None]

_kind = itemgetter("decisionType")

CLOSING = frozenset(
    {
        "CompleteWorkflowExecution",
        "FailWorkflowExecution",
        "CancelWorkflowExecution",
        "ContinueAsNewWorkflowExecution",
    }
)
NEVER_WITH_CLOSING = frozenset({"ScheduleActivityTask", "StartTimer"})
EXCLUSIVE_FILTERS = ("executionFilter", "typeFilter", "tagFilter", "closeStatusFilter")


class CheckedRequest(dict[str, Any]):
    """A request that the engine need not check: `exact` has done that.

    Code that changes one on its way to the engine must not make it wrong.
    """

    __slots__ = ()


def exact(operation: str, request: Mapping[str, Any]) -> CheckedRequest | None:
    """Check a request of which nothing has to be converted or left out.

    Args:
        operation: the operation's name, such as ``StartWorkflowExecution``.
        request: its members; it is neither kept nor changed.

    Returns:
        A fresh request; None if it is refused, or needs a change.

    >>> exact("PollForActivityTask", {"domain": "d", "taskList": {"name": "t"}})
    {'domain': 'd', 'taskList': {'name': 't'}}
    """
    check, rule = _compiled_exactly(operation)
    try:
        kept = check(request)
        if rule is not None:
            rule(kept)
    except (Refused, ValidationException):
        return None
    return CheckedRequest(kept)


def checked(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as the engine needs it, or refuse it.

    Args:
        operation: the operation's name, such as ``StartWorkflowExecution``.
        request: its members as they were sent; it is neither kept nor changed.

    Returns:
        A fresh request, without members that are null or unknown to the model, and with
        timestamps in milliseconds since 1970.

    Raises:
        UnknownOperationException: the model has no such operation.
        SerializationException: a member has the wrong type.
        ValidationException: a constraint of the model or a rule between members is broken.

    >>> checked("PollForActivityTask", {"domain": "d", "taskList": {"name": "t"}, "x": 1})
    {'domain': 'd', 'taskList': {'name': 't'}}
    """
    check, rule = _compiled(operation)
    try:
        kept: Request = check(request)
    except Refused as refusal:
        raise ValidationException(refusal.message) from None
    if rule is not None:
        rule(kept)
    return kept


@cache
def _compiled(operation: str) -> tuple[Check, Rule | None]:
    """Return the check of an operation's request, and the rule between its members, or None."""
    if operation not in operation_names():
        raise UnknownOperationException
    return structure_check(input_shape(operation)), RULES.get(operation)


@cache
def _compiled_exactly(operation: str) -> tuple[Check, Rule | None]:
    """Return the same for requests of which nothing has to be converted or left out."""
    return structure_check(input_shape(operation), exact=True), RULES.get(operation)


@cache
def needed_attributes() -> dict[str, str]:
    """Return the name of the attributes that a decision must have, by its type."""
    members = service_model().shape_for("Decision").members
    names = {kind: decision_attributes_key(kind) for kind in enum("DecisionType")}
    # Assumption: optional-attributes: a decision needs none where no member of them is required.
    return {kind: name for kind, name in names.items() if members[name].required_members}


def decisions_fit(request: Request) -> None:
    """Check a batch of decisions: a closing one comes last, and each has its attributes."""
    decisions = request.get("decisions", ())
    kinds = list(map(_kind, decisions))
    # Assumption: close-first: a misplaced closing decision is reported before missing attributes.
    if not CLOSING.isdisjoint(kinds):
        closing_fits(kinds)
    needed = needed_attributes()
    for decision in decisions:
        kind = decision["decisionType"]
        if kind in needed and needed[kind] not in decision:
            raise ValidationException(
                f"{kind}DecisionAttributes must be specified for decision of type {kind}"
            )


def closing_fits(kinds: list[str]) -> None:
    """Check a batch with a closing decision: nothing follows it, and nothing starts before it."""
    if not CLOSING.isdisjoint(kinds[:-1]):
        raise ValidationException("Close must be last decision in list")
    if not NEVER_WITH_CLOSING.isdisjoint(kinds):
        raise ValidationException("Specified decision is incompatible with close decision")


def filters_fit(request: Request) -> None:
    """Check that at most one filter besides the time is given."""
    # Assumption: exclusive-filters: the brackets of the message name those given.
    given = [name for name in EXCLUSIVE_FILTERS if name in request]
    if len(given) > 1:
        raise ValidationException(
            "Cannot specify more than one exclusive filters in the same query: "
            f"[{', '.join(given)}]"
        )


def closed_filters_fit(request: Request) -> None:
    """Check that exactly one time filter is given, and at most one other."""
    times = ("startTimeFilter" in request) + ("closeTimeFilter" in request)
    if times == 0:
        raise ValidationException("Must specify time filter")
    if times == 2:
        raise ValidationException("Cannot specify both a startTimeFilter and a closeTimeFilter")
    filters_fit(request)


RULES: dict[str, Rule] = {
    "RespondDecisionTaskCompleted": decisions_fit,
    "ListOpenWorkflowExecutions": filters_fit,
    "CountOpenWorkflowExecutions": filters_fit,
    "ListClosedWorkflowExecutions": closed_filters_fit,
    "CountClosedWorkflowExecutions": closed_filters_fit,
}
