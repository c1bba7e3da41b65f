"""Decisions of all types, as RespondDecisionTaskCompleted takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

Decision = dict[str, Any]

_IDS = st.sampled_from(("a", "b", "c"))
_WORKFLOW_IDS = st.sampled_from(("order-1", "order-2", "unknown"))
_SECONDS = st.sampled_from(("0", "1", "60", "3600"))
_TEXT = st.text(max_size=9)
_FUNCTIONS = st.sampled_from(("add", "divide"))


def decisions(
    most: int = 5,
    activity_types: Sequence[tuple[str, str]] = (("step", "1"),),
    workflow_types: Sequence[tuple[str, str]] = (("order", "1"),),
) -> st.SearchStrategy[list[Decision]]:
    """Generate lists of decisions that a decision task can be answered with.

    Each decision is well-formed; whether it succeeds depends on the execution. Only a few IDs are
    used, so that decisions interact: a timer is started twice, and canceled. A decision that closes
    the execution comes last, and never together with one that starts something, because the
    service refuses that.

    Args:
        most: the most decisions in a list.
        activity_types: names and versions of the activity types to schedule.
        workflow_types: names and versions of the types of child workflows.

    Example:
        ``client.respond_decision_task_completed(taskToken=token, decisions=drawn)``
    """
    starting = _starting(_named(activity_types), _named(workflow_types))
    stays_open = st.lists(starting | _OTHER, max_size=most)
    closes = st.builds(
        lambda others, closing: [*others, closing], st.lists(_OTHER, max_size=most - 1), _CLOSING
    )
    return stays_open | closes


def _decision(kind: str, /, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Decision]:
    attributes = f"{kind[0].lower()}{kind[1:]}DecisionAttributes"
    return st.fixed_dictionaries(members).map(
        lambda drawn: {"decisionType": kind, attributes: drawn}
    )


def _named(types: Sequence[tuple[str, str]]) -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from([{"name": name, "version": version} for name, version in types])


def _starting(
    activity_type: st.SearchStrategy[Any], workflow_type: st.SearchStrategy[Any]
) -> st.SearchStrategy[Decision]:
    return st.one_of(
        _decision("ScheduleActivityTask", activityId=_IDS, activityType=activity_type),
        _decision("StartTimer", timerId=_IDS, startToFireTimeout=_SECONDS),
        _decision(
            "StartChildWorkflowExecution", workflowId=_WORKFLOW_IDS, workflowType=workflow_type
        ),
        _decision("SignalExternalWorkflowExecution", workflowId=_WORKFLOW_IDS, signalName=_IDS),
        _decision("RequestCancelExternalWorkflowExecution", workflowId=_WORKFLOW_IDS),
        _decision("ScheduleLambdaFunction", id=_IDS, name=_FUNCTIONS),
    )


_OTHER = st.one_of(
    _decision("RequestCancelActivityTask", activityId=_IDS),
    _decision("CancelTimer", timerId=_IDS),
    _decision("RecordMarker", markerName=_IDS, details=_TEXT),
)

_CLOSING = st.one_of(
    _decision("CompleteWorkflowExecution", result=_TEXT),
    _decision("FailWorkflowExecution", reason=_TEXT),
    _decision("CancelWorkflowExecution", details=_TEXT),
    _decision("ContinueAsNewWorkflowExecution", input=_TEXT),
)
