"""Assumptions are marked in the code that makes them, and listed in docs/fidelity.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"Assumption: ([a-z0-9-]+): \w")


def text_of(path: Path) -> str:
    """The text of a file, with each comment joined into one line."""
    return re.sub(r"\n\s*#:? ?", " ", path.read_text(encoding="utf-8"))


def rows() -> list[list[str]]:
    """The rows of the table of assumptions."""
    document = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    lines = document.partition("## Assumptions")[2].splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]


def test_the_code_and_the_page_have_the_same_assumptions() -> None:
    texts = [text_of(path) for path in (ROOT / "flowy_sim").rglob("*.py")]
    marked = {name for text in texts for name in NAME.findall(text)}
    assert {row[0].strip("`") for row in rows()} == marked


def test_every_mark_has_a_name() -> None:
    for path in (ROOT / "flowy_sim").rglob("*.py"):
        text = text_of(path)
        assert len(NAME.findall(text)) == text.count("Assumption:"), path


def test_each_assumption_is_listed_once_in_order_and_with_its_reason() -> None:
    names = [row[0] for row in rows()]
    assert names == sorted(set(names))
    assert all(len(row) == 3 and all(row) for row in rows())
