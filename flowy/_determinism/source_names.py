"""What the source of a function refers to: which nodes are executed, and which objects names mean.

Nothing is executed to find out: names are looked up in the function's module and closure, and
attributes in modules and classes. What only running the code would tell is unknown.
"""

from __future__ import annotations

import ast
import builtins
import datetime
import functools
import inspect
import pathlib
import sys
from collections.abc import Callable, Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

Meaning = Callable[[ast.expr], object]
"""Returns the object that an expression refers to; None if that is unknown or irrelevant."""


def function_of(target: Any, owner: type[Any] | None) -> tuple[FunctionType | None, Any]:
    """Find the function that runs when something is called, and the class of its first argument.

    Args:
        target: a function, a method, a class, or anything else.
        owner: the class on which it was found; None if it was not found on a class.

    Returns:
        The function and the class; None for each that is unknown.
    """
    if isinstance(target, type):
        return function_of(vars(target).get("__init__"), target)
    if isinstance(target, staticmethod | classmethod):
        return function_of(target.__func__, owner if isinstance(target, classmethod) else None)
    target = inspect.unwrap(target) if callable(target) else None
    return (target, owner) if isinstance(target, FunctionType) else (None, None)


def reached(tree: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield the nodes that are executed when a function is called."""
    inner = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    pending: list[ast.AST] = [*tree.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue  # It is only mentioned here, not called.
        if isinstance(node, ast.AnnAssign):
            pending += [node.target, *([node.value] if node.value is not None else [])]
        else:
            pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in inner:
            pending.extend(inner.pop(node.func.id).body)
        else:
            yield node


def source_of(code: CodeType) -> ast.FunctionDef | None:
    """Return the source of a function, parsed; None if there is none to read."""
    try:
        lines, _ = inspect.findsource(code)
        return _definitions("".join(lines)).get((code.co_name, code.co_firstlineno))
    except (OSError, SyntaxError):
        return None


@functools.lru_cache(maxsize=16)
def _definitions(source: str) -> dict[tuple[str, int], ast.FunctionDef]:
    """Parse a file; return its functions by their names and first lines.

    To find the end of each function, and to parse it alone, takes much longer.
    """
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first = node.decorator_list[0] if node.decorator_list else node
            found[node.name, first.lineno] = node
    return found


def called_in(
    function: FunctionType, cls: type[Any] | None, tree: ast.FunctionDef
) -> Iterator[tuple[FunctionType, Any]]:
    """Yield the functions that a function calls, and the class of the first argument of each.

    Args:
        function: the function.
        cls: the class of its first argument, if it has one.
        tree: its source.
    """
    names = SourceNames(function, cls, tree)
    for node in reached(tree):
        if isinstance(node, ast.Call):
            called, of = function_of(names.meaning(node.func), names.owner(node.func))
            if called is not None:
                yield called, of


_UNKNOWN = None


class SourceNames:
    """What names refer to in a function."""

    def __init__(
        self, function: FunctionType, cls: type[Any] | None, tree: ast.FunctionDef
    ) -> None:
        code = function.__code__
        self._function, self._cls = function, cls
        self._outer = {**vars(builtins), **function.__globals__}
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._outer[name] = _content(cell)
        self._own: dict[str, object] = dict.fromkeys(_own_names(code), _UNKNOWN)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._own.update(_imported(node))
        self._free = frozenset(code.co_freevars)
        self._first: str | None = None
        if cls is not None and code.co_argcount:
            self._first = code.co_varnames[0]
            self._own[self._first] = cls

    def meaning(self, node: ast.expr) -> object:
        """Return the object that a dotted expression refers to; for ``self``, the class."""
        if isinstance(node, ast.Name):
            return self._own.get(node.id, self._outer.get(node.id, _UNKNOWN))
        if not isinstance(node, ast.Attribute):
            return _UNKNOWN
        if isinstance(node.value, ast.Call):
            made = self.meaning(node.value.func)
            if isinstance(made, type) and issubclass(made, pathlib.PurePath):
                return inspect.getattr_static(made, node.attr, _UNKNOWN)
        if _is_super(node.value):
            return self._inherited(node.attr)
        owner = self.meaning(node.value)
        if isinstance(owner, ModuleType):
            return vars(owner).get(node.attr, _UNKNOWN)
        if isinstance(owner, type) and issubclass(owner, datetime.date):
            return getattr(owner, node.attr, _UNKNOWN)  # Bound, like those in the table.
        if isinstance(owner, type):
            return inspect.getattr_static(owner, node.attr, _UNKNOWN)
        return _UNKNOWN

    def shared(self, node: ast.expr) -> object:
        """Return the object that an expression refers to, if a module or a class holds it."""
        if self._is_own_type(node):
            return self._cls
        if isinstance(node, ast.Name):
            if node.id in self._own or node.id in self._free:
                return self._cls if node.id == self._first and self._is_class_method() else _UNKNOWN
            return self._outer.get(node.id, _UNKNOWN)
        if not isinstance(node, ast.Attribute):
            return _UNKNOWN
        if isinstance(node.value, ast.Name) and node.value.id == self._first:
            found = inspect.getattr_static(self._cls, node.attr, _UNKNOWN)
            is_data = found is not _UNKNOWN and not callable(found)
            return _UNKNOWN if is_data and node.attr in self._attributes else found
        owner = self.shared(node.value)
        if isinstance(owner, ModuleType):
            return vars(owner).get(node.attr, _UNKNOWN)
        is_class = isinstance(owner, type)
        return inspect.getattr_static(owner, node.attr, _UNKNOWN) if is_class else _UNKNOWN

    @functools.cached_property
    def _attributes(self) -> frozenset[str]:
        """The attributes that the methods of the class assign to its objects."""
        found: set[str] = set()
        for base in self._cls.__mro__ if self._cls else ():
            for method in vars(base).values():
                function, _ = function_of(method, base)
                tree = None if function is None else source_of(function.__code__)
                found.update(_assigned_attributes(tree) if tree is not None else ())
        return frozenset(found)

    def _is_own_type(self, node: ast.expr) -> bool:
        """Return whether an expression is the class of the first argument."""
        if self._first is None:
            return False
        own = f"type({self._first})", f"{self._first}.__class__"
        return isinstance(node, ast.Call | ast.Attribute) and ast.unparse(node) in own

    def _is_class_method(self) -> bool:
        return any(
            isinstance(each, classmethod) and each.__func__ is self._function
            for cls in (self._cls.__mro__ if self._cls else ())
            for each in vars(cls).values()
        )

    def owner(self, node: ast.expr) -> type[Any] | None:
        """Return the class on which a method is found."""
        if not isinstance(node, ast.Attribute):
            return None
        if _is_super(node.value):
            return self._cls
        found = self.meaning(node.value)
        return found if isinstance(found, type) else None

    def _inherited(self, name: str) -> object:
        """Find what `super` finds: a member of a class that follows the function's in the MRO."""
        classes = iter(self._cls.__mro__ if self._cls else ())
        for cls in classes:
            if self._function in vars(cls).values():
                break
        return next((vars(cls)[name] for cls in classes if name in vars(cls)), _UNKNOWN)


def _assigned_attributes(tree: ast.FunctionDef) -> Iterator[str]:
    """The attributes of its first argument that a method assigns, other than in place."""
    first = next((each.arg for each in (*tree.args.posonlyargs, *tree.args.args)), None)
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            for node in ast.walk(statement):
                match node:
                    case ast.Attribute(value=ast.Name(id=name), attr=attr, ctx=ast.Store()):
                        if name == first:
                            yield attr


def _is_super(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "super"
        and not node.args
    )


def _own_names(code: CodeType) -> Iterator[str]:
    """The names that a function, or a function within it, binds."""
    yield from (*code.co_varnames, *code.co_cellvars)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _own_names(constant)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, object]]:
    """The names that an import in a function binds, with the objects of modules that are loaded."""
    for name in node.names:
        if isinstance(node, ast.ImportFrom):
            module = sys.modules.get(node.module or "") if not node.level else None
            yield name.asname or name.name, getattr(module, name.name, _UNKNOWN)
        else:
            whole = name.name if name.asname else name.name.partition(".")[0]
            yield name.asname or whole, sys.modules.get(whole, _UNKNOWN)


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # The cell is still empty.
        return _UNKNOWN
