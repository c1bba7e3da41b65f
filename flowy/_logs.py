"""Logging in ``run``: each message appears once, not at each replay, and names the execution.

This holds for all loggers that are used within ``run``, the author's and those of libraries, but
not for flowy's own. A record that is created during a replay gets a level below that of all
handlers, so that none of them emits it. (A filter would have to be added to each logger, because
the filters of a logger do not apply to its children; and a filter of one handler does not affect
the others.) A message at the end of the history appears. It appears again only if that decision is
made again: if the worker died before it answered, or new events arrived meanwhile.

``self.logger`` gives each record ``workflow_id``, ``run_id`` and ``workflow_type``, for formatters
and log collectors; `ExecutionFilter` on a handler does so for the records of all loggers.

flowy's own loggers, by which users set levels, are named independently of its private modules:

==================  ===========================================================================
``flowy.workers``   polls, tasks, answers, heartbeats, back-off, processes, registration
``flowy.start``     executions that this process starts
``flowy.workflow``  warnings about executions, such as a history that grows long
==================  ===========================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy._call_sites import is_flowy

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
    """Returns whether the current code repeats earlier decisions."""


class LoggingContext:
    """A block in which log records name an execution, and are dropped while it is replayed.

    It applies to what is called in the block in this thread, and in this greenlet if the block is
    entered there. The first one wraps the record factory that `logging.setLogRecordFactory` set.

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
    """A logger whose records name the execution: the type of ``self.logger``.

    Each record has the attributes ``workflow_id``, ``run_id`` and ``workflow_type``, besides those
    of ``extra``; they are ``-`` where no execution is being run.

    Args:
        name: the logger's name, such as the module's.

    Example:
        ``self.logger.info("%d pictures are left", len(pictures))``
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), {})

    def isEnabledFor(self, level: int) -> bool:
        """Return whether a record of a level would appear."""
        source = _source.get()
        return (source is None or not source.replaying()) and super().isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the execution's attributes to those of ``extra``."""
        return msg, {**kwargs, "extra": {**_attributes(), **(kwargs.get("extra") or {})}}


class ExecutionFilter(logging.Filter):
    """Adds ``workflow_id``, ``run_id`` and ``workflow_type`` to each record that passes it.

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
