"""Simulations from a JSON document, which is trusted in nothing.

What is in it is put together in memory, as a server would, and held to all invariants; it has to
be exactly what would be exported of that, and to live on until nothing happens any more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine
from flowy_sim._engine.invariants import Violation
from flowy_sim._engine.invariants import check as check_invariants
from flowy_sim._engine.life_cycles import LifecycleError
from flowy_sim._simulation.settings import Settings, check_account, check_mode, check_name
from flowy_sim._storage.documents import Document, changes_from, check_engine, engine_document
from flowy_sim._storage.exporting import FORMAT, VERSION
from flowy_sim._storage.files import DAMAGE
from flowy_sim._storage.forms import DocumentError, check, check_instant
from flowy_sim._storage.restoring import restore
from flowy_sim._storage.tracking import Tracker

_SIMULATION = {
    "name": str,
    "account": str,
    "settings": dict,
    "clock": {"mode": str, "now": int},
    "regions": [dict],
}


class Arriving(NamedTuple):
    """A simulation of a document.

    Attributes:
        name, account: what it is found by.
        settings: how it was begun.
        mode: the mode of its clock.
        now: its present instant, in milliseconds since 1970.
        regions: the documents of its engines.
    """

    name: str
    account: str
    settings: Settings
    mode: str
    now: int
    regions: list[Document]


def read_document(document: Any) -> list[Arriving]:
    """Return the simulations of a document, all of which could go on.

    Args:
        document: as JSON was read.

    Raises:
        DocumentError: it is not what `flowy_sim._storage.exporting` writes.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DocumentError("It is not what 'flowy-sim export' writes.")
    if document.get("version") != VERSION:
        raise DocumentError(
            f"It was written in version {document.get('version')!r:.40} of the format; this "
            f"flowy-sim reads version {VERSION}."
        )
    check(document, {"format": str, "version": int, "simulations": [_SIMULATION]}, "The document")
    arriving = []
    for number, simulation in enumerate(document["simulations"]):
        arriving.append(_read_simulation(simulation, f"simulations[{number}]"))
    if len({(each.name, each.account) for each in arriving}) < len(arriving):
        raise DocumentError("It has a simulation twice.")
    return arriving


def _read_simulation(simulation: Document, place: str) -> Arriving:
    clock, regions = simulation["clock"], simulation["regions"]
    check_instant(clock["now"], f"{place}.clock.now")
    try:
        settings = Settings.read(simulation["settings"])
        check_mode(clock["mode"])
        check_account(simulation["account"])
        check_name(simulation["name"])
    except (TypeError, ValueError) as error:
        raise DocumentError(f"{place}: {error}") from None
    arriving = Arriving(
        simulation["name"], simulation["account"], settings, clock["mode"], clock["now"], regions
    )
    for number, region in enumerate(regions):
        _try_out(arriving, region, f"{place}.regions[{number}]")
    if len({region["region"] for region in regions}) < len(regions):
        raise DocumentError(f"{place} has a region twice.")
    return arriving


def _try_out(arriving: Arriving, region: Document, place: str) -> None:
    """Refuse an engine that does not hold together, or that could not go on."""
    check_engine(region, place)
    settings = arriving.settings
    engine = Engine(
        account=arriving.account,
        region=region["region"],
        seed=settings.seed,
        limits=settings.make_limits(),
    )
    try:
        restore(changes_from(region), Tracker(engine))
        check_invariants(engine)
        told_again = engine_document(engine)
    except DAMAGE as error:
        raise DocumentError(f"{place} does not hold together: {_reason(error)}.") from None
    if told_again != region:
        raise DocumentError(
            f"{place} does not hold together: {first_difference(told_again, region, place)}."
        )
    try:
        while (instant := engine.next_instant()) is not None:
            engine.run_until(instant)
    except DAMAGE as error:
        raise DocumentError(f"{place} could not go on: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    """Say what is wrong; errors of Python's own say little without their names."""
    said = isinstance(error, Violation | LifecycleError)
    return f"{error}" if said else f"{type(error).__name__}: {error}"


def first_difference(one: Any, other: Any, place: str) -> str:
    """Say where two values that JSON can carry first differ.

    >>> first_difference({"a": [1, 2]}, {"a": [1, 3]}, "it")
    'it.a[1] would have to be 2'
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(f"{place}.{name}", one[name], other[name]) for name in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{place}[{i}]", *pair) for i, pair in enumerate(zip(one, other, strict=True))]
    else:
        pairs = []
    for where, here, there in pairs:
        if here != there:
            return first_difference(here, there, where)
    return f"{place} would have to be {one!r:.100}"
