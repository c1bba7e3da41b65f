"""Coverage: the lines and branches of workflows and poll loops that runs have taken.

`sys.monitoring` reports it, which exists since Python 3.12: with a tool ID of its own, beside those
of debuggers, profilers and coverage.py, and only for the functions concerned. A line is reported
once, and a branch until both ways were taken, so measuring costs next to nothing.

Measured are the functions of a class or of a poll loop, and those that they name of their module.
What comes with Python, such as `threading.Thread`, and base classes of frameworks are not.
"""

from __future__ import annotations

import dis
import inspect
import linecache
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from textwrap import shorten
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Self

from flowy.activity import Activity

Rows = list[tuple[tuple[str, str, int], list[int], list[int]]]
"""What has run of each function, as plain data."""

_TOOL_IDS = (4, 3, 5, 2)
"""Tool IDs that no kind of tool has reserved come first."""

_TOOL = "flowy_sim.explore"
_LONGEST = 60

_NOT_MEASURED = re.compile(r"(flowy(?!\.tutorial\b)|flowy_sim|builtins)(\.|$)")
"""Modules whose code authors of workflows have not written."""

_WITHOUT_LINE = {"RESUME", "RETURN_GENERATOR", "MAKE_CELL", "COPY_FREE_VARS"}
"""Instructions that begin a function, and are on the line of its ``def``."""

_UNWRITTEN = {"CHECK_EXC_MATCH", "CHECK_EG_MATCH", "WITH_EXCEPT_START"}
"""Instructions before branches that are not in the source: those of ``except`` and ``with``."""

_FAILS = {"LOAD_ASSERTION_ERROR", "LOAD_COMMON_CONSTANT"}
"""Instructions of an assertion that fails. It is not a gap that none of them runs."""

_JUMPS = {
    "POP_JUMP_IF_TRUE": ("{} is true", "{} is false"),
    "POP_JUMP_IF_FALSE": ("{} is false", "{} is true"),
    "POP_JUMP_IF_NONE": ("{} is None", "{} is not None"),
    "POP_JUMP_IF_NOT_NONE": ("{} is not None", "{} is None"),
    "FOR_ITER": ("the loop ends", "the loop goes on"),
}
"""What it means that an instruction jumps, and that it does not; the source is put in."""


class CoveredFile(NamedTuple):
    """What has run of a file.

    Attributes:
        path: the file.
        lines: the lines that were measured.
        lines_never_run: the measured lines that no run has reached.
        branches_never_taken: line numbers, each with a description of the way that was never taken
            from there although the lines at both of its ends have run.
    """

    path: str
    lines: tuple[int, ...] = ()
    lines_never_run: tuple[int, ...] = ()
    branches_never_taken: tuple[tuple[int, str], ...] = ()

    @property
    def name(self) -> str:
        """The path of the file, relative to the working directory if the file is below it."""
        path = Path(self.path)
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name

    def describe_lines(self) -> str:
        """Return the lines that never ran, such as ``order.py:41-44, 60``; empty if all ran."""
        written = [str(a) if a == b else f"{a}-{b}" for a, b in self._spans()]
        return f"{self.name}:{', '.join(written)}" if written else ""

    def describe_branches(self) -> list[str]:
        """Return the branches never taken, such as ``order.py:39 if `paid` is false``."""
        return [f"{self.name}:{line} if {way}" for line, way in self.branches_never_taken]

    def _spans(self) -> Iterator[tuple[int, int]]:
        """Yield the first and the last of lines that never ran, without one between that did."""
        never = set(self.lines_never_run)
        for is_missing, lines in groupby(self.lines, never.__contains__):
            if is_missing:
                first, *others = lines
                yield first, others[-1] if others else first


def never_run(files: Iterable[CoveredFile] | None) -> dict[str, list[str]]:
    """Return notes about what has never run; None stands for what was not measured."""
    if files is None:
        return {"Lines never run": ["not measured, which takes Python 3.12 or newer"]}
    known = list(files)
    return {
        "Lines never run": [lines for file in known if (lines := file.describe_lines())],
        "Branches never taken": [each for file in known for each in file.describe_branches()],
    }


class _Branch(NamedTuple):
    """An instruction after which a function goes on in one of two ways.

    Attributes:
        follows: the offset of the instruction after it.
        ways: the numbers of its ways, among those of the function: if it jumps, and if not.
    """

    follows: int
    ways: tuple[int, int]


