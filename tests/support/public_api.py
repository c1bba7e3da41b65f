"""The listing of the public API: `python -m tests.support.public_api` writes it."""

from __future__ import annotations

import enum
import inspect
import pathlib
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

#: The modules that are public; everything else in the two packages may change at any time.
MODULES = (
    "flowy",
    "flowy.activity",
    "flowy.async_completion",
    "flowy.context",
    "flowy.errors",
    "flowy.executions",
    "flowy.options",
    "flowy.payloads",
    "flowy.proxy",
    "flowy.replay",
    "flowy.result",
    "flowy.retry",
    "flowy.tutorial",
    "flowy.workers",
    "flowy.workflow",
    "flowy_sim",
    "flowy_sim.explore",
    "flowy_sim.faults",
    "flowy_sim.pytest_plugin",
    "flowy_sim.strategies",
    "flowy_sim.testing",
    "flowy_sim.verify",
)
LISTING = pathlib.Path(__file__).with_suffix(".txt")


def listing() -> str:
    """Return all public modules, their names, and the signatures of these, a line each."""
    return "".join(f"{line}\n" for name in MODULES for line in _module(import_module(name)))


def public_names(module: ModuleType) -> list[str]:
    """Return the names a module offers: those of ``__all__``, or what it defines without one."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def _module(module: ModuleType) -> Iterator[str]:
    yield module.__name__
    for name in public_names(module):
        yield from _named(f"  {name}", getattr(module, name))


def _named(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{name}{_bases(value)}{_signature(value)}"
        for member in sorted(vars(value)):
            if not member.startswith("_"):
                yield from _member(f"    {member}", inspect.getattr_static(value, member))
    elif callable(value):
        yield f"{name}{_signature(value)}"
    else:
        kind = "module" if isinstance(value, ModuleType) else type(value).__name__
        yield f"{name}: {kind}"


def _member(name: str, value: object) -> Iterator[str]:
    if isinstance(value, staticmethod | classmethod):
        yield f"{name}{_signature(value.__func__)} [{type(value).__name__}]"
    elif isinstance(value, property):
        yield f"{name} [property]"
    elif callable(value):
        yield f"{name}{_signature(value)}"
    else:
        yield f"{name}"


def _bases(value: type) -> str:
    named = [base.__name__ for base in value.__bases__ if base is not object]
    return f"[{', '.join(named)}]" if named else ""


def _signature(value: object) -> str:
    if inspect.isclass(value) and issubclass(value, enum.Enum):
        return ""
    try:
        signature = str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "(…)"
    # Defaults that have no literal are shown with the address at which they happen to be.
    return re.sub(r" at 0x[0-9a-f]+", "", signature)


if __name__ == "__main__":
    LISTING.write_text(listing(), encoding="utf-8")
