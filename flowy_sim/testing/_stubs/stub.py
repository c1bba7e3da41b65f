"""What stands in for one type of activity or child workflow, or for one Lambda function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from flowy.errors import ConfigurationError
from flowy_sim.testing._stubs.answers import Answer, Answers

NameAndVersion = tuple[str, str]
Arguments = Mapping[str, object]


class UnexpectedCallError(AssertionError):
    """Something was called with arguments that none of its stubs is for."""

    __module__ = "flowy_sim"


class Case(Answers):
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

    def when(self, *args: object, **kwargs: object) -> Case:
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
            ConfigurationError: it does not take such arguments.

        Example:
            ``stubs(Resize, result="small.jpg").when("huge.tif").then(error=OSError("too big"))``
        """
        __tracebackhide__ = True
        case = Case(self, args, kwargs)
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
