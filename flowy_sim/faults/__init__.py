"""What goes wrong on purpose: workers die, answers are lost, the network fails.

Faults are given to a `flowy_sim.testing.Runner`, or to `flowy_sim.explore.explore`. Each asks the
simulation's schedule, wherever it could strike, whether it does; with the default schedule nothing
ever goes wrong. They strike between a worker and the service, so neither has to know of them.

Example:
    ::

        faults = [WorkerDies(), AnswerLost(), Signal("approve")]
        runner = Runner(Simulation(schedule=RandomChoice(7)), faults=faults)
"""

from __future__ import annotations

import re

from flowy_sim.faults._calls import (
    AnsweredTwice,
    AnswerLate,
    AnswerLost,
    DeciderDies,
    HeartbeatLate,
    NetworkError,
    ReplyLost,
    TaskLate,
    Throttled,
    WorkerDies,
    WorkerDiesLate,
    WorkFails,
)
from flowy_sim.faults._fault import Call, Fault, Killed, Moment, Stage
from flowy_sim.faults._outside import (
    CancelRequest,
    ClockJumps,
    Deploy,
    Restart,
    Signal,
    Termination,
)

EVERYDAY: tuple[Fault, ...] = (
    WorkerDies(),
    WorkerDiesLate(),
    DeciderDies(),
    AnswerLost(),
    ReplyLost(),
    AnsweredTwice(),
    TaskLate(),
    AnswerLate(),
    HeartbeatLate(),
    Throttled(),
    NetworkError(),
    Restart(),
)
"""What happens in every production sooner or later, and must do no harm."""

BY_NAME: dict[str, type[Fault]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower(): kind
    for kind in (
        WorkerDies,
        WorkerDiesLate,
        WorkFails,
        DeciderDies,
        AnswerLost,
        ReplyLost,
        AnsweredTwice,
        TaskLate,
        AnswerLate,
        HeartbeatLate,
        Throttled,
        NetworkError,
        ClockJumps,
        Restart,
        CancelRequest,
        Termination,
    )
}
"""Those that can be had without saying more, by names for the command line: ``worker-dies``."""

__all__ = [
    "BY_NAME",
    "EVERYDAY",
    "AnswerLate",
    "AnswerLost",
    "AnsweredTwice",
    "Call",
    "CancelRequest",
    "ClockJumps",
    "DeciderDies",
    "Deploy",
    "Fault",
    "HeartbeatLate",
    "Killed",
    "Moment",
    "NetworkError",
    "ReplyLost",
    "Restart",
    "Signal",
    "Stage",
    "TaskLate",
    "Termination",
    "Throttled",
    "WorkFails",
    "WorkerDies",
    "WorkerDiesLate",
]
