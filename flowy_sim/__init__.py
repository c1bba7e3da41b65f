"""Amazon SWF in memory and on a fake clock, and what it takes to test with it.

>>> from flowy_sim import Simulation
>>> Simulation().clock.now.isoformat()
'2024-01-01T00:00:00+00:00'

Where what is:

the service    `engine`; `simulation`, `engines`: on a `clock` and with a `schedule` of its own
its clients    `client`, `parameters`, `parsed`; `botocore`; `wire`; `polling`: while they wait
over HTTP      `server`; `endpoint`: the same from outside; `durable`: kept in files
running        `runner`, `stubs`, `freezing`; `run`, `past`: what became of it; `alone`
testing        `pytest_plugin`, `coverage`; `faults`, `explore`; `strategies`, `machine`
histories      `histories`: in files; `timeline`: drawn; `verify`: compared with the service's
what holds     `invariants` of engines, `history_rules` and `event_links` of histories
commands       `cli`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flowy_sim import _older_flowy as _older_flowy

if TYPE_CHECKING:
    from flowy_sim._clients.boto3 import mock_swf as mock_swf
    from flowy_sim._engine.faults import Fault as Fault
    from flowy_sim._engine.latency import Latency as Latency
    from flowy_sim._engine.limits import Limits as Limits
    from flowy_sim._simulation.clock import Clock as Clock
    from flowy_sim._simulation.clock import RealClock as RealClock
    from flowy_sim._simulation.clock import ScaledClock as ScaledClock
    from flowy_sim._simulation.clock import VirtualClock as VirtualClock
    from flowy_sim._simulation.schedule import FirstChoice as FirstChoice
    from flowy_sim._simulation.schedule import RandomChoice as RandomChoice
    from flowy_sim._simulation.schedule import Schedule as Schedule
    from flowy_sim._simulation.simulation import Simulation as Simulation
    from flowy_sim._simulation.time_skipping import EndlessLoopError as EndlessLoopError
    from flowy_sim.testing._run import NoResultError as NoResultError
    from flowy_sim.testing._run import StuckError as StuckError
    from flowy_sim.testing._stubs import UnexpectedCallError as UnexpectedCallError

# Where each public name lives; its module is imported when the name is first used.
_MODULES = {
    "Clock": "_simulation.clock",
    "EndlessLoopError": "_simulation.time_skipping",
    "FirstChoice": "_simulation.schedule",
    "NoResultError": "testing._run",
    "RandomChoice": "_simulation.schedule",
    "RealClock": "_simulation.clock",
    "ScaledClock": "_simulation.clock",
    "Schedule": "_simulation.schedule",
    "Simulation": "_simulation.simulation",
    "StuckError": "testing._run",
    "UnexpectedCallError": "testing._stubs",
    "VirtualClock": "_simulation.clock",
    "mock_swf": "_clients.boto3",
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
