"""Domains: what each one holds, and the operations on domains and their tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine import queues
from flowy_sim._engine.faults import (
    DomainAlreadyExistsFault,
    DomainDeprecatedFault,
    LimitExceededFault,
    TooManyTagsFault,
    UnknownResourceFault,
)
from flowy_sim._engine.queues import TaskLists
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW, RegisteredTypes
from flowy_sim._engine.visibility import Visibility

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine
    from flowy_sim._engine.execution import WorkflowExecution
    from flowy_sim._engine.life_cycles import ActivityTask, DecisionTask

DAY = 24 * 60 * 60 * 1000

# Assumption: limit-texts: the service's texts for these limits are not known.
TOO_MANY_DOMAINS = "Limit on the number of domains per account reached"


class Domain:
    """A domain and everything in it.

    Args:
        engine: the service.
        request: a checked RegisterDomain request.

    Attributes:
        name: unique in its account and region.
        arn: its Amazon resource name.
        retention: how long closed executions are kept, in days; 0 means not at all.
        deprecated: whether it is deprecated.
        tags: its resource tags.
        workflow_types, activity_types: what is registered.
        decision_lists, activity_lists: the tasks that wait.
        open_executions: by workflow ID.
        visibility: the lists of open and closed executions.
        started, closed: the number of executions that have ever started and closed.
    """

    def __init__(self, engine: Engine, request: dict[str, Any]) -> None:
        self.name: str = request["name"]
        self.arn = f"arn:aws:swf:{engine.region}:{engine.account}:/domain/{self.name}"
        self.description: str | None = request.get("description")
        self.retention_period: str = request["workflowExecutionRetentionPeriodInDays"]
        days = 0 if self.retention_period == "NONE" else int(self.retention_period)
        self.retention = days or engine.limits.unretained_days
        self.tags = {tag["key"]: tag.get("value", "") for tag in request.get("tags", ())}
        self.deprecated = False
        limits = engine.limits
        self.workflow_types = RegisteredTypes(WORKFLOW, limits.workflow_types)
        self.activity_types = RegisteredTypes(ACTIVITY, limits.activity_types)
        self.decision_lists: TaskLists[DecisionTask] = TaskLists(
            queues.DECISION, self.name, engine.choose, engine.arrivals
        )
        self.activity_lists: TaskLists[ActivityTask] = TaskLists(
            queues.ACTIVITY, self.name, engine.choose, engine.arrivals
        )
        self.open_executions: dict[str, WorkflowExecution] = {}
        self.visibility = Visibility(limits, self.open_executions)
        self.started = 0
        self.closed = 0

    def types(self, kind: str) -> RegisteredTypes:
        """Return the registered types of a kind."""
        return self.workflow_types if kind == WORKFLOW else self.activity_types

    def task_lists(self, kind: str) -> TaskLists[Any]:
        """Return the task lists of a kind."""
        return self.decision_lists if kind == queues.DECISION else self.activity_lists

    def next_number(self) -> int:
        """Count one more execution started."""
        self.started += 1
        return self.started

    def next_close_number(self) -> int:
        """Count one more execution closed."""
        self.closed += 1
        return self.closed

    def info(self) -> dict[str, Any]:
        """Return the ``domainInfo`` of a reply."""
        info = {"arn": self.arn}
        if self.description is not None:
            info["description"] = self.description
        info["name"] = self.name
        info["status"] = "DEPRECATED" if self.deprecated else "REGISTERED"
        return info


def request_to_register(name: str) -> dict[str, Any]:
    """Return a request to register a domain of which only the name is known."""
    return {"name": name, "workflowExecutionRetentionPeriodInDays": "90"}


def register_domain(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RegisterDomain."""
    # Assumption: names-unchecked: no name of any kind is refused for its characters or trimmed;
    # ':' was accepted against the documentation, as recorded.
    name = request["name"]
    if name in engine.domains:
        raise DomainAlreadyExistsFault(name)
    if len({tag["key"] for tag in request.get("tags", ())}) > engine.limits.tags:
        raise _too_many_tags(engine)
    if len(engine.domains) >= engine.limits.domains:
        raise LimitExceededFault(TOO_MANY_DOMAINS)
    engine.domains[name] = domain = Domain(engine, request)
    _note(engine, domain)
    return {}


def deprecate_domain(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DeprecateDomain: its types are deprecated with it, its executions continue."""
    domain = engine.domain(request["name"])
    if domain.deprecated:
        raise DomainDeprecatedFault(domain.name)
    domain.deprecated = True
    for kind in (WORKFLOW, ACTIVITY):
        for key in domain.types(kind).deprecate_all(engine.now):
            if engine.changes is not None:
                engine.changes.type_changed(domain, kind, key)
    _note(engine, domain)
    return {}


def undeprecate_domain(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out UndeprecateDomain."""
    domain = engine.domain(request["name"])
    if not domain.deprecated:
        raise DomainAlreadyExistsFault(domain.name)
    # Assumption: undeprecated-types: the types stay deprecated; each can be undeprecated.
    domain.deprecated = False
    _note(engine, domain)
    return {}


def describe_domain(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DescribeDomain."""
    domain = engine.domain(request["name"])
    return {
        "configuration": {"workflowExecutionRetentionPeriodInDays": domain.retention_period},
        "domainInfo": domain.info(),
    }


def tag_resource(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out TagResource."""
    domain = _tagged_domain(engine, request)
    # Assumption: tag-overwrite: the value of a known key is replaced.
    tags = domain.tags | {tag["key"]: tag.get("value", "") for tag in request["tags"]}
    if len(tags) > engine.limits.tags:
        raise _too_many_tags(engine)
    domain.tags = tags
    _note(engine, domain)
    return {}


def untag_resource(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out UntagResource; unknown keys are ignored."""
    domain = _tagged_domain(engine, request)
    # Assumption: untag-unknown: an unknown key is not an error.
    for key in request["tagKeys"]:
        domain.tags.pop(key, None)
    _note(engine, domain)
    return {}


def list_tags_for_resource(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListTagsForResource."""
    domain = _tagged_domain(engine, request)
    return {"tags": [{"key": key, "value": value} for key, value in domain.tags.items()]}


def _tagged_domain(engine: Engine, request: dict[str, Any]) -> Domain:
    arn: str = request["resourceArn"]
    domain = engine.domains.get(arn.partition("/domain/")[2])
    if domain is None or domain.arn != arn:
        # Assumption: unknown-arn-text: the service's text is not known.
        raise UnknownResourceFault(f"Unknown resource: {arn}")
    return domain


def _note(engine: Engine, domain: Domain) -> None:
    if engine.changes is not None:
        engine.changes.domain_changed(domain)


def _too_many_tags(engine: Engine) -> TooManyTagsFault:
    # Assumption: limit-texts: the service's texts for these limits are not known.
    return TooManyTagsFault(f"A domain can have at most {engine.limits.tags} tags")
