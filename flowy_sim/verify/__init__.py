"""Verify the simulation against histories that Amazon SWF wrote.

A history is driven through a fresh simulation: the same start, decisions, answers, signals and
passing of time, at the recorded instants. What the service did by itself (decision tasks, ids,
time-outs, causes, child executions, effects of decisions) has to come from the simulation, and is
compared event by event: type, id, every attribute, links, and the time to half a second. The order
of things that depend on each other has to be the simulation's own; how late something came is
taken from the recording, since the service promises nothing about that.

Forgiven is what a recording says that its source did not keep, ids that the service invents, if
they stand for the same things throughout, and members that the service did not write yet, or that
its model does not have.

Where decisions were not recorded, the events tell them, so that the output of
``aws swf get-workflow-execution-history`` is all that is needed. Who else is named in a history,
parents, children, senders and receivers of signals, is stood in for.

Example:
    >>> event = {
    ...     "eventId": 1,
    ...     "eventType": "WorkflowExecutionStarted",
    ...     "workflowExecutionStartedEventAttributes": {
    ...         "childPolicy": "TERMINATE",
    ...         "executionStartToCloseTimeout": "60",
    ...         "parentInitiatedEventId": 0,
    ...         "taskList": {"name": "list"},
    ...         "taskStartToCloseTimeout": "10",
    ...         "workflowType": {"name": "Order", "version": "1"},
    ...     },
    ... }
    >>> print(verify([event]))
    agrees: history, 1 event
    >>> event["workflowExecutionStartedEventAttributes"]["parentInitiatedEventId"] = 7
    >>> verify([event]).difference.field
    'parentInitiatedEventId'
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flowy_sim.verify._checking import HistoryError
from flowy_sim.verify._comparing import Difference
from flowy_sim.verify._recording import Recording, read, read_file
from flowy_sim.verify._redriving import Redrive
from flowy_sim.verify._verdict import Verdict

__all__ = ["Difference", "HistoryError", "Recording", "Verdict", "verify", "verify_paths"]


def verify(history: object, name: str = "history") -> Verdict:
    """Verify one history.

    Args:
        history: a `Recording`, the reply of GetWorkflowExecutionHistory with all events (the
            pages joined) or that of PollForDecisionTask, a list of events, or such a recording as
            ``flowy-sim verify`` reads from files.
        name: what to call it in the verdict.

    Raises:
        HistoryError: it is not a history, has gaps, or does not hold together.
    """
    recording = history if isinstance(history, Recording) else read(history, name)
    try:
        redrive = Redrive(recording)
        difference = redrive.run()
    except HistoryError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise HistoryError(
            f"It does not hold together: {type(error).__name__}: {error}."
        ) from error
    return Verdict(recording.name, len(recording.events), redrive.agreed, difference)


def verify_paths(*paths: Path) -> Iterator[Verdict]:
    """Verify the histories in files and folders.

    Args:
        paths: JSON files, and folders with such files, at any depth.

    Yields:
        One verdict a file, in the order of the paths and of names; one with an ``error`` for a
        file that holds no history.
    """
    for path in paths:
        for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
            name = str(file.relative_to(path)) if path.is_dir() else file.name
            try:
                yield verify(read_file(file), name)
            except HistoryError as error:
                yield Verdict(name, 0, 0, None, str(error))
