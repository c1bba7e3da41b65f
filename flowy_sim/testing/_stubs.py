"""What stands in for one type of activity or child workflow, or for one Lambda function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple, TypedDict, Unpack

from flowy import _checks
from flowy.activity import ActivityType, activity_class
from flowy.errors import ConfigurationError
from flowy.workflow import WorkflowType
from flowy_sim.testing._stub_answers import ACTIVITY, CHILD, FUNCTION, Answer, Answers

NameAndVersion = tuple[str, str]


Arguments = Mapping[str, object]


class UnexpectedCallError(AssertionError):
    """Something was called with arguments that none of its stubs is for."""

    __module__ = "flowy_sim"


class StubCase(Answers):
    """The calls of something with certain arguments, and the answers to them."""

    def __init__(self, stub: Stub, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        """Begin without answers."""
        __tracebackhide__ = True
        super().__init__(stub.label, stub.kind, stub.cls)
        self._stub = stub
        self.expected = stub.named(args, kwargs, partly=True)

    def __str__(self) -> str:
        """What it is for, such as ``when(source='b.jpg')``."""
        return f"when({written(self.expected)})"

    def when(self, *args: object, **kwargs: object) -> StubCase:
        """Begin another case of the same stub; see `Stub.when`."""
        __tracebackhide__ = True
        return self._stub.when(*args, **kwargs)

    def differences(self, given: Arguments) -> list[str]:
        """Return the names of the arguments that are others than it is for."""
        return [
            name
            for name, value in self.expected.items()
            if name not in given or value != given[name]
        ]


class Stub(Answers):
    """What stands in for an activity, a child workflow or a Lambda function.

    Attributes:
        name, version: of its type; a function has no version.
        cls: its class; None if only its name was given.
    """

    def __init__(self, kind: str, name: str, version: str = "", cls: Any = None) -> None:
        """Stand in for a type, with no answer yet."""
        super().__init__(f"{name} {version}".rstrip(), kind, cls)
        self.name = name
        self.version = version
        self._cases: list[StubCase] = []

    def __str__(self) -> str:
        """Name and version, such as ``resize 1``."""
        return self.label

    def when(self, *args: object, **kwargs: object) -> StubCase:
        """Begin a case: the answers that follow are for calls with these arguments.

        Args:
            *args: the first arguments; they are compared by ``==``, so that `unittest.mock.ANY`
                stands for any. Those that are left out may be anything.
            **kwargs: others, by name.

        Returns:
            The case, to add answers to. Of several that fit the first one answers; what fits
            none is answered as the stub itself says.

        Raises:
            ConfigurationError: it does not take such arguments.

        Example:
            ``stubs(Resize, result="small.jpg").when("huge.tif").then(error=OSError("too big"))``
        """
        __tracebackhide__ = True
        case = StubCase(self, args, kwargs)
        self._cases.append(case)
        return case

    @property
    def changes(self) -> bool:
        """Whether not every call with the same arguments gets the same answer."""
        return super().changes or any(case.changes for case in self._cases)

    def answer_to(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Answer:
        """Return the answer to a call.

        Raises:
            UnexpectedCallError: the stub has none.
            TypeError: it does not take such arguments.
        """
        given = self.named(args, kwargs)
        for case in self._cases:
            if not case.differences(given):
                return case.next_answer()
        if self.has_answers or not self._cases:
            return self.next_answer()
        nearest = min(self._cases, key=lambda case: len(case.differences(given)))
        name = nearest.differences(given)[0]
        found = f"is {given[name]!r}" if name in given else "is missing"
        raise UnexpectedCallError(
            f"{self} was called with {written(given) or 'nothing'}, and its stub has no answer to "
            f"that: the nearest is {nearest}, but {name} {found}; add another .when(…), or an "
            "answer to all other calls"
        )

    def named(
        self, args: tuple[object, ...], kwargs: dict[str, object], partly: bool = False
    ) -> Arguments:
        """Return arguments by name.

        Args:
            args: the arguments.
            kwargs: keyword arguments.
            partly: whether some may be missing.

        Raises:
            TypeError: it does not take such arguments.
            ConfigurationError: the same, where it is said for a case.
        """
        __tracebackhide__ = True
        if self.cls is None:
            return {f"argument {place}": value for place, value in enumerate(args, 1)} | kwargs
        shown = _signature(self.cls.run)
        if not partly:
            return shown.bind(*args, **kwargs).arguments
        try:
            return shown.bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            raise ConfigurationError(
                f"{self} is never called with {written_call(args, kwargs)}: {error}"
            ) from None

    def cases_used(self) -> tuple[tuple[str, bool], ...]:
        """Return its cases, such as ``when(source='b.jpg')``, and whether each has answered."""
        return tuple((str(case), case.used) for case in self._cases)


def written(arguments: Arguments) -> str:
    """Write arguments by name, as in a call."""
    return ", ".join(
        f"{name}={value!r}" if name.isidentifier() else repr(value)
        for name, value in arguments.items()
    )


def written_call(args: Iterable[object], kwargs: Arguments) -> str:
    """Write arguments as in a call."""
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])


@cache
def _signature(run: Callable[..., Any]) -> inspect.Signature:
    """Return which arguments an activity is called with, by its method ``run``."""
    shown = inspect.signature(run)
    return shown.replace(parameters=list(shown.parameters.values())[1:])


class AnswerOptions(TypedDict, total=False):
    """An answer, as `flowy_sim.testing._stub_answers.Answers.then` takes it."""

    result: object
    error: Exception | None
    function: Callable[..., Any] | None
    timeout: str | None
    takes: float
    heartbeat: float | None


class Stubs:
    """The stubs of a test, at most one for each type of activity or workflow, or function.

    Calling it adds one, in place of an older one for the same type:
    ``stubs(Resize, result="small.jpg", takes=40)``.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._stubs: dict[tuple[str, NameAndVersion], Stub] = {}

    def __call__(
        self, what: Any, version: str | int | float | None = None, **answer: Unpack[AnswerOptions]
    ) -> Stub:
        """Let something stand in for an activity or a child workflow.

        Args:
            what: its class, a function under ``@activity``, or the name of an activity.
            version: the version of its type, where a name was given.
            **answer: the first answer, as `Answers.then` takes it. Without any the result is
                None, unless answers are added with ``.then(…)`` or ``.when(…)``.

        Returns:
            The stub; more answers can be added to it with ``.then(…)``, and answers to calls
            with certain arguments with ``.when(…).then(…)``.

        Raises:
            ConfigurationError: there is no such activity, or an argument is wrong.
            SerializationError: the result cannot be sent as JSON.
        """
        __tracebackhide__ = True
        return self._add(_stub(what, version), answer)

    def child(self, name: str, version: str | int | float, **answer: Unpack[AnswerOptions]) -> Stub:
        """Let something stand in for a child workflow of which there is only the name.

        Args:
            name: the name of its type.
            version: the version of its type.
            **answer: see `__call__`.
        """
        name = _checks.text("the name of a workflow", name)
        return self._add(Stub(CHILD, name, _checks.version_text(version)), answer)

    def lambda_function(self, name: str, **answer: Unpack[AnswerOptions]) -> Stub:
        """Let something stand in for a Lambda function; it is called with the decoded payload.

        Args:
            name: its name.
            **answer: see `__call__`.
        """
        return self._add(Stub(FUNCTION, _checks.text("the name of a function", name)), answer)

    def all(self, kind: str = ACTIVITY) -> dict[NameAndVersion, Stub]:
        """Return the stubs of a kind, by name and version of the types they stand in for."""
        return {named: stub for (each, named), stub in self._stubs.items() if each == kind}

    def find(self, kind: str, name: str, version: str) -> Stub | None:
        """Return the stub of something; None if it has none."""
        return self._stubs.get((kind, (name, version)))

    def __iter__(self) -> Iterator[Stub]:
        """Yield them, in the order in which they were added."""
        return iter(self._stubs.values())

    def _add(self, stub: Stub, answer: AnswerOptions) -> Stub:
        __tracebackhide__ = True
        unknown = sorted(answer.keys() - AnswerOptions.__annotations__.keys())
        if unknown:
            raise ConfigurationError(
                f"the stub of {stub} was given {', '.join(unknown)}; a stub takes "
                f"{', '.join(AnswerOptions.__annotations__)}"
            )
        if answer.get("takes") or answer.keys() - {"takes"}:
            stub.then(**answer)
        self._stubs[stub.kind, (stub.name, stub.version)] = stub
        return stub


