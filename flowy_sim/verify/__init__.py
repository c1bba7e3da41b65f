"""Verify the simulation against histories that Amazon SWF wrote.

A history is redriven through a new simulation, with the same start, decisions, answers and signals
at the recorded instants. The effects of the service (decision tasks, IDs, time-outs, causes, child
executions, results of decisions) must come from the simulation. They are compared event by event:
type, ID, every attribute and link, and the time to half a second. The simulation alone must produce
the order of events that depend on each other. The recording determines how late an effect happens,
because the service makes no promise about latency.

Three kinds of differences are ignored: values that, according to the recording, its source did not
keep; IDs that the service generates, if they are used consistently; and members that the service
did not write at the time, or that are not in its model.

If decisions were not recorded, they are derived from the events, so the output of
``aws swf get-workflow-execution-history`` is enough. Fakes play the other executions that a
history names: parents, children, senders and receivers of signals.

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

from flowy_sim._events.history import files
from flowy_sim.verify._comparison import EventDifference, Verdict
from flowy_sim.verify._recording import Recording, read, read_file
from flowy_sim.verify._redrive import Redrive
from flowy_sim.verify._shapes import MalformedHistoryError

__all__ = [
    "EventDifference",
    "MalformedHistoryError",
    "Recording",
    "Verdict",
    "verify",
    "verify_paths",
]


def verify(history: object, name: str = "history") -> Verdict:
    """Verify one history.

    Args:
        history: a `Recording`; a reply of GetWorkflowExecutionHistory or PollForDecisionTask; a
            list of such replies, which are the pages of one history; a list of events; or the JSON
            document of a recording.
        name: the name of the history in the verdict.

    Returns:
        The verdict, with the first difference if there is one.

    Raises:
        MalformedHistoryError: `history` is not a history, has gaps, or is inconsistent.
    """
    recording = history if isinstance(history, Recording) else read(history, name)
    try:
        redrive = Redrive(recording)
        difference = redrive.run()
    except MalformedHistoryError:
        raise
    except Exception as error:  # The history may contradict itself in any way.
        raise MalformedHistoryError(
            f"It is inconsistent: {type(error).__name__}: {error}."
        ) from error
    return Verdict(recording.name, len(recording.events), redrive.agreed, difference)


def verify_paths(*paths: Path) -> Iterator[Verdict]:
    """Verify the histories in files and folders.

    Args:
        paths: JSON files, and folders with JSON files at any depth.

    Yields:
        One verdict for each file: in the order of `paths`, and within a folder by name. If a file
        cannot be read or verified, its verdict has an ``error``, and the next file follows.
    """
    for name, file in files(*paths):
        try:
            yield verify(read_file(file), name)
        except MalformedHistoryError as error:
            yield Verdict(name, 0, 0, None, str(error))
        except Exception as error:
            unexpected = f"It cannot be read: {type(error).__name__}: {error}."
            yield Verdict(name, 0, 0, None, unexpected)
