"""A registry of the types that a runner's workers implement, and of their task lists."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import ModuleType
from typing import Any

from botocore import xform_name

from flowy._client import SwfClient, fault_code
from flowy._safe_text import safe_logger
from flowy._workers.registration import Type, by_type, register, scan
from flowy.activity import Activity, ActivityType, activity_class
from flowy.errors import ConfigurationError
from flowy.payloads import PLAIN, Payloads
from flowy.proxy import ActivityProxy, LambdaProxy, WorkflowProxy
from flowy.retry import Retry
from flowy.workflow import Workflow, WorkflowType
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.faults import Fault
from flowy_sim._events.waits import MISSING_LIST
from flowy_sim._simulation.stub_answers import ACTIVITY, CHILD
from flowy_sim._simulation.stubs import STUBS_LIST, NameAndVersion, bare_activity, bare_workflow
from flowy_sim.testing._stub_dispatch import StubDispatch
from flowy_sim.testing._stubbed_types import (
    StubbedWorkflow,
    stub_functions,
    stubbed_activity,
    stubbed_workflow,
)

logger = safe_logger("flowy_sim.testing")

Source = str | ModuleType | type[Any] | Callable[..., Any]
Sources = Source | Iterable[Source]

Proxy = ActivityProxy[..., Any] | WorkflowProxy[..., Any]


class Registry:
    """Workflow types, and the types of the activities and children that they call.

    Args:
        client: describes and registers types.
        domain: the domain's name.
        workflows: classes of workflows.
        activities: classes of activities.
        stub_dispatch: makes implementations of stubs; None if there are none.
        payloads: encodes and decodes arguments and results.

    Attributes:
        workflows: the classes of workflows, by the name and version of their types.
        activities: the classes of activities, stubs included, in the same way.
        missing: the types of activities that proxies name, without implementation or stub.
        missing_children: the same for the types of child workflows.
        names: the names of everything that can be called: activities, children and Lambda
            functions.
        payloads: as given.

    Raises:
        ConfigurationError: a class is not decorated, or two classes declare the same type.
    """

    def __init__(
        self,
        client: SwfClient,
        domain: str,
        workflows: Iterable[type[Workflow]],
        activities: Iterable[type[Activity]],
        stub_dispatch: StubDispatch | None = None,
        payloads: Payloads = PLAIN,
    ) -> None:
        self._client = client
        self._domain = domain
        self.payloads = payloads
        deciders = list(workflows)
        self.workflows = by_type(WorkflowType, deciders) if deciders else {}
        used = [proxy for cls in self.workflows.values() for proxy in all_proxies(cls)]
        self._proxies = [each for each in used if isinstance(each, ActivityProxy)]
        self._children = [each for each in used if isinstance(each, WorkflowProxy)]
        classes = list(activities)
        self.activities = by_type(ActivityType, classes) if classes else {}
        self._stub_dispatch = stub_dispatch
        self._only_named: dict[tuple[str, NameAndVersion], ActivityType | WorkflowType] = {}
        if stub_dispatch is not None:
            self._stub(stub_dispatch)
        called = dict.fromkeys(map(type_of, self._proxies))
        self.missing = [key for key in called if key not in self.activities]
        started = dict.fromkeys(map(type_of, self._children))
        self.missing_children = [key for key in started if key not in self.workflows]
        types = (*self.activities, *self.workflows)
        self.names = frozenset([name for name, _ in types] + [each.declared.name for each in used])

    @cached_property
    def decision_lists(self) -> list[str]:
        """The task lists of the workflows, by their types and by the options of proxies."""
        own = {k: cls for k, cls in self.workflows.items() if (CHILD, k) not in self._only_named}
        return _unique([*task_lists(own, self._children), *self._stub_lists(CHILD)])

    @cached_property
    def activity_lists(self) -> list[str]:
        """The task lists of the activities, by their types and by the options of proxies."""
        own = {
            key: cls
            for key, cls in self.activities.items()
            if (ACTIVITY, key) not in self._only_named
        }
        return _unique([*task_lists(own, self._proxies), *self._stub_lists(ACTIVITY)])

    @property
    def polled(self) -> frozenset[tuple[str, str]]:
        """The kind and name of each task list of the types, except that of stubs."""
        lists = [(CHILD, name) for name in self.decision_lists]
        lists += [(ACTIVITY, name) for name in self.activity_lists]
        return frozenset(each for each in lists if each[1] != STUBS_LIST)

    def _stub_lists(self, kind: str) -> list[str]:
        stubs = self._stub_dispatch
        return [STUBS_LIST] if stubs is not None and stubs.stubs.all(kind) else []

    @property
    def other_decision_lists(self) -> list[str]:
        """The task lists of children that no class implements: other deciders poll them."""
        return self._other_lists(self._children, self.workflows, self._workflow_defaults)

    @property
    def other_activity_lists(self) -> list[str]:
        """The task lists of activities without code or stub: other workers poll them."""
        return self._other_lists(self._proxies, self.activities, self._activity_defaults)

    def register(self, is_new: bool = False) -> None:
        """Register all types that the domain does not have yet.

        Missing types are registered without time-outs, so that their tasks wait.

        Args:
            is_new: whether the domain is new, so that it has none of them.

        Raises:
            RegistrationError: the domain has one of them with other defaults.
        """
        bare = self._only_named
        types: list[Type] = [
            cls.flowy_type for key, cls in self.workflows.items() if (CHILD, key) not in bare
        ]
        types += [
            cls.flowy_type for key, cls in self.activities.items() if (ACTIVITY, key) not in bare
        ]
        # In a new domain there is nothing to compare with, which saves half of the calls.
        if is_new and self._stub_dispatch is not None:
            self._register_all(self._stub_dispatch.simulation, types)
        else:
            register(self._client, self._domain, types)
        missing = [bare_activity(*key, MISSING_LIST) for key in self.missing]
        children = [bare_workflow(*key, MISSING_LIST) for key in self.missing_children]
        unknown: list[Type] = [*missing, *children]
        for each in unknown:
            try:
                self._register(each)
            except Exception as error:
                # An earlier run in this domain, or the code under test, has registered it.
                if fault_code(error) != "TypeAlreadyExistsFault":
                    raise

    def _register_all(self, simulation: Simulation, types: Iterable[Type]) -> None:
        """Register types in a new domain, for each test or explored run: without a client."""
        for each in types:
            operation = _OPERATIONS[each.kind]
            try:
                simulation.call(operation, self._request(each))
            except Fault:
                self._register(each)  # It raises the error of a client.
            logger.info("registered the %s %s in %s", each.kind, each, self._domain)

    def _register(self, each: Type) -> None:
        getattr(self._client, xform_name(_OPERATIONS[each.kind]))(**self._request(each))

    def _request(self, each: Type) -> dict[str, Any]:
        return {
            "domain": self._domain,
            "name": each.name,
            "version": each.version,
            **each.defaults,
        }

    def _other_lists(
        self,
        proxies: Iterable[Proxy],
        served: Mapping[NameAndVersion, type[Any]],
        defaults: Callable[[NameAndVersion], dict[str, Any] | None],
    ) -> list[str]:
        """Return the lists of proxies of types that are not served, but not those of the others."""
        found: list[str | None] = []
        for proxy in proxies:
            if (key := type_of(proxy)) not in served:
                chosen = _task_list(proxy.call_options.members, "taskList")
                found.append(chosen or _task_list(defaults(key) or {}))
        return [name for name in _unique(found) if name not in task_lists(served, proxies)]

    def _stub(self, stub_dispatch: StubDispatch) -> None:
        """Replace what is stubbed by stubs.

        A type of which only the name is known is not registered yet, because the code under test
        may register it, with its own defaults.
        """
        called = set(map(type_of, self._proxies))
        begun = set(map(type_of, self._children))
        for key, stub in stub_dispatch.stubs.all().items():
            declared = self._activity_type(key) if stub.cls is None else stub.cls.flowy_type
            assert isinstance(declared, ActivityType)
            if stub.cls is None and key not in self.activities and key not in called:
                self._only_named[ACTIVITY, key] = declared
            self.activities[key] = stubbed_activity(stub.cls, declared)
        for key, stub in stub_dispatch.stubs.all(CHILD).items():
            started = self._workflow_type(key) if stub.cls is None else stub.cls.flowy_type
            assert isinstance(started, WorkflowType)
            if stub.cls is None and key not in self.workflows and key not in begun:
                self._only_named[CHILD, key] = started
            self.workflows[key] = stubbed_workflow(stub_dispatch, started)
        stub_functions(stub_dispatch)
        stub_dispatch.unregistered = dict(self._only_named)
        stub_dispatch.polled = self.polled
        stub_dispatch.flowys_types = frozenset(
            key for key, cls in self.workflows.items() if not issubclass(cls, StubbedWorkflow)
        )

    def _activity_type(self, key: NameAndVersion) -> ActivityType:
        """Return the type of the activity that a stub names."""
        if key in self.activities:
            return self.activities[key].flowy_type
        defaults = self._activity_defaults(key)
        if defaults is None:
            return bare_activity(*key, STUBS_LIST)
        return ActivityType(*key, defaults, Retry(1), False)

    def _workflow_type(self, key: NameAndVersion) -> WorkflowType:
        """Return the type of the child workflow that a stub names."""
        if key in self.workflows:
            return self.workflows[key].flowy_type
        defaults = self._workflow_defaults(key)
        return bare_workflow(*key, STUBS_LIST) if defaults is None else WorkflowType(*key, defaults)

    def _activity_defaults(self, key: NameAndVersion) -> dict[str, Any] | None:
        return self._defaults(self._client.describe_activity_type, "activityType", key)

    def _workflow_defaults(self, key: NameAndVersion) -> dict[str, Any] | None:
        return self._defaults(self._client.describe_workflow_type, "workflowType", key)

    def _defaults(
        self, describe: Callable[..., dict[str, Any]], member: str, key: NameAndVersion
    ) -> dict[str, Any] | None:
        """Return the registered defaults of a type; None if the domain does not have it."""
        name, version = key
        try:
            reply = describe(domain=self._domain, **{member: {"name": name, "version": version}})
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
            return None
        defaults: dict[str, Any] = reply["configuration"]
        return defaults


_OPERATIONS = {"activity": "RegisterActivityType", "workflow": "RegisterWorkflowType"}
"""What registers a type, by its kind."""


def activities_in(sources: Sources) -> list[type[Activity]]:
    """Return the given activities, and those in the given modules and packages."""
    return [cls for found in _expanded(sources) for cls in _classes(found, ActivityType)]


def workflows_in(sources: Sources) -> list[type[Workflow]]:
    """Return the given workflows, and those in the given modules and packages."""
    return [cls for found in _expanded(sources) for cls in _classes(found, WorkflowType)]


def module_of(cls: type[Any]) -> ModuleType:
    """Return the module that defines a class."""
    return sys.modules[cls.__module__]


def all_proxies(
    workflow: type[Workflow],
) -> list[ActivityProxy[..., Any] | WorkflowProxy[..., Any] | LambdaProxy]:
    """Return the proxies that a workflow has as attributes, sorted by attribute name."""
    return _members(workflow, ActivityProxy, WorkflowProxy, LambdaProxy)


def proxies(workflow: type[Workflow]) -> list[ActivityProxy[..., Any]]:
    """Return the proxies of activities of a workflow."""
    return _members(workflow, ActivityProxy)


def children(workflow: type[Workflow]) -> list[WorkflowProxy[..., Any]]:
    """Return the proxies of child workflows of a workflow."""
    return _members(workflow, WorkflowProxy)


def functions(workflow: type[Workflow]) -> list[str]:
    """Return the names of the Lambda functions that a workflow has proxies of."""
    return [proxy.declared.name for proxy in _members(workflow, LambdaProxy)]


def _members(cls: type[Workflow], *kinds: type[Any]) -> list[Any]:
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base not in Workflow.__mro__:
            members.update(vars(base))
    found = {name: each for name, each in members.items() if isinstance(each, kinds)}
    return [found[name] for name in sorted(found)]


def families(workflows: Iterable[type[Workflow]]) -> list[type[Workflow]]:
    """Return workflows with their children, and the children of these.

    If two classes declare the same type, the first one counts.
    """
    found: dict[NameAndVersion, type[Workflow]] = {}
    waiting = list(workflows)
    while waiting:
        cls = waiting.pop(0)
        declared = cls.flowy_type
        if found.setdefault((declared.name, declared.version), cls) is cls:
            waiting += [each.workflow for each in children(cls) if each.workflow is not None]
            waiting = [each for each in waiting if each not in found.values()]
    return list(found.values())


def implementations(workflows: Iterable[type[Workflow]]) -> list[type[Activity]]:
    """Return the activities that the proxies of workflows were made from."""
    named = [proxy.activity for workflow in workflows for proxy in proxies(workflow)]
    return [activity for activity in named if activity is not None]


def type_of(proxy: Proxy) -> NameAndVersion:
    """Return the name and version of the type that a proxy calls."""
    return proxy.declared.name, proxy.declared.version


def _expanded(sources: Any) -> list[Source]:
    one = isinstance(sources, str | ModuleType | type) or callable(sources)
    if not one and not isinstance(sources, Iterable):
        raise ConfigurationError(
            "activities and workflows must be classes, functions, modules, packages, or names of "
            f"modules or packages, not {sources!r}"
        )
    return [activity_class(source) for source in ([sources] if one else sources)]


def _classes(source: Source, declared: type[ActivityType | WorkflowType]) -> Iterable[Any]:
    if isinstance(source, str | ModuleType):
        found = scan(source)
        return found.activities if declared is ActivityType else found.workflows
    if not isinstance(getattr(source, "flowy_type", None), declared):
        raise ConfigurationError(f"{source!r} is not a class decorated with @{declared.kind}")
    return [source]


def _task_list(defaults: dict[str, Any], member: str = "defaultTaskList") -> str | None:
    name: str | None = defaults.get(member, {}).get("name")
    return name


def task_lists(served: Mapping[NameAndVersion, type[Any]], proxies: Iterable[Proxy]) -> list[str]:
    """Return the task lists of types, and those on which proxies schedule them."""
    declared = [_task_list(cls.flowy_type.defaults) for cls in served.values()]
    chosen = [
        _task_list(proxy.call_options.members, "taskList")
        for proxy in proxies
        if type_of(proxy) in served
    ]
    return _unique([*declared, *chosen])


def _unique(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name is not None))
