"""Starting an execution: by StartWorkflowExecution, as a child, as a continuation."""

from __future__ import annotations

import re
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
from flowy_sim._engine.registered_types import RegisteredType, type_key

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

#: The settings that every execution needs, with the type's default for each, in the order in which
#: the service checks them.
_REQUIRED = {
    "executionStartToCloseTimeout": "defaultExecutionStartToCloseTimeout",
    "taskList": "defaultTaskList",
    "taskStartToCloseTimeout": "defaultTaskStartToCloseTimeout",
    "childPolicy": "defaultChildPolicy",
}
_OPTIONAL = {"taskPriority": "defaultTaskPriority", "lambdaRole": "defaultLambdaRole"}

#: The names of all settings of an execution.
SETTINGS = (*_REQUIRED, *_OPTIONAL)


class UndefinedSettingError(LookupError):
    """A setting was not given and the type has no default for it.

    Attributes:
        setting: its name, such as ``taskList``.
    """

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        self.setting = setting

    @property
    def cause(self) -> str:
        """The cause of the failure of a decision, such as DEFAULT_TASK_LIST_UNDEFINED."""
        return "DEFAULT_" + re.sub("([A-Z])", r"_\1", self.setting).upper() + "_UNDEFINED"


def resolve(
    given: dict[str, Any],
    registered: RegisteredType,
    required: dict[str, str],
    optional: dict[str, str],
) -> dict[str, Any]:
    """Return settings as given, or else the defaults of the type.

    Args:
        given: a request or a decision's attributes.
        registered: the type.
        required: the names of the defaults by those of the settings, in the order of the
            service's checks.
        optional: the same for settings that may remain undefined.

    Raises:
        UndefinedSettingError: for the first required setting without a value.
    """
    get, get_default = given.get, registered.defaults.get
    settings = {}
    for setting, default in required.items():
        value = get(setting)
        if value is None:
            value = get_default(default)
            if value is None:
                raise UndefinedSettingError(setting)
        settings[setting] = value
    for setting, default in optional.items():
        value = get(setting) or get_default(default)
        if value is not None:
            settings[setting] = value
    return settings


def resolve_settings(given: dict[str, Any], registered: RegisteredType) -> dict[str, Any]:
    """Return the settings of an execution; see `resolve`."""
    return resolve(given, registered, _REQUIRED, _OPTIONAL)


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
        settings = resolve_settings(request, registered)
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
