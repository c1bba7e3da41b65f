"""What docstrings say: examples show what happens, and packages where what is."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
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
def test_a_package_says_where_all_its_modules_are(package: str) -> None:
    found = import_module(package)
    _, _, places = (found.__doc__ or "").partition("Where what is:")
    there = {module.name for module in iter_modules(found.__path__)} - {"__main__"}
    assert set(re.findall(r"`(\w+)`", places)) == there
