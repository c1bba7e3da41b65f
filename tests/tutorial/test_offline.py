"""The image workflow on the simulator, as docs/tutorial.md shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from flowy.tutorial import SAMPLE
from flowy.tutorial.activities import PredominantColor, Resize
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim.testing import Run, Runner, Stubs


@pytest.mark.swf(activities="flowy.tutorial")
def test_a_photograph_is_filed_under_its_color(swf_run: Runner) -> None:
    run = swf_run(ImageCategorization, str(SAMPLE))
    assert Path(run.result).parent.name == "blue"


def test_a_worker_that_dies_at_work_is_noticed(swf_run: Runner, swf_stub: Stubs) -> None:
    swf_stub(Resize, result="/pictures/small.jpg", takes=40)
    swf_stub(PredominantColor, takes=math.inf)
    run = swf_run(ImageCategorization, "photo.jpg")
    assert run.status == "FAILED"
    assert "HEARTBEAT" in run.reason
    assert run.simulated_seconds == 120


@pytest.mark.swf(activities="flowy.tutorial")
def test_the_code_repeats_its_decisions(
    swf_run: Runner, swf_replay: Callable[[type[ImageCategorization], Run], None]
) -> None:
    swf_replay(ImageCategorization, swf_run(ImageCategorization, str(SAMPLE)))
