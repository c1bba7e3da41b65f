"""What docs/testing/programs.md shows works: simpleflow in process and served."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.client_programs import SIMPLEFLOW, needs_simpleflow

DOCUMENT = (Path(__file__).parents[2] / "docs" / "testing" / "programs.md").read_text("utf-8")
FILES: list[tuple[str, str]] = re.findall(
    r"<!-- file: (\S+)\.py -->\n```py\n(.*?)```", DOCUMENT, re.S
)


@needs_simpleflow
@pytest.mark.parametrize("tested", ["test_in_process", "test_served"])
def test_every_example_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tested: str
) -> None:
    monkeypatch.setenv("PATH", str(SIMPLEFLOW.parent), prepend=os.pathsep)
    code: dict[str, str] = {}
    for name, text in FILES:
        code[name] = code.get(name, "") + text
    pytester.makepyfile(**code)
    tests = code[tested].count("def test_")
    for record in ("--swf-record", "--strict-markers"):
        result = pytester.runpytest_subprocess(f"{tested}.py", record)
        result.assert_outcomes(passed=tests)
        if "golden" not in code[tested]:
            break
