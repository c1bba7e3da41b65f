"""Lambda functions that answer as they did when a history was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from flowy_sim._engine import LambdaError, LambdaFunction
from flowy_sim.verify._links import Links
from flowy_sim.verify._recording import Event, Recording


class LambdaOutcomes(Mapping[str, LambdaFunction]):
    """The functions of a recording; each call of one answers as the next recorded call did.

    A call that ended the recording without an answer never answers.
    """

    def __init__(self, recording: Recording) -> None:
        """Note the recorded calls, in the order in which they started."""
        links = Links(recording.events)
        self._calls: dict[str, list[Event | None]] = {}
        for event in recording.events:
            if event.type == "LambdaFunctionStarted":
                scheduled = recording.event(event.link("scheduledEventId"))
                name = str(scheduled["name"])
                self._calls.setdefault(name, []).append(links.ended.get(scheduled.id))

    def __getitem__(self, name: str) -> LambdaFunction:
        """Return the function as it will answer its next call."""
        calls = self._calls[name]
        return _answering(calls.pop(0) if calls else None)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the functions."""
        return iter(self._calls)

    def __len__(self) -> int:
        """Return how many functions there are."""
        return len(self._calls)


def _answering(ended: Event | None) -> LambdaFunction:
    def answer(payload: str) -> str:
        assert ended is not None
        if ended.type == "LambdaFunctionFailed":
            raise LambdaError(ended["reason"], ended["details"])
        return str(ended["result"])

    if ended is None or ended.type == "LambdaFunctionTimedOut":
        return LambdaFunction(lambda payload: "", takes=inf, text=True)
    return LambdaFunction(answer, text=True)
