"""Starting an execution: by StartWorkflowExecution, as a child, as a continuation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine import decision_tasks
from flowy_sim._engine.coercion import ONE_YEAR
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import (
    DefaultUndefinedFault,
    DomainDeprecatedFault,
    LimitExceededFault,
    TypeDeprecatedFault,
    WorkflowExecutionAlreadyStartedFault,
)
from flowy_sim._engine.life_cycles import NO_TIMEOUT
from flowy_sim._engine.registered_types import (
    DEFAULTS,
    WORKFLOW,
    TypeKey,
    UndefinedSettingError,
    UnstartableError,
    type_key,
)

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

#: The members of a request to start an execution that its first event repeats.
STARTED_WITH = tuple(sorted((*DEFAULTS[WORKFLOW], "input", "tagList", "workflowType")))


def decided_settings(domain: Domain, key: TypeKey, decision: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an execution that a decision starts.

    Args:
        domain: the domain that it is to run in.
        key: its type.
        decision: the attributes of the decision.

    Raises:
        UnstartableError: its type is missing or deprecated, or a setting is undefined.
    """
    registered = domain.workflow_types.get(key)
    if registered is None:
        raise UnstartableError("WORKFLOW_TYPE_DOES_NOT_EXIST")
    if registered.deprecated_at is not None:
        raise UnstartableError("WORKFLOW_TYPE_DEPRECATED")
    return registered.resolve(decision)


def start_workflow_execution(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out StartWorkflowExecution."""
    # Assumption: order-of-starting: domain, type, deprecation, defaults, open execution, limit.
    domain = engine.domain(request["domain"])
    # Assumption: deprecated-domain-start: the domain's fault comes before its types' faults.
    if domain.deprecated:
        raise DomainDeprecatedFault(domain.name)
    registered = domain.workflow_types.require(type_key(request["workflowType"]))
    if registered.deprecated_at is not None:
        raise TypeDeprecatedFault(registered.describe())
    try:
        settings = registered.resolve(request)
    except UndefinedSettingError as undefined:
        # Assumption: default-undefined-text: the setting's name, not the default's.
        raise DefaultUndefinedFault(undefined.setting) from None
    workflow_id = request["workflowId"]
    if workflow_id in domain.open_executions:
        raise WorkflowExecutionAlreadyStartedFault("")
    if len(domain.open_executions) >= engine.limits.open_executions:
        # Assumption: limit-texts: the service's texts for these limits are not known.
        raise LimitExceededFault("Limit on the number of open executions per domain reached")
    execution = start_execution(
        engine,
        domain,
        workflow_id,
        engine.tokens.run_id(),
        workflowType=request["workflowType"],
        input=request.get("input"),
        tagList=request.get("tagList"),
        parentInitiatedEventId=0,
        **settings,
    )
    return {"runId": execution.run_id}


def run_seconds(timeout: str) -> int:
    """Return how long a run may be open, in seconds.

    Args:
        timeout: its executionStartToCloseTimeout; two decisions allow ``NONE``.
    """
    # Assumption: unlimited-run: a run without a limit, or with a longer one, ends after a year,
    # the documented maximum.
    return ONE_YEAR if timeout == NO_TIMEOUT else min(int(timeout), ONE_YEAR)


def start_execution(
    engine: Engine, domain: Domain, workflow_id: str, run_id: str, **attributes: Any
) -> WorkflowExecution:
    """Start an execution; everything has been checked.

    Args:
        engine: the service.
        domain: the domain that it runs in.
        workflow_id: no open execution has it.
        run_id: a new one.
        attributes: those of its WorkflowExecutionStarted event.
    """
    execution = WorkflowExecution(engine, domain, workflow_id, run_id, domain.next_number())
    execution.append("WorkflowExecutionStarted", **attributes)
    due = engine.now + run_seconds(attributes["executionStartToCloseTimeout"]) * 1000
    execution.effect = engine.at(due, "execution time-out", execution, 1, execution)
    decision_tasks.schedule(execution)
    return execution
