"""Amazon SWF in memory and on a fake clock, and the tools to test with it.

>>> from flowy_sim import Simulation
>>> Simulation().clock.now.isoformat()
'2024-01-01T00:00:00+00:00'

Layout. The packages without an underscore are public; nothing else is promised. A package imports
only from those below it.

``_cli``             the command ``flowy-sim``
`pytest_plugin`      fixtures, the marker, options of pytest
`strategies`         strategies and a state machine for Hypothesis
`explore`            runs a test under many orders and faults, and explains what fails
`testing`            runs workflows: runner, stubs, results, activity environment, coverage
`faults`             what exploring injects: workers that die, answers that are lost, signals
`verify`             re-drives a recorded history and compares every event
``_console``         pages in a browser: executions, what they wait for, task lists, actions
``_server``          HTTP: application, authentication, connections, control, metrics
``_storage``         a journal of served simulations in a file; snapshots and imports
``_clients``         in process: a client object, real boto3; the JSON of the wire
``_simulation``      one simulation: clock, regions, presence, polls, time skipping
``_report``          timelines as text, as pages and as pictures
``_events``          what event types are, spans, rules that every history obeys
``_engine``          the service as a pure state machine
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flowy_sim import _older_flowy as _older_flowy

if TYPE_CHECKING:
    from flowy_sim._clients.mock_swf import mock_swf as mock_swf
    from flowy_sim._clients.simulation import FirstChoice as FirstChoice
    from flowy_sim._clients.simulation import RandomChoice as RandomChoice
    from flowy_sim._clients.simulation import Schedule as Schedule
    from flowy_sim._clients.simulation import Simulation as Simulation
    from flowy_sim._engine.faults import Fault as Fault
    from flowy_sim._engine.latency import Latency as Latency
    from flowy_sim._engine.limits import Limits as Limits
    from flowy_sim._simulation.clock import Clock as Clock
    from flowy_sim._simulation.clock import RealClock as RealClock
    from flowy_sim._simulation.clock import ScaledClock as ScaledClock
    from flowy_sim._simulation.clock import VirtualClock as VirtualClock
    from flowy_sim._simulation.stubs import UnexpectedCallError as UnexpectedCallError
    from flowy_sim._simulation.time_skipping import EndlessLoopError as EndlessLoopError
    from flowy_sim.testing._run import NoResultError as NoResultError
    from flowy_sim.testing._run import StuckError as StuckError

# Where each public name lives; its module is imported when the name is first used.
_MODULES = {
    "Clock": "_simulation.clock",
    "EndlessLoopError": "_simulation.time_skipping",
    "FirstChoice": "_clients.simulation",
    "NoResultError": "testing._run",
    "RandomChoice": "_clients.simulation",
    "RealClock": "_simulation.clock",
    "ScaledClock": "_simulation.clock",
    "Schedule": "_clients.simulation",
    "Simulation": "_clients.simulation",
    "StuckError": "testing._run",
    "UnexpectedCallError": "_simulation.stubs",
    "VirtualClock": "_simulation.clock",
    "mock_swf": "_clients.mock_swf",
    "Fault": "_engine.faults",
    "Latency": "_engine.latency",
    "Limits": "_engine.limits",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
