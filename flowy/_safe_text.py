r"""Text from outside, made harmless before it is shown.

IDs, inputs, reasons, identities, names of signals and details are chosen by whoever calls SWF. On a
terminal or in a log, an escape sequence among them clears the screen, a line break forges a line, a
mark of right-to-left text swaps what is around it, and a lone surrogate cannot be encoded at all.
Everything that shows such text passes it through this module. JSON output does not: there, the
text has to stay exact, and ``json.dumps`` escapes what is dangerous.

What is replaced, and by what:

========================================  ==========================================
control characters (U+0000-1F, U+007F)    their symbols, such as ``␛`` and ``␊``
C1 controls, line and paragraph marks,    their code point, such as ``\u202e``
bidi and invisible marks, surrogates
what is beyond a limit                    the middle, by ``…``
========================================  ==========================================

Joiners stay, because Persian text and emoji need them.
"""

from __future__ import annotations

import logging
import re
from typing import Any
from unicodedata import category

_JOINERS = "\u200c\u200d"
_SYMBOLS = {**{code: 0x2400 + code for code in range(0x20)}, 0x7F: 0x2421}
_ASCII = {code: f"\\x{code:02x}" for code in _SYMBOLS}
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_UNKNOWN = re.compile(r"[^\x20-\x7e]")
_LINE_BREAK = re.compile(r"\r\n|\n")


def safe_text(text: object, limit: int | None = None, *, ascii: bool = False) -> str:
    r"""Make text from outside harmless, on one line.

    Args:
        text: the text, or a value whose ``str`` is shown.
        limit: the maximum number of characters; if there are more, the middle is left out.
        ascii: whether to replace all characters that are not ASCII.

    >>> safe_text("order\x1b[2J\n7"), safe_text("a\u202eb\ud800"), safe_text("0123456789", 5)
    ('order␛[2J␊7', 'a\\u202eb\\ud800', '01…89')
    """
    shown = str(text)
    if limit is not None and len(shown) > limit:
        ellipsis = "~" if ascii else "…"
        end = (limit - 1) // 2
        shown = shown[: limit - 1 - end] + ellipsis + shown[len(shown) - end :]
    if shown.isascii() and shown.isprintable():
        return shown
    if ascii:
        return _UNKNOWN.sub(_ascii, shown)
    return "".join(map(_safe, shown))


def safe_lines(text: object) -> str:
    r"""Make text from outside harmless, and keep its lines and tabs, as of a traceback.

    Use it only where a line of the text cannot be taken for one of the program's.

    >>> safe_lines("one\n\ttwo\x1b[2J")
    'one\n\ttwo␛[2J'
    """
    return "\n".join(
        "\t".join(map(safe_text, line.split("\t"))) for line in _LINE_BREAK.split(str(text))
    )


def safe_logger(name: str) -> logging.Logger:
    """Return a logger whose records are harmless, whatever handlers and formatters users have.

    Args:
        name: its name; the loggers below it are not affected.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_make_safe)
    return logger


def _make_safe(record: logging.LogRecord) -> bool:
    """Make the arguments and the traceback of a log record harmless."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            value if isinstance(value, int | float) else safe_text(value) for value in record.args
        )
    if record.exc_info and not record.exc_text:
        # Formatters use this text instead of formatting the exception.
        record.exc_text = _indented(logging.Formatter().formatException(record.exc_info))
    return True


class SafeFormatter(logging.Formatter):
    """Formats the records of any logger as one harmless line, with tracebacks indented below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        return safe_text(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return the lines of a traceback."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """Return the lines of a stack."""
        return _indented(super().formatStack(stack_info))


def log_to_stderr(format: str) -> None:
    """Log from the level INFO on to standard error, harmlessly, unless logging is set up already.

    Args:
        format: of each line, as for `logging.Formatter`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter(format))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _indented(text: str) -> str:
    # A line that begins at the margin could be taken for another record.
    return "\n".join(f"  {line}" for line in safe_lines(text).split("\n"))


def _safe(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    if code in _SYMBOLS:
        return chr(_SYMBOLS[code])
    kind = category(character)
    if kind in _UNSAFE:
        return _escaped(code)
    return " " if kind == "Zs" else character


def _ascii(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _ASCII.get(code) or ("?" if match[0].isprintable() else _escaped(code))


def _escaped(code: int) -> str:
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
