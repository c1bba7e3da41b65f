"""Where in the author's code something is asked for."""

from __future__ import annotations

import sys
from functools import cache
from types import CodeType, FrameType
from typing import NamedTuple

CallSite = tuple[CodeType, int]
"""A place in code as it is found at small cost: the code and the index of the instruction."""


class SourceLine(NamedTuple):
    """A line of code."""

    file: str
    line: int
    function: str
    """The qualified name of the function, such as ``Orders.run``."""

    def __str__(self) -> str:
        """Write it as in ``/srv/shop/orders.py, line 31, in Orders.run``."""
        return f"{self.file}, line {self.line}, in {self.function}"


def call_site() -> CallSite | None:
    """Find the place from which flowy was called: the nearest frame that is not flowy's own.

    It costs a fifth of a microsecond, and half of one where audit hooks listen. The line is worked
    out by `located`, when somebody asks for it: Python finds it by reading the table of lines from
    its beginning, which takes microseconds in a long function.

    Returns:
        The place, or None if there is only code of flowy, as when an activity is begun because
        its arguments came.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_flowy(frame.f_globals.get("__name__", "")):
            return frame.f_code, frame.f_lasti
        frame = frame.f_back
    return None


def located(place: CallSite) -> SourceLine:
    """Work out the line of a place."""
    code, instruction = place
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    return SourceLine(code.co_filename, line, code.co_qualname)


@cache
def is_flowy(module: str) -> bool:
    """Whether a module is flowy's own; the tutorial's are not, as they are an author's."""
    top, _, rest = module.partition(".")
    return top == "flowy" and not rest.startswith("tutorial")
