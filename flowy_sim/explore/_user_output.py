"""What user code logs and prints: suppressed in most runs, and recorded in the one that fails."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import NamedTuple, TextIO

from flowy_sim.testing import Runner

_LEVEL = logging.INFO
"""The level from which on logs of the run that fails are recorded, if none is configured."""

_NOT_OF_USERS = ("flowy.", "flowy_sim.", "botocore.")


class OutputLine(NamedTuple):
    """A line that user code has logged or printed.

    Attributes:
        instant: when, in milliseconds since 1970.
        words: the line.
    """

    instant: int
    words: str


@contextmanager
def silenced() -> Iterator[None]:
    """Suppress what this thread, and those that it starts, log and print.

    Loggers work as before, and so do handlers that are added meanwhile, such as by a test. Only the
    handlers that exist now receive nothing.
    """
    others = {each.ident for each in threading.enumerate()} - {threading.get_ident()}

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread in others

    handlers = _handlers()
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        for each in handlers:
            each.addFilter(is_of_others)
        try:
            yield
        finally:
            for each in handlers:
                each.removeFilter(is_of_others)


class OutputRecorder:
    """Records what user code logs and prints in a run.

    Args:
        runner: the runner of that run.

    Attributes:
        lines: what was logged and printed.
    """

    def __init__(self, runner: Runner) -> None:
        self.lines: list[OutputLine] = []
        self._clock = runner.simulation.clock

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record from now on, down to level INFO where no other level is set."""
        root, handler = logging.getLogger(), _Handler(self)
        loggers = [root, *(each for each in _loggers() if not each.propagate)]
        level = root.level
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(_Stream(self, sys.stdout)))
            for each in loggers:
                each.addHandler(handler)
                stack.callback(each.removeHandler, handler)
            stack.callback(root.setLevel, level)
            root.setLevel(min(level, _LEVEL))
            yield

    def add(self, words: str) -> None:
        """Add lines."""
        now = self._clock.milliseconds
        self.lines += [OutputLine(now, each) for each in words.splitlines()]


class _Handler(logging.Handler):
    """Gives what is logged to a recorder."""

    def __init__(self, recorder: OutputRecorder) -> None:
        super().__init__()
        self._recorder = recorder
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Record a line."""
        if not f"{record.name}.".startswith(_NOT_OF_USERS):
            self._recorder.add(self.format(record))


class _Stream(io.TextIOWrapper):
    """Gives what is printed to a recorder, line by line, and to the stream that it replaces."""

    def __init__(self, recorder: OutputRecorder, replaced: TextIO) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._recorder = recorder
        self._replaced = replaced
        self._begun = ""

    def write(self, text: str) -> int:
        """Record the lines that are complete."""
        self._replaced.write(text)
        *complete, self._begun = (self._begun + text).split("\n")
        for line in complete:
            self._recorder.add(line)
        return len(text)


def _loggers() -> list[logging.Logger]:
    known = list(logging.getLogger().manager.loggerDict.values())
    return [each for each in known if isinstance(each, logging.Logger)]


def _handlers() -> list[logging.Handler]:
    handlers = {each for logger in _loggers() for each in logger.handlers}
    handlers.update(logging.getLogger().handlers)
    return [*handlers, *([logging.lastResort] if logging.lastResort else [])]
