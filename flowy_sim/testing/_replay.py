"""Replaying histories from files by the workflows of today, at every prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowy._client import Execution
from flowy._decider.decider import UNKNOWN
from flowy._decider.decisions import Decision
from flowy._decider.history import Event
from flowy._decider.suspended import SuspendedExecutions
from flowy.errors import HistoryError, NonDeterminismError
from flowy.payloads import PLAIN, Payloads
from flowy.replay import replay
from flowy.workflow import Workflow
from flowy_sim._events.vocabulary import attributes_of
from flowy_sim.testing._history_files import files, load

REPLAYS = "replays"


DIFFERS = "differs"


UNREADABLE = "unreadable"


OTHER = "other"


@dataclass(frozen=True, slots=True)
class ReplayedFile:
    """What came of replaying a history.

    Attributes:
        name: the file.
        outcome: ``replays``, ``differs``, ``unreadable``, or ``other`` if it is of another
            workflow.
        events: how many events it has.
        sentence: where code and history part, what is wrong with the file, or whose it is.
    """

    name: str
    outcome: str
    events: int = 0
    sentence: str = ""

    def __str__(self) -> str:
        """Say it in a line, or more if there is more to say."""
        said = f": {self.sentence}" if self.sentence else ""
        return f"{self.outcome}: {self.name}{said}"


def replay_prefixes(
    workflow: type[Workflow],
    events: Sequence[Event],
    payloads: Payloads = PLAIN,
    execution: Execution = UNKNOWN,
) -> None:
    """Replay a history, and each part of it that an execution had when it was decided on.

    Args:
        workflow: the workflow's class.
        events: the history.
        payloads: how its arguments and results travelled.
        execution: whose it is, if that is known.

    Raises:
        NonDeterminismError: the code decides otherwise than the history shows.
        HistoryError: that is no history.
    """
    for index, event in enumerate(events):
        if index > 2 and event["eventType"] == "DecisionTaskStarted":
            replay(workflow, events[: index + 1], payloads, execution)
    replay(workflow, events, payloads, execution)


def type_of(events: Sequence[Event]) -> tuple[str, str]:
    """Return name and version of the workflow that a history is of.

    Raises:
        HistoryError: it does not begin with WorkflowExecutionStarted.
    """
    if events[0].get("eventType") != "WorkflowExecutionStarted":
        raise HistoryError("a history begins with WorkflowExecutionStarted, event 1; this one not")
    named = attributes_of(events[0]).get("workflowType")
    if not named:
        raise HistoryError("event 1 does not tell the workflow's type")
    return named["name"], named["version"]


def replay_files(
    workflows: Iterable[type[Workflow]], paths: Iterable[Path], payloads: Payloads = PLAIN
) -> Iterator[ReplayedFile]:
    """Replay the histories in files and folders.

    Args:
        workflows: the workflows that they may be of.
        paths: files of JSON, and folders with such files at any depth.
        payloads: how arguments and results travelled.
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


SHORT = 100


"""An execution of fewer events is replayed for each decision."""


GROWTH = 3


"""A longer one when it is so many times as long as at its last replay."""


class ReplayingDeciders(SuspendedExecutions):
    """Executions that are kept suspended between most of their decisions."""

    def __init__(self) -> None:
        """Begin with none; without greenlet none is ever kept."""
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
