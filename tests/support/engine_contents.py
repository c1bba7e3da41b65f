"""Everything that an engine holds, as data that can be compared with ``==``."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from flowy_sim._engine import Engine
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.life_cycles import OpenItem
from flowy_sim._engine.queues import TaskLists
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW
from flowy_sim._storage.file_reader import StoredEvents
from flowy_sim._storage.tables import argument_state, domain_state, type_state

#: References to owners, and keys of which only the order matters.
_LEFT_OUT = {"engine", "domain", "execution", "waiting_key", "effect"}


def describe(engine: Engine) -> dict[str, Any]:
    return {
        "now": engine.now,
        "random": engine.tokens._random.getstate(),
        "secrets": (engine.tokens._secret, engine.page_tokens._secret),
        "domains": {name: _domain(domain) for name, domain in engine.domains.items()},
        "executions": {run_id: _slots(e) for run_id, e in engine.executions.items()},
        "deadlines": _deadlines(engine),
        "retentions": sorted((at, e.run_id) for at, (_, (e,)) in engine.retentions),
        "full": set(engine.full),
    }


def _deadlines(engine: Engine) -> list[Any]:
    """The pending effects, by instant and in the order in which they were scheduled."""
    shown = []
    for at, key, (kind, arguments) in sorted(engine.effects.entries(), key=itemgetter(0, 1)):
        canceled_by_it = getattr(arguments[0], "effect", 0) == key
        told = [argument_state(argument) for argument in arguments]
        shown.append((at, kind, canceled_by_it, told))
    return shown


def _domain(domain: Domain) -> dict[str, Any]:
    shown: dict[str, Any] = domain_state(domain)
    shown["tags"] = list(domain.tags.items())
    for kind in (WORKFLOW, ACTIVITY):
        types = domain.types(kind)
        shown[kind] = [type_state(types.require(key)) for key in types.keys(None)]
    shown["decisions"] = _waiting(domain.decision_lists)
    shown["activities"] = _waiting(domain.activity_lists)
    shown["open"] = {name: execution.run_id for name, execution in domain.open_executions.items()}
    visibility = domain.visibility
    visibility._list()
    for name in ("_open", "_closed", "_closed_by_close"):
        listing = getattr(visibility, name)
        shown[name] = {key: e.run_id for key, e in sorted(listing._executions.items())}
        shown[f"{name} groups"] = {
            label: list(keys.between(0, 1 << 100)) for label, keys in listing._groups.items()
        }
    runs = visibility._closed_runs
    shown["runs"] = {workflow_id: [e.run_id for e in each] for workflow_id, each in runs.items()}
    return shown


def _waiting(lists: TaskLists[Any]) -> dict[str, list[tuple[str, int]]]:
    return {
        name: [(task.execution.run_id, task.opened_id) for task in lists.waiting(name)]
        for name in lists.names()
    }


def _slots(thing: Any) -> dict[str, Any]:
    names = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    shown = {name: _value(getattr(thing, name)) for name in names if name not in _LEFT_OUT}
    return {"is a": type(thing).__name__, **shown}


def _value(value: Any) -> Any:
    if isinstance(value, OpenItem):
        return _slots(value)
    if isinstance(value, dict):
        return [(key, _value(inner)) for key, inner in value.items()]
    return list(value) if isinstance(value, list | StoredEvents) else value
