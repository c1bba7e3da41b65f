"""Registered types: the workflow types and activity types of a domain, and their operations."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowy_sim._engine.faults import (
    DomainDeprecatedFault,
    LimitExceededFault,
    TypeAlreadyExistsFault,
    TypeDeprecatedFault,
    TypeNotDeprecatedFault,
    UnknownResourceFault,
)
from flowy_sim._engine.model import instant

if TYPE_CHECKING:
    from flowy_sim._engine.domains import Domain
    from flowy_sim._engine.engine import Engine

#: A type's name and version, which identify it in its domain.
TypeKey = tuple[str, str]

WORKFLOW = "WorkflowType"
ACTIVITY = "ActivityType"

# The settings of what is started, with the member of its type that holds the default for each:
# first those without which the service starts nothing, in the order in which it checks them, then
# those that may remain undefined.
_REQUIRED = {
    WORKFLOW: {
        "executionStartToCloseTimeout": "defaultExecutionStartToCloseTimeout",
        "taskList": "defaultTaskList",
        "taskStartToCloseTimeout": "defaultTaskStartToCloseTimeout",
        "childPolicy": "defaultChildPolicy",
    },
    ACTIVITY: {
        "taskList": "defaultTaskList",
        "scheduleToStartTimeout": "defaultTaskScheduleToStartTimeout",
        "scheduleToCloseTimeout": "defaultTaskScheduleToCloseTimeout",
        "startToCloseTimeout": "defaultTaskStartToCloseTimeout",
        "heartbeatTimeout": "defaultTaskHeartbeatTimeout",
    },
}
_OPTIONAL = {
    WORKFLOW: {"taskPriority": "defaultTaskPriority", "lambdaRole": "defaultLambdaRole"},
    ACTIVITY: {"taskPriority": "defaultTaskPriority"},
}
DEFAULTS = {kind: {**_REQUIRED[kind], **_OPTIONAL[kind]} for kind in (WORKFLOW, ACTIVITY)}


class UnstartableError(LookupError):
    """What a decision asks to start cannot be started.

    Attributes:
        cause: the cause of the failure of the decision, such as WORKFLOW_TYPE_DOES_NOT_EXIST.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class UndefinedSettingError(UnstartableError):
    """A setting was not given and the type has no default for it.

    Attributes:
        setting: its name, such as ``taskList``.
    """

    def __init__(self, setting: str) -> None:
        words = re.sub("([A-Z])", r"_\1", setting).upper()
        super().__init__(f"DEFAULT_{words}_UNDEFINED")
        self.setting = setting


def type_key(structure: dict[str, str]) -> TypeKey:
    """Return the identity in a request's ``workflowType`` or ``activityType``."""
    return structure["name"], structure["version"]


