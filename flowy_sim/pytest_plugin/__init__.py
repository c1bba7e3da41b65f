"""Fixtures for pytest: a simulation, running workflows on it, stubs, replay, and an endpoint.

Installed with the package; nothing is imported before a fixture is used.

Example:
    ::

        def test_a_photograph_is_filed_under_its_color(swf_run, swf_stub):
            swf_stub("resize", 1, result="small.jpg", takes=40)
            swf_stub("predominantcolor", 1, result="blue", takes=15)
            swf_stub("renameimage", 1, function=lambda path, color: f"{color}/{path}")

            run = swf_run(ImageCategorization, "photo.jpg", 150)

            assert run.result == "blue/small.jpg"
            assert run.simulated_seconds == 40
"""

from __future__ import annotations

import pytest

from flowy_sim.pytest_plugin._marker import KEYWORDS

# In the order in which they import each other: pytest wants to load each of them itself.
pytest_plugins = [
    "flowy_sim.pytest_plugin._fixtures",
    "flowy_sim.pytest_plugin._coverage",
    "flowy_sim.pytest_plugin._explored",
    "flowy_sim.pytest_plugin._checks",
    "flowy_sim.pytest_plugin._reports",
]

_MARKER = f"swf({', '.join(f'{name}=…' for name in KEYWORDS)})"


def pytest_configure(config: pytest.Config) -> None:
    """Let the marker be known."""
    config.addinivalue_line("markers", f"{_MARKER}: how Amazon SWF is simulated for this test.")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("swf", "Amazon SWF, simulated")
    group.addoption(
        "--swf-choices",
        metavar="CHOICES",
        help="of an explored test, make only the run with these choices, as its failure names them",
    )
    group.addoption(
        "--swf-record",
        action="store_true",
        help="keep the histories of tests marked with @pytest.mark.swf(golden=True) as files",
    )
    group.addoption(
        "--swf-coverage",
        action="store_true",
        help="report what the activities and children of workflows have met, and what never",
    )
