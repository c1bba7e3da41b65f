"""Links in the documentation lead somewhere: to a file and to a heading on its page."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("examples/*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)")


def prose(page: Path) -> str:
    """The text of a page without its code blocks, in which brackets mean something else."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for name, anchor in LINK.findall(prose(page)):
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), name
        assert target.is_relative_to(ROOT), name
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_anchor_of_a_page_names_one_heading(page: Path) -> None:
    assert [anchor for anchor, count in Counter(anchors(page)).items() if count > 1] == []


def test_every_page_is_linked_from_the_readme_or_from_the_overview_of_testing() -> None:
    sources = [ROOT / "README.md", DOCS / "testing.md"]
    linked = {
        (source.parent / name).resolve()
        for source in sources
        for name, _ in LINK.findall(prose(source))
    }
    assert {page.resolve() for page in DOCS.rglob("*.md")} <= linked
