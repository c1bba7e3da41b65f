"""Validation of requests, as far as it does not depend on what the service holds.

The checks come in the service's order: the types of values (SerializationException), the
constraints of the model (one ValidationException that lists every problem), and rules between
members (a ValidationException in free text).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from flowy_sim._engine.coercion import (
    NOT_NULL,
    TOO_LARGE,
    TOO_LONG,
    TOO_SHORT,
    TOO_SMALL,
    Amount,
    BrokenConstraint,
    Refused,
    amount_of,
    as_flag,
    as_integer,
    as_list,
    as_milliseconds,
    as_structure,
    as_text,
    refused,
)
from flowy_sim._engine.faults import (
    Fault,
    SerializationException,
    UnknownOperationException,
    ValidationException,
)
from flowy_sim._engine.model import (
    decision_attributes_key,
    enum,
    input_shape,
    operation_names,
    service_model,
)

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
    """Return the exact check of an operation's request, and its rule as `_compiled` does."""
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


# Checks compiled from the service model, one function for each shape
#
# A check takes a value, returns it as the engine keeps it, and raises `Refused` with every problem
# that it found. Structures and lists first check quickly. Only if something is wrong do they check
# again, carefully, and collect all problems in the model's order.
#
# An *exact* check accepts only what is kept as it is: nothing is converted or left out. It says
# nothing about why it refuses a value.


Check = Callable[[Any], Any]

NUMBER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)

# The service prints enums in an order of its own (reported and measured).
# Assumption: child-policy-order: that of ChildPolicy is not known, so the model's is used.
ENUM_ORDERS = {
    "DecisionType": (
        "CompleteWorkflowExecution",
        "StartTimer",
        "RequestCancelExternalWorkflowExecution",
        "SignalExternalWorkflowExecution",
        "CancelTimer",
        "RecordMarker",
        "ScheduleActivityTask",
        "ContinueAsNewWorkflowExecution",
        "ScheduleLambdaFunction",
        "FailWorkflowExecution",
        "RequestCancelActivityTask",
        "StartChildWorkflowExecution",
        "CancelWorkflowExecution",
    ),
    "CloseStatus": (
        "TERMINATED",
        "TIMED_OUT",
        "COMPLETED",
        "CONTINUED_AS_NEW",
        "CANCELED",
        "FAILED",
    ),
    "RegistrationStatus": ("REGISTERED", "DEPRECATED"),
}

# Assumption: empty-optionals: where the model allows empty text for an ID, a version, a duration
# or a page token, empty text is the same as none.
EMPTY_IS_ABSENT = {
    "WorkflowRunIdOptional",
    "VersionOptional",
    "DurationInSecondsOptional",
    "PageToken",
}

NULLABLE_ELEMENTS = {"TagList"}  # `[null]` was accepted and echoed (recorded).


def units(value: str) -> int:
    """Return the length of a text as the service counts it: in UTF-16 code units."""
    return len(value.encode("utf-16-le", "surrogatepass")) // 2


def text_check(shape: Any) -> Check:
    """Return the check of a text: its length."""
    shortest = 1 if shape.name in EMPTY_IS_ABSENT else shape.metadata.get("min", 0)
    longest = shape.metadata.get("max", 1 << 62)
    # A text of this many characters is short enough however many code units each one takes.
    surely_fits = longest // 2

    def check(value: Any) -> str:
        if type(value) is str and shortest <= len(value) <= surely_fits:
            return value
        text = as_text(value)
        if len(text) < shortest:
            raise refused(text, TOO_SHORT.format(shortest))
        if units(text) > longest:
            raise refused(text, TOO_LONG.format(longest))
        return text

    return check


def amount_check(shape: Any, amount: Amount) -> Check:
    """Return the check of a number that is sent as text: a duration, a period or a priority."""
    fits = text_check(shape)
    unparsable = f"Member must be a {amount.unit}" + (" or NONE" if amount.none else "")
    usual = _usual(amount)

    def check(value: Any) -> str:
        if type(value) is str and value in usual:
            return value
        text: str = fits(value)
        if not NUMBER.fullmatch(text):
            raise refused(text, unparsable)
        if int(text) > amount.highest:
            raise refused(text, TOO_LARGE.format(amount.highest))
        if int(text) < amount.lowest:
            raise refused(text, TOO_SMALL.format(amount.lowest))
        return text

    return check


@cache
def _usual(amount: Amount) -> frozenset[str]:
    """Return the texts of small numbers in a range; most members have one of them."""
    numbers = range(max(amount.lowest, 0), min(amount.highest, 3600) + 1)
    return frozenset([*map(str, numbers), *["NONE"] * amount.none])


def choice_check(shape: Any) -> Check:
    """Return the check of an enum."""
    choices = frozenset(shape.enum)
    listed = ", ".join(ENUM_ORDERS.get(shape.name, shape.enum))
    constraint = f"Member must satisfy enum value set: [{listed}]"

    def check(value: Any) -> str:
        text: str = value if type(value) is str else as_text(value)
        if text in choices:
            return text
        raise refused(text, constraint)

    return check


