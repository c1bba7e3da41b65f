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
ROOT = Path(__file__).parents[2]


def mypy(file: str, scratch: Path) -> set[int]:
    printed = run(
        *("mypy", "--strict", "--config-file", "", "--cache-dir", str(scratch / "cache"), file)
    )
    return {int(line) for line in re.findall(rf"^{file}:(\d+): error: ", printed, re.MULTILINE)}


def pyright(file: str, scratch: Path) -> set[int]:
    configuration = {
        "include": [str(TYPED / file)],
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
        found["range"]["start"]["line"] + 1
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
@pytest.mark.parametrize("file", ["accepted.py", "accepted_workflows.py"])
def test_right_code_of_workflows_is_accepted(
    file: str, checker: Callable[[str, Path], set[int]], tmp_path: Path
) -> None:
    assert checker(file, tmp_path) == set()


@pytest.mark.parametrize("checker", [mypy, pyright])
@pytest.mark.parametrize("file", ["refused.py", "refused_workflows.py"])
def test_wrong_code_of_workflows_is_refused_line_by_line(
    file: str, checker: Callable[[str, Path], set[int]], tmp_path: Path
) -> None:
    lines = (TYPED / file).read_text().splitlines()
    refused = {number for number, line in enumerate(lines, 1) if line.endswith("# refused")}
    assert len(refused) > 10
    assert checker(file, tmp_path) == refused
