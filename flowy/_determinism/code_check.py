"""The code check: reads the source of a workflow, and finds code that differs at each replay.

Such code uses clocks, randomness, files, or values that differ between processes (the environment,
the time zone, hashes and the order of sets), or changes the state of modules and classes.

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
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple
from weakref import WeakSet

from flowy._call_sites import is_flowy
from flowy._determinism.set_order import unordered
from flowy._determinism.shared_state import changes
from flowy._determinism.source_names import SourceNames, function_of, reached, source_of
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
    """Return a member of a module or class, as `SourceNames.meaning` does."""
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
    names = SourceNames(function, cls, tree)
    executed = list(reached(tree))
    for node in executed:
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
        elif isinstance(node, ast.Attribute | ast.Name) and (
            instead := _instead_of_variable(node, names)
        ):
            text = ast.unparse(node)
            yield CallExpression(text, node.lineno, 0, None, None, instead)
    for each in unordered(tree, executed, names.meaning):
        text = f"the order of the set {ast.unparse(each)}"
        yield CallExpression(text, each.lineno, 0, None, None, "sorted()")
    places = {
        (each.lineno, ast.unparse(each)): None for each in changes(tree, executed, names.shared)
    }
    for line, name in places:
        text = f"changing {name}, which all executions share,"
        yield CallExpression(text, line, 0, None, None, "an attribute of self")


_LOCAL_TIME = "astimezone(datetime.UTC)"


def _is_local_time(node: ast.Call) -> bool:
    """Return whether a call converts a time to the time zone of the machine."""
    is_conversion = isinstance(node.func, ast.Attribute) and node.func.attr == "astimezone"
    return is_conversion and not node.args and not node.keywords


def _instead_of_variable(node: ast.Attribute | ast.Name, names: SourceNames) -> str:
    """Return what to use instead of a variable that differs between processes, or nothing."""
    if isinstance(node, ast.Name):
        return _VARIABLES[os, "environ"] if names.meaning(node) is os.environ else ""
    owner = names.meaning(node.value)
    return _VARIABLES.get((owner, node.attr), "") if isinstance(owner, ModuleType) else ""