def integer_check(shape: Any, exact: bool) -> Check:
    """Return the check of a whole number: its range."""
    lowest, highest = shape.metadata["min"], shape.metadata["max"]

    def check(value: Any) -> int:
        number = as_integer(value)
        if exact and type(value) is not int:
            raise Refused([])
        if number > highest:
            raise refused(number, TOO_LARGE.format(highest))
        if number < lowest:
            raise refused(number, TOO_SMALL.format(lowest))
        return number

    return check


def timestamp_check(exact: bool) -> Check:
    """Return the check of an instant, which is always converted."""

    def refuse(value: Any) -> int:
        raise Refused([])

    return refuse if exact else as_milliseconds


def each_check(shape: Any, path: str, exact: bool) -> Check:
    """Return the check of a list: its length and its elements, which are counted from 1."""
    element = compiled(shape.member, path, exact)
    longest = shape.metadata.get("max", 1 << 62)
    # botocore refuses what the service accepts.
    nullable = shape.name in NULLABLE_ELEMENTS and not exact
    of_texts = shape.member.type_name == "string"

    def problems(values: list[Any]) -> Iterable[BrokenConstraint]:
        if len(values) > longest:
            yield BrokenConstraint("", java_list(values), TOO_LONG.format(longest))
        within: list[BrokenConstraint] = []
        for place, value in enumerate(values, 1):
            try:
                if value is not None:
                    element(value)
                elif not nullable:
                    raise Refused([BrokenConstraint("", None, NOT_NULL)])
            except Refused as refusal:
                within += [problem.under(f"{place}.member") for problem in refusal.problems]
        if of_texts and any(problem.value is not None for problem in within):
            within = [BrokenConstraint("", java_list(values), element_constraint(shape.member))]
        yield from within

    def check(values: Any) -> list[Any]:
        if type(values) is not list:
            if exact:
                raise Refused([])
            values = as_list(values)
        try:
            if len(values) <= longest and (nullable or None not in values):
                return [value if value is None else element(value) for value in values]
        except Refused:
            pass
        raise Refused(list(problems(values)))

    return check


def java_list(values: list[Any]) -> str:
    """Return a list of texts as Java prints it."""
    return "[" + ", ".join("null" if value is None else str(value) for value in values) + "]"


def element_constraint(shape: Any) -> str:
    """Return the constraint that the elements of a list of texts share."""
    # Assumption: list-elements: a bad element is reported with the whole list, as other services
    # of the framework do.
    parts = [TOO_LONG.format(shape.metadata["max"]), TOO_SHORT.format(shape.metadata["min"])]
    return f"Member must satisfy constraint: [{', '.join(parts)}]"


def structure_check(shape: Any, path: str = "", exact: bool = False) -> Check:
    """Return the check of a structure: its members; unknown ones are ignored."""
    checks = {
        name: compiled(member, f"{path}.{name}" if path else name, exact)
        for name, member in shape.members.items()
    }
    kinds = {name: member.type_name for name, member in shape.members.items()}
    optional_texts = {
        name for name, member in shape.members.items() if member.name in EMPTY_IS_ABSENT
    }
    required = tuple(shape.required_members)

    def present(given: dict[Any, Any]) -> dict[str, Any]:
        members = {}
        for name, value in given.items():
            if value is None:
                if kinds.get(name) in ("boolean", "integer"):
                    raise SerializationException
            elif name in checks and not (value == "" and name in optional_texts):
                members[name] = value
        return members

    def check_carefully(given: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        found = {
            name: [BrokenConstraint(name, None, NOT_NULL)] for name in required if name not in given
        }
        for name, value in given.items():
            try:
                kept[name] = checks[name](value)
            except Refused as refusal:
                found[name] = [problem.under(name) for problem in refusal.problems]
        if found:
            raise Refused([problem for name in checks for problem in found.get(name, ())])
        return kept

    def check(given: Any) -> dict[str, Any]:
        if type(given) is dict:
            try:
                kept = {name: checks[name](value) for name, value in given.items()}
                for name in required:
                    kept[name]
            except (KeyError, Fault, Refused):
                pass
            else:
                return kept
        if exact:
            raise Refused([])
        return check_carefully(present(as_structure(given)))

    return check


def compiled(shape: Any, path: str, exact: bool) -> Check:
    """Return the check of a shape.

    Args:
        shape: a botocore shape.
        path: the dotted names of the members that lead to it.
        exact: whether it accepts only what is kept as it is.
    """
    kind = shape.type_name
    if kind == "structure":
        return structure_check(shape, path, exact)
    if kind == "list":
        return each_check(shape, path, exact)
    if kind == "boolean":
        return as_flag
    if kind == "integer":
        return integer_check(shape, exact)
    if kind == "timestamp":
        return timestamp_check(exact)
    if shape.enum:
        return choice_check(shape)
    amount = amount_of(shape, path)
    return amount_check(shape, amount) if amount else text_check(shape)
