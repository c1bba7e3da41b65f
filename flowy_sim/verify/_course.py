"""The course that a simulation is to take: the steps of a history, each at its instant."""

from __future__ import annotations

from flowy_sim.verify._instants import instants
from flowy_sim.verify._links import Links
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._steps import steps


class Course:
    """A history with the instants at which the simulation goes through it.

    Attributes:
        recording: the history.
        steps: its steps.
        instants: the instant of each step, in milliseconds.
        links: what became of everything in it.
    """

    def __init__(self, recording: Recording) -> None:
        """Plan the course of a history."""
        self.recording = recording
        self.steps = steps(recording)
        self.instants = instants(recording, self.steps)
        self.links = Links(recording.events)
        self._at = {
            event.id: instant
            for step, instant in zip(self.steps, self.instants, strict=True)
            for event in step.events
        }

    @property
    def end(self) -> int:
        """The instant of the last step."""
        return self.instants[-1]

    def at(self, event: Event) -> int:
        """Return when an event is to be written."""
        return self._at[event.id]
