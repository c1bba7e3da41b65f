"""Finds places where code changes state that all executions share.

The state of a module or a class outlives a decision. So code changes it again at each replay; it
differs between workers, and it carries effects of one execution into another. The check looks up
what is shared: names of the module and attributes of modules and classes which refer to a list, a
dictionary, a set or another collection of the standard library, or to an iterator.

Left out are names that a function binds itself, attributes that an object gets of its own, and
caches: items that a function assigns and also returns, ``TABLES[key]``, say.
"""

from __future__ import annotations

import ast
import bisect
import heapq
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType, SimpleNamespace

from flowy._determinism.source_names import Meaning

_COLLECTIONS = (list, dict, set, bytearray, ChainMap, Counter, OrderedDict, UserDict, UserList)
_NESTED = (*_COLLECTIONS, defaultdict, deque)

_CHANGES = (
    *("append", "appendleft", "extend", "extendleft", "insert", "remove", "pop", "popleft"),
    *("popitem", "clear", "sort", "reverse", "rotate", "add", "discard", "update", "setdefault"),
    *("subtract", "move_to_end", "difference_update", "intersection_update"),
    "symmetric_difference_update",
)
_CHANGE_FIRST = (
    *(heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop),
    *(bisect.insort, bisect.insort_left, next),
)
"""Functions that change their first argument."""

_ADVANCE = (list, tuple, set, frozenset, dict, sum, sorted, min, max, zip, enumerate, any, all)
"""Functions that advance an iterator among their arguments."""


def changes(
    tree: ast.FunctionDef, reached: Iterable[ast.AST], meaning: Meaning
) -> Iterator[ast.expr]:
    """Find where shared state is changed.

    Args:
        tree: the source of a function.
        reached: the nodes of it that are executed.
        meaning: returns what an expression refers to, if it is shared.

    Yields:
        The expressions that refer to what is changed.
    """
    returned = {
        ast.dump(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Subscript)
    }
    for node in reached:
        if isinstance(node, ast.Assign) and not _is_cached(node, returned):
            yield from _assigned(node.targets, meaning)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _assigned([node.target], meaning)
        elif isinstance(node, ast.AugAssign):
            yield from _assigned([node.target], meaning)
            if type(meaning(node.target)) in _NESTED:  # It is changed in place.
                yield node.target
        elif isinstance(node, ast.Delete):
            yield from _assigned(node.targets, meaning)
        elif isinstance(node, ast.For | ast.comprehension) and _is_iterator(meaning(node.iter)):
            yield node.iter
        elif isinstance(node, ast.Call):
            yield from _changed_by_call(node, meaning)


def _is_cached(node: ast.Assign, returned: set[str]) -> bool:
    """Return whether an assignment keeps an item that does not depend on the others."""
    target = node.targets[0]
    if not isinstance(target, ast.Subscript):
        return False
    loaded = ast.Subscript(target.value, target.slice, ast.Load())
    holder = ast.dump(target.value)
    return ast.dump(loaded) in returned and all(
        ast.dump(each) != holder for each in ast.walk(node.value)
    )


def _assigned(targets: Iterable[ast.expr], meaning: Meaning) -> Iterator[ast.expr]:
    """Yield what is changed if something is assigned to targets, or if they are deleted."""
    for target in targets:
        match target:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                yield from _assigned(elements, meaning)
            case ast.Starred(value=value):
                yield from _assigned([value], meaning)
            case ast.Subscript(value=holder):
                while isinstance(holder, ast.Subscript):
                    holder = holder.value
                if type(meaning(holder)) in _NESTED:
                    yield holder
            case ast.Attribute(value=owner):
                found = meaning(owner)
                if isinstance(found, type | ModuleType | SimpleNamespace | FunctionType):
                    yield target


def _changed_by_call(node: ast.Call, meaning: Meaning) -> Iterator[ast.expr]:
    if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
        holder = node.func.value
        if _is_collection(holder, meaning):
            yield holder
    target = meaning(node.func)
    if node.args and any(target is each for each in _CHANGE_FIRST):
        first = meaning(node.args[0])
        if _is_iterator(first) if target is next else type(first) is list:
            yield node.args[0]
    elif any(target is each for each in _ADVANCE):
        yield from (each for each in node.args if _is_iterator(meaning(each)))


def _is_collection(node: ast.expr, meaning: Meaning) -> bool:
    """Return whether an expression is a shared collection, or a collection within one."""
    if not isinstance(node, ast.Subscript):
        return type(meaning(node)) in _NESTED
    holder = meaning(node.value)
    if isinstance(holder, defaultdict) and holder.default_factory is not None:
        return holder.default_factory in _NESTED
    values = holder.values() if isinstance(holder, dict) else holder
    if not isinstance(values, Iterable) or type(holder) not in _NESTED:
        return False
    kinds = {type(each) for each in values}
    return bool(kinds) and kinds <= set(_NESTED)


def _is_iterator(found: object) -> bool:
    return isinstance(found, Iterator) and not isinstance(found, type)
