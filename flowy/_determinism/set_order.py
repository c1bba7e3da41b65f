"""Finds places where the order of a set matters: it differs between processes.

The order in which a set yields texts depends on the hash seed of the process. A replay on another
worker, or after a restart, goes through it in another order. What is a set is read from the code:
displays, comprehensions, calls of ``set`` and ``frozenset``, operators and methods on these, names
that are bound to nothing else, annotations, and constants of the module. Sets of whole numbers
always have the same order.

Places where the order makes no difference are left out: ``sorted(names)``, ``len``, ``in``, and
whatever makes another set. ``sorted(names, key=len)`` is not: names of one length keep their order.
"""

from __future__ import annotations

import ast
import builtins
import collections
import typing
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from flowy._determinism.source_names import Meaning

_HARMLESS = (sorted, set, frozenset, len, any, all, sum)
"""Functions whose result does not depend on the order of their argument."""

_ORDERED = (list, tuple, iter, enumerate, zip, map, filter, reversed, collections.deque)
"""Functions whose result depends on the order of their arguments."""

_MAKE_SETS = frozenset(
    {"union", "intersection", "difference", "symmetric_difference", "copy", "keys"}
)
_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)


def unordered(
    tree: ast.FunctionDef, reached: Iterable[ast.AST], meaning: Meaning
) -> Iterator[ast.expr]:
    """Find where the order of a set matters.

    Args:
        tree: the source of a function.
        reached: the nodes of it that are executed.
        meaning: returns what an expression refers to.

    Yields:
        The expressions that are sets and whose order matters.
    """
    nodes = list(reached)
    sets = _Sets(tree, nodes, meaning)
    harmless = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Call)
        and meaning(node.func) in _HARMLESS
        and not _leaves_ties(node, meaning)
        for argument in node.args
        for inner in _passed_on(argument, meaning)
    }
    for node in nodes:
        if id(node) not in harmless:
            yield from filter(sets.is_set, _goes_through(node, meaning))


def _passed_on(argument: ast.expr, meaning: Meaning) -> Iterator[ast.AST]:
    """Yield the expressions whose order is passed on to an argument."""
    yield argument
    if isinstance(argument, ast.GeneratorExp | ast.ListComp):
        yield from argument.generators
    elif isinstance(argument, ast.Call) and meaning(argument.func) in _ORDERED:
        for each in argument.args:
            yield from _passed_on(each, meaning)


def _goes_through(node: ast.AST, meaning: Meaning) -> Iterator[ast.expr]:
    """Yield the expressions that a node goes through in their order."""
    if isinstance(node, ast.For):
        yield node.iter
    elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
        yield from (each.iter for each in node.generators)
    elif isinstance(node, (ast.Starred, ast.YieldFrom, ast.FormattedValue)):
        yield node.value
    elif isinstance(node, ast.Assign):
        if any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
            yield node.value
    elif isinstance(node, ast.Call):
        target = meaning(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr in (
            "join",
            "extend",
            "fromkeys",
        ):
            yield from node.args[:1]
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "pop" and not node.args:
            yield node.func.value
        elif (
            target in (*_ORDERED, str, repr)
            or (target in (max, min) and node.keywords)
            or (target is sorted and _leaves_ties(node, meaning))
        ):
            yield from node.args


def _leaves_ties(node: ast.Call, meaning: Meaning) -> bool:
    """Return whether a call sorts by length: items of equal length keep their order."""
    return any(each.arg == "key" and meaning(each.value) is len for each in node.keywords)


class _Sets:
    """What is a set in a function."""

    def __init__(self, tree: ast.FunctionDef, nodes: Iterable[ast.AST], meaning: Meaning) -> None:
        self._meaning = meaning
        self._bound: dict[str, list[ast.expr | None]] = {}
        self._annotated: set[str] = set()
        arguments = tree.args
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self._bind(each.arg, None)
            self._annotate(each.arg, each.annotation)
        for node in nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assign(target, node.value)
            elif isinstance(node, ast.AnnAssign):
                self._assign(node.target, node.value)
                if isinstance(node.target, ast.Name):
                    self._annotate(node.target.id, node.annotation)
            elif isinstance(node, ast.NamedExpr):
                self._assign(node.target, node.value)
            elif isinstance(node, ast.For | ast.comprehension):
                self._assign(node.target, None)
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                self._assign(node.optional_vars, None)

    def is_set(self, node: ast.expr) -> bool:
        """Return whether an expression is surely a set of something other than whole numbers."""
        return self._is_set(node, ())

    def _is_set(self, node: ast.expr, within: tuple[str, ...]) -> bool:
        match node:
            case ast.Set(elts=elements):
                return not all(map(_is_number, elements))
            case ast.SetComp():
                return True
            case ast.Call(func=ast.Attribute(value=owner, attr=attr)) if attr in _MAKE_SETS:
                return attr != "keys" and self._is_set(owner, within)
            case ast.Call(func=function, args=arguments):
                is_made = self._meaning(function) in (set, frozenset)
                return is_made and bool(arguments) and not _is_numbers(arguments[0], self._meaning)
            case ast.BinOp(left=left, right=right, op=operator):
                return isinstance(operator, _OPERATORS) and (
                    self._is_set(left, within) or (_is_keys(left) and _is_keys(right))
                )
            case ast.IfExp(body=body, orelse=other):
                return self._is_set(body, within) or self._is_set(other, within)
            case ast.Name(id=name) if name in self._bound:
                if name in self._annotated:
                    return True
                values = self._bound[name]
                return name not in within and all(
                    value is not None and self._is_set(value, (*within, name)) for value in values
                )
            case ast.Name() | ast.Attribute():
                found = self._meaning(node)
                is_constant = isinstance(found, set | frozenset)
                return is_constant and not all(type(each) is int for each in _elements(found))
        return False

    def _assign(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, value)
        for name in ast.walk(target):
            if isinstance(name, ast.Name) and name is not target:
                self._bind(name.id, None)

    def _bind(self, name: str, value: ast.expr | None) -> None:
        self._bound.setdefault(name, []).append(value)

    def _annotate(self, name: str, annotation: ast.expr | None) -> None:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return
        cls, inner = annotation, None
        if isinstance(annotation, ast.Subscript):
            cls, inner = annotation.value, annotation.slice
        if cls is None or (isinstance(inner, ast.Name) and inner.id == "int"):
            return
        found = self._meaning(cls)
        if found in (set, frozenset, AbstractSet, typing.AbstractSet, typing.Set, typing.FrozenSet):  # noqa: UP006
            self._annotated.add(name)


def _elements(found: object) -> Iterable[object]:
    return found if isinstance(found, set | frozenset) else ()


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _is_numbers(node: ast.expr, meaning: Meaning) -> bool:
    """Return whether an expression is a sequence of whole numbers."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(map(_is_number, node.elts))
    return isinstance(node, ast.Call) and meaning(node.func) is builtins.range


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and (
        isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")
    )
