"""What docs/testing.md shows is true: its examples are run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation
from flowy_sim.runner import Runner
from flowy_sim.stubs import Stubs

DOCUMENT = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
MESSAGE = re.findall(r"<!-- what the test above says -->\n```text\n(.*?)```", DOCUMENT, re.DOTALL)

# What a reader would import without being told.
IMPORTS = """
import math
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from flowy import Activity, ActivityProxy, Retry, Workflow, activity, workflow
from flowy_sim import Simulation
from flowy_sim.runner import Runner
from flowy_sim.stubs import Stubs
"""

STUCK = next(block for block in BLOCKS if "predominatcolor" in block)


def record(path: Path) -> None:
    """Write a history as the command line does."""
    stubs = Stubs()
    stubs("resize", 1, result="small.jpg", takes=2)
    stubs("predominantcolor", 1, result="red", takes=3)
    stubs("renameimage", 1, result="red/small.jpg")
    run = Runner(Simulation(), stubs=stubs).run(ImageCategorization, "photo.jpg")
    path.parent.mkdir()
    path.write_text(json.dumps({"events": run.history}, default=str), encoding="utf-8")


def test_every_example_passes(pytester: pytest.Pytester) -> None:
    examples = [block for block in BLOCKS if block != STUCK]
    pytester.makepyfile(test_document_examples=IMPORTS + "\n".join(examples))
    record(pytester.path / "histories" / "photo.json")
    result = pytester.runpytest_inprocess("--strict-markers")
    result.assert_outcomes(passed=sum(block.count("def test_") for block in examples))


def test_a_stuck_workflow_says_what_the_document_shows(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_stuck_example=f"{IMPORTS}\n{BLOCKS[0]}\n{STUCK}")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=1)
    report = re.sub(r"^E +", "", str(result.stdout), flags=re.MULTILINE)
    assert f"flowy_sim.waiting.{MESSAGE[0]}" in report
