"""Docstrings: examples show what really happens, and packages list all of their modules."""

from __future__ import annotations

import ast
import doctest
import re
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import iter_modules

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("flowy", "flowy_sim")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_what_an_example_prints_is_what_it_says(module: str) -> None:
    outcome = doctest.testmod(import_module(module))
    assert outcome.attempted
    assert not outcome.failed


@pytest.mark.parametrize("package", ["flowy", "flowy_sim"])
def test_the_layout_of_a_package_lists_all_its_packages_and_public_modules(package: str) -> None:
    found = import_module(package)
    _, _, layout = (found.__doc__ or "").partition("Layout.")
    modules = {each.name for each in iter_modules(found.__path__) if not each.name.startswith("_")}
    packages = {each.name for each in iter_modules(found.__path__) if each.ispkg}
    listed = set(re.findall(r"(?:^|(?<=  )|(?<=, ))`{1,2}(\w+)`", layout, re.MULTILINE))
    assert listed >= modules | packages


@pytest.mark.slow
def test_the_docstring_of_a_constant_follows_it_directly() -> None:
    detached = [
        f"{path.relative_to(ROOT)}:{after.lineno}"
        for package in ("flowy", "flowy_sim")
        for path in sorted((ROOT / package).rglob("*.py"))
        for before, after in pairwise(ast.parse(path.read_text(encoding="utf-8")).body)
        if isinstance(before, ast.Assign | ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and after.lineno != (before.end_lineno or 0) + 1
    ]
    assert detached == []
