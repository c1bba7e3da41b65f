"""`mock_swf` answers every boto3 and aiobotocore client of Amazon SWF in the process."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.thread import _worker as _of_pool
from contextlib import AbstractContextManager, ExitStack, aclosing, contextmanager, nullcontext
from functools import wraps
from importlib.util import find_spec
from threading import Lock
from types import TracebackType
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary, WeakSet

from botocore.client import BaseClient
from botocore.session import Session

from flowy_sim._clients.boto3 import CREDENTIALS, Responder
from flowy_sim._clients.simulation import Simulation
from flowy_sim._simulation.running_threads import end_thread
from flowy_sim._simulation.thread_sleep import threads_sleep_virtually
from flowy_sim._simulation.time_functions import really_wait_on
from flowy_sim._simulation.waiters import ADOPTED_BY

_ENDPOINT = "AWS_ENDPOINT_URL_SWF"
_NOWHERE = "http://other-processes-need-swf-endpoint.invalid"
"""The endpoint that processes started by the code call; its name says what to do."""

_LOOK = 0.5
"""Real seconds between two checks whether the runner of a thread has ended."""

_LOOKS = 20
"""The number of checks after which a thread no longer waits for its runner, and is ended."""

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def mock_swf(simulation: Function) -> Function: ...


@overload
def mock_swf(
    simulation: Simulation | None = None,
    wire: bool = False,
    poll_seconds: float = 60,
    virtual_sleep: bool = False,
) -> _MockOfSwf: ...


def mock_swf(
    simulation: Any = None,
    wire: bool = False,
    poll_seconds: float = 60,
    virtual_sleep: bool = False,
) -> Any:
    """Answer every boto3 and aiobotocore SWF client of this process from a simulation.

    Use it in a ``with`` statement, or as a decorator with or without parentheses: of a function, a
    coroutine, a fixture with ``yield``, or a class of tests of pytest or unittest. In a class, each
    test has a simulation of its own, together with its ``setUp`` or ``setup_method`` and what ends
    it. Clients may be created before it or within it. Other services are not affected, so it works
    inside moto's ``mock_aws`` and around it. If several are nested, the innermost answers. If
    several threads use one each, each answers the calls of its own thread, and those of clients
    created there. Another thread that goes on after the end of the last one is ended at its next
    call, so that it never calls AWS. A process that the code starts has no simulation; so that its
    SWF clients do not call AWS either, ``AWS_ENDPOINT_URL_SWF`` is an address that does not exist
    meanwhile, unless it is set.

    Args:
        simulation: the simulation that answers; a new one each time by default.
        wire: whether every byte of request and response is really made and parsed. Clients of
            aiobotocore are always answered before that.
        poll_seconds: for how many simulated seconds polls wait for a task.
        virtual_sleep: whether threads that have called the simulation sleep in simulated time: in
            `time.sleep`, however it was imported, in the waits with a timeout of
            `threading.Event` and `threading.Condition`, and in event loops of asyncio.

    Example:
        >>> import boto3
        >>> with mock_swf() as simulation:
        ...     client = boto3.client("swf", region_name="us-east-1")
        ...     client.list_domains(registrationStatus="REGISTERED")["domainInfos"]
        []
    """
    if callable(simulation):
        return _MockOfSwf(lambda: _mocked(None, wire, poll_seconds, virtual_sleep))(simulation)
    return _MockOfSwf(lambda: _mocked(simulation, wire, poll_seconds, virtual_sleep))


class _MockOfSwf(AbstractContextManager[Simulation]):
    """A context manager, and a decorator of functions of all kinds and of classes of tests."""

    def __init__(self, make: Callable[[], AbstractContextManager[Simulation]]) -> None:
        self._make = make
        self._entered: list[AbstractContextManager[Simulation]] = []

    def __enter__(self) -> Simulation:
        mock = self._make()
        simulation = mock.__enter__()
        self._entered.append(mock)
        return simulation

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._entered.pop().__exit__(kind, error, trace)

    def __call__(self, decorated: Function) -> Function:
        if isinstance(decorated, type):
            from unittest import TestCase

            if issubclass(decorated, TestCase):
                decorated.run = self._mock(decorated.run)  # type: ignore[method-assign]
            else:
                self._mock_methods(decorated)
            return decorated
        mocked: Function = self._mock(decorated)
        return mocked

    def _mock(self, function: Any) -> Any:
        # Calling a coroutine function or a generator function runs none of its code yet.
        if inspect.isasyncgenfunction(function):

            @wraps(function)
            async def mocked(*arguments: Any, **keywords: Any) -> Any:
                with self._make():
                    async with aclosing(function(*arguments, **keywords)) as values:
                        async for value in values:
                            yield value

        elif inspect.iscoroutinefunction(function):

            @wraps(function)
            async def mocked(*arguments: Any, **keywords: Any) -> Any:
                with self._make():
                    return await function(*arguments, **keywords)

        elif inspect.isgeneratorfunction(function):

            @wraps(function)
            def mocked(*arguments: Any, **keywords: Any) -> Any:
                with self._make():
                    return (yield from function(*arguments, **keywords))

        else:

            @wraps(function)
            def mocked(*arguments: Any, **keywords: Any) -> Any:
                with self._make():
                    return function(*arguments, **keywords)

        return mocked

    def _mock_methods(self, tests: Any) -> None:
        """Mock a class of tests for pytest, from the beginning of ``setup_method``."""
        if not any(name.startswith("test") for name in dir(tests)):
            raise TypeError(
                f"mock_swf decorates functions and classes of tests, but {tests.__qualname__} has"
                ' no method whose name begins with "test"; decorate the functions that call SWF,'
                " or use mock_swf in a with statement"
            )
        set_up = getattr(tests, "setup_method", None)
        tear_down = getattr(tests, "teardown_method", None)

        def setup_method(test: Any, method: Any) -> None:
            # pytest does not tear down what it has not set up.
            with ExitStack() as mock:
                mock.enter_context(self._make())
                call(set_up, test, method)
                test._mock_of_swf = mock.pop_all()

        def teardown_method(test: Any, method: Any) -> None:
            with test._mock_of_swf:
                call(tear_down, test, method)

        def call(function: Any, test: Any, method: Any) -> None:
            if function is not None:
                takes_method = len(inspect.signature(function).parameters) > 1
                function(test, *([method] if takes_method else []))

        tests.setup_method, tests.teardown_method = setup_method, teardown_method


@contextmanager
def _mocked(
    simulation: Simulation | None, wire: bool, poll_seconds: float, virtual_sleep: bool
) -> Iterator[Simulation]:
    answering = Simulation() if simulation is None else simulation
    sleeps = threads_sleep_virtually(answering.threads) if virtual_sleep else nullcontext()
    with mocked_by(Responder(answering, wire, poll_seconds)), sleeps:
        yield answering


@contextmanager
def mocked_by(responder: Responder) -> Iterator[None]:
    """Let a responder answer every boto3 SWF client of this process, for a while."""
    _mocks.enter(responder)
    try:
        yield
    finally:
        _mocks.leave(responder)


class _Mocks:
    """The mocks that are active, in any number of threads.

    A call is answered by the mock that its thread entered last. In a thread that has entered none,
    it is answered by the mock that was active when the client was made, or else by the one that any
    thread entered last. A thread that a worker has started never calls anything but the simulation
    of that worker; when it does so too late, it is ended. So is any other thread that has been
    answered and goes on when no mock is active, unless it has entered mocks itself.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._changed = threading.Condition()
        self._calling: WeakKeyDictionary[threading.Thread, int] = WeakKeyDictionary()
        self._answered: WeakSet[threading.Thread] = WeakSet()
        self._testing: WeakSet[threading.Thread] = WeakSet([threading.main_thread()])
        self._entered: list[tuple[int, Responder]] = []
        self._replaced: list[tuple[Any, str, Any, Any]] = []

    def enter(self, responder: Responder) -> None:
        with self._lock:
            if not self._entered:
                # The replacements may still be there, for threads that had outlived the last mock.
                self._restore()
                os.environ.setdefault(_ENDPOINT, _NOWHERE)
                self._replace(BaseClient, "_make_request", self._maker)
                self._replace(Session, "create_client", self._creator)
                if find_spec("aiobotocore"):
                    from aiobotocore.client import AioBaseClient
                    from aiobotocore.session import AioSession

                    self._replace(AioBaseClient, "_make_request", self._async_maker)
                    self._replace(AioSession, "create_client", self._creator)
            self._entered.append((threading.get_ident(), responder))
            self._testing.add(threading.current_thread())
        with self._changed:
            self._changed.notify_all()

    def leave(self, responder: Responder) -> None:
        with self._lock:
            self._entered = [entry for entry in self._entered if entry[1] is not responder]
            if not self._entered and os.environ.get(_ENDPOINT) == _NOWHERE:
                del os.environ[_ENDPOINT]
            others = {*ADOPTED_BY, *self._answered} - set(self._testing)
            may_call = (each for each in others if not self._calling.get(each))
            # As long as such a thread lives, its next call must end it instead of reaching AWS.
            if not self._entered and not any(thread.is_alive() for thread in may_call):
                self._restore()

    def _replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        real = getattr(owner, name)
        replacement = make(real)
        self._replaced.append((owner, name, real, replacement))
        setattr(owner, name, replacement)

    def _restore(self) -> None:
        for owner, name, real, replacement in self._replaced:
            # If something else has replaced it since, such as another mock, that one calls it
            # still.
            if getattr(owner, name) is replacement:
                setattr(owner, name, real)
        self._replaced.clear()

    def _answering(self, client: Any = None) -> Responder | None:
        entered = self._entered
        own = [responder for thread, responder in entered if thread == threading.get_ident()]
        if own:
            return own[-1]
        bound = getattr(client, _BOUND, None)
        if any(responder is bound for _, responder in entered):
            return bound
        return entered[-1][1] if entered else None

    def _wait_for_turn(self) -> None:
        """Wait while the runner whose poll loop has started the current thread is not active.

        A runner is not active between starting an execution and running it, for example.
        """
        owner = ADOPTED_BY.get(threading.current_thread())
        if owner is None or not owner.has_runner:
            return
        with self._changed:
            for _ in range(_LOOKS):
                if any(responder.threads is owner for _, responder in self._entered):
                    return
                owner.end_if_released()
                really_wait_on(self._changed, _LOOK)

    @contextmanager
    def _in_call(self) -> Iterator[None]:
        """Note that the current thread reaches AWS only if it makes another call."""
        thread = threading.current_thread()
        self._calling[thread] = self._calling.get(thread, 0) + 1
        try:
            yield
        finally:
            self._calling[thread] -= 1

    def _end_if_left_over(self, client: Any) -> None:
        """End the current thread if no mock is active, but one has answered it or made its client.

        A thread of a pool may have got other work since it was answered.
        """
        thread: Any = threading.current_thread()
        goes_on = thread in self._answered and thread._target is not _of_pool
        if thread not in self._testing and (goes_on or hasattr(client, _BOUND)):
            end_thread()

    def _maker(self, make_request: Any) -> Any:
        def make_request_here(client: Any, operation_model: Any, *arguments: Any) -> Any:
            if operation_model.service_model.service_name == "swf":
                with self._in_call():
                    self._wait_for_turn()
                    responder = self._answering(client)
                    if _is_too_late(responder):
                        end_thread()
                    if responder is None:
                        self._end_if_left_over(client)
                    else:
                        self._answered.add(threading.current_thread())
                        answer = responder.make_request(client, operation_model, *arguments)
                        # The mock may have ended while the call waited.
                        self._wait_for_turn()
                        if self._answering(client) is None:
                            end_thread()
                        return answer
            return make_request(client, operation_model, *arguments)

        return make_request_here

    def _async_maker(self, make_request: Any) -> Any:
        async def make_request_here(client: Any, operation_model: Any, *arguments: Any) -> Any:
            if operation_model.service_model.service_name == "swf":
                responder = self._answering(client)
                if responder is None:
                    self._end_if_left_over(client)
                else:
                    self._answered.add(threading.current_thread())
                    return await responder.make_request_in_event_loop(
                        client, operation_model, *arguments
                    )
            return await make_request(client, operation_model, *arguments)

        return make_request_here

    @contextmanager
    def _environment_of_client(self) -> Iterator[None]:
        """Let a client get the address that it would have without a mock."""
        with self._lock:
            hidden = os.environ.get(_ENDPOINT) == _NOWHERE
            if hidden:
                del os.environ[_ENDPOINT]
            try:
                yield
            finally:
                if hidden:
                    os.environ[_ENDPOINT] = _NOWHERE

    def _creator(self, create_client: Any) -> Any:
        def create_client_here(
            session: Any, service_name: str, *arguments: Any, **given: Any
        ) -> Any:
            responder = self._answering() if service_name == "swf" else None
            if responder is None:
                return create_client(session, service_name, *arguments, **given)
            # Tests run where no credentials are set up.
            if not arguments and not given.get("aws_access_key_id"):
                given |= CREDENTIALS
            if not arguments and not given.get("region_name"):
                own: str | None = session.instance_variables().get("region")
                given["region_name"] = own or responder.region
            _share_files(session)
            with self._environment_of_client():
                client = create_client(session, service_name, *arguments, **given)
            setattr(client, _BOUND, responder)
            return client

        return create_client_here


def _share_files(session: Any) -> None:
    """Let a session use what another one has read of botocore's data files.

    Code that makes a session for each thread or task would parse them each time, which takes longer
    than everything else that a new client does.
    """
    own = session.get_component("data_loader")
    paths = tuple(own.search_paths)
    shared = _loaders.setdefault(paths, own)
    if tuple(shared.search_paths) == paths:  # Its own session may have added one meanwhile.
        session.register_component("data_loader", shared)


def _is_too_late(responder: Responder | None) -> bool:
    """Return whether the current thread outlives the worker that has started it.

    A thread of a pool may work for another test by now.

    Args:
        responder: what would answer its call.
    """
    thread: Any = threading.current_thread()
    adopted_by = ADOPTED_BY.get(thread)
    if adopted_by is None or responder is None:
        return adopted_by is not None
    return responder.threads is not adopted_by and thread._target is not _of_pool


_BOUND = "_flowy_sim_responder"
_loaders: dict[tuple[str, ...], Any] = {}
_mocks = _Mocks()
