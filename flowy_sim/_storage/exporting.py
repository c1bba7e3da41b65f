"""Simulations as one JSON document, whole or a few executions of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flowy_sim._engine.engine import Engine
from flowy_sim._storage import files
from flowy_sim._storage.documents import Document, engine_document
from flowy_sim._storage.restore import load

#: What such a document says that it is.
FORMAT = "flowy-sim export"
VERSION = 1


def simulation_document(
    name: str,
    account: str,
    settings: Mapping[str, Any],
    mode: str,
    now: int,
    engines: Iterable[Engine],
) -> Document:
    """Return a simulation as data that JSON can carry.

    Args:
        name: its name; empty for the one without a name.
        account: twelve digits.
        settings: how it was begun; see `flowy_sim._simulation.settings.Settings`.
        mode: the mode of its clock.
        now: its present instant, in milliseconds since 1970.
        engines: the service in each region that is in use.
    """
    return {
        "name": name,
        "account": account,
        "settings": dict(settings),
        "clock": {"mode": mode, "now": now},
        "regions": [engine_document(engine) for engine in engines],
    }


def document(simulations: Iterable[Document]) -> Document:
    """Return the document of some simulations."""
    return {"format": FORMAT, "version": VERSION, "simulations": list(simulations)}


def export_file(path: Path) -> Document:
    """Return the document of all simulations in a file, which nobody has open for writing.

    Raises:
        FileRefusedError: the file is not there or cannot be used; it was not changed.
    """
    with files.looking_at(path) as connection:
        return document(
            simulation_document(
                kept.name, kept.account, kept.settings, kept.mode, kept.now, engines.values()
            )
            for kept, engines in load(connection)
        )


class NothingChosenError(ValueError):
    """What was asked for is not there; the message says what is."""


def choose_simulation(exported: Document, name: str) -> None:
    """Leave only the simulations of a name in a document.

    Raises:
        NothingChosenError: there is none of that name.
    """
    chosen = [each for each in exported["simulations"] if each["name"] == name]
    if not chosen:
        there = ", ".join(repr(each["name"]) for each in exported["simulations"]) or "none"
        raise NothingChosenError(f"There is no simulation {name!r}; there are {there}.")
    exported["simulations"] = chosen


def choose_executions(exported: Document, domain: str, workflow_ids: Iterable[str]) -> None:
    """Leave only some executions in a document, with those that belong to them.

    These are all runs of their workflow ids, their parents and children, and executions with
    which something is still going on between them. Types of the domain stay; other domains go.

    Args:
        exported: the document.
        domain: the domain of the executions.
        workflow_ids: their workflow ids; none for all executions of the domain.

    Raises:
        NothingChosenError: there is no such domain or no such execution.
    """
    wanted = set(workflow_ids)
    found: set[str] = set()
    domains = []
    for simulation in exported["simulations"]:
        for region in simulation["regions"]:
            region["domains"] = [each for each in region["domains"] if each["name"] == domain]
            domains += region["domains"]
            for each in region["domains"]:
                found |= _keep_families(each, wanted)
            _number_deadlines(region)
        simulation["regions"] = [each for each in simulation["regions"] if each["domains"]]
    exported["simulations"] = [each for each in exported["simulations"] if each["regions"]]
    if not domains:
        raise NothingChosenError(f"There is no domain {domain!r}.")
    if wanted - found:
        missing = ", ".join(map(repr, sorted(wanted - found)))
        raise NothingChosenError(f"There is no execution of {missing} in the domain {domain!r}.")


def _keep_families(domain: Document, wanted: set[str]) -> set[str]:
    """Keep executions of some workflow ids and what belongs to them; return the ids found."""
    executions = {each["number"]: each for each in domain["executions"]}
    if not wanted:
        return wanted
    families = _Families(executions)
    names = {number: _workflow_id(each) for number, each in executions.items()}
    chosen = {families.of(number) for number, name in names.items() if name in wanted}
    domain["executions"] = [
        each for number, each in executions.items() if families.of(number) in chosen
    ]
    _number_places(domain)
    return wanted & set(names.values())


def _workflow_id(execution: Document) -> str:
    return str(execution["workflowExecution"]["workflowId"])


class _Families:
    """Which executions belong together: sets that grow into one where two are related."""

    def __init__(self, executions: Mapping[int, Document]) -> None:
        self._leads_to = {number: number for number in executions}
        runs = {each["workflowExecution"]["runId"]: each["number"] for each in executions.values()}
        first_runs: dict[str, int] = {}
        for number, each in executions.items():
            self._join(number, first_runs.setdefault(_workflow_id(each), number))
            started = each["events"][0]["workflowExecutionStartedEventAttributes"]
            parent = started.get("parentWorkflowExecution")
            if parent is not None and parent["runId"] in runs:
                self._join(number, runs[parent["runId"]])
            for _, _, _, arguments in each["deadlines"]:
                for tag, value, *_ in arguments:
                    if tag != "value":
                        self._join(number, value)

    def of(self, number: int) -> int:
        """Return the execution that stands for all that belong together with one."""
        while self._leads_to[number] != number:
            number = self._leads_to[number] = self._leads_to[self._leads_to[number]]
        return number

    def _join(self, one: int, other: int) -> None:
        self._leads_to[self.of(one)] = self.of(other)


def _number_places(domain: Document) -> None:
    """Count the places at which tasks wait from 1, without gaps."""
    waiting = [
        (place, execution["places"], task)
        for execution in domain["executions"]
        for task, place in execution["places"].items()
    ]
    for number, (_, places, task) in enumerate(sorted(waiting, key=lambda each: each[0]), 1):
        places[task] = number


def _number_deadlines(region: Document) -> None:
    """Count the keys of deadlines from 1, without gaps."""
    deadlines = [
        deadline
        for domain in region["domains"]
        for execution in domain["executions"]
        for deadline in execution["deadlines"]
    ]
    for number, deadline in enumerate(sorted(deadlines, key=lambda each: each[0]), 1):
        deadline[0] = number
