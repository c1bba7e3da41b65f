"""Somebody listens to what is written to the histories of some executions."""

from __future__ import annotations

from collections.abc import Callable

from flowy._client import Execution, SwfClient
from flowy_sim.testing._run import Event, history

Listener = Callable[[str, Event], None]
"""Is called with a workflow id and an event."""


class Listening:
    """Tells a listener of each event once, in the order of the history.

    Args:
        client: asks the service for the events.
        domain: the domain of the executions.
        listener: who is told; None for nobody.
    """

    def __init__(self, client: SwfClient, domain: str, listener: Listener | None) -> None:
        """Start with no execution."""
        self._client = client
        self._domain = domain
        self._listener = listener
        self._told: dict[Execution, int] = {}

    def add(self, execution: Execution) -> None:
        """Tell of an execution from now on, and of all its events so far."""
        self._told[execution] = 0
        self.tell()

    def remove(self, execution: Execution) -> None:
        """Tell of an execution no longer."""
        self._told.pop(execution, None)

    def tell(self) -> None:
        """Tell of the events that are new."""
        if self._listener is None:
            return
        for execution, told in self._told.items():
            for event in history(self._client, self._domain, execution, after=told):
                self._told[execution] = event["eventId"]
                self._listener(execution.workflow_id, event)
