"""Run and test workflows in one thread, without AWS.

- `Runner` runs workflows on a `flowy_sim.Simulation`: it gives turns to deciders and workers, and
  skips time when none of them has anything to do. The function `run` runs a single workflow.
- `Run` is what a runner returns: the status, the result, the `History`, and the calls that the
  workflow made, each a `RecordedCall`.
- `Stubs` fakes activities, child workflows and Lambda functions, each with a `Stub`.
- `ActivityEnvironment` runs a single activity, without a service.
- `Endpoint` is a simulation that is served over HTTP, for processes in any language.

The fixtures of the pytest plugin are instances of these classes: ``swf_run`` is a `Runner`,
``swf_stub`` is `Stubs`, ``swf_activity`` is an `ActivityEnvironment`, and ``swf_endpoint`` is an
`Endpoint`.

Errors:

- `NoResultError`: a test read the result of a run that did not complete.
- `StuckError`: nothing more will happen, and an execution is still open.
- `UnexpectedCallError`: a workflow called something that has no answer.
- `EndlessRestartsError`: an execution restarts itself immediately, and probably forever.
- `BlockedLoopError`: a poll loop waits for something that cannot happen while it waits.

Example:
    >>> from flowy.tutorial.workflows import ImageCategorization
    >>> from flowy_sim import Simulation
    >>> stubs = Stubs()
    >>> stub = stubs("resize", 1, result="small.jpg", takes=40)
    >>> stub = stubs("predominantcolor", 1, result="blue", takes=15)
    >>> stub = stubs("renameimage", 1, function=lambda path, color: f"{color}/{path}")
    >>> run = Runner(Simulation(), stubs=stubs).run(ImageCategorization, "photo.jpg")
    >>> run.status, run.result, run.simulated_seconds
    ('COMPLETED', 'blue/small.jpg', 40.0)
    >>> [call.id for call in run.calls("resize")], len(run.history.find("ActivityTaskCompleted"))
    (['resize-1'], 3)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._events.history import History, RecordedCall
from flowy_sim._simulation.stubs import Stub, Stubs, UnexpectedCallError
from flowy_sim.testing._activity_environment import ActivityEnvironment
from flowy_sim.testing._invariants import EndlessRestartsError
from flowy_sim.testing._loops import BlockedLoopError
from flowy_sim.testing._run import NoResultError, Run, StuckError
from flowy_sim.testing._runner import Runner, run

if TYPE_CHECKING:
    from flowy_sim._server.endpoint import Endpoint as Endpoint

__all__ = [
    "ActivityEnvironment",
    "BlockedLoopError",
    "EndlessRestartsError",
    "Endpoint",
    "History",
    "NoResultError",
    "RecordedCall",
    "Run",
    "Runner",
    "Stub",
    "Stubs",
    "StuckError",
    "UnexpectedCallError",
    "run",
]

for _public in (ActivityEnvironment, RecordedCall, Run, Runner, Stub, Stubs, run):
    # Like httpx and trio: messages and tools show the path that users import.
    _public.__module__ = __name__


def __getattr__(name: str) -> Any:
    if name == "Endpoint":  # Few tests need it, and what it imports.
        from flowy_sim._server.endpoint import Endpoint

        return Endpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
