"""The clock of a served simulation: what it shows, what happens next, and how it is moved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from flowy_sim._console.source import ClockState
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.queues import Effect
from flowy_sim._report.layout import duration
from flowy_sim._server.control import settle
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._simulation.settings import PAUSED, REAL, VIRTUAL, rate_of

_RUN_SECONDS = 30
"""The number of real seconds in which a simulation may come to rest."""

_EFFECTS = {
    "timer": "timer {0} fires",
    "zero timer": "timer {0} fires",
    "activity task time-out": "activity {0} times out",
    "decision task time-out": "a decision task times out",
    "execution time-out": "the execution times out",
    "lambda time-out": "Lambda function {0} times out",
    "activity cancel": "activity {0} is canceled",
    "external request": "a request to another execution arrives",
    "external confirmation": "a request to another execution is confirmed",
    "child start": "child {0} starts",
    "child started": "the start of child {0} is reported",
    "child close": "the close of child {0} is reported",
    "child policy": "the child policy is applied to {0}",
    "lambda start": "Lambda function {0} starts",
    "lambda close": "Lambda function {0} ends",
}
"""What each kind of effect does, in words."""
_NAMES = ("timerId", "activityId", "workflowId", "id")


def clock_of(simulation: ServedSimulation) -> ClockState:
    """Return the clock of a simulation, and what happens next."""
    mode = simulation.clock.mode
    rate = 1.0 if mode == REAL else rate_of(mode)
    pending = [
        (effect[0], engine.region, effect[1])
        for engine in simulation.engines
        if (effect := engine.effects.peek()) is not None
    ]
    if not pending:
        return ClockState(simulation.clock.milliseconds, mode, rate)
    at, _, first = min(pending, key=lambda each: each[:2])
    return ClockState(simulation.clock.milliseconds, mode, rate, at, in_words(first))


def in_words(effect: Effect) -> str:
    """Return what an effect does, in words."""
    about = effect.arguments[0]
    execution = about if isinstance(about, WorkflowExecution) else about.execution
    name = ""
    if not isinstance(about, WorkflowExecution):
        opened = execution.attributes(about.opened_id)
        name = next((str(opened[each]) for each in _NAMES if each in opened), "")
    what = _EFFECTS.get(effect.kind, effect.kind).replace("{0}", name)
    return f"{what} ({execution.workflow_id})"


async def _advance(simulation: ServedSimulation, seconds: float) -> str:
    simulation.advance(seconds)
    return f"The clock was advanced by {duration(seconds * 1000)}."


async def _jump(simulation: ServedSimulation, seconds: float) -> str:
    following = clock_of(simulation)
    if not simulation.jump():
        return "Nothing will happen by itself."
    return f"This has happened: {following.next_what}."


async def _run(simulation: ServedSimulation, seconds: float) -> str:
    """Let time pass until nothing more happens, even on a paused clock."""
    mode = simulation.clock.mode
    if mode == PAUSED:
        simulation.set_mode(VIRTUAL)
    try:
        outcome = await settle(simulation, {"seconds": _RUN_SECONDS})
    finally:
        if mode == PAUSED:
            simulation.set_mode(PAUSED)
    if outcome["still"]:
        return "Nothing more happens by itself."
    return f"Stopped after {_RUN_SECONDS} real seconds; more is still happening."


async def _pause(simulation: ServedSimulation, seconds: float) -> str:
    simulation.set_mode(PAUSED)
    return "The clock is paused."


async def _resume(simulation: ServedSimulation, seconds: float) -> str:
    mode = simulation.settings.clock
    simulation.set_mode(VIRTUAL if mode == PAUSED else mode)
    return f"The clock is {simulation.clock.mode} again."


MOVES: dict[str, Callable[[ServedSimulation, float], Awaitable[str]]] = {
    "advance": _advance,
    "jump": _jump,
    "run": _run,
    "pause": _pause,
    "resume": _resume,
}
"""How to move a clock, given by how many seconds; each returns what has happened."""
