"""The types that workers can run: find them in modules, and register them with the service."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from flowy._client import SwfClient, call, fault_code, no_domain
from flowy._safe_text import safe_logger
from flowy.activity import Activity, ActivityType, activity_class
from flowy.errors import ConfigurationError, RegistrationError
from flowy.workflow import Workflow, WorkflowType

logger = safe_logger("flowy.workers")

Type = ActivityType | WorkflowType
C = TypeVar("C", bound=Activity | Workflow)


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The decorated classes that `scan` found, ordered by name and version.

    Attributes:
        activities: the classes of activities.
        workflows: the classes of workflows.
    """

    activities: tuple[type[Activity], ...]
    workflows: tuple[type[Workflow], ...]


def scan(*sources: str | ModuleType) -> ScanResult:
    """Find the activities and workflows of packages and modules.

    A package is searched with all its submodules, which are imported for that. A class counts in
    every module that has a name for it, even one that only imports it.

    Args:
        *sources: modules, or their names, such as ``flowy.tutorial``.

    Returns:
        The classes found.

    Raises:
        ConfigurationError: a module cannot be imported.

    Example:
        ``ActivityWorker(client, "photos", "image_processing", scan("flowy.tutorial").activities)``
    """
    found: dict[type, Type] = {}
    for source in sources:
        for module in _modules(source):
            for named in vars(module).values():
                value = named if isinstance(named, type) else activity_class(named)
                declared = vars(value).get("flowy_type") if isinstance(value, type) else None
                if declared is not None and isinstance(declared, Type):
                    found[value] = declared
    ordered = sorted(found, key=lambda cls: (found[cls].name, found[cls].version))
    return ScanResult(
        tuple(cls for cls in ordered if issubclass(cls, Activity)),
        tuple(cls for cls in ordered if issubclass(cls, Workflow)),
    )


def load_workflow(path: str) -> type[Workflow]:
    """Import a workflow's class.

    Args:
        path: its module and name, such as ``flowy.tutorial:ImageCategorization``.

    Returns:
        The class.

    Raises:
        ConfigurationError: the path has another form, or does not lead to a workflow.
    """
    module_name, colon, class_name = path.partition(":")
    if not (module_name and colon and class_name):
        module_name, _, class_name = path.rpartition(".")
        meant = (
            f"; did you mean {module_name}:{class_name}?"
            if module_name and class_name[:1].isupper()
            else ""
        )
        raise ConfigurationError(f"name a workflow as module:Class, not {path!r}{meant}")
    found: Any = getattr(_imported(module_name), class_name, None)
    if not isinstance(getattr(found, "flowy_type", None), WorkflowType):
        known = ", ".join(cls.__name__ for cls in scan(module_name).workflows) or "none"
        raise ConfigurationError(
            f"{class_name!r} is not a workflow of the module {module_name!r}; "
            f"its workflows: {known}"
        )
    workflow: type[Workflow] = found
    return workflow


def by_type(kind: type[Type], classes: Iterable[type[C]]) -> dict[tuple[str, str], type[C]]:
    """Index decorated classes by name and version.

    Args:
        kind: `ActivityType` or `WorkflowType`, which the classes must declare.
        classes: the classes.

    Returns:
        The classes by name and version.

    Raises:
        ConfigurationError: there are none, one is not decorated, or two declare the same type.
    """
    sorted_: dict[tuple[str, str], type[C]] = {}
    for cls in classes:
        declared = getattr(cls, "flowy_type", None)
        if not isinstance(declared, kind):
            raise ConfigurationError(f"{cls!r} is not a class decorated with @{kind.kind}")
        other = sorted_.setdefault((declared.name, declared.version), cls)
        if other is not cls:
            raise ConfigurationError(
                f"{cls.__qualname__} and {other.__qualname__} both declare the {kind.kind} "
                f"{declared}; give one of them another name or version"
            )
    if not sorted_:
        raise ConfigurationError(
            f"there is no {kind.kind} to work on; decorate one, or scan another module"
        )
    return sorted_


