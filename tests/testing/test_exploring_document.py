"""The examples in docs/exploring.md run, and print what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowy_sim._cli import cli

pytestmark = pytest.mark.slow

DOCUMENT = (Path(__file__).parents[2] / "docs" / "exploring.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
MESSAGE = re.findall(r"<!-- what the test above says -->\n```text\n(.*?)```", DOCUMENT, re.DOTALL)

CARELESS = next(block for block in BLOCKS if "def test_nobody_pays_twice(" in block)


@pytest.fixture(autouse=True)
def replayed_elsewhere() -> None:
    """Replay histories in another process, as users do."""


def test_every_example_passes(pytester: pytest.Pytester) -> None:
    examples = [block for block in BLOCKS if block != CARELESS]
    pytester.makepyfile(test_document_examples="\n".join(examples))
    result = pytester.runpytest_inprocess("--strict-markers", "-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] >= sum(block.count("def test_") for block in examples)


def test_a_failure_is_reported_as_the_document_shows(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_exploring_example=f"{BLOCKS[0]}\n{CARELESS}")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    lines = iter(line.removeprefix("E").strip() for line in result.outlines)
    assert [line for line in map(str.strip, MESSAGE[0].splitlines()) if line not in lines] == []


def test_the_command_prints_what_the_document_shows(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pytester.path)
    monkeypatch.syspath_prepend(pytester.path)
    pytester.makepyfile(documented_orders=BLOCKS[0])
    command, *_ = re.findall(r"```sh\nflowy-sim (explore .*?)\n```", DOCUMENT)
    [shown] = re.findall(r"```text\n(Exploring .*?)```", DOCUMENT, re.DOTALL)
    words = command.replace("shop.orders", "documented_orders").split()
    ran = CliRunner().invoke(cli, [*words, "--seconds", "600"])
    assert without_counts(ran.stdout) == without_counts(shown)


def without_counts(said: str) -> str:
    """Remove numbers that change with every change to the calls of workers, and times.

    Lines that never ran are not measured on each Python.
    """
    said = re.sub(r"Lines never run: not measured.*\n", "", said)
    said = re.sub(r"in [\d.]+ s \([\d,]+ runs a second\)", "", said)
    return re.sub(r"[\d,]+(?= (runs|states) )|^ +[\d,]+  (?=purchase)", "", said, flags=re.M)
