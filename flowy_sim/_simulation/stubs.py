"""Stubs: fakes of activities, child workflows and Lambda functions in a test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any, TypedDict, Unpack

from flowy import _checks, options
from flowy.activity import ActivityType, activity_class
from flowy.errors import ConfigurationError
from flowy.payloads import PLAIN, Payloads
from flowy.retry import Retry
from flowy.workflow import WorkflowType
from flowy_sim._simulation.stub_answers import ACTIVITY, CHILD, FUNCTION, Answer, Answers

STUBS_LIST = "answered by stubs"
"""The task list on which tasks wait that only stubs answer. Histories do not show it."""

UNTAKEN_LIST = "no worker polls this"
"""The task list of tasks that time out before a worker takes them."""

NameAndVersion = tuple[str, str]
Arguments = Mapping[str, object]


class UnexpectedCallError(AssertionError):
    """A workflow called something that has no answer.

    Either no case of its stub matches the arguments, or it is neither implemented nor stubbed.
    """

    __module__ = "flowy_sim"


class AnswerOptions(TypedDict, total=False):
    """The options of an answer; see `Stub.then`."""

    result: object
    error: Exception | None
    function: Callable[..., Any] | None
    timeout: str | None
    takes: float | timedelta
    heartbeat: float | timedelta | None
    any_result: bool


class StubCase(Answers):
    """The answers of a stub to calls with certain arguments; see `Stub.when`."""

    def __init__(self, stub: Stub, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        __tracebackhide__ = True
        super().__init__(stub.label, stub.kind, stub.cls, stub.payloads)
        self._stub = stub
        self.expected = stub.named(args, kwargs, partly=True)

    def __str__(self) -> str:
        """Return the case as it is written, such as ``when(source='b.jpg')``."""
        return f"when({written(self.expected)})"

    def when(self, *args: object, **kwargs: object) -> StubCase:
        """Add another case to the same stub; see `Stub.when`."""
        __tracebackhide__ = True
        return self._stub.when(*args, **kwargs)

    def differences(self, given: Arguments) -> list[str]:
        """Return the names of the arguments that differ from the expected ones."""
        return [
            name
            for name, value in self.expected.items()
            if name not in given or value != given[name]
        ]


class Stub(Answers):
    """A fake of an activity, a child workflow or a Lambda function; made by calling `Stubs`.

    Attributes:
        name, version: the name and version of the type; the version of a Lambda function is empty.
        cls: the class that is stubbed; None if only a name was given.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        version: str = "",
        cls: Any = None,
        payloads: Payloads = PLAIN,
    ) -> None:
        super().__init__(f"{name} {version}".rstrip(), kind, cls, payloads)
        self.name = name
        self.version = version
        self._cases: list[StubCase] = []

    def __str__(self) -> str:
        """Return the name and version, such as ``resize 1``."""
        return self.label

    def when(self, *args: object, **kwargs: object) -> StubCase:
        """Add a case, which answers calls with certain arguments.

        If several cases match a call, the first one answers. If no case matches, the stub itself
        answers.

        Args:
            *args: the first arguments, compared by ``==``; `unittest.mock.ANY` matches any value.
                Arguments that are left out match any value.
            **kwargs: other arguments, by name.

        Returns:
            The case, to which ``.then(…)`` adds answers.

        Raises:
            ConfigurationError: what is stubbed does not accept such arguments.

        Example:
            ``stubs(Resize, result="small.jpg").when("huge.tif").then(error=OSError("too big"))``
        """
        __tracebackhide__ = True
        case = StubCase(self, args, kwargs)
        self._cases.append(case)
        return case

    @property
    def changes(self) -> bool:
        """Whether calls with the same arguments get different answers."""
        return super().changes or any(case.changes for case in self._cases)

    def answer_to(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Answer:
        """Return the answer to a call.

        Raises:
            UnexpectedCallError: the stub has no answer to it.
            TypeError: what is stubbed does not accept such arguments.
        """
        if not self._cases and (self.cls is None or _accepts(self.cls.run, len(args), *kwargs)):
            return self.next_answer()
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
            f"{self} was called with {written(given) or 'no arguments'}, and its stub has no "
            f"answer to that: the nearest is {nearest}, but {name} {found}; add another .when(…), "
            "or an answer to all other calls"
        )

    def named(
        self, args: tuple[object, ...], kwargs: dict[str, object], partly: bool = False
    ) -> Arguments:
        """Return arguments by name.

        Args:
            args: the positional arguments.
            kwargs: the keyword arguments.
            partly: whether some may be missing, as in a case.

        Raises:
            TypeError: what is stubbed does not accept such arguments.
            ConfigurationError: the same, if `partly` is set.
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
        """Return the stub's cases, such as ``when(source='b.jpg')``, and whether each answered."""
        return tuple((str(case), case.used) for case in self._cases)


