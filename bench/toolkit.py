"""What tests of workflows cost: the plugin, a typical test, a year."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from flowy import ActivityProxy, Workflow, activity, workflow
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation
from flowy_sim.testing import Run, Runner, Stubs

_START = """
import sys, time
import pytest, {also}
before = time.perf_counter()
import flowy_sim.pytest_plugin
print(time.perf_counter() - before)
assert "boto3" not in sys.modules
"""


@activity("watch", 1, "days", heartbeat=36_000, start_to_close=172_800)
def watch(day: int) -> int:
    """Watch for a day."""
    return day


@workflow("year", 1, "years", execution_start_to_close=31_536_000)
class Year(Workflow):
    """Does something each day, all day long."""

    watch = ActivityProxy(watch, retry=3)

    def run(self) -> int:
        """Count the days."""
        for day in range(365):
            self.watch(day).result()
        return 365


def image() -> Run:
    """Run the image workflow with stubs, as a test would."""
    stubs = Stubs()
    stubs(Resize, result="small.jpg", takes=40)
    stubs(PredominantColor, result="blue", takes=15)
    stubs(RenameImage, function=lambda path, color: f"{color}/{path}")
    run = Runner(Simulation(), stubs=stubs).run(ImageCategorization, "photo.jpg", 150)
    assert run.result == "blue/small.jpg"
    return run


def year() -> Run:
    """Run a year: a day's work each day, three heartbeats in each, and five time-outs."""
    stubs = Stubs()
    stub = stubs(watch, result=1, takes=85_000, heartbeat=25_000)
    for day in (7, 77, 177, 277, 364):
        stub.when(day).then(timeout="HEARTBEAT").then(result=1, takes=85_000, heartbeat=25_000)
    run = Runner(Simulation(), stubs=stubs).run(Year)
    assert run.result == 365
    assert len(run.history.find("ActivityTaskTimedOut")) == 5
    return run


def costs(quick: bool) -> list[list[str]]:
    """Return rows: what is measured, and its cost, the best of several rounds."""
    image()
    few, many = (2, 20) if quick else (7, 200)
    typical = _milliseconds(image, many)
    whole_year = _milliseconds(year, few)
    events = len(year().history)
    return [
        ["importing the pytest plugin, as pytest starts", f"{_plugin(few):.1f} ms"],
        ["500 tests of the image workflow with stubs, by pytest", f"{_tests(500):.1f} s"],
        ["one of them, after the first, processor time", f"{typical:.1f} ms"],
        [
            f"a year: 365 daily activities, 1,100 heartbeats, {events:,} events, processor time",
            f"{whole_year:,.0f} ms",
        ],
    ]


def _milliseconds(action: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        before = time.process_time()
        action()
        taken.append(time.process_time() - before)
    return min(taken) * 1e3


def _plugin(times: int) -> float:
    """Return the milliseconds of importing what pytest imports of the package."""
    code = _START.format(also="dataclasses")
    taken = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(times)
    ]
    return min(taken) * 1e3


def _tests(count: int) -> float:
    """Return the seconds that pytest takes for a number of tests, with its start."""
    test = f"""
import pytest
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy.tutorial.workflows import ImageCategorization

@pytest.mark.parametrize("number", range({count}))
def test_a_photograph_is_filed_under_its_color(swf_run, swf_stub, number):
    swf_stub(Resize, result="small.jpg", takes=40)
    swf_stub(PredominantColor, result="blue", takes=15)
    swf_stub(RenameImage, function=lambda path, color: f"{{color}}/{{path}}")
    assert swf_run(ImageCategorization, "photo.jpg", 150).result == "blue/small.jpg"
"""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test_photographs.py"
        path.write_text(test, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
        # The first time, pytest compiles what it imports; the result is cached.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        subprocess.run([*command, "-k", "[0]"], check=True, cwd=folder, env=environment)
        before = time.perf_counter()
        subprocess.run(command, check=True, cwd=folder, env=environment)
        return time.perf_counter() - before
