"""Replaying: of recorded histories, and by the deciders of a runner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowy._client import Execution
from flowy._decider.decider import UNKNOWN
from flowy._decider.history import Event
from flowy._decider.suspended import SuspendedExecutions
from flowy._decisions import Decision
from flowy.errors import HistoryError, NonDeterminismError
from flowy.payloads import PLAIN, Payloads
from flowy.replay import replay
from flowy.workflow import Workflow
from flowy_sim._events.schema import attributes_of
from flowy_sim.testing._history_files import files, load

REPLAYS = "replays"
DIFFERS = "differs"
UNREADABLE = "unreadable"
OTHER = "other"

SHORT = 100
"""The number of events below which an execution is replayed for each decision."""

GROWTH = 3
"""The factor by which a longer execution has to grow before it is replayed again."""


@dataclass(frozen=True, slots=True)
class ReplayedFile:
    """The outcome of replaying the history in a file.

    Attributes:
        name: the name of the file.
        outcome: ``replays``, ``differs``, ``unreadable``, or ``other`` for the history of a
            workflow that is not replayed.
        events: the number of events.
        sentence: the first difference, what is wrong with the file, or the other workflow.
    """

    name: str
    outcome: str
    events: int = 0
    sentence: str = ""

    def __str__(self) -> str:
        """Return the outcome as it is reported, usually in one line."""
        details = f": {self.sentence}" if self.sentence else ""
        return f"{self.outcome}: {self.name}{details}"


def replay_prefixes(
    workflow: type[Workflow],
    events: Sequence[Event],
    payloads: Payloads = PLAIN,
    execution: Execution = UNKNOWN,
) -> None:
    """Replay a history as far as each of its decision tasks, and then the whole history.

    Args:
        workflow: the workflow's class.
        events: the history.
        payloads: decodes its arguments and results.
        execution: the IDs of the execution, if they are known.

    Raises:
        NonDeterminismError: the code makes other decisions than the history shows.
        HistoryError: the events are not a history.
    """
    for index, event in enumerate(events):
        if index > 2 and event["eventType"] == "DecisionTaskStarted":
            replay(workflow, events[: index + 1], payloads, execution)
    replay(workflow, events, payloads, execution)


def type_of(events: Sequence[Event]) -> tuple[str, str]:
    """Return the name and version of the workflow type of a history.

    Raises:
        HistoryError: the history does not begin with WorkflowExecutionStarted.
    """
    if events[0].get("eventType") != "WorkflowExecutionStarted":
        raise HistoryError(
            "event 1 of a history must be WorkflowExecutionStarted, not "
            f"{events[0].get('eventType')}"
        )
    named = attributes_of(events[0]).get("workflowType")
    if not named:
        raise HistoryError("event 1 of the history has no workflowType")
    return named["name"], named["version"]


def replay_files(
    workflows: Iterable[type[Workflow]], paths: Iterable[Path], payloads: Payloads = PLAIN
) -> Iterator[ReplayedFile]:
    """Replay the histories in files and folders.

    Args:
        workflows: the workflows to replay; histories of others are skipped.
        paths: JSON files, and folders that contain such files at any depth.
        payloads: decodes arguments and results.
    """
    known = {(cls.flowy_type.name, cls.flowy_type.version): cls for cls in workflows}
    for name, path in files(*paths):
        try:
            events, execution = load(path)
            found = type_of(events)
            if found not in known:
                yield ReplayedFile(name, OTHER, len(events), f"it is of {' '.join(found)}")
                continue
            replay_prefixes(known[found], events, payloads, execution)
        except NonDeterminismError as error:
            yield ReplayedFile(name, DIFFERS, len(events), str(error))
        except HistoryError as error:
            yield ReplayedFile(name, UNREADABLE, sentence=str(error).removeprefix(f"{path} "))
        else:
            yield ReplayedFile(name, REPLAYS, len(events))


class ReplayingDeciders(SuspendedExecutions):
    """Executions that are replayed from time to time, and kept suspended in between.

    Only replaying finds code that is not deterministic. Replaying for each decision takes
    quadratic time, so a long execution is replayed when it has grown by the factor `GROWTH`. All
    these replays together cost less than one of the complete history.

    Without greenlet, nothing can be suspended, and everything is replayed for each decision.
    """

    def __init__(self) -> None:
        super().__init__()
        self._replayed: dict[str, int] = {}

    def decide(
        self,
        workflow: type[Workflow],
        execution: Execution,
        previous_started_event_id: int,
        news: Iterable[Event],
        history: Callable[[], Iterable[Event]],
        payloads: Payloads = PLAIN,
    ) -> list[Decision]:
        """Decide what an execution does next; see `SuspendedExecutions.decide`."""
        news = list(news)
        length: int = news[-1]["eventId"] if news else 0
        if length < SHORT or length >= GROWTH * self._replayed.get(execution.run_id, 0):
            self.forget(execution)
            self._replayed[execution.run_id] = length
        return super().decide(
            workflow, execution, previous_started_event_id, news, history, payloads
        )
