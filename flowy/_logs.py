"""Logs: what ``run`` logs appears once, not once for each replay, and says for which execution.

It holds for all loggers that are used within ``run``, the author's and those of libraries, but not
for flowy's own. A record that is made while decisions of the past are repeated gets a level below
that of all handlers, so that none takes it. (A filter would have to be put on each logger, as
filters of a logger do not hold for those below it; and one on a handler leaves out the other
handlers.) What is logged at the end of the history appears, and appears again only if that decision
is made again: if the worker died before it had answered, or news came meanwhile.

``self.logger`` gives each record ``workflow_id``, ``run_id`` and ``workflow_type``, for formatters
and for log collectors; `ExecutionFilter` on a handler does it for the records of all loggers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy._determinism.call_sites import is_flowy

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class RunInfo(NamedTuple):
    """The execution that code is being run for."""

    workflow_id: str
    run_id: str
    workflow_type: str
    """Name and version, such as ``imagecateg 1``."""
    replaying: Callable[[], bool] = lambda: False
    """Tells whether what is done now was done before."""


class LoggingContext:
    """A block in which log records tell of an execution, and are dropped while it is replayed.

    It holds for what is called in the block, in this thread, and in this greenlet if the block is
    entered there. The first time, it sets a record factory around the one that
    `logging.setLogRecordFactory` was given.

    Args:
        source: the execution.
    """

    __slots__ = ("_before", "_now")

    def __init__(self, source: RunInfo) -> None:
        self._now = source

    def __enter__(self) -> None:
        _install()
        self._before = _source.set(self._now)

    def __exit__(self, *error: object) -> None:
        _source.reset(self._before)


_source: ContextVar[RunInfo | None] = ContextVar("flowy_log_source", default=None)


class WorkflowLogger(_Adapter):
    """A logger whose records tell of the execution: what ``self.logger`` is.

    Each record has the attributes ``workflow_id``, ``run_id`` and ``workflow_type``, beside those
    of ``extra``; where no execution is being run, they are ``-``.

    Example:
        ``self.logger.info("%d pictures are left", len(pictures))``
    """

    def __init__(self, name: str) -> None:
        """Log as a logger does.

        Args:
            name: the logger's name, such as the module's.
        """
        super().__init__(logging.getLogger(name), {})

    def isEnabledFor(self, level: int) -> bool:
        """Tell whether a record of a level would appear."""
        source = _source.get()
        return (source is None or not source.replaying()) and super().isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the attributes to those of ``extra``."""
        return msg, {**kwargs, "extra": {**_attributes(), **(kwargs.get("extra") or {})}}


class ExecutionFilter(logging.Filter):
    """Gives each record that passes ``workflow_id``, ``run_id`` and ``workflow_type``.

    Example:
        ::

            handler.addFilter(ExecutionFilter())
            handler.setFormatter(logging.Formatter("%(workflow_id)s %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes that are missing; ``-`` where no execution is being run."""
        for name, value in _attributes().items():
            vars(record).setdefault(name, value)
        return True


def _attributes() -> dict[str, str]:
    source = _source.get() or _NONE
    return {
        "workflow_id": source.workflow_id,
        "run_id": source.run_id,
        "workflow_type": source.workflow_type,
    }


_NONE = RunInfo("-", "-", "-")
_BELOW_ALL_HANDLERS = -1
_installed = False


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    make = logging.getLogRecordFactory()

    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        source = _source.get()
        if source is not None and source.replaying() and not is_flowy(str(record.name)):
            record.levelno = _BELOW_ALL_HANDLERS
        return record

    logging.setLogRecordFactory(make_record)