def register(client: SwfClient, domain: str, types: Iterable[Type]) -> None:
    """Register the types that a domain does not know, and check those that it knows.

    Nothing is registered if a check fails.

    Args:
        client: an SWF client.
        domain: the domain's name.
        types: the declared types.

    Raises:
        RegistrationError: the domain is unknown, or it has other defaults for some of the types;
            the error names all differences.
    """
    unknown: list[Type] = []
    differences: list[str] = []
    for declared in types:
        registered = _registered_defaults(client, domain, declared)
        if registered is None:
            unknown.append(declared)
        else:
            differences += _differences(declared, registered)
    _refuse(domain, differences)
    for declared in unknown:
        _register(client, domain, declared)


def _modules(source: str | ModuleType) -> Iterator[ModuleType]:
    module = _imported(source) if isinstance(source, str) else source
    yield module
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{module.__name__}."):
        # Importing __main__ would run the program.
        if found.name.rpartition(".")[2] != "__main__":
            yield _imported(found.name)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"there is no module {name!r}, neither in this folder nor installed{_hint(name)}"
            ) from error
        raise ConfigurationError(
            f"the module {name!r} cannot be imported: {type(error).__name__}: {error}"
            f"{_place(error)}"
        ) from error


def _place(error: Exception) -> str:
    """Return the line of the author's code that an error of an import comes from."""
    if isinstance(error, SyntaxError):
        return ""  # Its text ends with the place.
    ours = (str(Path(__file__).parents[1]), "<frozen ")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [each for each in frames if not each.filename.startswith(ours)]
    # The first of them is the call of the import system.
    return f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines[1:] else ""


def _hint(name: str) -> str:
    if name.endswith(".py"):
        return "; leave out .py"
    module, colon, _ = name.partition(":")
    return f"; give only the module: {module}" if colon else ""


def _registered_defaults(client: SwfClient, domain: str, declared: Type) -> dict[str, Any] | None:
    named = {"name": declared.name, "version": declared.version}
    try:
        if isinstance(declared, ActivityType):
            request = {"domain": domain, "activityType": named}
            reply = call(client, "describe_activity_type", request)
        else:
            request = {"domain": domain, "workflowType": named}
            reply = call(client, "describe_workflow_type", request)
    except Exception as error:
        if fault_code(error) == "UnknownResourceFault":
            return None
        raise
    if reply["typeInfo"]["status"] == "DEPRECATED":
        logger.warning("the %s %s is deprecated in %s", declared.kind, declared, domain)
    configuration: dict[str, Any] = reply["configuration"]
    return configuration


def _differences(declared: Type, registered: dict[str, Any]) -> list[str]:
    return [
        f"{declared.kind} {declared} is registered with {name} {_plain(registered.get(name))}, "
        f"the code says {_plain(declared.defaults.get(name))}"
        for name in sorted(registered.keys() | declared.defaults.keys())
        if registered.get(name) != declared.defaults.get(name)
    ]


def _refuse(domain: str, differences: list[str]) -> None:
    if differences:
        raise RegistrationError(
            f"the domain {domain!r} has other defaults than the code: {'; '.join(differences)}; "
            "registered defaults cannot be changed: restore the code's, or give the type a new "
            "version"
        )


def _plain(value: object) -> str:
    """Return a default for a message: a task list by its name, a missing one as unset."""
    if isinstance(value, dict):
        value = value.get("name")
    return "unset" if value is None else repr(value)


def _register(client: SwfClient, domain: str, declared: Type) -> None:
    names = {"domain": domain, "name": declared.name, "version": declared.version}
    try:
        call(client, f"register_{declared.kind}_type", {**names, **declared.defaults})
    except Exception as error:
        match fault_code(error):
            case "TypeAlreadyExistsFault":  # Another worker was faster.
                registered = _registered_defaults(client, domain, declared)
                _refuse(domain, _differences(declared, registered or declared.defaults))
            case "UnknownResourceFault":
                raise RegistrationError(no_domain(domain)) from error
            case _:
                raise
    else:
        logger.info("registered the %s %s in %s", declared.kind, declared, domain)