class _Way(NamedTuple):
    """One way in which a function goes on from a condition in the source.

    Attributes:
        place: where the condition is: first and last line, first and last column in bytes.
        words: the outcome of the condition, which the source is put into.
    """

    place: tuple[int, int, int, int]
    words: str


class _Function:
    """A function that is measured.

    Attributes:
        code: its code.
        lines: the lines that can run.
        ran: those that have run.
        branches: where it branches, by offset.
        ways: the ways from there. A condition that was compiled twice has them only once.
        taken: the numbers of those that were taken.
    """

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.ran: set[int] = set()
        self.taken: set[int] = set()
        self.branches: dict[int, _Branch] = {}
        self.ways: dict[_Way, int] = {}
        self._leads_to: dict[_Way, int] = {}
        instructions = list(dis.get_instructions(code))
        self.lines = {
            line
            for each in instructions
            if (line := _line(each)) and each.opname not in _WITHOUT_LINE
        }
        self._read_branches(instructions)

    @property
    def key(self) -> tuple[str, str, int]:
        """What identifies the function in another process."""
        # Without its folder, which can be another one on another machine.
        return Path(self.code.co_filename).name, self.code.co_qualname, self.code.co_firstlineno

    def branches_never_taken(self) -> Iterator[tuple[int, str]]:
        """Yield lines that have run, and the ways to others that have that were never taken."""
        for way, number in self.ways.items():
            line, never_ran = way.place[0], self.lines - self.ran
            # If the line at the other end never ran, the report of lines says so already.
            if (
                number not in self.taken
                and line in self.ran
                and self._leads_to[way] not in never_ran
            ):
                source = self._source(way.place)
                if way.words in _JUMPS["POP_JUMP_IF_NONE"]:
                    source = source.removesuffix(" is None").removesuffix(" is not None")
                yield line, way.words.format(f"`{source}`")

    def _read_branches(self, instructions: Sequence[dis.Instruction]) -> None:
        line_at = {each.offset: _line(each) for each in instructions}
        for index, (each, following) in enumerate(pairwise(instructions)):
            words, at = _JUMPS.get(each.opname), each.positions
            before = {other.opname for other in instructions[max(0, index - 2) : index]}
            # Such a branch is not one of the source: every `except` jumps past errors of other
            # types.
            if words is None or at is None or _UNWRITTEN & before or following.opname in _FAILS:
                continue
            place = at.lineno or 0, at.end_lineno or 0, at.col_offset or 0, at.end_col_offset or 0
            numbers = []
            for leads_to, outcome in zip((each.argval, following.offset), words, strict=True):
                way = _Way(place, outcome)
                numbers.append(self.ways.setdefault(way, len(self.ways)))
                self._leads_to.setdefault(way, line_at.get(leads_to, 0))
            self.branches[each.offset] = _Branch(following.offset, (numbers[0], numbers[1]))

    def _source(self, place: tuple[int, int, int, int]) -> str:
        first, last, begin, end = place
        lines = [
            linecache.getline(self.code.co_filename, line).encode()
            for line in range(first, last + 1)
        ]
        # The end first: if the condition is within one line, cutting its beginning moves the end.
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][begin:]
        source = b" ".join(lines).decode(errors="replace")
        return shorten(source, _LONGEST, placeholder=" …") or "the condition"


def _line(instruction: dis.Instruction) -> int:
    return (instruction.positions and instruction.positions.lineno) or 0


