"""The code check: finds what differs at each replay in the code of a workflow, by reading it.

That is clocks, randomness and files, whatever differs between processes (the environment, the time
zone, hashes and the order of sets), and changes of what modules and classes hold.

What ``run`` calls must be the same at each replay, and ``time.time()`` is not. The interpreter does
not audit such calls, unlike the files and connections that the module `guard` watches, and patching
them would affect every other user of the clock. But they can be read: the source of ``run``, and of
the functions of the author's package that it calls, is searched for calls of names which, in their
module, mean one of these functions, however they were imported. That is done once for each class,
before anything is decided, and takes about a millisecond for each function.

There are no false alarms as long as the code is reached: names that a function rebinds are skipped,
and so are functions that are only mentioned, as in ``self.side_effect(time.time)`` or
``self.side_effect(lambda: random.random())``. Calls by another name, through an object, or by a
library are not found.
"""

from __future__ import annotations

import ast
import builtins
import datetime
import functools
import getpass
import glob
import inspect
import locale
import os
import pathlib
import platform
import random
import secrets
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple
from weakref import WeakSet

from flowy._call_sites import is_flowy
from flowy._determinism.set_order import unordered
from flowy._determinism.shared_state import changes
from flowy.errors import UnrepeatableError


def check(workflow: type[Any]) -> None:
    """Raise an error if the code of a workflow reads a clock or uses randomness directly.

    Args:
        workflow: the workflow's class. Its code is read the first time; repeated checks are free.

    Raises:
        UnrepeatableError: it does; the error names the first place.
    """
    if workflow not in _CHECKED:
        for error in unrepeatable_calls(workflow):
            raise error
        _CHECKED.add(workflow)


_CHECKED: WeakSet[type[Any]] = WeakSet()


def unrepeatable_calls(workflow: type[Any]) -> list[UnrepeatableError]:
    """Find the calls in the code of a workflow that are not the same at each replay.

    Args:
        workflow: the workflow's class.

    Returns:
        One error for each call, by file and line; empty if there is no source to read.
    """
    known = _known()
    found: list[UnrepeatableError] = []
    run, _ = function_of(vars(workflow).get("run", workflow.run), workflow)
    if run is None:
        return []
    package = _package(run)
    pending: list[tuple[FunctionType, type[Any] | None]] = [(run, workflow)]
    seen: set[CodeType] = set()
    while pending:
        function, cls = pending.pop()
        if function.__code__ in seen:
            continue
        seen.add(function.__code__)
        for call in calls_in(function, cls):
            row = _lookup(known, call.target)
            if row is not None and call.arguments < row.harmless_from:
                file = function.__code__.co_filename
                found.append(UnrepeatableError(f"{call.text}()", file, call.line, row.instead))
                continue
            if call.instead:
                file = function.__code__.co_filename
                found.append(UnrepeatableError(call.text, file, call.line, call.instead))
                continue
            called, of = function_of(call.target, call.owner)
            if (
                called is not None
                and _package(called) == package
                and not is_flowy(called.__module__)
            ):
                pending.append((called, of))
    return sorted(found, key=lambda error: (error.file, error.line))


class Unrepeatable(NamedTuple):
    """Functions that are not the same at each replay."""

    owner: Any
    """The module or class that they belong to."""
    names: str
    instead: str
    harmless_from: int = 99
    """With this number of arguments or more they are the same at each replay."""


