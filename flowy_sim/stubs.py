"""Stubs: what an activity answers in a test, and how long it takes, in place of its code.

Example:
    An activity that fails twice and then has a result, each time after 40 simulated seconds::

        stubs = Stubs()
        stubs(ResizeImage, error=OSError("disk full"), takes=40).then(
            error=OSError("disk full"), takes=40
        ).then(result="small.jpg", takes=40)
        Runner(simulation, stubs=stubs).run(ImageCategorization, "photo.jpg")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from flowy import options
from flowy.activity import Activity, ActivityType
from flowy.errors import ConfigurationError
from flowy.serialization import encode_result

NameAndVersion = tuple[str, str]

_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a stub.

    Attributes:
        function: returns the activity's result or raises what it fails with.
        takes: how many simulated seconds after it was taken up a task is answered; infinity for
            never.
        heartbeat: how many simulated seconds lie between two heartbeats; None for no heartbeats.
        constant: whether the function does nothing but return or raise, always the same.
    """

    function: Callable[..., Any]
    takes: float = 0
    heartbeat: float | None = None
    constant: bool = False


class Stub:
    """What stands in for an activity.

    Attributes:
        name, version: of the activity's type.
        declared: the type as the activity's class declares it; None if only its name was given.
    """

    def __init__(self, name: str, version: str, declared: ActivityType | None = None) -> None:
        """Stand in for a type, with no answer yet."""
        self.name = name
        self.version = version
        self.declared = declared
        self._answers: list[Answer] = []
        self._given = 0

    def __str__(self) -> str:
        """Name and version, such as ``resize 1``."""
        return f"{self.name} {self.version}"

    def then(
        self,
        *,
        result: object = _NOTHING,
        error: Exception | None = None,
        function: Callable[..., Any] | None = None,
        takes: float = 0,
        heartbeat: float | None = None,
    ) -> Stub:
        """Add the answer to the next task; the last answer is given to all that follow.

        Args:
            result: what the activity returns; None if nothing else is given either.
            error: what it fails with, an instance of an exception.
            function: called with the activity's arguments when a task is taken up; what it
                returns or raises is the answer.
            takes: for how many simulated seconds a worker is busy with the task; ``math.inf``
                for a worker that dies over it and never answers. An activity that takes as long
                as one of its time-outs times out.
            heartbeat: after how many simulated seconds there is a heartbeat, again and again,
                while it takes so long; None for no heartbeats.

        Returns:
            The stub itself.

        Raises:
            ConfigurationError: the arguments contradict each other, or one is wrong.
            SerializationError: the result cannot be sent as JSON.
        """
        given = (result is not _NOTHING) + (error is not None) + (function is not None)
        if given > 1:
            raise ConfigurationError(
                f"the stub of {self} was given several of result, error and function; "
                "an answer is one of them, and the answer after it is added with .then(…)"
            )
        self._answers.append(
            Answer(
                self._function(None if result is _NOTHING else result, error, function),
                _seconds(f"takes of the stub of {self}", takes, zero=True),
                None
                if heartbeat is None
                else _seconds(f"heartbeat of the stub of {self}", heartbeat, zero=False),
                constant=function is None,
            )
        )
        return self

    def next_answer(self) -> Answer:
        """Return the answer to the next task."""
        answer = self._answers[min(self._given, len(self._answers) - 1)]
        self._given += 1
        return answer

    def activity(self, declared: ActivityType, hold: Callable[[Answer], None]) -> type[Activity]:
        """Make an activity that answers as the stub does.

        Args:
            declared: the type as it is to be registered.
            hold: told which answer is being given, so that it is given in time.
        """
        return type("Stubbed", (_Stubbed,), {"flowy_type": declared, "stub": self, "hold": [hold]})

    def _function(
        self, result: object, error: Exception | None, function: Callable[..., Any] | None
    ) -> Callable[..., Any]:
        if function is not None:
            if not callable(function):
                raise ConfigurationError(
                    f"function of the stub of {self} must be callable, not {function!r}"
                )
            return function
        if error is None:
            encode_result(f"the stub of {self}", result)
            return lambda *args, **kwargs: result
        if not isinstance(error, Exception):
            raise ConfigurationError(
                f"error of the stub of {self} must be an exception such as "
                f"OSError('disk full'), not {error!r}"
            )
        raised = error

        def fail(*args: Any, **kwargs: Any) -> Any:
            raise raised.with_traceback(None)

        return fail


class _Stubbed(Activity):
    """An activity that answers as a stub does."""

    stub: ClassVar[Stub]
    hold: ClassVar[list[Callable[[Answer], None]]]

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Give the next answer."""
        answer = self.stub.next_answer()
        self.hold[0](answer)
        return answer.function(*args, **kwargs)


class Stubs:
    """The stubs of a test, at most one for each activity type.

    Calling it adds one, in place of an older one for the same type:
    ``stubs(ResizeImage, result="small.jpg", takes=40)``.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._stubs: dict[NameAndVersion, Stub] = {}

    def __call__(
        self,
        activity: type[Activity] | str,
        version: str | int | float | None = None,
        *,
        result: object = _NOTHING,
        error: Exception | None = None,
        function: Callable[..., Any] | None = None,
        takes: float = 0,
        heartbeat: float | None = None,
    ) -> Stub:
        """Let something stand in for an activity.

        Args:
            activity: the activity's class, or the name of its type.
            version: the version of its type, where a name was given.
            result: as in `Stub.then`, as are all that follow.
            error: see there.
            function: see there.
            takes: see there.
            heartbeat: see there.

        Returns:
            The stub; more answers can be added to it with ``.then(…)``.

        Raises:
            ConfigurationError: there is no such activity, or an argument is wrong.
            SerializationError: the result cannot be sent as JSON.
        """
        stub = _stub(activity, version).then(
            result=result, error=error, function=function, takes=takes, heartbeat=heartbeat
        )
        self._stubs[stub.name, stub.version] = stub
        return stub

    def all(self) -> dict[NameAndVersion, Stub]:
        """Return the stubs by name and version of the types they stand in for."""
        return dict(self._stubs)


def _stub(activity: type[Activity] | str, version: str | int | float | None) -> Stub:
    if isinstance(activity, str):
        name = options.text("the name of an activity", activity)
        if version is None:
            raise ConfigurationError(
                f"a stub needs a version beside the name: stub({name!r}, 1, …), or the "
                "activity's class"
            )
        return Stub(name, options.version_text(version))
    declared = getattr(activity, "flowy_type", None)
    if not isinstance(declared, ActivityType):
        raise ConfigurationError(
            f"a stub stands in for a class decorated with @activity, or for a name and a "
            f"version, not for {activity!r}"
        )
    if version is not None:
        raise ConfigurationError(
            f"the version of a stub for the class {activity.__name__} comes from there; leave "
            f"{version!r} out, and give a result as result={version!r}"
        )
    return Stub(declared.name, declared.version, declared)


def _seconds(name: str, value: object, *, zero: bool) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        enough = value >= 0 if zero else value > 0
        if enough:
            return value
    least = "at least 0" if zero else "more than 0"
    raise ConfigurationError(f"{name} must be a number of seconds, {least}, not {value!r}")