class RegisteredType:
    """A type and what was registered with it.

    Args:
        kind: `WORKFLOW` or `ACTIVITY`.
        request: a checked Register request.
        now: when it is registered, in milliseconds.

    Attributes:
        kind: `WORKFLOW` or `ACTIVITY`.
        key: its name and version.
        description: as registered, or None.
        defaults: the registered ``default…`` members, by name.
        created_at: when it was registered, in milliseconds.
        deprecated_at: when it was deprecated, in milliseconds; None while it is registered.
    """

    __slots__ = (
        "_settings",
        "_undefined",
        "created_at",
        "defaults",
        "deprecated_at",
        "description",
        "key",
        "kind",
    )

    def __init__(self, kind: str, request: dict[str, Any], now: int) -> None:
        self.kind = kind
        self.key: TypeKey = (request["name"], request["version"])
        self.description: str | None = request.get("description")
        self.defaults = {m: v for m, v in request.items() if m.startswith("default")}
        self.created_at = now
        self.deprecated_at: int | None = None
        self._settings = {
            setting: self.defaults[default]
            for setting, default in DEFAULTS[kind].items()
            if self.defaults.get(default) is not None
        }
        self._undefined = [each for each in _REQUIRED[kind] if each not in self._settings]

    @property
    def status(self) -> str:
        """``REGISTERED`` or ``DEPRECATED``."""
        return "REGISTERED" if self.deprecated_at is None else "DEPRECATED"

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of what has this type: as given, or else the defaults.

        Args:
            given: a request, or the attributes of a decision.

        Raises:
            UndefinedSettingError: for the first required setting without a value.
        """
        settings = self._settings.copy()
        for setting in DEFAULTS[self.kind]:
            if given.get(setting):
                settings[setting] = given[setting]
        for setting in self._undefined:
            if setting not in settings:
                raise UndefinedSettingError(setting)
        return settings

    def describe(self) -> str:
        """Return the type as the service's messages name it."""
        return describe(self.kind, self.key)

    def info(self) -> dict[str, Any]:
        """Return the ``typeInfo`` of a reply."""
        info: dict[str, Any] = {}
        structure = {"name": self.key[0], "version": self.key[1]}
        if self.kind == ACTIVITY:
            info["activityType"] = structure
        info["creationDate"] = instant(self.created_at)
        if self.deprecated_at is not None:
            info["deprecationDate"] = instant(self.deprecated_at)
        if self.description is not None:
            info["description"] = self.description
        info["status"] = self.status
        if self.kind == WORKFLOW:
            info["workflowType"] = structure
        return info

    def configuration(self) -> dict[str, Any]:
        """Return the ``configuration`` of a reply: the defaults that were set."""
        return {
            member: dict(value) if isinstance(value, dict) else value
            for member, value in sorted(self.defaults.items())
        }


def describe(kind: str, key: TypeKey) -> str:
    """Return a type as the service's messages name it, as recorded."""
    return f"{kind}=[name={key[0]}, version={key[1]}]"


class RegisteredTypes:
    """The types of one kind in a domain, in ascending order of name and version.

    Args:
        kind: `WORKFLOW` or `ACTIVITY`.
        limit: the number of types that there may be.
    """

    def __init__(self, kind: str, limit: int) -> None:
        self._kind = kind
        self._limit = limit
        # Assumption: type-order: by name, then by version.
        self._types: dict[TypeKey, RegisteredType] = {}
        self._order: list[TypeKey] = []

    def get(self, key: TypeKey) -> RegisteredType | None:
        """Return the type, registered or deprecated; None if there is none."""
        return self._types.get(key)

    def keys(self, name: str | None) -> list[TypeKey]:
        """Return the names and versions in ascending order, all or those of one name."""
        if name is None:
            return self._order
        start = bisect_left(self._order, (name, ""))
        end = bisect_left(self._order, (name + "\0", ""), start)
        return self._order[start:end]

    def require(self, key: TypeKey) -> RegisteredType:
        """Return the type, registered or deprecated.

        Raises:
            UnknownResourceFault: there is no such type.
        """
        found = self._types.get(key)
        if found is None:
            raise UnknownResourceFault(f"Unknown type: {describe(self._kind, key)}")
        return found

    def register(self, request: dict[str, Any], now: int) -> None:
        """Add a type.

        Raises:
            TypeAlreadyExistsFault: there is a type of that name and version.
            LimitExceededFault: the domain has as many types as it may have.
        """
        key: TypeKey = (request["name"], request["version"])
        if key in self._types:
            raise TypeAlreadyExistsFault(describe(self._kind, key))
        if len(self._types) >= self._limit:
            # Assumption: limit-texts: the service's texts for these limits are not known.
            raise LimitExceededFault(f"Limit on the number of {self._kind}s per domain reached")
        self.add(RegisteredType(self._kind, request, now))

    def add(self, registered: RegisteredType) -> None:
        """Add a type without checks."""
        self._types[registered.key] = registered
        insort(self._order, registered.key)

    def deprecate(self, key: TypeKey, now: int) -> None:
        """Deprecate a type.

        Raises:
            TypeDeprecatedFault: it is deprecated already.
        """
        found = self.require(key)
        if found.deprecated_at is not None:
            raise TypeDeprecatedFault(found.describe())
        found.deprecated_at = now

    def undeprecate(self, key: TypeKey) -> None:
        """Register a deprecated type again.

        Raises:
            TypeAlreadyExistsFault: it is not deprecated.
        """
        found = self.require(key)
        if found.deprecated_at is None:
            raise TypeAlreadyExistsFault(found.describe())
        # Assumption: undeprecated-in-deprecated: also in a deprecated domain, where executions
        # that run can then use it.
        found.deprecated_at = None

    def delete(self, key: TypeKey) -> None:
        """Delete a deprecated type.

        Raises:
            TypeNotDeprecatedFault: it is not deprecated.
        """
        found = self.require(key)
        if found.deprecated_at is None:
            raise TypeNotDeprecatedFault(
                "The type is currently registered and cannot be deleted in its current state"
            )
        del self._types[key]
        del self._order[bisect_left(self._order, key)]

    def deprecate_all(self, now: int) -> list[TypeKey]:
        """Deprecate every type, because the domain is; return those that this has deprecated."""
        found = [each for each in self._types.values() if each.deprecated_at is None]
        for registered in found:
            registered.deprecated_at = now
        return [registered.key for registered in found]


