"""Type checkers know the parameters of activities and the types of their results."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TYPED = Path(__file__).parent / "typed"
FILES = sorted(TYPED.glob("*.py"))
ROOT = Path(__file__).parents[2]


Errors = set[tuple[str, int]]
"""The file and line of each error."""


def mypy(scratch: Path) -> Errors:
    modules = [word for file in FILES for word in ("-m", file.stem)]
    options = ("--strict", "--config-file", "", "--cache-dir", str(scratch / "cache"))
    printed = run("mypy", *options, *modules)
    found = re.findall(r"^(\w+\.py):(\d+): error: ", printed, re.MULTILINE)
    return {(file, int(line)) for file, line in found}


def pyright(scratch: Path) -> Errors:
    configuration = {
        "include": [str(file) for file in FILES],
        "extraPaths": [str(TYPED), str(ROOT)],
        "typeCheckingMode": "strict",
        "reportUnusedVariable": False,
        "reportUnknownMemberType": False,
    }
    (scratch / "pyrightconfig.json").write_text(json.dumps(configuration))
    printed = run(
        *("basedpyright", "--project", str(scratch), "--outputjson"),
        *("--pythonpath", sys.executable),
    )
    return {
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1)
        for found in json.loads(printed)["generalDiagnostics"]
        if found["severity"] == "error"
    }


def run(module: str, *arguments: str) -> str:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    completed = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=TYPED,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stderr == ""
    return completed.stdout


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_right_code_of_workflows_is_accepted_and_wrong_code_refused_line_by_line(
    checker: Callable[[Path], Errors], tmp_path: Path
) -> None:
    refused = {
        (file.name, number)
        for file in FILES
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if line.endswith("# refused")
    }
    for name in ("refused.py", "refused_workflows.py"):
        assert len([line for file, line in refused if file == name]) > 10
    assert {file for file, _ in refused}.isdisjoint({"accepted.py", "accepted_workflows.py"})
    assert checker(tmp_path) == refused
