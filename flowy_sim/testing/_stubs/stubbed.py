"""What workers run in place of what is stubbed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from flowy.activity import Activity
from flowy.workflow import Workflow
from flowy_sim._engine.lambda_functions import LambdaFunction
from flowy_sim.testing._stubs.stub import Stub, UnexpectedCallError

if TYPE_CHECKING:
    from flowy_sim.testing._stubs.standing_in import StandIns

_NEVER_SENT = "a signal that nobody sends"


class Outcome(NamedTuple):
    """What becomes of a child.

    Attributes:
        takes: after how many seconds; infinity for never.
        value: what it returns.
        error: what it fails with; None if it does not.
    """

    takes: float
    value: Any = None
    error: Exception | None = None


class Stubbed(Activity):
    """An activity that answers as a stub does."""

    stub: ClassVar[Stub]
    stand_ins: ClassVar[StandIns]
    every: ClassVar[float | None]


class StubbedChild(Workflow):
    """A workflow that answers as a stub does."""

    stand_ins: ClassVar[StandIns]

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Take as long as the answer does, and give it."""
        __tracebackhide__ = True
        takes, value, error = self.stand_ins.outcome(self.run_id)
        if math.isinf(takes):
            self.signal(_NEVER_SENT).result()
        if takes:
            self.sleep(int(takes))
        if error is not None:
            raise error.with_traceback(None)
        return value


class StubbedFunction(LambdaFunction):
    """A Lambda function that answers as a stub does."""

    def __init__(self, stand_ins: StandIns, stub: Stub) -> None:
        """Stand in for a function."""
        super().__init__(self._call)
        self._stand_ins = stand_ins
        self._stub = stub

    def _call(self, payload: Any) -> Any:
        try:
            answer = self._stub.answer_to((payload,), {})
        except UnexpectedCallError as error:
            self._stand_ins.problem = self._stand_ins.problem or error
            raise
        self.takes = math.inf if answer.timeout else answer.takes
        return answer.function(payload)


def run_like(stub: Stub) -> Callable[..., Any]:
    """Return a method that gives a stub's answers, with the type hints of what it stands in for."""
    return _run(None if stub.cls is None else stub.cls.run)


@cache
def _run(real: Callable[..., Any] | None) -> Callable[..., Any]:
    """Make a method that gives a stub's answer, with the type hints of the one it stands in for."""

    def run(self: Stubbed, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        answer = self.stand_ins.answer(self.stub, self.every, self.context, args, kwargs)
        return answer.function(*args, **kwargs)

    if real is not None:
        run.__wrapped__ = real  # type: ignore[attr-defined]
        run.__annotations__ = real.__annotations__
        run.__signature__ = getattr(real, "__signature__", None)  # type: ignore[attr-defined]
    return run
