"""The examples in docs/errors.md produce the messages that the page shows."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from flowy.errors import FlowyError

DOCUMENT = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
PREPARATION = re.findall(r"<!-- preparation -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)[0]
EXAMPLES = re.findall(r"(?<!-->\n)```python\n(.*?)```\n\n```text\n(.*?)\n```", DOCUMENT, re.DOTALL)


def subclasses(cls: type[Exception]) -> list[type[Exception]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *subclasses(sub))]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run the examples one after the other, as a reader would, and return their messages."""
    names: dict[str, Any] = {"__name__": "reader"}
    exec(PREPARATION, names)
    folder = tmp_path_factory.mktemp("examples")
    return [outcome(code, folder / f"example{n}.py", names) for n, (code, _) in enumerate(EXAMPLES)]


def outcome(code: str, path: Path, names: dict[str, Any]) -> str:
    path.write_text(code, encoding="utf-8")
    with redirect_stdout(StringIO()) as printed:
        try:
            exec(compile(code, str(path), "exec"), names)
        except FlowyError as error:
            return f"{type(error).__name__}: {error}"
    return printed.getvalue().splitlines()[-1]


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
