"""Pages about explorations in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim.explore import find
from flowy_sim.faults import AnswerLate, DeciderDies
from flowy_sim.testing import Runner
from tests.support.browser import LAPTOP, PHONE, Tabs, violations


def no_image_is_filed_twice(runner: Runner) -> None:
    filed: list[str] = []
    runner.stubs(Resize, result="small.jpg", takes=40)
    runner.stubs(PredominantColor, result="blue" * 40, takes=15)
    runner.stubs(RenameImage, function=lambda path, color: filed.append(path))
    runner(ImageCategorization, "photo.jpg")
    print("filed", filed * 9)
    assert len(filed) < 2
    assert not runner.runs[0].history.find("DecisionTaskTimedOut")


@pytest.fixture(scope="module")
def page_of_a_failure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "page.html"
    found = find(no_image_is_filed_twice, faults=[DeciderDies(), AnswerLate()], report=path)
    assert found.failure is not None
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation(tabs: Tabs, page_of_a_failure: Path, dark: bool) -> None:
    assert violations(tabs.open(page_of_a_failure, dark=dark)) == []


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=lambda size: str(size[0]))
def test_a_page_is_never_wider_than_the_window(
    tabs: Tabs, page_of_a_failure: Path, size: tuple[int, int]
) -> None:
    page = tabs.open(page_of_a_failure, size=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_events_of_both_runs_open_beside_the_page(tabs: Tabs, page_of_a_failure: Path) -> None:
    page = tabs.open(page_of_a_failure)
    page.wait_for_selector("[data-ready]", state="attached")
    for number in (0, 1):
        page.locator(".timeline").nth(number).get_by_text("resize-1").first.click()
        assert page.get_by_role("complementary", name="Event").is_visible()
        page.keyboard.press("Escape")


def test_the_deciding_moment_is_named_in_words(tabs: Tabs, page_of_a_failure: Path) -> None:
    page = tabs.open(page_of_a_failure, scripts=False)
    deciding = page.locator(".moments .deciding")
    assert deciding.count() == 1
    assert "lost here:" in deciding.inner_text()
    assert "16 of 16 continuations fail" in deciding.inner_text()
