"""What happens when two rules of the service meet."""

from __future__ import annotations

from flowy_sim._engine import Latency, Limits
from tests.support.engine_driver import DOMAIN, ORDER, PACK, Driver, decision

CHILD = decision("StartChildWorkflowExecution", workflowId="child", workflowType=ORDER)


def test_nothing_follows_a_close_event_even_if_a_decision_before_it_failed() -> None:
    service = Driver()
    run_id = service.start()
    service.decide(decision("CancelTimer", timerId="none"), decision("CompleteWorkflowExecution"))
    assert service.types(run_id)[-2:] == ["CancelTimerFailed", "WorkflowExecutionCompleted"]
    assert "taskToken" not in service.poll()


def test_a_task_that_replaces_a_timed_out_one_waits_for_the_one_being_worked_on() -> None:
    service = Driver()
    run_id = service.start()
    service.answer(service.poll(), taskList={"name": "fast"}, taskListScheduleToStartTimeout="5")
    service.signal()
    held = service.poll("fast")
    service.signal()
    service.advance(5_000)
    assert service.types(run_id)[-2:] == ["DecisionTaskTimedOut", "DecisionTaskScheduled"]
    assert "taskToken" not in service.poll()
    service.answer(held)
    assert "taskToken" in service.poll()


def test_a_time_out_on_the_old_list_leaves_the_new_list_in_force() -> None:
    service = Driver()
    service.start()
    task = service.poll()
    service.signal()
    service.answer(task, taskList={"name": "fast"}, taskListScheduleToStartTimeout="500")
    assert "taskToken" in service.poll()
    service.advance(60_000)
    assert "taskToken" in service.poll("fast")


def test_a_time_out_on_the_new_list_leads_back_to_the_old_one() -> None:
    service = Driver()
    service.start()
    service.answer(service.poll(), taskList={"name": "fast"}, taskListScheduleToStartTimeout="500")
    service.signal()
    assert "taskToken" in service.poll("fast")
    service.advance(60_000)
    assert "taskToken" in service.poll()


def test_a_child_that_continues_as_new_still_meets_the_policy_of_its_closed_parent() -> None:
    service = Driver()
    service.start()
    service.decide(CHILD)
    service.advance(100)
    child, parent = service.poll(), service.poll()
    assert child["workflowExecution"]["workflowId"] == "child"
    service.answer(parent, decision("CompleteWorkflowExecution"))
    service.answer(child, decision("ContinueAsNewWorkflowExecution"))
    service.advance(100)
    closed = service.call(
        "ListClosedWorkflowExecutions",
        domain=DOMAIN,
        startTimeFilter={"oldestDate": 0},
        executionFilter={"workflowId": "child"},
    )["executionInfos"]
    assert [info["closeStatus"] for info in closed] == ["TERMINATED", "CONTINUED_AS_NEW"]


def test_a_parent_learns_of_the_first_run_of_its_child_in_its_own_transaction() -> None:
    service = Driver()
    run_id = service.start()
    service.decide(CHILD)
    service.advance(20)
    child = service.poll()
    service.answer(child, decision("ContinueAsNewWorkflowExecution"))
    assert service.types(run_id)[-1] == "StartChildWorkflowExecutionInitiated"
    service.advance(5)
    started = service.history(run_id)[-2]["childWorkflowExecutionStartedEventAttributes"]
    assert started["workflowExecution"] == child["workflowExecution"]
    last = service.poll()
    assert last["workflowExecution"]["workflowId"] == "child"
    service.answer(last, decision("CompleteWorkflowExecution"))
    service.advance(5)
    completed = service.history(run_id)[-1]["childWorkflowExecutionCompletedEventAttributes"]
    assert completed["workflowExecution"] == last["workflowExecution"]


def test_children_started_together_keep_the_limit_of_open_executions() -> None:
    service = Driver(limits=Limits(open_executions=2))
    run_id = service.start()
    others = [CHILD, decision("StartChildWorkflowExecution", workflowId="2", workflowType=ORDER)]
    service.decide(*others)
    service.advance(100)
    failed = service.history(run_id)[6]["startChildWorkflowExecutionFailedEventAttributes"]
    assert failed["cause"] == "OPEN_WORKFLOWS_LIMIT_EXCEEDED"
    assert failed["initiatedEventId"] == 6


def test_a_lambda_function_may_end_the_execution_that_calls_it() -> None:
    service = Driver(latency=Latency.ZERO, lambdas={"end": lambda _: end()})

    def end() -> None:
        service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")

    run_id = service.start(lambdaRole="arn:aws:iam::123456789012:role/caller")
    service.decide(decision("ScheduleLambdaFunction", id="1", name="end"))
    service.advance(0)
    assert service.types(run_id)[-2:] == ["LambdaFunctionStarted", "WorkflowExecutionTerminated"]
    service.advance(1_000_000)
    assert service.types(run_id)[-1] == "WorkflowExecutionTerminated"


def test_lambda_functions_have_a_rate_when_calls_are_throttled() -> None:
    service = Driver(limits=Limits(throttling=True))
    run_id = service.start()
    service.decide(*[decision("ScheduleLambdaFunction", id=str(n), name="f") for n in range(501)])
    last = service.history(run_id)[-2]
    assert last["scheduleLambdaFunctionFailedEventAttributes"]["cause"] == (
        "LAMBDA_FUNCTION_CREATION_RATE_EXCEEDED"
    )


def test_a_domain_can_be_tagged_whatever_its_name() -> None:
    service = Driver()
    name = "a:/domain/b"
    service.call("RegisterDomain", name=name, workflowExecutionRetentionPeriodInDays="1")
    arn = service.call("DescribeDomain", name=name)["domainInfo"]["arn"]
    service.call("TagResource", resourceArn=arn, tags=[{"key": "k", "value": "v"}])
    assert service.call("ListTagsForResource", resourceArn=arn) == {
        "tags": [{"key": "k", "value": "v"}]
    }


def test_a_time_out_that_is_late_already_is_not_set_in_the_past() -> None:
    late = Latency({"activity task time-out": (19,)})
    service = Driver(latency=late)
    run_id = service.start()
    service.decide(
        decision(
            "ScheduleActivityTask", activityId="1", activityType=PACK, scheduleToCloseTimeout="0"
        )
    )
    service.advance(10)
    service.engine.latency = Latency.ZERO
    assert "taskToken" in service.call(
        "PollForActivityTask", domain=DOMAIN, taskList={"name": "work"}
    )
    assert service.engine.next_instant() == service.now
    service.advance(0)
    assert service.types(run_id)[-2] == "ActivityTaskTimedOut"