class Stubs:
    """The stubs of a test: at most one for each activity, child workflow or Lambda function.

    Calling it adds a stub, which replaces an earlier stub of the same type:
    ``stubs(Resize, result="small.jpg", takes=40)``.

    Args:
        payloads: encodes results; give the same payloads to the runner. A result must match the
            type hint of the class, unless ``Payloads(strict=False)`` is given.

    Example:
        An activity that fails twice and then succeeds, each time after 40 simulated seconds::

            stubs = Stubs()
            stubs(Resize, error=OSError("disk full"), takes=40).then(
                error=OSError("disk full"), takes=40
            ).then(result="small.jpg", takes=40)
            Runner(simulation, stubs=stubs).run(ImageCategorization, "photo.jpg")
    """

    def __init__(self, payloads: Payloads = PLAIN) -> None:
        self._payloads = payloads
        self._stubs: dict[tuple[str, NameAndVersion], Stub] = {}

    def __call__(
        self, what: Any, version: str | int | float | None = None, **answer: Unpack[AnswerOptions]
    ) -> Stub:
        """Stub an activity or a child workflow.

        Args:
            what: a class or function decorated with ``@activity`` or ``@workflow``, or the name
                of an activity.
            version: the version of the activity type, if `what` is a name.
            **answer: the first answer; see `Stub.then`. Without one, the result is None, unless
                answers are added with ``.then(…)`` or ``.when(…)``.

        Returns:
            The stub. Add more answers with ``.then(…)``, and answers to calls with certain
            arguments with ``.when(…).then(…)``.

        Raises:
            ConfigurationError: `what` cannot be stubbed, or an argument is wrong.
            SerializationError: the result cannot be serialized.
        """
        __tracebackhide__ = True
        return self._add(_stub(what, version, self._payloads), answer)

    def child(self, name: str, version: str | int | float, **answer: Unpack[AnswerOptions]) -> Stub:
        """Stub a child workflow by the name and version of its type.

        Args:
            name: the name of the workflow type.
            version: the version of the workflow type.
            **answer: the first answer; see `Stub.then`.
        """
        name = _checks.text("the name of a workflow", name)
        stub = Stub(CHILD, name, _checks.version_text(version), payloads=self._payloads)
        return self._add(stub, answer)

    def lambda_function(self, name: str, **answer: Unpack[AnswerOptions]) -> Stub:
        """Stub a Lambda function. The stub's function is called with the decoded payload.

        Args:
            name: the name of the Lambda function.
            **answer: the first answer; see `Stub.then`.
        """
        return self._add(Stub(FUNCTION, _checks.text("the name of a function", name)), answer)

    def all(self, kind: str = ACTIVITY) -> dict[NameAndVersion, Stub]:
        """Return the stubs of a kind, by the name and version of their types."""
        return {named: stub for (each, named), stub in self._stubs.items() if each == kind}

    def find(self, kind: str, name: str, version: str) -> Stub | None:
        """Return the stub of a type; None if there is none."""
        return self._stubs.get((kind, (name, version)))

    def __iter__(self) -> Iterator[Stub]:
        """Yield the stubs in the order in which they were added."""
        return iter(self._stubs.values())

    def _add(self, stub: Stub, answer: AnswerOptions) -> Stub:
        __tracebackhide__ = True
        if not answer.keys() <= AnswerOptions.__annotations__.keys():
            unknown = sorted(answer.keys() - AnswerOptions.__annotations__.keys())
            raise ConfigurationError(
                f"the stub of {stub} has no option {', '.join(unknown)}; its options are "
                f"{', '.join(AnswerOptions.__annotations__)}"
            )
        if answer.get("takes") or answer.keys() - {"takes"}:
            stub.then(**answer)
        self._stubs[stub.kind, (stub.name, stub.version)] = stub
        return stub


def bare_workflow(name: str, version: str, task_list: str) -> WorkflowType:
    """Return the type of a child workflow of which only the name is known."""
    known = {
        "task_list": task_list,
        "execution_start_to_close": options.YEAR,
        "task_start_to_close": None,
        "child_policy": "TERMINATE",
    }
    return WorkflowType(
        name, version, options.default_members(options.members(options.WORKFLOW, known))
    )


def bare_activity(name: str, version: str, task_list: str) -> ActivityType:
    """Return the type of an activity of which only the name is known."""
    unlimited = dict.fromkeys(
        ("heartbeat", "schedule_to_close", "schedule_to_start", "start_to_close")
    )
    wire = options.members(options.ACTIVITY, {"task_list": task_list, **unlimited})
    return ActivityType(name, version, options.default_members(wire, infix="Task"), Retry(1), False)


def written(arguments: Arguments) -> str:
    """Return arguments by name, as they are written in a call."""
    return ", ".join(
        f"{name}={value!r}" if name.isidentifier() else repr(value)
        for name, value in arguments.items()
    )


def written_call(args: Iterable[object], kwargs: Arguments) -> str:
    """Return arguments as they are written in a call."""
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])


@cache
def _signature(run: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a method ``run``, without ``self``."""
    shown = inspect.signature(run)
    return shown.replace(parameters=list(shown.parameters.values())[1:])


@lru_cache(maxsize=256)
def _accepts(run: Callable[..., Any], number: int, *names: str) -> bool:
    """Return whether a method ``run`` can be called with some arguments, whatever they are.

    Args:
        run: the method.
        number: the number of positional arguments.
        *names: the names of the others.
    """
    try:
        _signature(run).bind(*[None] * number, **dict.fromkeys(names))
    except TypeError:
        return False
    return True


def _stub(what: Any, version: str | int | float | None, payloads: Payloads) -> Stub:
    __tracebackhide__ = True
    if isinstance(what, str):
        name = _checks.text("the name of an activity", what)
        if version is None:
            raise ConfigurationError(
                f"the stub of {name!r} needs a version: stub({name!r}, 1, …); or give the "
                "activity's class"
            )
        return Stub(ACTIVITY, name, _checks.version_text(version), payloads=payloads)
    cls = activity_class(what)
    declared = getattr(cls, "flowy_type", None)
    if not isinstance(declared, ActivityType | WorkflowType):
        raise ConfigurationError(
            "a stub is for a class or function decorated with @activity or @workflow, or for a "
            f"name and a version, not for {what!r}"
        )
    if version is not None:
        raise ConfigurationError(
            f"the stub of the class {cls.__name__} takes its version from the class; leave "
            f"{version!r} out, or give a result as result={version!r}"
        )
    return Stub(declared.kind, declared.name, declared.version, cls, payloads)
