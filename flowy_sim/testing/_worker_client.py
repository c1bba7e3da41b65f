"""The client that all workers of a runner share, and through which poll loops make their calls."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from types import FrameType
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError

from flowy._client import fault_code
from flowy_sim._clients.in_process import Client, Reply
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.tokens import DECISION
from flowy_sim._simulation.child_processes import ChildProcesses, Work
from flowy_sim._simulation.host import is_query
from flowy_sim._simulation.regions import POLLS
from flowy_sim._simulation.stub_answers import Answer
from flowy_sim._simulation.virtual_sleep import really_wait
from flowy_sim.faults._fault import ANSWERS, CHECKPOINT, WorkerCall
from flowy_sim.faults._injector import FaultInjector
from flowy_sim.testing._loop_threads import LoopThread, LoopThreads
from flowy_sim.testing._loops import LoopWorker
from flowy_sim.testing._other_places import OtherPlaces
from flowy_sim.testing._watchdog import Watchdog
from flowy_sim.testing._worker_pool import PolledList

LOOK = 0.005
"""Real seconds between two looks for what threads do that poll loops have started."""

GRACE = 4
"""The number of looks for which such a thread counts as busy although it does not compute."""

_SEVERAL = 2
"""The fewest threads or loops of which one can overtake another."""

_MOMENT = 0.001
"""The simulated seconds for which a coroutine is overtaken; each call takes as long."""


class HeldAnswer(NamedTuple):
    """The answer to a task that is sent later, because the task takes simulated time.

    Attributes:
        call: the call that sends it.
        takes: the number of seconds until it is sent; infinity for never.
        heartbeat: the number of seconds between two heartbeats until then; None for none.
    """

    call: WorkerCall
    takes: float
    heartbeat: float | None


class WorkerClient(Client):
    """The client that all workers of a runner share. One worker uses it at a time.

    Calls that a poll loop makes with another client are made with this one; see `intercept`.
    Threads that a loop has started take turns, too; see `flowy_sim.testing._loop_threads`.

    Args:
        simulation: the simulation that is called. Polls do not wait.
        domain: the domain of the executions.
        on_task: called when a worker has received a task, before it works on it.
        on_answer: called after a task was answered.

    Attributes:
        fault_injector: injects faults into calls.
        assign_answers: called with a decision task and the request that answers it; returns the
            request to send, or None to send nothing.
        virtual_sleep: whether poll loops sleep in simulated time.
        worker: the name of the worker that takes its turn; empty between turns.
        loop: the poll loop whose turn it is; None if it is that of another worker.
        loop_threads: the threads that poll loops have started.
        watchdog: watches the turns of poll loops.
        processes: the processes that poll loops have started.
        task: the task that the worker has not answered yet.
        held: the answer that is to be sent later.
        heartbeat: the number of seconds between two heartbeats of the current work; None for none.
        refusal: the error with which the service refused an answer, unless the task was gone.
        late: the tasks that a fault has delayed and that can be delivered now, by list.
        loops: the number of poll loops.
        can_others_go_on: returns whether another worker could take a turn now.
        polled: the lists that were polled in this turn.
        is_late: whether an answer that a fault has delayed was sent in this turn.
        received: the tasks that these polls returned.
        delivered: those of them that no fault has kept from the worker.
    """

    virtual_sleep = True
    can_be_suspended = True

    fault_injector: FaultInjector
    assign_answers: Callable[[Reply, Reply], Reply | None]
    wake_after: Callable[[float], tuple[int, int]]
    cancel_sleep: Callable[[int], None]
    note_accident: Callable[[str], None]
    can_others_go_on: Callable[[], bool]

    def __init__(
        self,
        simulation: Simulation,
        domain: str,
        on_task: Callable[[], None],
        on_answer: Callable[[], None],
    ) -> None:
        super().__init__(simulation, simulation.region, poll_seconds=0)
        self._domain = domain
        self._other_places = OtherPlaces(self._region, domain)
        self._thread = threading.get_ident()
        self.loop_threads = LoopThreads()
        self._is_calling = False
        self._tasks: dict[str, Reply] = {}
        self.loop: LoopWorker | None = None
        self.watchdog = Watchdog(self._blocked, simulation.threads.ignore)
        self.processes = ChildProcesses(simulation.host.presence.patience)
        self._on_task = on_task
        self._on_answer = on_answer
        self.late: dict[PolledList, deque[Reply]] = {}
        self.loops = 0
        self.begin_turn("")

    def begin_turn(self, worker: str, task: Reply | None = None) -> None:
        """Reset what is known about the last turn, for that of another worker, or on its task."""
        self.worker = worker
        self.task: Reply | None = None
        self.held: HeldAnswer | None = None
        self.heartbeat: float | None = None
        self.refusal: Exception | None = None
        self.polled: list[PolledList] = []
        self.is_late = False
        self.received: list[Reply] = []
        self.delivered: list[Reply] = []
        self._answer: Answer | None = None
        self._current_task = task

    @property
    def has_effects(self) -> bool:
        """Whether the work of this turn may have had effects that no history shows."""
        return self._answer is None or not self._answer.constant

    def use_answer(self, answer: Answer) -> None:
        """Take the time of a stub's answer for the current task."""
        self._answer = answer
        self.heartbeat = answer.heartbeat

    def send_held(self, held: HeldAnswer) -> None:
        """Send an answer that was held. The task may have timed out in the meantime."""
        self.held = None
        self.heartbeat = held.heartbeat
        try:
            self.fault_injector.call(held.call)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
        self._on_answer()

    def checkpoint(self, name: str) -> None:
        """Let a fault strike at a checkpoint in the code of an activity."""
        if not self._has_turn() or not self.worker:
            return
        call = WorkerCall(self.worker, CHECKPOINT, {"name": name}, dict, self._current_task)
        if self.loop is None:
            self.fault_injector.checkpoint(call)
            return
        try:
            self.fault_injector.checkpoint(call)
        except BaseException as error:  # No handler of the loop must see it.
            killed: BaseException | None = error
        else:
            killed = None
        if killed is not None:
            self.loop.die(killed)

    def cancellation(self, held: HeldAnswer) -> HeldAnswer:
        """Return the answer that a task was canceled, to be sent at once instead of another."""
        operation = "RespondActivityTaskCanceled"
        request = {"taskToken": held.call.request["taskToken"]}
        send = partial(super()._call, operation, request)
        call = held.call._replace(operation=operation, request=request, send=send)
        return HeldAnswer(call, 0, None)

    def delay_answer(self, call: WorkerCall, seconds: float) -> None:
        """Hold the answer that the current worker is about to send. It sends heartbeats on."""
        self.held = HeldAnswer(call, seconds, self.heartbeat)
        self.task = None

    def now(self) -> int:
        """Return the simulated time in milliseconds since 1970."""
        return self._simulation.clock.milliseconds

    def changes(self) -> object:
        """Return what is different after each change in the simulation."""
        return self._simulation.host.time_skipping.changes, self.now()

    def is_unanswered(self, token: str) -> bool:
        """Return whether a task that a poll loop has received was not answered."""
        return token in self._tasks

    def waiting(self) -> set[PolledList]:
        """Return the lists on which a poll would find a task now."""
        waiting = self._simulation.lists_with_tasks(self._domain)
        for place in self._other_places.places:
            found = self._simulation.lists_with_tasks(place.domain, place.region)
            waiting.update((poll, place.named(name)) for poll, name in found)
        if self.late:
            waiting.update(polled for polled, tasks in self.late.items() if tasks)
        return waiting

    def intercept(self, operation: str, request: Reply, region: str) -> Reply | None:
        """Make a call that a poll loop is about to make with a client of its own.

        Returns:
            The reply; None if no loop makes the call.

        Raises:
            Fault: the call is refused.
        """
        if not self._has_turn():
            self._assign_in_thread(operation, request, region)
        return self._intercept(self._call_in, operation, request, region)

    def _intercept(
        self, call: Callable[[str, Reply, str], Reply], operation: str, request: Reply, region: str
    ) -> Reply | None:
        if not self.sleeps():
            return None
        try:
            reply = call(operation, request, region)
        except ClientError as error:
            if getattr(error, "injected", False):
                raise
            # The client that made the call has exceptions of its own, which are found by this name.
            code, message = fault_code(error), error.response["Error"]["Message"]
            raise type(str(code), (Fault,), {})(message or None) from None
        return {name: value for name, value in reply.items() if name != "ResponseMetadata"}

    async def intercept_in_event_loop(
        self, operation: str, request: Reply, region: str
    ) -> Reply | None:
        """Make a call of a coroutine, as `intercept` does, but suspend only that while it polls."""
        if self.sleeps() and _is_poll(operation, request):
            assert self.loop is not None
            await self.loop.poll_in_event_loop(
                self._other_places.polled_list(operation, request, region)
            )
        elif self.sleeps() and self._is_overtaken(operation):
            await asyncio.sleep(_MOMENT)
        reply = self._intercept(self._call_now, operation, request, region)
        late = self.held
        if late is None or not self.sleeps():
            return reply
        self.held = None
        await asyncio.sleep(late.takes)
        return self._intercept(partial(self._call_late, late), operation, request, region)

    def _assign_in_thread(self, operation: str, request: Reply, region: str) -> None:
        """Let stubs answer what a thread that a poll loop has started is about to decide.

        Raises:
            Fault: the task token is wrong.
        """
        if operation != "RespondDecisionTaskCompleted" or region != self._region:
            return
        token = request["taskToken"]
        run_id = self._simulation.engine().tokens.read(token, DECISION).run_id
        task = {"taskToken": token, "workflowExecution": {"runId": run_id}}
        assigned = self.assign_answers(task, request)
        # With an unexpected call the test fails; until then, nothing happens.
        request["decisions"] = [] if assigned is None else assigned["decisions"]

    def client_of_loop(self) -> Client:
        """Return a client for a poll loop, which may change it; its calls are intercepted."""
        return self._simulation.client()

    def sleeps(self) -> bool:
        """Return whether the code that runs is a poll loop, which sleeps in simulated time."""
        own = self.loop_threads.current()
        if own is not None:
            return not (own.has_turn and self._is_calling)
        is_loop = self.loop is not None and not self._is_calling
        return is_loop and threading.get_ident() == self._thread

    def _has_turn(self) -> bool:
        """Return whether the current thread takes turns; if so, wait for its turn."""
        return self.loop_threads.await_turn() or threading.get_ident() == self._thread

    # Threads that loops start

    def start_thread(self, thread: threading.Thread, really_start: Callable[[], None]) -> None:
        """Start a thread of the poll loop, which takes turns from now on."""
        threads = self._simulation.threads
        if not self.virtual_sleep:
            thread.daemon = True
            threads.adopt(thread)
            really_start()
            return
        self._has_turn()
        starter = self.loop
        assert starter is not None
        started = LoopThread(thread, starter.process, self, threads, self.note_accident)
        self._is_calling = True  # The loop does not wait while it waits for its start.
        try:
            started.start(starter, really_start)
        finally:
            self._is_calling = False

    def job(
        self, function: Callable[..., Any], *, joins: bool = False
    ) -> tuple[Callable[..., Any], Callable[..., None]]:
        """Refuse it: the threads of a loop take turns."""
        raise NotImplementedError

    def note_process(self, work: Work, *, has_started: bool = False) -> None:
        """Note that a poll loop has started a process, or may wait for what processes do."""
        self.processes.note(work, has_started=has_started)

    def sleep(self, seconds: float, woken: Callable[[], bool] | None = None) -> None:
        """Let the poll loop sleep, or wait until `woken` returns that it is over."""
        self._has_turn()
        assert self.loop is not None
        if self.virtual_sleep:
            self.loop.sleep(seconds, woken)
        else:
            really_wait(seconds, woken)

    def wait(self, woken: Callable[[float], bool], seconds: float = inf) -> None:
        """Let the poll loop wait, for some simulated time, until `woken` returns that it is over.

        It really waits while its threads compute. Then it is suspended: they wait for other code.
        """
        self._has_turn()
        assert self.loop is not None
        threads = self._simulation.threads
        is_thread = self.loop_threads.current() is not None
        looks = GRACE if is_thread or not threads.another_can_call() else 0
        while not woken(0 if looks == GRACE else LOOK):
            if looks < GRACE:
                looks = 0 if threads.another_computes() else looks + 1
            if looks >= GRACE and self.virtual_sleep:
                self.loop.sleep(seconds, lambda: woken(0))
                return

    def idle(self, seconds: float, wait: Callable[[float | None], bool]) -> None:
        """Let the poll loop wait until something happens in its event loop."""
        self._has_turn()
        assert self.loop is not None
        self.loop.idle(seconds, wait)

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that an event loop runs in the poll loop."""
        self._has_turn()
        assert self.loop is not None
        self.loop.adopt(loop)

    def advice(self) -> str:
        """Return what to do about loops that poll in another domain or region; may be empty."""
        return self._other_places.advice()

    def choose(self, kind: str, count: int) -> int:
        """Let the simulation's schedule choose one of several possibilities."""
        return self._simulation.schedule.choose(kind, count)

    def _blocked(self, frame: FrameType) -> None:
        if self.loop is not None:
            self.loop.block(frame)

    def _call(self, operation: str, arguments: Reply) -> Reply:
        if threading.get_ident() != self._thread and not self._has_turn():
            return super()._call(operation, arguments)
        if self.loop is None:
            return self._make_call(operation, arguments, self._region)
        return self._call_in(operation, arguments, self._region)

    def _call_in(self, operation: str, arguments: Reply, region: str) -> Reply:
        assert self.loop is not None
        # No handler surrounds this: see `flowy_sim.testing._loops` on killed loops.
        if _is_poll(operation, arguments):
            self.loop.poll(self._other_places.polled_list(operation, arguments, region))
        elif self._is_overtaken(operation):
            self.loop.sleep(0, None)
        reply = self._call_now(operation, arguments, region)
        late = self.held
        if late is None or not self.virtual_sleep:
            return reply
        # The code is in its call until the answer has arrived, or was refused.
        self.held = None
        self.loop.sleep(late.takes, None)
        return self._call_late(late, operation, arguments, region)

    def _call_late(self, late: HeldAnswer, operation: str, _: Reply, region: str) -> Reply:
        self.is_late = operation.startswith(ANSWERS)
        send = self._respond if self.is_late else self.fault_injector.call
        return self._made(operation, region, partial(send, late.call))

    def _is_overtaken(self, operation: str) -> bool:
        """Return whether others go on before a call is made: the schedule chooses.

        So what the code has read before may be out of date, as in "check, then act". Threads can
        be overtaken at any call. For loops of one thread, only calls count that no task belongs to:
        no worker but this one makes calls about its task.
        """
        assert self.loop is not None
        if not self.virtual_sleep or operation in POLLS:
            return False
        if len(self.loop.process.threads) < _SEVERAL and (
            self.loops < _SEVERAL or operation.startswith(("Respond", "RecordActivity"))
        ):
            return False
        if not self.can_others_go_on():
            return False
        if not self.choose("a call is overtaken", 2):
            return False
        self.note_accident(f"{self.worker}: others go on before its call of {operation}")
        return True

    def _call_now(self, operation: str, arguments: Reply, region: str) -> Reply:
        return self._made(operation, region, partial(self._make_call, operation, arguments, region))

    def _made(self, operation: str, region: str, make: Callable[[], Reply]) -> Reply:
        """Make a call of the loop; return the reply, or raise the error that its code sees."""
        assert self.loop is not None
        reply, error = self._call_for_loop(operation, region, make)
        if error is None:
            return reply
        if not isinstance(error, Exception):
            self.loop.die(error)
        raise error

    def _call_for_loop(
        self, operation: str, region: str, make: Callable[[], Reply]
    ) -> tuple[Reply, BaseException | None]:
        assert self.loop is not None
        loop, self._is_calling = self.loop, True
        loop.spins.note_call(operation)
        try:
            reply = make()
        except BaseException as error:
            # Not raised here: a loop that it kills must be left outside of any handler.
            loop.fail(error)
            return {}, error
        finally:
            self._is_calling = False
        if not is_query(operation) and (operation not in POLLS or reply.get("taskToken")):
            self._simulation.host.time_skipping.take_time(region)
        loop.answers.append((operation, reply))
        return reply, None

    def _make_call(self, operation: str, arguments: Reply, region: str) -> Reply:
        if region != self._region:
            return self._call_elsewhere(operation, arguments, region)
        task = self._current_task
        if self.loop is not None:
            # It may have polled other tasks since.
            task = self._tasks.get(str(arguments.get("taskToken")), task)
        if operation == "RespondDecisionTaskCompleted" and task is not None:
            assigned = self.assign_answers(task, arguments)
            if assigned is None:
                self.task = None
                return {}
            arguments = assigned
        send = partial(super()._call, operation, arguments)
        call = WorkerCall(self.worker, operation, arguments, send, task)
        if _is_poll(operation, arguments):
            return self._poll(call)
        if not operation.startswith("Respond"):
            return self.fault_injector.call(call)
        if self._answer is not None and self._answer.takes:
            self.held = HeldAnswer(call, self._answer.takes, self._answer.heartbeat)
            self.task = None
            return {}
        return self._respond(call)

    def _call_elsewhere(self, operation: str, arguments: Reply, region: str) -> Reply:
        """Make a call in another region. Neither faults nor stubs apply there."""
        client = self._simulation.client(region, poll_seconds=0)
        reply: Reply = getattr(client, xform_name(operation))(**arguments)
        if reply.get("taskToken"):
            self.received.append(reply)
            self.delivered.append(reply)
        return reply

    def _poll(self, call: WorkerCall) -> Reply:
        polled = self._other_places.polled_list(call.operation, call.request, self._region)
        self.polled.append(polled)
        late = self.late.get(polled)
        if late:
            reply = late.popleft()
            task = reply.get("activityId") or reply["workflowExecution"]["workflowId"]
            self.note_accident(f"{self.worker} ({task}): the late task is here")
        else:
            reply = self.fault_injector.call(call)
        if not reply.get("taskToken"):
            return reply
        self._current_task = reply
        self._tasks[reply["taskToken"]] = reply
        self.received.append(reply)
        delivered = self.fault_injector.task(call, reply)
        if delivered.get("taskToken"):
            self.task = delivered
            self.delivered.append(delivered)
            self._on_task()
        return delivered

    def _respond(self, call: WorkerCall) -> Reply:
        try:
            reply = self.fault_injector.call(call)
        except Exception as error:
            injected: Any = getattr(error, "injected", False)
            if fault_code(error) != "UnknownResourceFault" and not injected:
                self.refusal = error
            raise
        finally:
            self.task = None
        self._tasks.pop(call.request["taskToken"], None)
        self._on_answer()
        return reply


def _is_poll(operation: str, arguments: Reply) -> bool:
    """Return whether a call polls for a task; wrong arguments are left to the service."""
    if operation not in POLLS or "nextPageToken" in arguments or "domain" not in arguments:
        return False
    task_list = arguments.get("taskList")
    return isinstance(task_list, dict) and "name" in task_list
