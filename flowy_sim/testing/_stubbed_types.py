"""What takes the place of stubbed activities, child workflows and Lambda functions.

Workers run these classes like any others. Their code gives the answers that stub dispatch chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

from flowy.activity import Activity, ActivityType
from flowy.workflow import Workflow, WorkflowType
from flowy_sim._engine.lambda_functions import LambdaFunction
from flowy_sim._simulation.stub_answers import ACTIVITY, FUNCTION
from flowy_sim._simulation.stubs import Stub, UnexpectedCallError
from flowy_sim.testing._stub_dispatch import TAKES_TURNS, StubDispatch

_NEVER_SENT = "a signal that is never sent"
"""A child that never closes waits for it."""


class StubbedActivity(Activity):
    """An activity that gives the answers of its stub in the runner that takes turns.

    Attributes:
        original: the class that is stubbed; None if only its name is known.
        every: the seconds between two heartbeats that a worker sends on its own; None for none.
    """

    original: ClassVar[Any]
    every: ClassVar[float | None]


class StubbedWorkflow(Workflow):
    """A workflow that gives the answers of a stub."""

    stub_dispatch: ClassVar[StubDispatch]

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Take the time of the answer, and return or raise it."""
        __tracebackhide__ = True
        takes, value, error = self.stub_dispatch.outcome(self.run_id)
        if math.isinf(takes):
            self.signal(_NEVER_SENT).result()
        if takes:
            self.sleep(int(takes))
        if error is not None:
            raise error.with_traceback(None)
        return value


class StubbedLambda(LambdaFunction):
    """A Lambda function that gives the answers of a stub."""

    def __init__(self, stub_dispatch: StubDispatch, stub: Stub) -> None:
        super().__init__(self._call)
        self._stub_dispatch = stub_dispatch
        self._stub = stub

    def _call(self, payload: Any) -> Any:
        try:
            answer = self._stub.answer_to((payload,), {})
        except UnexpectedCallError as error:
            self._stub_dispatch.fail(error)
            raise
        self.takes = math.inf if answer.timeout else answer.takes
        return answer.function(payload)


def stubbed_activity(original: Any, declared: ActivityType) -> type[StubbedActivity]:
    """Return an activity class that gives the answers of a stub.

    Args:
        original: the class that is stubbed; None if only its name is known.
        declared: the type to register.
    """
    if original is None:
        return _stubbed_activity(None, declared)
    # A class of each stub and run would be slow to make, and garbage that refers to itself.
    made = _MADE.get(original)
    if made is None or made[:2] != (declared, original.run):
        stubbed = _stubbed_activity(original, declared)
        _MADE[original] = made = _StubbedLike(declared, original.run, stubbed)
    return made.stubbed


class _StubbedLike(NamedTuple):
    """A stubbed activity, and what it was made from."""

    declared: ActivityType
    run: Callable[..., Any]
    stubbed: type[StubbedActivity]


_MADE: WeakKeyDictionary[type[Any], _StubbedLike] = WeakKeyDictionary()


def _stubbed_activity(original: Any, declared: ActivityType) -> type[StubbedActivity]:
    every = declared.automatic_heartbeat
    if every is not None:  # While an answer is held, delayed calls send the heartbeats.
        declared = replace(declared, automatic_heartbeat=None)
    return type(
        "StubbedActivity",
        (StubbedActivity,),
        {
            "flowy_type": declared,
            "original": original,
            "every": every,
            "run": _run_like(None if original is None else original.run),
        },
    )


def stubbed_workflow(stub_dispatch: StubDispatch, declared: WorkflowType) -> type[StubbedWorkflow]:
    """Return a workflow class that gives the answers of the stub of a type."""
    members = {"flowy_type": declared, "stub_dispatch": stub_dispatch}
    return type("StubbedWorkflow", (StubbedWorkflow,), members)


def stub_functions(stub_dispatch: StubDispatch) -> None:
    """Replace the stubbed Lambda functions of the simulation."""
    for stub in stub_dispatch.stubs.all(FUNCTION).values():
        stub_dispatch.simulation.lambdas[stub.name] = StubbedLambda(stub_dispatch, stub)


@cache
def _run_like(original: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return a method ``run`` that gives a stub's answers, with the type hints of the original."""

    def run(self: StubbedActivity, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        stub_dispatch, declared = TAKES_TURNS.get(), self.flowy_type
        stub = stub_dispatch.stubs.find(ACTIVITY, declared.name, declared.version)
        assert stub is not None
        answer = stub_dispatch.answer(stub, self.every, self.context, args, kwargs)
        return answer.function(*args, **kwargs)

    if original is not None:
        run.__wrapped__ = original  # type: ignore[attr-defined]
        run.__annotations__ = original.__annotations__
        if hasattr(original, "__signature__"):  # That of an activity that is a function.
            run.__signature__ = original.__signature__  # type: ignore[attr-defined]
    return run
