from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.public_api import LISTING, MODULES, listing, public_names

ROOT = Path(__file__).parent.parent


def test_the_public_api_is_as_listed() -> None:
    listed = LISTING.read_text(encoding="utf-8")
    assert listing() == listed, (
        "The public API has changed. If you meant that, run `python -m tests.support.public_api`, "
        "commit the listing, and describe the change in CHANGELOG.md."
    )


@pytest.mark.parametrize("package", ["flowy", "flowy_sim"])
def test_what_is_not_listed_has_a_name_that_begins_with_an_underscore(package: str) -> None:
    root = import_module(package)
    found = {module.name for module in pkgutil.walk_packages(root.__path__, f"{package}.")}
    public = {name for name in found if not any(part.startswith("_") for part in name.split("."))}
    assert {name for name in public if not name.startswith("flowy.tutorial.")} == {
        name for name in MODULES if name.startswith(f"{package}.")
    }


def test_no_two_public_classes_share_a_name() -> None:
    homes: dict[str, set[type]] = {}
    for module in map(import_module, MODULES):
        for name in public_names(module):
            value = getattr(module, name)
            if isinstance(value, type):
                homes.setdefault(name, set()).add(value)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


@pytest.mark.slow
def test_no_two_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = {}
    for package in ("flowy", "flowy_sim"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_has_a_docstring(module: str) -> None:
    names = public_names(import_module(module))
    values = {name: getattr(import_module(module), name) for name in names}
    bare = [
        name
        for name, value in values.items()
        if callable(value) and not (value.__doc__ or "").strip()
    ]
    assert bare == []