def register_workflow_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RegisterWorkflowType."""
    return _register(engine, request, WORKFLOW)


def register_activity_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out RegisterActivityType."""
    return _register(engine, request, ACTIVITY)


def deprecate_workflow_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DeprecateWorkflowType."""
    return _deprecate(engine, request, WORKFLOW)


def deprecate_activity_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DeprecateActivityType."""
    return _deprecate(engine, request, ACTIVITY)


def undeprecate_workflow_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out UndeprecateWorkflowType."""
    return _undeprecate(engine, request, WORKFLOW)


def undeprecate_activity_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out UndeprecateActivityType."""
    return _undeprecate(engine, request, ACTIVITY)


def delete_workflow_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DeleteWorkflowType; open executions of the type continue."""
    return _delete(engine, request, WORKFLOW)


def delete_activity_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DeleteActivityType; open tasks of the type continue."""
    return _delete(engine, request, ACTIVITY)


def describe_workflow_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DescribeWorkflowType."""
    return _describe(engine, request, WORKFLOW)


def describe_activity_type(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out DescribeActivityType."""
    return _describe(engine, request, ACTIVITY)


def _register(engine: Engine, request: dict[str, Any], kind: str) -> dict[str, Any]:
    domain = engine.domain(request["domain"])
    if domain.deprecated:
        # Assumption: deprecated-domain-register: the fault that starting an execution gets.
        raise DomainDeprecatedFault(domain.name)
    domain.types(kind).register(request, engine.now)
    return _changed(engine, domain, kind, type_key(request))


def _deprecate(engine: Engine, request: dict[str, Any], kind: str) -> dict[str, Any]:
    domain, key = _addressed(engine, request, kind)
    domain.types(kind).deprecate(key, engine.now)
    return _changed(engine, domain, kind, key)


def _undeprecate(engine: Engine, request: dict[str, Any], kind: str) -> dict[str, Any]:
    domain, key = _addressed(engine, request, kind)
    domain.types(kind).undeprecate(key)
    return _changed(engine, domain, kind, key)


def _delete(engine: Engine, request: dict[str, Any], kind: str) -> dict[str, Any]:
    domain, key = _addressed(engine, request, kind)
    domain.types(kind).delete(key)
    return _changed(engine, domain, kind, key)


def _describe(engine: Engine, request: dict[str, Any], kind: str) -> dict[str, Any]:
    domain, key = _addressed(engine, request, kind)
    registered = domain.types(kind).require(key)
    return {"configuration": registered.configuration(), "typeInfo": registered.info()}


def _addressed(engine: Engine, request: dict[str, Any], kind: str) -> tuple[Domain, TypeKey]:
    return engine.domain(request["domain"]), type_key(request[kind[0].lower() + kind[1:]])


def _changed(engine: Engine, domain: Domain, kind: str, key: TypeKey) -> dict[str, Any]:
    """Note that a type has changed; return the empty reply."""
    if engine.changes is not None:
        engine.changes.type_changed(domain, kind, key)
    return {}
