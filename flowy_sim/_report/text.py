"""Text in columns of a terminal: its width, padding and cutting."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

from flowy._safe_text import safe_text


def columns(text: str) -> int:
    """Return the number of columns that a text takes.

    >>> columns("日本 go")
    7
    """
    return sum(map(_columns, text))


def padded(text: str, width: int) -> str:
    """Pad a text with blanks on the right.

    >>> padded("日本", 6)
    '日本  '
    """
    return text + " " * (width - columns(text))


def cut(text: str, width: int, ellipsis: str = "…", keep_end: float = 0) -> str:
    """Cut a text that is too long.

    Args:
        text: one line.
        width: number of columns that it may take.
        ellipsis: what replaces the part left out.
        keep_end: share of the columns that goes to the end of the text, from 0 to 1.

    >>> cut("predominantcolor-2", 10), cut("predominantcolor-2", 10, keep_end=0.5)
    ('predomina…', 'predo…or-2')
    """
    if columns(text) <= width:
        return text
    room = width - columns(ellipsis)
    if room <= 0:
        return ellipsis[:width]
    end = _start(text[::-1], int(room * keep_end))[::-1]
    return _start(text, room - columns(end)) + ellipsis + end


def one_line(text: str, ascii: bool = False) -> str:
    r"""Make a text from outside one harmless line, with a blank for each gap between words.

    >>> one_line("one\ntwo \x1b[2J")
    'one two ␛[2J'
    """
    return safe_text(" ".join(text.split()), ascii=ascii)


def _columns(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _start(text: str, width: int) -> str:
    """Return as much of the start of a text as fits."""
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:index]
    return text
