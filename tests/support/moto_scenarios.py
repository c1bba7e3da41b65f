"""Things to do that moto can do as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.engine_driver import decision
from tests.support.moto_comparison import Both

Scenario = Callable[[Both], None]

W1 = {"name": "W", "version": "1"}
A1 = {"name": "A", "version": "1"}
LIST = {"name": "l"}
ROOT = {"domain": "d"}
POLL = {"domain": "d", "taskList": LIST}
TIMEOUTS = ("Heartbeat", "ScheduleToClose", "ScheduleToStart", "StartToClose")
NEVER = {f"defaultTask{name}Timeout": "NONE" for name in TIMEOUTS}
DEFAULTS = {
    "defaultExecutionStartToCloseTimeout": "600",
    "defaultTaskList": LIST,
    "defaultTaskStartToCloseTimeout": "60",
    "defaultChildPolicy": "TERMINATE",
}


def prepare(both: Both, **defaults: str) -> None:
    both.call("RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="5")
    both.call("RegisterWorkflowType", **ROOT, **W1, **DEFAULTS)
    activities = {**NEVER, "defaultTaskList": LIST, **defaults}
    both.call("RegisterActivityType", **ROOT, **A1, **activities)


def start(both: Both, workflow_id: str = "w", **request: Any) -> dict[str, Any]:
    reply = both.call(
        "StartWorkflowExecution", **ROOT, workflowId=workflow_id, workflowType=W1, **request
    )
    return {"workflowId": workflow_id, "runId": reply["runId"]}


def decide(both: Both, *decisions: dict[str, Any], **request: Any) -> None:
    task = both.call("PollForDecisionTask", **POLL)
    answer = {"taskToken": task["taskToken"], "decisions": list(decisions), **request}
    both.call("RespondDecisionTaskCompleted", **answer)


def schedule(activity_id: str = "1", activity_type: Any = None, **settings: Any) -> dict[str, Any]:
    named = {"activityId": activity_id, "activityType": activity_type or A1}
    return decision("ScheduleActivityTask", **named, **settings)


def look(both: Both, execution: dict[str, Any]) -> None:
    both.call("DescribeWorkflowExecution", **ROOT, execution=execution)
    both.history(execution["workflowId"], execution["runId"])


def domains(both: Both) -> None:
    prepare(both)
    both.call("RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="5")
    both.call(
        "RegisterDomain", name="e", workflowExecutionRetentionPeriodInDays="NONE", description=""
    )
    for name in ("d", "e", "none"):
        both.call("DescribeDomain", name=name)
    both.call("ListDomains", registrationStatus="REGISTERED")
    both.call("ListDomains", registrationStatus="REGISTERED", reverseOrder=True)
    both.call("ListDomains", registrationStatus="REGISTERED", maximumPageSize=1)
    both.call("DeprecateDomain", name="none")
    both.call("DeprecateDomain", name="d")
    both.call("DeprecateDomain", name="d")
    both.call("ListDomains", registrationStatus="DEPRECATED")
    both.call("RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="5")
    both.call("UndeprecateDomain", name="d")
    both.call("UndeprecateDomain", name="d")
    both.call("UndeprecateDomain", name="none")


def keeping_too_long(both: Both) -> None:
    both.call("RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="91")


def using_a_deprecated_domain(both: Both) -> None:
    prepare(both)
    both.call("DeprecateDomain", name="d")
    both.call("DescribeWorkflowType", **ROOT, workflowType=W1)
    both.call("RegisterWorkflowType", **ROOT, name="W", version="2")
    both.call("ListWorkflowTypes", **ROOT, registrationStatus="DEPRECATED")
    both.call("PollForDecisionTask", **POLL)
    times = {"startTimeFilter": {"oldestDate": 0}}
    both.call("ListOpenWorkflowExecutions", **ROOT, **times)
    both.call("ListClosedWorkflowExecutions", **ROOT, **times)
    both.call("StartWorkflowExecution", **ROOT, workflowId="w", workflowType=W1)


def tags_of_domains(both: Both) -> None:
    arn = "arn:aws:swf:us-east-1:123456789012:/domain/d"
    both.call(
        "RegisterDomain",
        name="d",
        workflowExecutionRetentionPeriodInDays="5",
        tags=[{"key": "k", "value": "v"}],
    )
    both.call("ListTagsForResource", resourceArn=arn)
    both.call("TagResource", resourceArn=arn, tags=[{"key": "k", "value": "2"}])
    both.call("ListTagsForResource", resourceArn=arn)
    both.call("UntagResource", resourceArn=arn, tagKeys=["k", "none"])
    both.call("ListTagsForResource", resourceArn=arn)
    both.call("ListTagsForResource", resourceArn=arn + "none")


def types(both: Both) -> None:
    prepare(both)
    for kind, name in (("Workflow", "W"), ("Activity", "A")):
        key = f"{kind.lower()}Type"
        for version in ("1", "2"):
            both.call(f"Register{kind}Type", **ROOT, name=name, version=version, description="")
        both.call(f"Register{kind}Type", **ROOT, name="B", version="1")
        both.call(f"Register{kind}Type", domain="none", name="B", version="1")
        for version in ("1", "2", "none"):
            both.call(f"Describe{kind}Type", **ROOT, **{key: {"name": name, "version": version}})
        both.call(f"List{kind}Types", **ROOT, registrationStatus="REGISTERED")
        both.call(f"List{kind}Types", **ROOT, registrationStatus="REGISTERED", reverseOrder=True)
        both.call(f"List{kind}Types", **ROOT, registrationStatus="REGISTERED", name=name)
        both.call(f"List{kind}Types", **ROOT, registrationStatus="DEPRECATED")
        both.call(f"List{kind}Types", **ROOT, registrationStatus="NEVER")
        named = {key: {"name": name, "version": "2"}}
        both.call(f"Delete{kind}Type", **ROOT, **named)
        both.call(f"Undeprecate{kind}Type", **ROOT, **named)
        both.call(f"Deprecate{kind}Type", **ROOT, **named)
        both.call(f"Deprecate{kind}Type", **ROOT, **named)
        both.call(f"Describe{kind}Type", **ROOT, **named)
        both.call(f"Register{kind}Type", **ROOT, name=name, version="2")
        both.call(f"Undeprecate{kind}Type", **ROOT, **named)
        for verb in ("Deprecate", "Undeprecate"):
            both.call(f"{verb}{kind}Type", **ROOT, **{key: {"name": "none", "version": "1"}})


def starting(both: Both) -> None:
    prepare(both)
    execution = start(both, input="in", tagList=["t"], taskPriority="5", childPolicy="ABANDON")
    look(both, execution)
    again = {"workflowId": "w", "workflowType": W1}
    both.call("StartWorkflowExecution", **ROOT, **again)
    both.call("StartWorkflowExecution", domain="none", **again)
    unknown = {"name": "W", "version": "none"}
    both.call("StartWorkflowExecution", **ROOT, workflowId="x", workflowType=unknown)
    given: dict[str, Any] = {}
    both.call("RegisterWorkflowType", **ROOT, name="bare", version="1")
    bare = {"name": "bare", "version": "1"}
    for name, value in (
        ("executionStartToCloseTimeout", "60"),
        ("taskList", LIST),
        ("taskStartToCloseTimeout", "60"),
        ("childPolicy", "TERMINATE"),
    ):
        both.call("StartWorkflowExecution", **ROOT, workflowId="x", workflowType=bare, **given)
        given[name] = value
    both.call("DeprecateWorkflowType", **ROOT, workflowType=W1)
    both.call("StartWorkflowExecution", **ROOT, workflowId="y", workflowType=W1)


def finding(both: Both) -> None:
    prepare(both)
    start(both, "v", tagList=["t"])
    both.advance(1)
    start(both, "w")
    both.advance(1)
    start(both, "x")
    both.call("TerminateWorkflowExecution", **ROOT, workflowId="w")
    both.advance(1)
    both.call("TerminateWorkflowExecution", **ROOT, workflowId="v")
    times = {"startTimeFilter": {"oldestDate": 0}}
    for state in ("Open", "Closed"):
        for more in (
            {},
            {"reverseOrder": True},
            {"maximumPageSize": 1},
            {"tagFilter": {"tag": "t"}},
            {"typeFilter": {"name": "W"}},
            {"executionFilter": {"workflowId": "v"}},
            {"tagFilter": {"tag": "t"}, "typeFilter": {"name": "W"}},
        ):
            both.call(f"List{state}WorkflowExecutions", **ROOT, **times, **more)
        both.call(f"Count{state}WorkflowExecutions", **ROOT, **times)
    closed = "ListClosedWorkflowExecutions"
    both.call(closed, **ROOT, closeTimeFilter={"oldestDate": 0})
    both.call(closed, **ROOT, **times, closeStatusFilter={"status": "TERMINATED"})
    both.call(closed, **ROOT, **times, closeStatusFilter={"status": "COMPLETED"})
    both.call(closed, **ROOT, **times, closeStatusFilter={"status": "CONTINUE"})
    both.call(closed, **ROOT)
    both.call(closed, **ROOT, **times, closeTimeFilter={"oldestDate": 0})
    both.call("ListOpenWorkflowExecutions", domain="none", **times)


def polling(both: Both) -> None:
    prepare(both)
    both.call("PollForDecisionTask", **POLL)
    both.call("PollForActivityTask", **POLL)
    both.call("PollForDecisionTask", domain="none", taskList=LIST)
    both.call("PollForActivityTask", domain="none", taskList=LIST)
    execution = start(both)
    both.call("CountPendingDecisionTasks", **POLL)
    task = both.call("PollForDecisionTask", **POLL, identity="me")
    both.call("CountPendingDecisionTasks", **POLL)
    both.call("DescribeWorkflowExecution", **ROOT, execution=execution)
    both.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[schedule()])
    both.call("CountPendingActivityTasks", **POLL)
    both.call("PollForActivityTask", **POLL, identity="me")
    both.call("CountPendingActivityTasks", **POLL)
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", input="i")
    both.call("PollForDecisionTask", **POLL, reverseOrder=True)
    look(both, execution)


def paging_a_poll(both: Both) -> None:
    prepare(both)
    start(both)
    both.call("PollForDecisionTask", **POLL, maximumPageSize=1)


def deciding_twice(both: Both) -> None:
    prepare(both)
    execution = start(both)
    decide(both, executionContext="context")
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", input="")
    task = both.call("PollForDecisionTask", **POLL)
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", input="i")
    both.call("DescribeWorkflowExecution", **ROOT, execution=execution)
    both.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"])
    both.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"])
    look(both, execution)


def signals_before_a_decision(both: Both) -> None:
    prepare(both)
    execution = start(both)
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", input="i")
    look(both, execution)
    both.call("SignalWorkflowExecution", **ROOT, workflowId="none", signalName="s", input="i")
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", runId="none")


def closing_by(kind: str, **attributes: str) -> Scenario:
    def closing(both: Both) -> None:
        prepare(both)
        execution = start(both)
        decide(both, decision(kind, **attributes))
        look(both, execution)
        both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", input="i")
        start(both)

    return closing


def closing_unhandled(kind: str, **attributes: str) -> Scenario:
    def closing(both: Both) -> None:
        prepare(both)
        execution = start(both)
        task = both.call("PollForDecisionTask", **POLL)
        both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", input="i")
        answer = {"taskToken": task["taskToken"], "decisions": [decision(kind, **attributes)]}
        both.call("RespondDecisionTaskCompleted", **answer)
        look(both, execution)

    return closing


def deciding_wrongly(both: Both) -> None:
    prepare(both)
    start(both)
    task = both.call("PollForDecisionTask", **POLL)
    complete = decision("CompleteWorkflowExecution")
    for decisions in (
        [complete, decision("RecordMarker", markerName="m")],
        [complete, complete],
        [decision("FooBar")],
        [decision("StartTimer")],
        [decision("StartTimer", timerId="1")],
        [{**decision("RecordMarker", markerName="m"), "startTimerDecisionAttributes": {}}],
        [decision("RecordMarker", details="d")],
    ):
        answer = {"taskToken": task["taskToken"], "decisions": decisions}
        both.call("RespondDecisionTaskCompleted", **answer)
    both.call("RespondDecisionTaskCompleted", taskToken="not a token")


def closing_beside_a_new_activity(both: Both) -> None:
    prepare(both)
    start(both)
    decide(both, schedule(), decision("CompleteWorkflowExecution"))


def continuing_beside_others(both: Both) -> None:
    prepare(both)
    start(both)
    first = decision("ContinueAsNewWorkflowExecution")
    decide(both, first, decision("RecordMarker", markerName="m"))


def decision_that_moto_lacks(kind: str, **attributes: Any) -> Scenario:
    def missing(both: Both) -> None:
        prepare(both)
        start(both)
        decide(both, decision(kind, **attributes))

    return missing


def failing_to_schedule(both: Both) -> None:
    prepare(both)
    execution = start(both)
    both.call("RegisterActivityType", **ROOT, name="old", version="1")
    old = {"name": "old", "version": "1"}
    both.call("DeprecateActivityType", **ROOT, activityType=old)
    decide(both, schedule(activity_type=old))
    unknown = {"name": "none", "version": "1"}
    decide(both, schedule(activity_type=unknown))
    both.call("RegisterActivityType", **ROOT, name="bare", version="1")
    bare = {"name": "bare", "version": "1"}
    given: dict[str, Any] = {}
    for name, value in (
        ("taskList", LIST),
        ("scheduleToStartTimeout", "NONE"),
        ("scheduleToCloseTimeout", "NONE"),
        ("startToCloseTimeout", "NONE"),
        ("heartbeatTimeout", "NONE"),
    ):
        decide(both, schedule(activity_type=bare, **given))
        given[name] = value
    decide(both, schedule(), schedule())
    look(both, execution)


def activity(verb: str, **answer: str) -> Scenario:
    def working(both: Both) -> None:
        prepare(both)
        execution = start(both)
        decide(both, schedule(input="in", control="c"))
        look(both, execution)
        task = both.call("PollForActivityTask", **POLL)
        token = {"taskToken": task["taskToken"]}
        both.call("RecordActivityTaskHeartbeat", **token, details="half")
        look(both, execution)
        both.call(f"RespondActivityTask{verb}", **token, **answer)
        both.call(f"RespondActivityTask{verb}", **token, **answer)
        both.call("RecordActivityTaskHeartbeat", **token)
        look(both, execution)
        both.call("TerminateWorkflowExecution", **ROOT, workflowId="w")
        both.call("RecordActivityTaskHeartbeat", **token)
        both.call(f"RespondActivityTask{verb}", taskToken="not a token")

    return working


def using_an_activity_id_again(both: Both) -> None:
    prepare(both)
    execution = start(both)
    decide(both, schedule())
    task = both.call("PollForActivityTask", **POLL)
    both.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    decide(both, schedule())
    look(both, execution)


def two_results_at_once(both: Both) -> None:
    prepare(both)
    execution = start(both)
    decide(both, schedule("1"), schedule("2"))
    for _ in range(2):
        task = both.call("PollForActivityTask", **POLL)
        both.call("RespondActivityTaskCompleted", taskToken=task["taskToken"], result="r")
    look(both, execution)


def timing_out(setting: str, started: bool) -> Scenario:
    def late(both: Both) -> None:
        prepare(both)
        execution = start(both)
        decide(both, schedule(**{setting: "10"}))
        task: dict[str, Any] = {}
        if started:
            task = both.call("PollForActivityTask", **POLL)
            both.call("RecordActivityTaskHeartbeat", taskToken=task["taskToken"], details="d")
        both.advance(11)
        look(both, execution)
        if started:
            both.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])

    return late


def deciding_too_late(both: Both) -> None:
    prepare(both)
    execution = start(both)
    decide(both)
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s", input="i")
    task = both.call("PollForDecisionTask", **POLL)
    both.advance(61)
    look(both, execution)
    both.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"])
    both.call("PollForDecisionTask", **POLL)


def lasting_too_long(both: Both) -> None:
    prepare(both)
    execution = start(both)
    both.advance(601)
    look(both, execution)


def terminating(both: Both) -> None:
    prepare(both)
    execution = start(both)
    terminate = "TerminateWorkflowExecution"
    both.call(terminate, **ROOT, workflowId="w", reason="r", details="d", childPolicy="ABANDON")
    both.call(terminate, **ROOT, workflowId="w")
    both.call(terminate, **ROOT, **execution)
    both.call(terminate, **ROOT, workflowId="w", runId="none")
    both.call("RequestCancelWorkflowExecution", **ROOT, workflowId="w")
    look(both, execution)


def timers_and_markers(both: Both) -> None:
    prepare(both)
    execution = start(both)
    timer = decision("StartTimer", timerId="1", startToFireTimeout="500", control="c")
    decide(both, timer, decision("RecordMarker", markerName="m", details="d"))
    look(both, execution)


def starting_a_timer_twice(both: Both) -> None:
    prepare(both)
    execution = start(both)
    timer = decision("StartTimer", timerId="1", startToFireTimeout="500")
    decide(both, timer, timer)
    look(both, execution)


def canceling_timers(both: Both) -> None:
    prepare(both)
    execution = start(both)
    timer = decision("StartTimer", timerId="1", startToFireTimeout="500")
    decide(both, timer, decision("CancelTimer", timerId="1"))
    look(both, execution)


def canceling_unknown_timers(both: Both) -> None:
    prepare(both)
    execution = start(both)
    decide(both, decision("CancelTimer", timerId="1"))
    look(both, execution)


def refusals(both: Both) -> None:
    prepare(both)
    execution = start(both)
    describe, history = "DescribeWorkflowExecution", "GetWorkflowExecutionHistory"
    for operation in (describe, history):
        both.call(operation, **ROOT, execution={"workflowId": "w"})
        both.call(operation, **ROOT)
        both.call(operation, **ROOT, execution={"workflowId": "w", "runId": "none"})
        both.call(operation, domain="none", execution=execution)
    both.call("RegisterDomain", name=5, workflowExecutionRetentionPeriodInDays="5")
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w")
    both.call("SignalWorkflowExecution", **ROOT, workflowId="w", signalName="s")
    both.call(history, **ROOT, execution=execution, nextPageToken="none")


SCENARIOS: dict[str, Scenario] = {
    "domains": domains,
    "keeping too long": keeping_too_long,
    "using a deprecated domain": using_a_deprecated_domain,
    "tags of domains": tags_of_domains,
    "types": types,
    "starting": starting,
    "finding": finding,
    "polling": polling,
    "paging a poll": paging_a_poll,
    "deciding twice": deciding_twice,
    "signals before a decision": signals_before_a_decision,
    "completing": closing_by("CompleteWorkflowExecution", result="r"),
    "failing": closing_by("FailWorkflowExecution", reason="r", details="d"),
    "canceling": closing_by("CancelWorkflowExecution", details="d"),
    "completing unhandled": closing_unhandled("CompleteWorkflowExecution", result="r"),
    "canceling unhandled": closing_unhandled("CancelWorkflowExecution", details="d"),
    "deciding wrongly": deciding_wrongly,
    "closing beside a new activity": closing_beside_a_new_activity,
    "continuing beside others": continuing_beside_others,
    "starting a child": decision_that_moto_lacks(
        "StartChildWorkflowExecution", workflowId="c", workflowType=W1
    ),
    "continuing as new": decision_that_moto_lacks("ContinueAsNewWorkflowExecution"),
    "signalling others": decision_that_moto_lacks(
        "SignalExternalWorkflowExecution", workflowId="x", signalName="s"
    ),
    "canceling others": decision_that_moto_lacks(
        "RequestCancelExternalWorkflowExecution", workflowId="x"
    ),
    "canceling activities": decision_that_moto_lacks("RequestCancelActivityTask", activityId="1"),
    "calling Lambda": decision_that_moto_lacks("ScheduleLambdaFunction", id="1", name="f"),
    "failing to schedule": failing_to_schedule,
    "completing an activity": activity("Completed", result="r"),
    "failing an activity": activity("Failed", reason="r", details="d"),
    "canceling an activity": activity("Canceled", details="d"),
    "using an activity id again": using_an_activity_id_again,
    "two results at once": two_results_at_once,
    "heartbeat time-out": timing_out("heartbeatTimeout", started=True),
    "start-to-close time-out": timing_out("startToCloseTimeout", started=True),
    "schedule-to-close time-out": timing_out("scheduleToCloseTimeout", started=True),
    "schedule-to-start time-out": timing_out("scheduleToStartTimeout", started=False),
    "deciding too late": deciding_too_late,
    "lasting too long": lasting_too_long,
    "terminating": terminating,
    "timers and markers": timers_and_markers,
    "starting a timer twice": starting_a_timer_twice,
    "canceling timers": canceling_timers,
    "canceling unknown timers": canceling_unknown_timers,
    "refusals": refusals,
}
