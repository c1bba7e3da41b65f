"""An extension of griffe that makes the docstrings of this project readable as Markdown."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)
_DOCTEST = re.compile(r"^( *)>>> .*\n?(?:\1\S.*\n?)*", re.MULTILINE)
_LAYOUT = re.compile(r"^Layout\. .*", re.MULTILINE | re.DOTALL)
_LITERAL = re.compile(r"^( *)(.*)::\n\n((?:\1 +.*\n?|\n)+)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Shows examples as code: those that doctest runs, and blocks that follow ``::``."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object as soon as it is read."""
        if obj.docstring is not None:
            text = _LITERAL.sub(_fenced, _DOCTEST.sub(_session, obj.docstring.value))
            if obj.is_module:
                text = _LAYOUT.sub("", text)  # The layout is for readers of the source.
            obj.docstring.value = _EXAMPLE.sub(r"\1Examples:", text)


def _session(match: re.Match[str]) -> str:
    indent = match[1]
    return f"{indent}```pycon\n{match[0].rstrip()}\n{indent}```\n"


def _fenced(match: re.Match[str]) -> str:
    indent, introduction, code = match.groups()
    lead = f"{introduction}:\n\n" if introduction else "\n"
    block = f"{lead}```python\n{textwrap.dedent(code).strip()}\n```\n\n"
    return textwrap.indent(block, indent)