def _table() -> tuple[Unrepeatable, ...]:
    # Built at each check, since freezegun replaces the classes.
    return (
        Unrepeatable(datetime.datetime, "now utcnow today", "self.now()"),
        Unrepeatable(datetime.date, "today", "self.now()"),
        Unrepeatable(time, "time time_ns monotonic monotonic_ns", "self.now()"),
        Unrepeatable(time, "perf_counter perf_counter_ns", "self.now()"),
        Unrepeatable(time, "localtime ctime mktime", "self.now()"),
        Unrepeatable(time, "gmtime", "self.now()", harmless_from=1),
        Unrepeatable(datetime.datetime, "fromtimestamp", "fromtimestamp(…, UTC)", harmless_from=2),
        Unrepeatable(datetime.date, "fromtimestamp", "a datetime with a time zone"),
        Unrepeatable(time, "strftime", "self.now()", harmless_from=2),
        Unrepeatable(time, "sleep", "self.sleep()"),
        Unrepeatable(
            random, "random uniform triangular randint randrange choice choices", "self.random"
        ),
        Unrepeatable(
            random, "sample shuffle getrandbits randbytes seed binomialvariate", "self.random"
        ),
        Unrepeatable(
            random, "betavariate expovariate gammavariate gauss lognormvariate", "self.random"
        ),
        Unrepeatable(random, "normalvariate paretovariate vonmisesvariate", "self.random"),
        Unrepeatable(random, "weibullvariate", "self.random"),
        Unrepeatable(random, "Random", "self.random", harmless_from=1),
        Unrepeatable(random, "SystemRandom", "self.side_effect()"),
        Unrepeatable(uuid, "uuid1 uuid4 uuid6 uuid7", "self.uuid()"),
        Unrepeatable(os, "urandom getrandom", "self.side_effect()"),
        Unrepeatable(os, "listdir scandir walk", "an activity"),
        Unrepeatable(os, "getpid getppid getcwd getcwdb cpu_count uname", "self.side_effect()"),
        Unrepeatable(os, "process_cpu_count getlogin getuid getloadavg", "self.side_effect()"),
        Unrepeatable(os, "getenv getenvb", "an argument"),
        Unrepeatable(os.path, "exists isfile isdir getmtime getsize", "an activity"),
        Unrepeatable(os.path, "abspath realpath expanduser expandvars", "an activity"),
        Unrepeatable(glob, "glob iglob", "an activity"),
        Unrepeatable(pathlib.Path, "iterdir glob rglob exists is_file is_dir", "an activity"),
        Unrepeatable(pathlib.Path, "cwd home absolute resolve expanduser stat", "an activity"),
        Unrepeatable(pathlib.Path, "read_text read_bytes open walk", "an activity"),
        Unrepeatable(tempfile, "gettempdir mkdtemp mkstemp mktemp", "an activity"),
        Unrepeatable(socket, "gethostname getfqdn gethostbyname", "self.side_effect()"),
        Unrepeatable(platform, "node platform system machine release", "self.side_effect()"),
        Unrepeatable(platform, "version uname processor python_version", "self.side_effect()"),
        Unrepeatable(getpass, "getuser", "self.side_effect()"),
        Unrepeatable(threading, "get_ident get_native_id current_thread", "self.side_effect()"),
        Unrepeatable(locale, "getlocale localeconv getencoding strcoll", "an argument"),
        Unrepeatable(locale, "getpreferredencoding strxfrm currency", "an argument"),
        Unrepeatable(builtins, "hash", "hashlib"),
        Unrepeatable(builtins, "id", "self.uuid()"),
        Unrepeatable(builtins, "open", "an activity"),
        Unrepeatable(builtins, "input", "a signal"),
        Unrepeatable(secrets, "choice randbelow randbits", "self.side_effect()"),
        Unrepeatable(secrets, "token_bytes token_hex token_urlsafe", "self.side_effect()"),
    )


_VARIABLES: dict[tuple[ModuleType, str], str] = {
    (os, "environ"): "an argument",
    (os, "environb"): "an argument",
    (sys, "argv"): "an argument",
    (time, "tzname"): "an argument",
    (time, "timezone"): "an argument",
    (time, "altzone"): "an argument",
    (time, "daylight"): "an argument",
}
"""The variables of modules that differ between processes, and what to use instead."""


def _known() -> dict[object, Unrepeatable]:
    return {
        _member(row.owner, name): row
        for row in _table()
        for name in row.names.split()
        if hasattr(row.owner, name)
    }


