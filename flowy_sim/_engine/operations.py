"""Which function carries out each of the service's operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowy_sim._engine import (
    activity_tasks,
    deciding,
    domains,
    external,
    queries,
    registered_types,
    start,
    visibility,
)

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

Operation = Callable[["Engine", dict[str, Any]], dict[str, Any]]

OPERATIONS: dict[str, Operation] = {
    "CountClosedWorkflowExecutions": visibility.count_closed_workflow_executions,
    "CountOpenWorkflowExecutions": visibility.count_open_workflow_executions,
    "CountPendingActivityTasks": queries.count_pending_activity_tasks,
    "CountPendingDecisionTasks": queries.count_pending_decision_tasks,
    "DeleteActivityType": registered_types.delete_activity_type,
    "DeleteWorkflowType": registered_types.delete_workflow_type,
    "DeprecateActivityType": registered_types.deprecate_activity_type,
    "DeprecateDomain": domains.deprecate_domain,
    "DeprecateWorkflowType": registered_types.deprecate_workflow_type,
    "DescribeActivityType": registered_types.describe_activity_type,
    "DescribeDomain": domains.describe_domain,
    "DescribeWorkflowExecution": queries.describe_workflow_execution,
    "DescribeWorkflowType": registered_types.describe_workflow_type,
    "GetWorkflowExecutionHistory": queries.get_workflow_execution_history,
    "ListActivityTypes": queries.list_activity_types,
    "ListClosedWorkflowExecutions": visibility.list_closed_workflow_executions,
    "ListDomains": queries.list_domains,
    "ListOpenWorkflowExecutions": visibility.list_open_workflow_executions,
    "ListTagsForResource": domains.list_tags_for_resource,
    "ListWorkflowTypes": queries.list_workflow_types,
    "PollForActivityTask": activity_tasks.poll_for_activity_task,
    "PollForDecisionTask": deciding.poll_for_decision_task,
    "RecordActivityTaskHeartbeat": activity_tasks.record_activity_task_heartbeat,
    "RegisterActivityType": registered_types.register_activity_type,
    "RegisterDomain": domains.register_domain,
    "RegisterWorkflowType": registered_types.register_workflow_type,
    "RequestCancelWorkflowExecution": external.request_cancel_workflow_execution,
    "RespondActivityTaskCanceled": activity_tasks.respond_activity_task_canceled,
    "RespondActivityTaskCompleted": activity_tasks.respond_activity_task_completed,
    "RespondActivityTaskFailed": activity_tasks.respond_activity_task_failed,
    "RespondDecisionTaskCompleted": deciding.respond_decision_task_completed,
    "SignalWorkflowExecution": external.signal_workflow_execution,
    "StartWorkflowExecution": start.start_workflow_execution,
    "TagResource": domains.tag_resource,
    "TerminateWorkflowExecution": external.terminate_workflow_execution,
    "UndeprecateActivityType": registered_types.undeprecate_activity_type,
    "UndeprecateDomain": domains.undeprecate_domain,
    "UndeprecateWorkflowType": registered_types.undeprecate_workflow_type,
    "UntagResource": domains.untag_resource,
}
