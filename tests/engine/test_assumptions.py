"""Assumptions are named where they are made, and listed with the reason in docs/fidelity.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"Assumption: ([a-z0-9-]+): \w")


def text_of(path: Path) -> str:
    """The text of a file with comments of several lines as one."""
    return re.sub(r"\n\s*#:? ?", " ", path.read_text(encoding="utf-8"))


def rows() -> list[list[str]]:
    """The cells of the assumptions' table."""
    document = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    lines = document.partition("## Assumptions")[2].splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]


def test_every_assumption_in_the_code_is_in_the_document_and_the_other_way_round() -> None:
    texts = [text_of(path) for path in (ROOT / "flowy_sim").rglob("*.py")]
    marked = {name for text in texts for name in NAME.findall(text)}
    assert {row[0].strip("`") for row in rows()} == marked


def test_every_mark_has_a_name() -> None:
    for path in (ROOT / "flowy_sim").rglob("*.py"):
        text = text_of(path)
        assert len(NAME.findall(text)) == text.count("Assumption:"), path


def test_assumptions_are_listed_once_in_alphabetical_order_with_what_and_why() -> None:
    names = [row[0] for row in rows()]
    assert names == sorted(set(names))
    assert all(len(row) == 3 and all(row) for row in rows())