def _member(owner: Any, name: str) -> object:
    """Return a member of a module or class, as `_Names.meaning` does."""
    is_bound = not isinstance(owner, type) or issubclass(owner, datetime.date)
    return getattr(owner, name) if is_bound else inspect.getattr_static(owner, name)


def _lookup(known: dict[object, Unrepeatable], target: object) -> Unrepeatable | None:
    try:
        return known.get(target)
    except TypeError:  # It is not hashable.
        return None


def _package(function: FunctionType) -> str:
    """Return the top-level package in which a function was written."""
    return (function.__module__ or "").partition(".")[0]


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


class CallExpression(NamedTuple):
    """A call in the source of a function, or something else that differs at each replay."""

    text: str
    """What is called, as written."""
    line: int
    """The line in its file."""
    arguments: int
    """The number of arguments."""
    target: object
    """The object that the name refers to."""
    owner: type[Any] | None
    """The class on which the target was found."""
    instead: str = ""
    """What to use instead, if it always differs; otherwise that depends on the target."""


def calls_in(function: FunctionType, cls: type[Any] | None) -> Iterator[CallExpression]:
    """Read the calls that are made when a function is called, and what else may differ then.

    Args:
        function: the function.
        cls: the class of its first argument, if it has one.

    Yields:
        The calls, in no particular order; none if there is no source to read.
    """
    tree = source_of(function.__code__)
    if tree is None:
        return
    names = _Names(function, cls, tree)
    reached = list(_reached(tree))
    for node in reached:
        if isinstance(node, ast.Call):
            is_local = _is_local_time(node)
            yield CallExpression(
                ast.unparse(node if is_local else node.func),
                node.lineno,
                len(node.args) + len(node.keywords),
                names.meaning(node.func),
                names.owner(node.func),
                _LOCAL_TIME if is_local else "",
            )
        elif isinstance(node, ast.Global):
            text = f"the global variable {', '.join(node.names)}"
            yield CallExpression(text, node.lineno, 0, None, None, "an argument")
        elif isinstance(node, ast.Attribute | ast.Name) and (instead := names.variable(node)):
            text = ast.unparse(node)
            yield CallExpression(text, node.lineno, 0, None, None, instead)
    for each in unordered(tree, reached, names.meaning):
        text = f"the order of the set {ast.unparse(each)}"
        yield CallExpression(text, each.lineno, 0, None, None, "sorted()")
    places = {
        (each.lineno, ast.unparse(each)): None for each in changes(tree, reached, names.shared)
    }
    for line, name in places:
        text = f"changing {name}, which all executions share,"
        yield CallExpression(text, line, 0, None, None, "an attribute of self")


_LOCAL_TIME = "astimezone(datetime.UTC)"


def called_in(
    function: FunctionType, cls: type[Any] | None, tree: ast.FunctionDef
) -> Iterator[tuple[FunctionType, Any]]:
    """Yield the functions that a function calls, and the class of the first argument of each.

    Args:
        function: the function.
        cls: the class of its first argument, if it has one.
        tree: its source.
    """
    names = _Names(function, cls, tree)
    for node in _reached(tree):
        if isinstance(node, ast.Call):
            called, of = function_of(names.meaning(node.func), names.owner(node.func))
            if called is not None:
                yield called, of


def _is_local_time(node: ast.Call) -> bool:
    """Return whether a call converts a time to the time zone of the machine."""
    is_conversion = isinstance(node.func, ast.Attribute) and node.func.attr == "astimezone"
    return is_conversion and not node.args and not node.keywords


def _reached(tree: ast.FunctionDef) -> Iterator[ast.AST]:
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


_UNKNOWN = None


class _Names:
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

    def variable(self, node: ast.Attribute | ast.Name) -> str:
        """Return what to use instead of a variable that differs between processes, or nothing."""
        if isinstance(node, ast.Name):
            return _VARIABLES[os, "environ"] if self.meaning(node) is os.environ else ""
        owner = self.meaning(node.value)
        return _VARIABLES.get((owner, node.attr), "") if isinstance(owner, ModuleType) else ""

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
