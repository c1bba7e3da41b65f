"""The error of an execution that is stuck, and when to raise it."""

from __future__ import annotations

from datetime import datetime

from flowy._client import Execution
from flowy_sim._clients.in_process import Client
from flowy_sim._events.waits import Workers, explain, waits
from flowy_sim.testing._run import Run, fetch, open_executions

_MOST_OPEN = 1000
_MOST_EXPLAINED = 5


class StuckError(Exception):
    """An execution is open, and nothing will ever happen to it. The message explains why.

    Attributes:
        run: the execution that was to be run to its end.
    """

    __module__ = "flowy_sim"

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[type, tuple[str, Run]]:
        """Let the error travel between processes."""
        return type(self), (str(self), self.run)


def stuck_at(
    now: datetime, client: Client, domain: str, execution: Execution, workers: Workers
) -> StuckError | None:
    """Return why nothing will ever happen to an open execution, at a time when no worker is busy.

    Args:
        now: the present instant.
        client: a client of the simulation.
        domain: the execution's domain.
        execution: its ids.
        workers: the workers that poll for tasks.

    Returns:
        An error to raise; None if the execution, or another open one, waits for something that
        ends by itself.
    """
    run = fetch(client, domain, execution, workers.payloads)
    others = [
        fetch(client, domain, other, workers.payloads)
        for other in open_executions(client, domain, _MOST_OPEN)
        if other != execution
    ]
    open_waits = [wait for each in (run, *others) for wait in waits(each.history, workers)]
    if any(wait.ends for wait in open_waits):
        return None
    return StuckError(explain(run, others[:_MOST_EXPLAINED], workers, now), run)