class CodeCoverage:
    """Measures which lines and branches run.

    Attributes:
        is_possible: whether they can be measured here.
    """

    def __init__(self) -> None:
        self._functions: dict[CodeType, _Function] = {}
        self._known: set[object] = set()
        self._tool: int | None = None
        self._monitoring: Any = getattr(sys, "monitoring", None)
        self.is_possible = self._monitoring is not None

    def __enter__(self) -> Self:
        monitoring = self._monitoring
        if monitoring is None:
            return self
        free = [each for each in _TOOL_IDS if monitoring.get_tool(each) is None]
        self.is_possible = bool(free)
        if free:
            self._tool = free[0]
            monitoring.use_tool_id(self._tool, _TOOL)
            events = monitoring.events
            monitoring.register_callback(self._tool, events.LINE, self._line_runs)
            monitoring.register_callback(self._tool, events.BRANCH, self._branches)
            for code in self._functions:
                self._watch(code)
        return self

    def __exit__(self, *error: object) -> None:
        if self._tool is not None:
            for code in self._functions:
                self._monitoring.set_local_events(self._tool, code, 0)
            self._monitoring.free_tool_id(self._tool)
            self._tool = None

    def add(self, code: object) -> None:
        """Measure a class, or a function, from now on."""
        if self._tool is None or code in self._known:
            return
        self._known.add(code)
        for function in _functions_of(code):
            for each in _with_nested(function.__code__):
                # Code that was made by `exec` has no source to show.
                if each not in self._functions and Path(each.co_filename).is_file():
                    self._functions[each] = _Function(each)
                    self._watch(each)

    def _watch(self, code: CodeType) -> None:
        events = self._monitoring.events
        self._monitoring.set_local_events(self._tool, code, events.LINE | events.BRANCH)

    def _line_runs(self, code: CodeType, line: int) -> Any:
        # Reported once is enough: from now on the interpreter runs this line at full speed.
        self._functions[code].ran.add(line)
        return self._monitoring.DISABLE

    def _branches(self, code: CodeType, offset: int, destination: int) -> Any:
        function = self._functions[code]
        branch = function.branches.get(offset)
        if branch is None:
            return self._monitoring.DISABLE
        function.taken.add(branch.ways[destination == branch.follows])
        return self._monitoring.DISABLE if function.taken.issuperset(branch.ways) else None

    def rows(self) -> Rows:
        """Return what has run as plain data, to be sent to another process."""
        return [
            (each.key, sorted(each.ran), sorted(each.taken)) for each in self._functions.values()
        ]

    def merge(self, rows: Rows) -> None:
        """Add what has run in another process."""
        known = {each.key: each for each in self._functions.values()}
        for key, ran, taken in rows:
            if key in known:
                known[key].ran.update(ran)
                known[key].taken.update(taken)

    def files(self) -> tuple[CoveredFile, ...] | None:
        """Return what has run of each file; None if it was not measured."""
        if not self.is_possible:
            return None
        functions: dict[str, list[_Function]] = {}
        for each in self._functions.values():
            functions.setdefault(each.code.co_filename, []).append(each)
        return tuple(_covered(path, functions[path]) for path in sorted(functions))


def _covered(path: str, functions: Iterable[_Function]) -> CoveredFile:
    ran = {line for each in functions for line in each.ran}
    lines = {line for each in functions for line in each.lines}
    never = {pair for each in functions for pair in each.branches_never_taken()}
    return CoveredFile(path, tuple(sorted(lines)), tuple(sorted(lines - ran)), tuple(sorted(never)))


def _functions_of(code: object) -> Iterator[FunctionType]:
    """Yield the functions of a class or a poll loop, and those that they name in their module."""
    waiting, seen = [code], set[int]()
    while waiting:
        each = inspect.unwrap(waiting.pop())  # type: ignore[arg-type]
        each = getattr(each, "func", getattr(each, "__func__", each))
        if not isinstance(each, type | FunctionType):
            each = type(each)
        module = each.__module__
        of_python = module.partition(".")[0] in sys.stdlib_module_names
        if id(each) in seen or of_python or _NOT_MEASURED.match(module):
            continue
        seen.add(id(each))
        if isinstance(each, FunctionType):
            yield each
            waiting += _named_by(each)
        else:
            waiting += (base for base in each.__bases__ if not _is_of_framework(base, each))
            waiting += filter(None, map(_function_in, vars(each).values()))


def _is_of_framework(base: type, derived: type) -> bool:
    """Return whether a class was installed, and a class of another package is derived from it."""
    top, _, _ = base.__module__.partition(".")
    file = getattr(sys.modules.get(base.__module__), "__file__", None) or ""
    installed = not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    return installed and top != derived.__module__.partition(".")[0]


def _function_in(member: object) -> object:
    """Return the function of a member of a class; None if it has none."""
    function = getattr(member, "fget", getattr(member, "__func__", member))
    return function if isinstance(function, FunctionType) else None


def _named_by(function: FunctionType) -> Iterator[object]:
    """Yield the functions and classes of its module that a function names."""
    for code in _with_nested(function.__code__):
        for name in code.co_names:
            named = function.__globals__.get(name)
            is_code = isinstance(named, type | FunctionType) and not _is_activity(named)
            if is_code and getattr(named, "__module__", None) == function.__module__:
                yield named


def _is_activity(code: object) -> bool:
    return isinstance(code, type) and issubclass(code, Activity)


def _with_nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _with_nested(each)
