"""What the workers of a runner can do, and which task lists they have to wait on for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from flowy.activity import Activity, ActivityType, activity_class
from flowy.client import SwfClient, fault_code
from flowy.options import ACTIVITY, default_members, members
from flowy.proxy import ActivityProxy
from flowy.registry import Type, by_type, register, scan
from flowy.retry import Retry
from flowy.serialization import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType
from flowy_sim.standing_in import StandIns
from flowy_sim.stubs import NameAndVersion

logger = logging.getLogger(__name__)

Source = str | ModuleType | type[Any] | Callable[..., Any]
Sources = Source | Iterable[Source]

STUBS_LIST = "stubs"
"""Where workers wait for a stub of whose type nothing is known but the name."""

MISSING_LIST = "not implemented"
"""Where nobody waits for what is missing."""


class Repertoire:
    """Workflows, and the activities that they ask for.

    Attributes:
        workflows: their classes by name and version.
        activities: the classes of activities, stubs among them, by name and version.
        missing: the activities that the workflows' proxies ask for and of which there is neither
            an implementation nor a stub.
        payloads: how arguments and results travel.
    """

    def __init__(
        self,
        client: SwfClient,
        domain: str,
        workflows: Iterable[type[Workflow]],
        activities: Iterable[type[Activity]],
        stand_ins: StandIns | None = None,
        payloads: Payloads = PLAIN,
    ) -> None:
        """Put classes and stubs together.

        Args:
            client: what the domain is asked with.
            domain: the domain's name.
            workflows: classes of workflows.
            activities: classes of activities.
            stand_ins: make activities of stubs, if there are any.
            payloads: how arguments and results travel.

        Raises:
            ConfigurationError: a class is not decorated, or two declare the same type.
        """
        self._client = client
        self._domain = domain
        self.payloads = payloads
        deciders = list(workflows)
        self.workflows = by_type(WorkflowType, deciders) if deciders else {}
        self._proxies = [proxy for cls in self.workflows.values() for proxy in proxies(cls)]
        classes = list(activities)
        self.activities = by_type(ActivityType, classes) if classes else {}
        if stand_ins is not None:
            for key, stub in stand_ins.stubs.all().items():
                real = stub.activity
                declared = self._declared(key) if real is None else real.flowy_type
                self.activities[key] = stand_ins.activity(stub, declared)
        asked = dict.fromkeys(type_of(proxy) for proxy in self._proxies)
        self.missing = [key for key in asked if key not in self.activities]

    @property
    def decision_lists(self) -> list[str]:
        """The task lists of the workflows."""
        return _unique(_task_list(cls.flowy_type.defaults) for cls in self.workflows.values())

    @property
    def activity_lists(self) -> list[str]:
        """The task lists of the activities, by their types and by what proxies say otherwise."""
        if not self.activities:
            return []
        declared = [_task_list(cls.flowy_type.defaults) for cls in self.activities.values()]
        asked = [proxy.attributes.get("taskList", {}).get("name") for proxy in self._proxies]
        return _unique([*declared, *asked])

    def register(self, is_new: bool = False) -> None:
        """Register all types that the domain does not know yet.

        Those that are missing are registered without time-outs, so that their tasks wait.

        Args:
            is_new: whether the domain knows no types at all, and need not be asked.

        Raises:
            RegistrationError: the domain knows one of them with other defaults.
        """
        types: list[Type] = [cls.flowy_type for cls in self.workflows.values()]
        types += [cls.flowy_type for cls in self.activities.values()]
        if is_new:
            self._register_all(types)
        else:
            register(self._client, self._domain, types)
        for name, version in self.missing:
            declared = _bare(name, version, MISSING_LIST)
            try:
                self._client.register_activity_type(
                    domain=self._domain, name=name, version=version, **declared.defaults
                )
            except Exception as error:
                if fault_code(error) != "TypeAlreadyExistsFault":
                    raise

    def _register_all(self, types: Iterable[Type]) -> None:
        client = self._client
        for each in types:
            activity = each.kind == "activity"
            call = client.register_activity_type if activity else client.register_workflow_type
            call(domain=self._domain, name=each.name, version=each.version, **each.defaults)
            logger.info("registered the %s %s in %s", each.kind, each, self._domain)

    def _declared(self, key: NameAndVersion) -> ActivityType:
        """Find the type of a stub that was given by name."""
        if key in self.activities:
            return self.activities[key].flowy_type
        name, version = key
        try:
            reply = self._client.describe_activity_type(
                domain=self._domain, activityType={"name": name, "version": version}
            )
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
            return _bare(name, version, STUBS_LIST)
        return ActivityType(name, version, reply["configuration"], Retry(1), False)


def activities_in(sources: Sources) -> list[type[Activity]]:
    """Return activities, and those in modules and packages or the names of such."""
    return [cls for found in _expanded(sources) for cls in _classes(found, "activities")]


def workflows_in(sources: Sources) -> list[type[Workflow]]:
    """Return the workflows among classes, and in modules and packages or the names of such."""
    return [cls for found in _expanded(sources) for cls in _classes(found, "workflows")]


def module_of(cls: type[Any]) -> ModuleType:
    """Return the module that a class was defined in."""
    return sys.modules[cls.__module__]


def proxies(workflow: type[Workflow]) -> Iterator[ActivityProxy[..., Any]]:
    """Yield the proxies that a workflow has as attributes."""
    for name in dir(workflow):
        proxy = getattr(workflow, name)
        if isinstance(proxy, ActivityProxy):
            yield proxy


def type_of(proxy: ActivityProxy[..., Any]) -> NameAndVersion:
    """Return name and version of the type that a proxy asks for."""
    named = proxy.attributes["activityType"]
    return named["name"], named["version"]


def _expanded(sources: Any) -> list[Source]:
    one = isinstance(sources, str | ModuleType | type) or callable(sources)
    return [activity_class(source) for source in ([sources] if one else sources)]


def _classes(source: Source, kind: str) -> Iterable[Any]:
    return getattr(scan(source), kind) if isinstance(source, str | ModuleType) else [source]


def _bare(name: str, version: str, task_list: str) -> ActivityType:
    """Make a type of which nothing is known but the name."""
    unlimited = dict.fromkeys(
        ("heartbeat", "schedule_to_close", "schedule_to_start", "start_to_close")
    )
    wire = members(ACTIVITY, {"task_list": task_list, **unlimited})
    return ActivityType(name, version, default_members(wire, infix="Task"), Retry(1), False)


def _task_list(defaults: dict[str, Any]) -> str | None:
    name: str | None = defaults.get("defaultTaskList", {}).get("name")
    return name


def _unique(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name is not None))
