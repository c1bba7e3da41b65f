"""What CONTRIBUTING says about the repository is true."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from flowy_sim.faults import KINDS

ROOT = Path(__file__).parents[1]
FOLDERS = ("flowy", "flowy_sim", "tests")
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# Packages that share a box of the diagram, by the name of the box.
BOXES = {"_cli": "shells", "pytest_plugin": "shells", "faults": "testing"}


@cache
def arrows() -> dict[str, set[str]]:
    """The boxes that the arrows of each box lead to."""
    diagram = TEXT.split("```mermaid\n")[1].split("```")[0]
    found: dict[str, set[str]] = {}
    for start, end in re.findall(r'(\w+)(?:\["[^"]*"\])? --> (\w+)', diagram):
        found.setdefault(start, set()).add(end)
    return found


def box(module: str) -> str | None:
    """The box of a module; None for what is in no package."""
    package, _, rest = module.partition(".")
    inner = rest.partition(".")[0]
    if package == "flowy":
        return "flowy"
    is_package = package == "flowy_sim" and (ROOT / package / inner).is_dir()
    return BOXES.get(inner, inner.lstrip("_")) if inner and is_package else None


@cache
def imports() -> set[tuple[str, str]]:
    """The imports at run time between boxes, in functions as well as in modules."""
    found: set[tuple[str, str]] = set()
    for path in (ROOT / "flowy_sim").rglob("*.py"):
        own = box(".".join(path.relative_to(ROOT).with_suffix("").parts))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for_types = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node not in for_types:
                modules = [node.module or "", *(f"{node.module}.{n.name}" for n in node.names)]
                for other in filter(None, map(box, modules)):
                    if own is not None and other != own:
                        found.add((own, other))
    return found


def below(name: str) -> set[str]:
    """The boxes that can be reached from a box."""
    found: set[str] = set()
    pending = [name]
    while pending:
        new = arrows().get(pending.pop(), set()) - found
        found |= new
        pending += new
    return found


@pytest.mark.slow
def test_imports_follow_the_arrows_of_the_diagram() -> None:
    assert {(own, other) for own, other in imports() if other not in below(own)} == set()


def test_every_arrow_of_the_diagram_is_an_import() -> None:
    drawn = {(start, end) for start, ends in arrows().items() for end in ends}
    assert drawn - imports() == set()


def test_the_table_lists_the_sessions_of_nox() -> None:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {
        node.name.replace("_", "-")
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(each) for each in node.decorator_list)
    }
    table = TEXT.split("| session | what it does |")[1].split("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert {
        re.sub(r"-3\.\d+", "", name) for row in rows for name in re.findall("`(.+?)`", row)
    } == (sessions)


def test_every_folder_of_tests_is_named() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    sentence = TEXT.split("The tests have one folder for each area:")[1].split("\n\n")[0]
    named = {name.removeprefix("tests/") for name in re.findall(r"`([\w/]+)`", sentence)}
    assert named - {"bench"} == folders


def test_paths_and_tables_that_the_instructions_name_exist() -> None:
    recipes = TEXT.split("## Add an operation to the engine")[1]
    names = set(re.findall(r"`([A-Z_]{2,}|[\w/]+/\w+|\w+\.py)`", recipes))
    # Environments in the checkout hold files of any name.
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    files = {path.name for path in (*paths, *ROOT.glob("*.py"))}
    for name in names:
        is_path = "/" in name and ((ROOT / name).exists() or (ROOT / f"{name}.py").exists())
        assert is_path or name in files or re.search(rf"\b{re.escape(name)}\b.*=", sources), name


def test_the_table_of_faults_names_each_of_them() -> None:
    page = (ROOT / "docs" / "exploring.md").read_text(encoding="utf-8")
    table = page.split("| fault | effect |")[1].split("\n\n")[0]
    first_cells = [row.split(" | ")[0] for row in table.splitlines()]
    named = set(re.findall(r"[`(]([A-Z]\w+)", "\n".join(first_cells)))
    assert {kind.__name__ for kind in KINDS} <= named
