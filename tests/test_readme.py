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
    _, _, first = README.partition("## A test in ten lines")
    (code, *_) = re.findall(r"```python\n(.*?)```", first, re.S)
    assert len(code.splitlines()) == 10


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)


def anchors(page: Path) -> set[str]:
    """Return what links to headings of a page are called."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", prose(page))
    for name, anchor in links:
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


def test_every_page_is_linked_from_the_readme_or_from_one_of_testing() -> None:
    linked = prose(ROOT / "README.md") + prose(ROOT / "docs" / "testing.md")
    for page in (ROOT / "docs").rglob("*.md"):
        assert f"{page.relative_to(ROOT / 'docs')})" in linked


def test_the_readme_has_exactly_two_commands_for_a_fresh_machine() -> None:
    assert re.findall(r"<!-- command: (\w+) -->\n```sh\n[^\n]+\n```", README) == ["run", "test"]
    assert README.count("```sh") == 2
