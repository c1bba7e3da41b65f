"""The pytest plugin: fixtures for simulations, workflows, stubs, activities, replay and endpoints.

pytest loads it wherever the package is installed, so it imports flowy, boto3 and the rest of
`flowy_sim` only when a test uses a fixture or a marker.

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

# In the order in which they import each other, so that pytest loads each before another does.
pytest_plugins = [
    "flowy_sim.pytest_plugin._fixtures",
    "flowy_sim.pytest_plugin._test_checks",
    "flowy_sim.pytest_plugin._explored",
    "flowy_sim.pytest_plugin._swf_report",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("swf", "Amazon SWF, simulated")
    group.addoption(
        "--swf-choices",
        metavar="CHOICES",
        help="make only one run of an explored test, with these choices as printed for a failure",
    )
    group.addoption(
        "--swf-story",
        choices=["short", "full"],
        default="short",
        help="how much to show of the run in which an explored test fails",
    )
    group.addoption(
        "--swf-record",
        action="store_true",
        help="record the histories of tests marked with @pytest.mark.swf(golden=True) as files",
    )
    group.addoption(
        "--swf-coverage",
        action="store_true",
        help="report which outcomes of activities and child workflows occurred, and which never",
    )
