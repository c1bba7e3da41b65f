"""Fault injection: workers die, answers get lost, the network fails.

Give faults to a `flowy_sim.testing.Runner` or to `flowy_sim.explore.explore`. Wherever a fault
can strike, the simulation's schedule chooses whether it does; with the default schedule, no fault
ever strikes. Faults act between the workers and the service, and change the code of neither.

Example:
    ::

        faults = [WorkerDies(), AnswerLost(), Signal("approve")]
        runner = Runner(Simulation(schedule=RandomChoice(7)), faults=faults)
"""

from __future__ import annotations

import re

from flowy_sim.faults._calls import (
    ActivityFails,
    AnsweredTwice,
    AnswerLate,
    AnswerLost,
    CallLate,
    ChildFails,
    DeciderDies,
    HeartbeatLate,
    NetworkError,
    Outage,
    ReplyLost,
    SlowWork,
    TaskLate,
    TaskUntaken,
    Throttled,
    WorkerDies,
    WorkerDiesLate,
    WorkerDiesMidway,
    WorkFails,
)
from flowy_sim.faults._fault import (
    DeployedCode,
    FaultTarget,
    InjectedFault,
    Killed,
    Moment,
    WorkerCall,
)
from flowy_sim.faults._functions import (
    LambdaFails,
    LambdaOutage,
    LambdaSlow,
    LambdaTimesOut,
    LambdaTwice,
)
from flowy_sim.faults._outside import (
    CancelRequest,
    ClockJumps,
    Deploy,
    GradualDeploy,
    Restart,
    Signal,
    SignalTwice,
    StartedTwice,
    Termination,
)

EVERYDAY: tuple[InjectedFault, ...] = (
    WorkerDies(),
    WorkerDiesMidway(),
    WorkerDiesLate(),
    ActivityFails(),
    WorkFails(),
    ChildFails(),
    LambdaFails(),
    LambdaTimesOut(),
    LambdaTwice(),
    DeciderDies(),
    AnswerLost(),
    ReplyLost(),
    AnsweredTwice(),
    TaskUntaken(),
    TaskLate(),
    SlowWork(),
    AnswerLate(),
    HeartbeatLate(),
    CallLate(),
    Throttled(),
    NetworkError(),
    Restart(),
)
"""The faults that every production system sooner or later meets and must survive."""

BY_NAME: dict[str, type[InjectedFault]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower(): kind
    for kind in (
        WorkerDies,
        WorkerDiesMidway,
        WorkerDiesLate,
        ActivityFails,
        WorkFails,
        Outage,
        ChildFails,
        LambdaFails,
        LambdaOutage,
        LambdaTimesOut,
        LambdaSlow,
        LambdaTwice,
        DeciderDies,
        AnswerLost,
        ReplyLost,
        AnsweredTwice,
        TaskUntaken,
        TaskLate,
        SlowWork,
        AnswerLate,
        HeartbeatLate,
        CallLate,
        Throttled,
        NetworkError,
        ClockJumps,
        Restart,
        CancelRequest,
        SignalTwice,
        StartedTwice,
        Termination,
    )
}
"""The faults that need no arguments, by their command-line names, such as ``worker-dies``."""

KINDS: tuple[type[InjectedFault], ...] = (*BY_NAME.values(), Deploy, GradualDeploy, Signal)
"""All faults that are ready to use."""

__all__ = [
    "BY_NAME",
    "EVERYDAY",
    "KINDS",
    "ActivityFails",
    "AnswerLate",
    "AnswerLost",
    "AnsweredTwice",
    "CallLate",
    "CancelRequest",
    "ChildFails",
    "ClockJumps",
    "DeciderDies",
    "Deploy",
    "DeployedCode",
    "FaultTarget",
    "GradualDeploy",
    "HeartbeatLate",
    "InjectedFault",
    "Killed",
    "LambdaFails",
    "LambdaOutage",
    "LambdaSlow",
    "LambdaTimesOut",
    "LambdaTwice",
    "Moment",
    "NetworkError",
    "Outage",
    "ReplyLost",
    "Restart",
    "Signal",
    "SignalTwice",
    "SlowWork",
    "StartedTwice",
    "TaskLate",
    "TaskUntaken",
    "Termination",
    "Throttled",
    "WorkFails",
    "WorkerCall",
    "WorkerDies",
    "WorkerDiesLate",
    "WorkerDiesMidway",
]
