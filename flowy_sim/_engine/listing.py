"""Lists of domains and of types, in ascending order of their names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from flowy_sim._engine.paging import page_size
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine

Key = TypeVar("Key", str, tuple[str, str])


def list_domains(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListDomains."""
    deprecated = request["registrationStatus"] == "DEPRECATED"
    shown, token = _page(
        engine,
        "ListDomains",
        request,
        sorted(engine.domains),
        lambda name: engine.domains[name].deprecated == deprecated,
    )
    return {"domainInfos": [engine.domains[name].info() for name in shown], **token}


def list_workflow_types(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListWorkflowTypes."""
    return _list_types(engine, "ListWorkflowTypes", request, WORKFLOW)


def list_activity_types(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListActivityTypes."""
    return _list_types(engine, "ListActivityTypes", request, ACTIVITY)


def _list_types(
    engine: Engine, operation: str, request: dict[str, Any], kind: str
) -> dict[str, Any]:
    types = engine.domain(request["domain"]).types(kind)
    status = request["registrationStatus"]
    shown, token = _page(
        engine,
        operation,
        request,
        types.keys(request.get("name")),
        lambda key: types.require(key).status == status,
    )
    return {**token, "typeInfos": [types.require(key).info() for key in shown]}


def _page(
    engine: Engine,
    operation: str,
    request: dict[str, Any],
    keys: Sequence[Key],
    wanted: Callable[[Key], bool],
) -> tuple[list[Key], dict[str, str]]:
    """Return the keys on a page, and the token of the next page if there is one.

    The order is reversed before the pages are cut. A token holds the last key shown, so what is
    registered or deprecated in between moves nothing else.
    """
    reverse = bool(request.get("reverseOrder"))
    rest: Sequence[Key] = keys
    if "nextPageToken" in request:
        last = engine.page_tokens.read(operation, engine.now, request["nextPageToken"])
        position: Any = tuple(last) if len(last) > 1 else last[0]
        if reverse:
            rest = keys[: bisect_left(keys, position)]
        else:
            rest = keys[bisect_right(keys, position) :]
    size = page_size(request, engine.limits.page)
    found = list(islice(filter(wanted, reversed(rest) if reverse else rest), size + 1))
    if len(found) <= size:
        return found, {}
    shown = found[:size]
    end: Any = shown[-1]
    ends_at = end if isinstance(end, tuple) else (end,)
    token = engine.page_tokens.write(operation, engine.now, ends_at)
    return shown, {"nextPageToken": token}
