"""The examples in docs/testing.md, its subpages and docs/comparison.md do what they show.

Those of docs/testing/programs.md need simpleflow, and are in `tests.clients`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation
from flowy_sim.testing import Runner, Stubs

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    "testing.md",
    "comparison.md",
    *sorted(f"testing/{p.name}" for p in (DOCS / "testing").iterdir() if p.name != "programs.md"),
]

# Examples that should fail, each by a word in it.
FAILING = ("predominatcolor", "at_once(", "unexpected_size", "unused_stub")


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """Return the tests of a page, and the code that they need."""
    return re.findall(r"```python\n(.*?)```", text_of(page), re.DOTALL)


def is_failing(block: str) -> bool:
    return any(word in block for word in FAILING)


def failing(page: str) -> list[tuple[str, list[str]]]:
    """Return the examples that should fail, each with the messages that the page shows."""
    found = re.findall(
        r"```python\n((?:(?!```).)*)```\n\n<!-- what the tests? above says? -->\n"
        r"((?:```text\n(?:(?!```).)*```\n?)+)",
        text_of(page),
        re.DOTALL,
    )
    return [(code, re.findall(r"```text\n(.*?)```", said, re.DOTALL)) for code, said in found]


def record(path: Path) -> None:
    """Write a history as the command line does."""
    stubs = Stubs()
    stubs("resize", 1, result="small.jpg", takes=2)
    stubs("predominantcolor", 1, result="red", takes=3)
    stubs("renameimage", 1, result="red/small.jpg")
    run = Runner(Simulation(), stubs=stubs).run(ImageCategorization, "photo.jpg")
    path.parent.mkdir()
    path.write_text(json.dumps({"events": run.history}, default=str), encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_example_passes(pytester: pytest.Pytester, page: str) -> None:
    examples = [block for block in blocks(page) if not is_failing(block)]
    moto = "mock_aws" in text_of(page)
    pytester.makepyfile(test_document_examples="\n".join(examples))
    record(pytester.path / "histories" / "photo.json")
    tests = sum(block.count("def test_") for block in examples)
    assert tests
    # moto stays in a process, and must be imported there only once.
    run = pytester.runpytest_subprocess if moto else pytester.runpytest_inprocess
    run("--strict-markers", "--swf-record").assert_outcomes(passed=tests)
    if "golden=True" in text_of(page):
        run("--strict-markers").assert_outcomes(passed=tests)


@pytest.mark.parametrize("page", PAGES)
def test_failing_examples_print_what_the_page_shows(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    examples = failing(page)
    assert len(examples) == sum(map(is_failing, blocks(page)))
    for code, said in examples:
        others = [block for block in blocks(page) if not is_failing(block)]
        pytester.makepyfile(test_failing_examples="\n".join([*others, code]))
        names = re.findall(r"def (test_\w+)", code)
        result = pytester.runpytest_inprocess("-k", " or ".join(names))
        assert result.parseoutcomes()["failed"] == len(names)
        report = re.sub(r"^E +", "", str(result.stdout), flags=re.MULTILINE)
        for text in said:
            assert re.sub(r"^\w+Error: ", "", text) in report


def test_coverage_reports_what_the_page_shows(pytester: pytest.Pytester) -> None:
    page = "testing/coverage.md"
    [said] = re.findall(r"tests below report -->\n```text\n(.*?)```", text_of(page), re.DOTALL)
    pytester.makepyfile(test_document_examples="\n".join(blocks(page)))
    assert said in str(pytester.runpytest_inprocess("--swf-coverage").stdout)


def test_every_command_that_the_pages_name_exists() -> None:
    from flowy_sim._cli import cli

    texts = "".join(map(text_of, PAGES))
    named = set(re.findall(r"^flowy-sim ([a-z]+)|`flowy-sim ([a-z]+)", texts, re.MULTILINE))
    names = {name for pair in named for name in pair if name}
    assert names
    assert names <= set(cli.commands)