def _stub(what: Any, version: str | int | float | None) -> Stub:
    __tracebackhide__ = True
    if isinstance(what, str):
        name = _checks.text("the name of an activity", what)
        if version is None:
            raise ConfigurationError(
                f"a stub needs a version beside the name: stub({name!r}, 1, …), or the "
                "activity's class"
            )
        return Stub(ACTIVITY, name, _checks.version_text(version))
    cls = activity_class(what)
    declared = getattr(cls, "flowy_type", None)
    if not isinstance(declared, ActivityType | WorkflowType):
        raise ConfigurationError(
            f"a stub stands in for what is decorated with @activity or @workflow, or for a name "
            f"and a version, not for {what!r}"
        )
    if version is not None:
        raise ConfigurationError(
            f"the version of a stub for the class {cls.__name__} comes from there; leave "
            f"{version!r} out, and give a result as result={version!r}"
        )
    return Stub(declared.kind, declared.name, declared.version, cls)


class StubUsageRow(NamedTuple):
    """The uses of one stub, as plain data.

    Attributes:
        kind, name, version: what it stands in for.
        own: whether an answer was given, other than for certain arguments.
        cases: each ``when(…)``, and whether it has answered.
    """

    kind: str
    name: str
    version: str
    own: bool
    cases: tuple[tuple[str, bool], ...]

    def __add__(self, other: Any) -> StubUsageRow:
        """Put together what two runs have used."""
        most = max(self.cases, other.cases, key=len)
        both = zip(self.cases, other.cases, strict=False)
        cases = [(name, mine or theirs) for (name, mine), (_, theirs) in both]
        return self._replace(own=self.own or other.own, cases=(*cases, *most[len(cases) :]))

    def unused(self) -> list[str]:
        """Say what of it was never used."""
        stub = f"the stub of {self.name} {self.version}".rstrip()
        unused = [f"{case} of {stub}" for case, used in self.cases if not used]
        return unused if self.own or len(unused) < len(self.cases) else [stub]


