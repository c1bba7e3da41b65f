"""Stubs: what an activity answers in a test, and how long it takes, in place of its code.

Example:
    An activity that fails twice and then has a result, each time after 40 simulated seconds::

        stubs = Stubs()
        stubs(Resize, error=OSError("disk full"), takes=40).then(
            error=OSError("disk full"), takes=40
        ).then(result="small.jpg", takes=40)
        Runner(simulation, stubs=stubs).run(ImageCategorization, "photo.jpg")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from flowy import checks
from flowy.activity import Activity, ActivityType, activity_class
from flowy.errors import ConfigurationError
from flowy_sim.answers import NOTHING, Answer, Answers

NameAndVersion = tuple[str, str]
Arguments = Mapping[str, object]


class UnexpectedCallError(AssertionError):
    """Something was called with arguments that none of its stubs is for."""


class Case(Answers):
    """The calls of something with certain arguments, and the answers to them."""

    def __init__(self, stub: Stub, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        """Begin without answers."""
        super().__init__(stub.label, stub.time_outs)
        self._stub = stub
        self.expected = stub.named(args, kwargs, partly=True)

    def __str__(self) -> str:
        """What it is for, such as ``when(source='b.jpg')``."""
        return f"when({written(self.expected)})"

    def when(self, *args: object, **kwargs: object) -> Case:
        """Begin another case of the same stub; see `Stub.when`."""
        return self._stub.when(*args, **kwargs)

    def differences(self, given: Arguments) -> list[str]:
        """Return the names of the arguments that are others than it is for."""
        return [
            name
            for name, value in self.expected.items()
            if name not in given or value != given[name]
        ]


class Stub(Answers):
    """What stands in for an activity.

    Attributes:
        name, version: of its type.
        activity: its class; None if only its name was given.
    """

    def __init__(self, name: str, version: str, activity: type[Activity] | None = None) -> None:
        """Stand in for a type, with no answer yet."""
        super().__init__(f"{name} {version}")
        self.name = name
        self.version = version
        self.activity = activity
        self._cases: list[Case] = []

    def __str__(self) -> str:
        """Name and version, such as ``resize 1``."""
        return self.label

    def when(self, *args: object, **kwargs: object) -> Case:
        """Begin a case: the answers that follow are for calls with these arguments.

        Args:
            *args: the first arguments; they are compared by ``==``, so that `unittest.mock.ANY`
                stands for any. Those that are left out may be anything.
            **kwargs: others, by name.

        Returns:
            The case, to add answers to. Of several that fit the first one answers; what fits
            none is answered as the stub itself says.

        Raises:
            ConfigurationError: the activity does not take such arguments.

        Example:
            ``stubs(Resize, result="small.jpg").when("huge.tif").then(error=OSError("too big"))``
        """
        case = Case(self, args, kwargs)
        self._cases.append(case)
        return case

    def answer_to(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Answer:
        """Return the answer to a call.

        Raises:
            UnexpectedCallError: the stub has none.
            TypeError: the activity does not take such arguments.
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
            TypeError: the activity does not take such arguments.
            ConfigurationError: the same, where it is said for a case.
        """
        if self.activity is None:
            return {f"argument {place}": value for place, value in enumerate(args, 1)} | kwargs
        shown = _signature(self.activity.run)
        if not partly:
            return shown.bind(*args, **kwargs).arguments
        try:
            return shown.bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            raise ConfigurationError(
                f"{self} is never called with {written_call(args, kwargs)}: {error}"
            ) from None

    def unused(self) -> list[str]:
        """Say what of it was never used."""
        if not self._cases:
            return [] if self.used else [f"the stub of {self}"]
        unused = [f"{case} of the stub of {self}" for case in self._cases if not case.used]
        return unused if self.used or len(unused) < len(self._cases) else [f"the stub of {self}"]


class Stubs:
    """The stubs of a test, at most one for each activity type.

    Calling it adds one, in place of an older one for the same type:
    ``stubs(Resize, result="small.jpg", takes=40)``.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._stubs: dict[NameAndVersion, Stub] = {}
        self._functions: dict[str, Stub] = {}

    def __call__(
        self,
        activity: Any,
        version: str | int | float | None = None,
        *,
        result: object = NOTHING,
        error: Exception | None = None,
        function: Callable[..., Any] | None = None,
        timeout: str | None = None,
        takes: float = 0,
        heartbeat: float | None = None,
    ) -> Stub:
        """Let something stand in for an activity.

        Args:
            activity: the activity's class or function, or the name of its type.
            version: the version of its type, where a name was given.
            result: as in `Answers.then`, as are all that follow. Without any of them the result
                is None, unless answers are added with ``.then(…)`` or ``.when(…)``.
            error: see there.
            function: see there.
            timeout: see there.
            takes: see there.
            heartbeat: see there.

        Returns:
            The stub; more answers can be added to it with ``.then(…)``, and answers to calls
            with certain arguments with ``.when(…).then(…)``.

        Raises:
            ConfigurationError: there is no such activity, or an argument is wrong.
            SerializationError: the result cannot be sent as JSON.
        """
        stub = _stub(activity, version)
        answer = {"error": error, "function": function, "timeout": timeout, "heartbeat": heartbeat}
        if takes or result is not NOTHING or any(value is not None for value in answer.values()):
            stub.then(
                result=result,
                error=error,
                function=function,
                timeout=timeout,
                takes=takes,
                heartbeat=heartbeat,
            )
        self._stubs[stub.name, stub.version] = stub
        return stub

    def all(self) -> dict[NameAndVersion, Stub]:
        """Return the stubs by name and version of the types they stand in for."""
        return dict(self._stubs)

    def unused(self, called: Iterable[str] = ()) -> list[str]:
        """Say which stubs were never used, each with the nearest that was called.

        Args:
            called: what was called, such as ``resize 1``.
        """
        known = list(called)
        sentences = []
        for stub in self._stubs.values():
            near = get_close_matches(str(stub), known, 1) if str(stub) not in known else ()
            nearest = f"; the nearest that was called is {near[0]}" if near else ""
            sentences += [f"{what} was never used{nearest}" for what in stub.unused()]
        return sentences


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


def _stub(activity: Any, version: str | int | float | None) -> Stub:
    if isinstance(activity, str):
        name = checks.text("the name of an activity", activity)
        if version is None:
            raise ConfigurationError(
                f"a stub needs a version beside the name: stub({name!r}, 1, …), or the "
                "activity's class"
            )
        return Stub(name, checks.version_text(version))
    cls = activity_class(activity)
    declared = getattr(cls, "flowy_type", None)
    if not isinstance(declared, ActivityType):
        raise ConfigurationError(
            f"a stub stands in for a class or function decorated with @activity, or for a name and "
            f"a version, not for {activity!r}"
        )
    if version is not None:
        raise ConfigurationError(
            f"the version of a stub for the class {cls.__name__} comes from there; leave "
            f"{version!r} out, and give a result as result={version!r}"
        )
    return Stub(declared.name, declared.version, cls)
