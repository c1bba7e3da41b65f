"""All stubs of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypedDict, Unpack

from flowy import _checks
from flowy.activity import ActivityType, activity_class
from flowy.errors import ConfigurationError
from flowy.workflow import WorkflowType
from flowy_sim.testing._stubs.answers import ACTIVITY, CHILD, FUNCTION
from flowy_sim.testing._stubs.stub import NameAndVersion, Stub


class Given(TypedDict, total=False):
    """An answer, as `flowy_sim.testing._stubs.answers.Answers.then` takes it."""

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
        self, what: Any, version: str | int | float | None = None, **answer: Unpack[Given]
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

    def child(self, name: str, version: str | int | float, **answer: Unpack[Given]) -> Stub:
        """Let something stand in for a child workflow of which there is only the name.

        Args:
            name: the name of its type.
            version: the version of its type.
            **answer: see `__call__`.
        """
        name = _checks.text("the name of a workflow", name)
        return self._add(Stub(CHILD, name, _checks.version_text(version)), answer)

    def lambda_function(self, name: str, **answer: Unpack[Given]) -> Stub:
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

    def _add(self, stub: Stub, answer: Given) -> Stub:
        __tracebackhide__ = True
        unknown = sorted(answer.keys() - Given.__annotations__.keys())
        if unknown:
            raise ConfigurationError(
                f"the stub of {stub} was given {', '.join(unknown)}; a stub takes "
                f"{', '.join(Given.__annotations__)}"
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
