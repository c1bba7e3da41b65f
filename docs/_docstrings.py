"""An extension of griffe that makes the docstrings of this project readable as Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)
_LITERAL = re.compile(r"^ *::\n", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Shows examples as code: those that doctest runs, and those that begin with ``::``."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of an object as soon as it is read."""
        if obj.docstring is not None:
            text = _LITERAL.sub("", obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(r"\1Examples:", text)
