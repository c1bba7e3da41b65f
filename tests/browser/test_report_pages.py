"""Reports in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowy_sim._report.page import ReportedRun
from tests.support.browser import DESK, LAPTOP, PHONE, Tabs, violations
from tests.support.reported_runs import many, order

SIZES = [PHONE, LAPTOP, DESK]

Report = Callable[..., Path]


def test_a_page_of_ten_thousand_events_opens_without_complaint(tabs: Tabs, report: Report) -> None:
    page = tabs.open(report(ReportedRun(many(3332))))
    assert page.get_by_text("a-3331").first.is_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation(tabs: Tabs, report: Report, dark: bool) -> None:
    page = tabs.open(report(ReportedRun(order().events), ReportedRun(many(50))), dark=dark)
    assert violations(page) == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size[0]))
def test_a_page_is_never_wider_than_the_window(
    tabs: Tabs, report: Report, size: tuple[int, int]
) -> None:
    page = tabs.open(report(ReportedRun(order("x" * 32_768).events)), size=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
