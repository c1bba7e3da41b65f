"""Where moto and the engine differ, who is right, and how that is known.

The scenarios are in `moto_scenarios`. A difference that is not in the table fails, and so
does one that has gone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import moto
import pytest

from tests.support.moto_comparison import both
from tests.support.moto_scenarios import SCENARIOS

OLDEST_MOTO = (5, 2, 5)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        tuple(map(int, moto.__version__.split(".")[:3])) < OLDEST_MOTO,
        reason="older ones of moto differ in more",
    ),
]


class Difference(NamedTuple):
    """A known difference.

    Attributes:
        right: who is right: "engine", "moto", or "open" if it is not known.
        why: what the service does, and how that is known.
        shows: patterns of how it shows: path, then moto's value, then the engine's.
    """

    right: str
    why: str
    shows: tuple[str, ...]


DIFFERENCES = {
    "zero ids": Difference(
        "engine",
        "recorded: ids that refer to nothing are 0, not absent",
        (
            r"PollForDecisionTask\.previousStartedEventId: absent \| 0",
            r"WorkflowExecutionSignaled\.externalInitiatedEventId: absent \| 0",
            r"WorkflowExecutionStarted\.parentInitiatedEventId: absent \| 0",
        ),
    ),
    "empty texts": Difference(
        "engine",
        "recorded: empty text is kept",
        (
            r"DescribeDomain\.domainInfo\.description: absent \| ''",
            r"ListDomains.*\.description: absent \| ''",
            r"WorkflowExecutionSignaled\.input: absent \| ''",
        ),
    ),
    "settings of activities": Difference(
        "engine",
        "recorded: ActivityTaskScheduled shows the resolved settings, also a type's defaults",
        (r"ActivityTaskScheduled\.\w+Timeout: absent \| 'NONE'",),
    ),
    "schedule-to-start of decision tasks": Difference(
        "engine",
        "recorded since 2023: it is NONE",
        (r"DecisionTaskScheduled\.scheduleToStartTimeout: absent \| 'NONE'",),
    ),
    "priorities and tags": Difference(
        "engine",
        "recorded: what an execution was given is shown",
        (
            r"(DecisionTaskScheduled|WorkflowExecutionStarted)\.taskPriority: absent \| '5'",
            r"DescribeWorkflowExecution\..*\.taskPriority: absent \| '5'",
            r"WorkflowExecutionStarted\.tagList: absent \| \['t'\]",
        ),
    ),
    "timers without name": Difference(
        "engine",
        "documented: the event's timerId is required",
        (r"CancelTimerFailed\.timerId: absent \| '1'",),
    ),
    "TimerCancelled": Difference(
        "engine",
        "recorded: the event is called TimerCanceled",
        (r"after TimerStarted: TimerCancelled \| TimerCanceled",),
    ),
    "no task after a failed timer decision": Difference(
        "engine",
        "recorded: a failed decision schedules a decision task",
        (r"after (CancelTimer|StartTimer)Failed: nothing \| DecisionTaskScheduled",),
    ),
    "two decision tasks wait": Difference(
        "engine",
        "recorded: never more than one waits, also before the first is started",
        (
            r"after ActivityTaskCompleted: DecisionTaskScheduled \| nothing",
            r"after WorkflowExecutionSignaled: DecisionTaskScheduled \| nothing",
        ),
    ),
    "closing unhandled": Difference(
        "engine",
        "recorded: closing fails while a decision task waits",
        (
            r"after DecisionTaskCompleted: WorkflowExecutionCompleted \| Complete\w+Failed",
            r"DescribeWorkflowExecution\..*\.closeStatus: 'COMPLETED' \| absent",
            r"DescribeWorkflowExecution\..*\.closeTimestamp: there \| absent",
            r"DescribeWorkflowExecution\..*\.executionStatus: 'CLOSED' \| 'OPEN'",
        ),
    ),
    "previousStartedEventId after a time-out": Difference(
        "engine",
        "recorded: it is the start of the last task that was completed",
        (r"PollForDecisionTask\.previousStartedEventId: 7 \| 3",),
    ),
    "decisions incompatible with closing": Difference(
        "engine",
        "reported: nothing may be begun in the batch that closes",
        (r"RespondDecisionTaskCompleted: answered \| .*'Specified decision is incompatible .*",),
    ),
    "context": Difference(
        "engine",
        "recorded: an answer without a context leaves the latest one",
        (r"DescribeWorkflowExecution\.latestExecutionContext: absent \| 'context'",),
    ),
    "open counts": Difference(
        "engine",
        "recorded: decision tasks count while they wait; timers count",
        (
            r"DescribeWorkflowExecution\.openCounts\.openDecisionTasks: (0 \| 1|1 \| 0|2 \| 1)",
            r"DescribeWorkflowExecution\.openCounts\.openTimers: 0 \| 1",
        ),
    ),
    "pending counts": Difference(
        "engine",
        "documented: what is worked on is not pending",
        (r"CountPending(Activity|Decision)Tasks\.count: 1 \| 0",),
    ),
    "canceling is no request to cancel": Difference(
        "engine",
        "recorded: cancelRequested is false without a request",
        (r"DescribeWorkflowExecution\..*\.cancelRequested: True \| False",),
    ),
    "time of an end from outside": Difference(
        "engine",
        "recorded: whatever has closed has a time of it",
        (r"(Describe|ListClosed)\w+.*\.closeTimestamp: absent \| there",),
    ),
    "only heartbeats time out": Difference(
        "engine",
        "recorded: all four time-outs of activities, and what a late answer gets",
        (
            r"after ActivityTask(Scheduled|Started): nothing \| ActivityTaskTimedOut",
            r"RespondActivityTaskCompleted: answered \| .*'Unknown activity, scheduledEventId = 5'",
            r"DescribeWorkflowExecution\.openCounts\.openActivityTasks: 1 \| 0",
        ),
    ),
    "activity ids": Difference(
        "engine",
        "recorded: an ID is free again when its task is closed",
        (
            r"after DecisionTaskCompleted: ScheduleActivityTaskFailed \| ActivityTaskScheduled",
            r"DescribeWorkflowExecution\.openCounts\.openActivityTasks: 0 \| 1",
        ),
    ),
    "late answers": Difference(
        "engine",
        "recorded for activities, measured for decisions: the task is unknown",
        (
            r"(Record|Respond)ActivityTask\w+: ValueError .* \| .*'Unknown activity, .*",
            r"RespondDecisionTaskCompleted: ValueError .* \| .*'Unknown decision task, .*",
        ),
    ),
    "operations that moto lacks": Difference(
        "engine",
        "documented",
        (
            r"\w+: NotImplementedError The \w+ action .*",
            # Moto's activity continues after it could not be canceled.
            r"after ActivityTaskStarted: nothing \| ActivityTaskCanceled",
            r"RecordActivityTaskHeartbeat: answered \| .*'Unknown activity, .*",
        ),
    ),
    "decisions that moto lacks": Difference(
        "engine",
        "documented",
        (r"RespondDecisionTaskCompleted: NotImplementedError Cannot handle decision: .*",),
    ),
    "types of a deprecated domain": Difference(
        "engine",
        "documented: they are deprecated with it",
        (
            r"DescribeWorkflowType\.typeInfo\.status: 'REGISTERED' \| 'DEPRECATED'",
            r"DescribeWorkflowType\.typeInfo\.deprecationDate: absent \| there",
            r"ListWorkflowTypes\(registrationStatus\)\.typeInfos: 0 elements \| 1 elements",
        ),
    ),
    "looking into a deprecated domain": Difference(
        "engine",
        "documented: lists go on working",
        (r"List(Open|Closed)\w+\(startTimeFilter\): DomainDeprecatedFault 'd' \| answered",),
    ),
    "going on in a deprecated domain": Difference(
        "open",
        "documented that it is refused, not how",
        (r"(RegisterWorkflowType|StartWorkflowExecution): answered \| DomainDeprecatedFault 'd'",),
    ),
    "pages": Difference(
        "engine",
        "measured: a page holds what was asked for, with a token for the rest",
        (
            r".*\.nextPageToken: absent \| there",
            r"ListDomains\(registrationStatus, maximumPageSize\).*: 2 elements \| 1 elements",
            r"after WorkflowExecutionStarted: DecisionTaskScheduled \| nothing",
        ),
    ),
    "page tokens": Difference(
        "engine",
        "measured: one that is none is refused",
        (r"GetWorkflowExecutionHistory: answered \| ValidationException 'Invalid token'",),
    ),
    "order of executions": Difference(
        "engine",
        "recorded: the newest first",
        (r"ListClosed\w+\(startTimeFilter.*\)\.executionInfos\.each\.(execution|tagList).*",),
    ),
    "filters": Difference(
        "engine",
        "documented: workflow IDs, close statuses and names are filtered by; a version is optional",
        (
            r"List\w+\(.*(execution|closeStatus)Filter\)\.executionInfos: . elements .*",
            r"List\w+\(.*typeFilter\): KeyError 'version' \| answered",
            r"List\w+Types\(registrationStatus, name\)\.typeInfos: 3 elements \| 2 elements",
        ),
    ),
    "orders and filters that crash": Difference(
        "engine",
        "measured: a reversed list is answered, two time filters are refused",
        (
            r"List\w+\(startTimeFilter, reverseOrder\): TypeError .* \| answered",
            r"ListClosed\w+\(startTimeFilter, closeTimeFilter\): TypeError .* 'Cannot specify .*",
        ),
    ),
    "names of exclusive filters": Difference(
        "open",
        "measured only around the brackets; dict_keys is not the service's",
        (r"List\w+\(.*\): .*exclusive filters .* dict_keys.* \| .*: \[typeFilter, tagFilter\]'",),
    ),
    "enums": Difference(
        "engine",
        "reported: a value that the enum does not have is refused",
        (r"List\w+\(.*\): answered \| .*Member must satisfy enum value set: \[.*",),
    ),
    "missing and superfluous members": Difference(
        "engine",
        "documented: signalName is required, input and runId are not",
        (
            r"SignalWorkflowExecution: KeyError 'signalName' \| .*Member must not be null\"",
            r"SignalWorkflowExecution: KeyError 'input' \| .*",
        ),
    ),
    "wrong types": Difference(
        "engine",
        "reported: the text names the Java class",
        (r"RegisterDomain: Serialization.*Foo.* \| .*'class java\.lang\.Short can not be .*",),
    ),
    "retention": Difference(
        "engine",
        "documented: ninety days at most; the text is open",
        (r"RegisterDomain: answered \| .*Value '91' .*",),
    ),
    "tags of nothing": Difference(
        "engine",
        "documented: an unknown resource is a fault",
        (r"ListTagsForResource\(resourceArn\): answered \| UnknownResourceFault .*",),
    ),
    "attributes that are missing": Difference(
        "engine",
        "reported: the structure is asked for, not its members",
        (r"Respond.*startTimerDecisionAttributes.* \| .*'StartTimerDecisionAttributes must be .*",),
    ),
    "problems told twice": Difference(
        "engine",
        "reported: each problem once",
        (r"RespondDecisionTaskCompleted: .*\"2 validation errors .* \| .*\"1 validation error .*",),
    ),
    "order of problems": Difference(
        "open",
        "not known; the model's order stands in",
        (r"Respond.*startToFireTimeout.*timerId.* \| .*timerId.*startToFireTimeout.*",),
    ),
    "already started": Difference(
        "engine",
        "measured: the message is empty",
        (r"StartWorkflowExecution: \w+ 'Already Started' \| WorkflowExecutionAlready\w+ ''",),
    ),
}


@pytest.fixture(scope="module")
def found() -> set[str]:
    """Every difference that any of the scenarios shows."""
    differences = set()
    for scenario in SCENARIOS.values():
        with both() as services:
            scenario(services)
        differences |= services.differences
    return differences


def test_every_difference_is_known(found: set[str]) -> None:
    known = [pattern for difference in DIFFERENCES.values() for pattern in difference.shows]
    unknown = {line for line in found if not any(re.fullmatch(p, line) for p in known)}
    assert unknown == set()


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_known_difference_still_shows(name: str, found: set[str]) -> None:
    for pattern in DIFFERENCES[name].shows:
        assert any(re.fullmatch(pattern, line) for line in found), pattern


def test_every_difference_states_which_side_is_right_and_why() -> None:
    assert {difference.right for difference in DIFFERENCES.values()} <= {"engine", "moto", "open"}
    evidence = ("recorded", "reported", "measured", "documented", "not known")
    assert all(difference.why.startswith(evidence) for difference in DIFFERENCES.values())
