"""The examples in docs/errors.md produce the messages that the page shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowy.errors import FlowyError
from flowy_sim import Simulation
from flowy_sim.testing import Runner

DOCUMENT = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
IMPORTS = re.findall(r"<!-- imports -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)[0]
EXAMPLES = re.findall(r"(?<!-->\n)```python\n(.*?)```\n\n```text\n(.*?)\n```", DOCUMENT, re.DOTALL)


def subclasses(cls: type[Exception]) -> list[type[Exception]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *subclasses(sub))]


def running(names: dict[str, Any], simulation: Simulation) -> Callable[..., Any]:
    """Return the function that the page calls ``run``."""

    def run(workflow: Any, *args: Any, activities: Any = (), meanwhile: Any = None) -> Any:
        children = [names["Small"]] if workflow is not names["Small"] else []
        runner = Runner(simulation, activities=activities, workflows=children, domain="photos")
        execution = runner.start(workflow, *args, workflow_id=workflow.flowy_type.name)
        if meanwhile is not None:
            runner.after(5, meanwhile)
        ended = runner.finish(execution)
        names["said"] = f"{ended.status.lower()}: {ended.reason or ended.details}"
        return ended

    return run


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run the examples one after the other, as a reader would, and return their messages."""
    simulation = Simulation()
    client = simulation.client(poll_seconds=0)
    client.register_domain(name="photos", workflowExecutionRetentionPeriodInDays="30")
    names: dict[str, Any] = {"__name__": "reader", "client": client}
    names["run"] = running(names, simulation)
    exec(IMPORTS, names)
    folder = tmp_path_factory.mktemp("examples")
    return [outcome(code, folder / f"example{n}.py", names) for n, (code, _) in enumerate(EXAMPLES)]


def outcome(code: str, path: Path, names: dict[str, Any]) -> str:
    path.write_text(code, encoding="utf-8")
    try:
        exec(compile(code, str(path), "exec"), names)
    except FlowyError as error:
        return f"{type(error).__name__}: {error}"
    return str(names["said"])


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_each_example_produces_the_message_below_it(said: list[str], number: int) -> None:
    shown = EXAMPLES[number][1]
    assert said[number][:2] == shown[:2], said[number]
    pattern = ".*?".join(re.escape(part) for part in shown.split("…"))
    assert re.fullmatch(pattern + (".*" if shown.endswith("…") else ""), said[number], re.DOTALL)


def test_every_error_has_a_section_and_every_section_an_example() -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))
    own = [cls for cls in subclasses(FlowyError) if cls.__module__.startswith("flowy.")]
    assert set(sections) | {"TaskError"} == {cls.__name__ for cls in own}
    assert [name for name, text in sections.items() if "```text" not in text] == []
    assert sum(text.count("```text") for text in sections.values()) == len(EXAMPLES)
