from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tests_in_the_readme_pass(pytester: pytest.Pytester) -> None:
    examples = re.findall(r"<!-- tested: test_readme.py -->\n```python\n(.*?)```", README, re.S)
    assert len(examples) == 2
    pytester.makepyfile(**{f"test_{number}": code for number, code in enumerate(examples)})
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_test_in_the_readme_has_ten_lines() -> None:
    _, _, first = README.partition("## Test a workflow in ten lines")
    (code, *_) = re.findall(r"```python\n(.*?)```", first, re.S)
    assert len(code.splitlines()) == 10


def test_the_readme_has_exactly_two_commands_for_a_fresh_machine() -> None:
    assert re.findall(r"<!-- command: (\w+) -->\n```sh\n[^\n]+\n```", README) == ["run", "test"]
    assert README.count("```sh") == 2
