"""What exploring is asked for: its options, checked and put together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from flowy import _checks
from flowy.errors import ConfigurationError
from flowy_sim.explore._attempt import Setting
from flowy_sim.faults._fault import Fault, faults_in
from flowy_sim.testing import MOST_FAULTS, Runner

ENDS = ("runs", "seconds", "processes")
"""The options that are not about one run."""

_SIMULATION = ("seed", "start", "latency", "limits", "region", "account", "patience")


def setting_for(
    *,
    faults: Iterable[Fault] = (),
    most_faults: int = MOST_FAULTS,
    invariants: Iterable[Callable[..., object]] = (),
    **others: Any,
) -> Setting:
    """Put together how each run is set up, from options of `flowy_sim.explore.find`.

    Raises:
        ConfigurationError: there is no such option, or one is wrong.
    """
    __tracebackhide__ = True
    check({"faults": faults, "most_faults": most_faults, "invariants": invariants, **others})
    made = {name: others.pop(name) for name in _SIMULATION if name in others}
    turns = {"most_turns": others.pop("most_turns")} if "most_turns" in others else {}
    return Setting(faults_in(faults), most_faults, made, others, _invariants(invariants), **turns)


def check(options: Mapping[str, Any]) -> None:
    """Check options of `flowy_sim.explore.find`; those of Simulation and Runner are checked there.

    Raises:
        ConfigurationError: there is no such option, or one is wrong.
    """
    __tracebackhide__ = True
    others = {*_SIMULATION, *inspect.signature(Runner).parameters}
    unknown = [name for name in options if name not in _CHECKS and name not in others]
    if unknown:
        raise ConfigurationError(
            f"exploring has no option {', '.join(unknown)}; it has {', '.join(_CHECKS)}, "
            "and those of Simulation and Runner"
        )
    for name, value in options.items():
        if name in _CHECKS:
            _CHECKS[name](value)


def _invariants(given: object) -> tuple[Callable[..., object], ...]:
    __tracebackhide__ = True
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(map(callable, found)):
        raise ConfigurationError(
            f"invariants must be a list of functions that assert what always holds, not {given!r}"
        )
    return found


def _processes(given: object) -> None:
    __tracebackhide__ = True
    if given is not None:
        _checks.whole_number("processes", given, least=1)


_CHECKS: dict[str, Callable[[Any], object]] = {
    "faults": faults_in,
    "most_faults": partial(_checks.whole_number, "most_faults"),
    "invariants": _invariants,
    "runs": partial(_checks.whole_number, "runs", least=1),
    "seconds": partial(_checks.number, "seconds"),
    "processes": _processes,
    "most_turns": partial(_checks.whole_number, "most_turns", least=1),
}
"""The options of exploring itself."""
