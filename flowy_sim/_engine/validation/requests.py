"""Is this request one the service would take at all?

Three questions in the service's order, none of which needs to know what the service holds: do the
values have the right types (else SerializationException), do they keep the constraints of the
model (else one ValidationException that lists every problem), do they fit each other (else a
ValidationException in free text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from flowy_sim._engine.faults import UnknownOperationException, ValidationException
from flowy_sim._engine.model import enum, input_shape, operation_names, service_model
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


def checked(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as the engine works on it, or refuse it.

    Args:
        operation: the operation's name, such as ``StartWorkflowExecution``.
        request: its members as they came; nothing of it is kept or changed.

    Returns:
        A fresh request: members that are null or that the model does not know left out,
        timestamps as milliseconds since the epoch.

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
    """Return the check of an operation's request, and the rule between its members if any."""
    if operation not in operation_names():
        raise UnknownOperationException
    return structure_check(input_shape(operation)), RULES.get(operation)


@cache
def needed_attributes() -> dict[str, str]:
    """Return the member that a decision must carry, by the decision's type."""
    members = service_model().shape_for("Decision").members
    names = {
        kind: f"{kind[0].lower()}{kind[1:]}DecisionAttributes" for kind in enum("DecisionType")
    }
    # Assumption: optional-attributes: a decision needs none where no member of them is required.
    return {kind: name for kind, name in names.items() if members[name].required_members}


def decisions_fit(request: Request) -> None:
    """Check a batch of decisions: a closing one stands last, each brings what it needs."""
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
    """Check a batch with a closing decision: nothing follows it, nothing is begun before it."""
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
