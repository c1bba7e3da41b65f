"""Lambda functions that faults can strike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowy_sim._clients.in_process import Reply
from flowy_sim._engine.lambda_functions import DeferredFunction, LambdaFunction, takes_context
from flowy_sim.faults._fault import FaultInjector, WorkerCall
from flowy_sim.faults._functions import TAKES


class StrikableFunctions(Mapping[str, Any]):
    """The Lambda functions of a simulation, which faults can strike.

    Args:
        functions: the functions, by name; more may be added.
        injector: injects faults into calls of them.
    """

    def __init__(self, functions: Mapping[str, Any], injector: FaultInjector) -> None:
        self._functions = functions
        self._injector = injector

    def __getitem__(self, name: str) -> Any:
        """Return a function; a fault may strike when it is called."""
        known = self._functions[name]
        if isinstance(known, DeferredFunction):
            return known
        function = known if isinstance(known, LambdaFunction) else LambdaFunction(known)
        return _StrikableFunction(name, function, self._injector)

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._functions)

    def __len__(self) -> int:
        """Return the number of functions."""
        return len(self._functions)


class _StrikableFunction(LambdaFunction):
    """A Lambda function that is called through a fault injector."""

    def __init__(self, name: str, function: LambdaFunction, injector: FaultInjector) -> None:
        call: Callable[..., Any] = self._one
        if not function.text and takes_context(function.function):
            call = self._two
        super().__init__(call, function.takes, function.text)
        self._name = name
        self._inner = function
        self._injector = injector

    def _one(self, event: Any) -> Any:
        return self._strike(event)

    def _two(self, event: Any, context: Any) -> Any:
        return self._strike(event, context)

    def _strike(self, *given: Any) -> Any:
        def send() -> Reply:
            result = self._inner.function(*given)
            self.takes = self._inner.takes
            return {"result": result}

        call = WorkerCall(f"lambda {self._name}", self._name, {"payload": given[0]}, send)
        reply = self._injector.function(call)
        self.takes = self._inner.takes + reply.get(TAKES, 0)
        return reply["result"]
