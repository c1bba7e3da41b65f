"""Assemble the pages of the site: `python docs/_pages.py FOLDER`.

The pages are written to be read on a code host, so links lead to files of the repository. Here
they become links between pages of the site. The reference is written from the code: a page for
each public module, and one with the help of each command.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.public_api import MODULES, public_names  # noqa: E402

DOCS = ROOT / "docs"

#: Pages that have another place in the repository than on the site.
ELSEWHERE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
ELSEWHERE |= {"CHANGELOG.md": "changelog.md"}

COMMANDS = "reference/commands.md"

#: The page that names common tasks, and says where to read about them.
TASKS = "how-to.md"

_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_TASK = re.compile(r"^\| ([^|]+) \| [^|]*?\]\(([^)#\s]+)", re.MULTILINE)
_OUTPUT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DRAWN = re.compile(r"[\u2500-\u25ff]")
_DIAGRAM = re.compile(r"^```mermaid$", re.MULTILINE)
_TERMINAL = 80


def places() -> dict[Path, str]:
    """Return the place on the site of each file and folder that links can lead to."""
    pages = {page: page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    for files in ("*.svg", "*.png", "*.css"):
        pages |= {file: file.relative_to(DOCS).as_posix() for file in DOCS.rglob(files)}
    pages |= {ROOT / name: place for name, place in ELSEWHERE.items()}
    for package in ("flowy", "flowy_sim"):
        pages[ROOT / package / "_cli" / "__init__.py"] = COMMANDS
    for name in MODULES:
        file = import_module(name).__file__
        assert file is not None
        pages[Path(file)] = _place(name)
    return pages


def relinked(page: Path, places: dict[Path, str]) -> str:
    """Return the text of a page with the links that it has on the site.

    A link to a file that is not on the site, such as a source file, becomes its text.
    """
    here = places[page]

    def link(match: re.Match[str]) -> str:
        picture, text, name, anchor = match.groups()
        place = places.get((page.parent / name).resolve())
        if place is None:
            return str(text)
        return f"{picture}[{text}]({os.path.relpath(place, Path(here).parent)}{anchor or ''})"

    text = page.read_text(encoding="utf-8")
    blocks = _CODE.findall(text)
    prose = [_LINK.sub(link, part) for part in _CODE.split(text)]
    return "".join(part for pair in zip(prose, [*blocks, ""], strict=True) for part in pair)


def wrapped(text: str) -> str:
    """Return the text of a page whose long lines of output are wrapped, as a terminal wraps them.

    Those with a drawing stay as they are; the reader scrolls.
    """

    def fence(match: re.Match[str]) -> str:
        output = match[1]
        if _DRAWN.search(output) or max(map(len, output.split("\n"))) <= _TERMINAL:
            return match[0]
        return f"``` {{ .text .wrapped }}\n{output}```"

    return _OUTPUT.sub(fence, text)


def tagged(texts: dict[str, str]) -> dict[str, str]:
    """Return the texts of all pages, each tagged with the tasks that it explains.

    Search ranks tags highest, so it finds a task by its name on the page that explains it.
    """
    tags: dict[str, list[str]] = {}
    for task, page in _TASK.findall(texts[TASKS]):
        tags.setdefault(page, []).append(task)
    heads = {page: f"---\ntags: {json.dumps(named)}\n---\n\n" for page, named in tags.items()}
    return {place: heads.get(place, "") + text for place, text in texts.items()}


def module_page(name: str) -> str:
    """Return the page of a public module, for mkdocstrings.

    A package shows what it takes from another public module as a link to that module's page.
    """
    module = import_module(name)
    homes = {each: home(name, each) for each in public_names(module)}
    text = f"# {name}\n\n::: {name}\n{_INTRODUCTION}"
    links = {each: found for each, found in homes.items() if found is not None}
    if links:
        text += "\n| name | documented at |\n|---|---|\n"
        text += "".join(f"| `{each}` | {_reference(found)} |\n" for each, found in links.items())
    return text + "".join(f"\n::: {name}.{each}\n" for each in homes if each not in links)


def home(module: str, name: str) -> str | None:
    """Return where a public name is documented, unless it is on the page of the module itself."""
    value = getattr(import_module(module), name)
    if isinstance(value, ModuleType):
        return value.__name__
    for other in MODULES:
        if other.startswith(f"{module}."):
            found = import_module(other)
            if name in public_names(found) and getattr(found, name) is value:
                return f"{other}.{name}"
    return None


def _reference(found: str) -> str:
    return f"[`{found}`]({found}.md)" if found in MODULES else f"[`{found}`][{found}]"


#: The docstring of a module, without its members.
_INTRODUCTION = """\
    options:
      members: []
      show_root_heading: false
      show_root_toc_entry: false
"""


def commands_page() -> str:
    """Return the page with the help of all commands."""
    from flowy._cli import cli as flowy
    from flowy_sim._cli import cli as flowy_sim

    lead = "# Commands\n\nThe help of each command, as `--help` prints it.\n"
    sections = [*_commands("flowy", flowy), *_commands("flowy-sim", flowy_sim)]
    return "\n".join([lead, *sections])


def _commands(
    name: str, command: click.Command, parent: click.Context | None = None
) -> Iterator[str]:
    width = {"max_content_width": _TERMINAL, "terminal_width": _TERMINAL}
    settings = {**command.context_settings, **width}
    context = click.Context(command, parent, info_name=name, **settings)
    level = "##" if parent is None else "###"
    yield f"{level} `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for each, part in sorted(command.commands.items()):
            yield from _commands(each, part, context)


def _place(module: str) -> str:
    return f"reference/{module}.md"


def assemble(folder: Path) -> None:
    """Write all pages to a folder; what was in it is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    where = places()
    texts = {place: relinked(page, where) for page, place in where.items() if page.suffix == ".md"}
    texts = {place: wrapped(text) for place, text in texts.items()}
    texts |= {_place(name): module_page(name) for name in MODULES}
    texts[COMMANDS] = commands_page()
    for place, text in tagged(texts).items():
        written = folder / place
        written.parent.mkdir(parents=True, exist_ok=True)
        with_diagrams = text
        if _DIAGRAM.search(text):  # If it is there, the theme does not fetch it from elsewhere.
            script = os.path.relpath("assets/mermaid.min.js", Path(place).parent)
            with_diagrams = f'{text}\n<script src="{script}"></script>\n'
        written.write_text(with_diagrams, encoding="utf-8")
    for page, place in where.items():
        if page.suffix in (".svg", ".png", ".css"):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, folder / place)


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