class StubUsage:
    """Which stubs were used, and what was called.

    Example:
        ::

            uses = StubUsage()
            uses.note(runner.stubs, runner.stub_dispatch.called)
            assert uses.unused() == []
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._rows: dict[tuple[str, str, str], StubUsageRow] = {}
        self._called: dict[str, None] = {}

    def note(self, stubs: Stubs, called: Iterable[str] = ()) -> None:
        """Note what a run has used.

        Args:
            stubs: the stubs that it had.
            called: what it has called, such as ``resize 1``.
        """
        rows = (
            StubUsageRow(stub.kind, stub.name, stub.version, stub.used, stub.cases_used())
            for stub in stubs
        )
        self.merge((rows, called))

    def rows(self) -> tuple[list[StubUsageRow], list[str]]:
        """Return all that was noted as plain data, to be carried to another process."""
        return list(self._rows.values()), list(self._called)

    def merge(self, noted: tuple[Iterable[StubUsageRow], Iterable[str]]) -> None:
        """Add what `rows` of others has given."""
        rows, called = noted
        for row in rows:
            key = row[:3]
            self._rows[key] = self._rows[key] + row if key in self._rows else row
        self._called.update(dict.fromkeys(called))

    def unused(self, *, misnamed: bool = False) -> list[str]:
        """Say which stubs were never used, each with the nearest that was called.

        Args:
            misnamed: whether only those are told that were probably meant for something else.
        """
        known = {label.removeprefix("child ").rpartition(" ")[0]: label for label in self._called}
        sentences = []
        for row in self._rows.values():
            label = f"{row.name} {row.version}".rstrip()
            near = get_close_matches(row.name, known, 1) if label not in known.values() else ()
            nearest = f"; the nearest that was called is {known[near[0]]}" if near else ""
            if near or not misnamed:
                sentences += [f"{what} was never used{nearest}" for what in row.unused()]
        return sentences
