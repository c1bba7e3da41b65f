"""What docs/exploring.md shows is true: its examples are run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCUMENT = (Path(__file__).parents[2] / "docs" / "exploring.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
MESSAGE = re.findall(r"<!-- what the test above says -->\n```text\n(.*?)```", DOCUMENT, re.DOTALL)

CARELESS = next(block for block in BLOCKS if "def test_nobody_pays_twice(" in block)


def test_every_example_passes(pytester: pytest.Pytester) -> None:
    examples = [block for block in BLOCKS if block != CARELESS]
    pytester.makepyfile(test_document_examples="\n".join(examples))
    result = pytester.runpytest_inprocess("--strict-markers", "-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] >= sum(block.count("def test_") for block in examples)


def test_a_failure_is_told_as_the_document_shows(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_exploring_example=f"{BLOCKS[0]}\n{CARELESS}")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    report = re.sub(r"^E +(?=flowy_sim)|^E   ", "", str(result.stdout), flags=re.MULTILINE)
    told = report[report.index("FoundError: ") :]
    shown = [line.strip() for line in MESSAGE[0].splitlines()]
    assert [line.strip() for line in told.splitlines()][: len(shown)] == shown
