"""Is this request one the service would take at all?

Three questions in the service's order, none of which needs to know what the service holds: do the
values have the right types (else SerializationException), do they keep the constraints of the
model (else one ValidationException that lists every problem), do they fit each other (else a
ValidationException in free text).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from flowy_sim.engine.constraints import Problem, Refused, request_check
from flowy_sim.engine.faults import UnknownOperationException, ValidationException
from flowy_sim.engine.model import operation_names, service_model

Request = dict[str, Any]

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
    if operation not in operation_names():
        raise UnknownOperationException
    try:
        kept: Request = request_check(operation)(request)
    except Refused as refusal:
        raise ValidationException(message(refusal.problems)) from None
    if operation in RULES:
        RULES[operation](kept)
    return kept


def message(problems: Iterable[Problem]) -> str:
    """Return the service's one message for all problems (as reported)."""
    sentences = [str(problem) for problem in problems]
    noun = "error" if len(sentences) == 1 else "errors"
    return f"{len(sentences)} validation {noun} detected: {'; '.join(sentences)}"


@cache
def attributes_name(decision_type: str) -> str:
    """Return the member of a decision that holds the attributes of a type."""
    return f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"


@cache
def needs_attributes(decision_type: str) -> bool:
    """Return whether a decision of the type must carry its attributes."""
    # Assumption: optional-attributes: it need not where no member of them is required.
    decision = service_model().shape_for("Decision")
    return bool(decision.members[attributes_name(decision_type)].required_members)


def decisions_fit(request: Request) -> None:
    """Check a batch of decisions: a closing one stands last, each brings what it needs."""
    # Assumption: close-first: a misplaced closing decision is reported before missing attributes.
    decisions = request.get("decisions", ())
    types = [decision["decisionType"] for decision in decisions]
    if not CLOSING.isdisjoint(types[:-1]):
        raise ValidationException("Close must be last decision in list")
    if types and types[-1] in CLOSING and not NEVER_WITH_CLOSING.isdisjoint(types):
        raise ValidationException("Specified decision is incompatible with close decision")
    for decision_type, decision in zip(types, decisions, strict=True):
        if attributes_name(decision_type) not in decision and needs_attributes(decision_type):
            raise ValidationException(
                f"{decision_type}DecisionAttributes must be specified for decision of type "
                f"{decision_type}"
            )


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


RULES: dict[str, Callable[[Request], None]] = {
    "RespondDecisionTaskCompleted": decisions_fit,
    "ListOpenWorkflowExecutions": filters_fit,
    "CountOpenWorkflowExecutions": filters_fit,
    "ListClosedWorkflowExecutions": closed_filters_fit,
    "CountClosedWorkflowExecutions": closed_filters_fit,
}
