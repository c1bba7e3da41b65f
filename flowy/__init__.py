"""Write workflows for Amazon SWF in plain Python, and run them.

Activities are classes with a ``run`` method under `activity`, workflows the same under
`workflow`, with an `ActivityProxy` for each activity they use. `ActivityWorker` and
`WorkflowWorker` wait for tasks and do them, `start` starts executions, `flowy.replay.replay`
tells whether changed code still decides as it did. All of it talks to the service through an SWF
client, such as ``boto3.client("swf")``.

Example:
    ::

        @activity("double", 1, "numbers")
        class Double(Activity):
            def run(self, number):
                return 2 * number

        @workflow("quadruple", 1, "decisions")
        class Quadruple(Workflow):
            double = ActivityProxy(Double)

            def run(self, number):
                return self.double(self.double(number))

Where what is:

writing        `activity`, `activity_context`, `workflow`, `context`; `proxy`, `options`, `retry`
results        `result`, `combining`; `errors`; `calls`: what becomes of each; `bound`: who makes it
deciding       `deciding`: from a history to decisions; `determinism`: alike each time; `replay`
working        `workers`; `registry`: what they can do; `elsewhere`: what others finish; `logs`
values         `payloads`: as text; `limits`: within what fits
the service    `client`; `starter`, `executions`: from outside
declaring      `declared`: what decorators say; `checks` of what they are given
commands       `cli`; `tutorial`: an example
"""

from flowy import _installation as _installation  # First: it may refuse.
from flowy import async_completion, errors, replay
from flowy._calls.bound import ChildResult
from flowy._client import Execution, SwfClient, connect
from flowy._decider.decider import decide
from flowy._logs import ExecutionFilter, WorkflowLogger
from flowy._start import Outcome, outcome, start
from flowy._workers.activity_worker import ActivityWorker
from flowy._workers.registration import Found, scan
from flowy._workers.running import run_workers
from flowy._workers.worker import Worker
from flowy._workers.workflow_worker import WorkflowWorker
from flowy.activity import Activity, activity
from flowy.activity_context import LATER, ActivityContext
from flowy.combining import finish_order, first, gather, parallel_reduce, wait
from flowy.context import WorkflowContext
from flowy.errors import (
    ActivityCanceled,
    ConfigurationError,
    DecisionRefusedError,
    DependencyFailed,
    ExecutionCanceled,
    FlowyError,
    HistoryError,
    NonDeterminismError,
    NotAwaitedError,
    NotDelivered,
    RegistrationError,
    SerializationError,
    StartError,
    TaskCanceled,
    TaskError,
    TaskFailed,
    TaskNotScheduled,
    TaskTerminated,
    TaskTimedOut,
    UnrepeatableError,
)
from flowy.payloads import Payloads
from flowy.proxy import ActivityProxy, LambdaProxy, WorkflowProxy
from flowy.result import Result
from flowy.retry import Retry
from flowy.workflow import Workflow, workflow

__all__ = [
    "LATER",
    "Activity",
    "ActivityCanceled",
    "ActivityContext",
    "ActivityProxy",
    "ActivityWorker",
    "ChildResult",
    "ConfigurationError",
    "DecisionRefusedError",
    "DependencyFailed",
    "Execution",
    "ExecutionCanceled",
    "ExecutionFilter",
    "FlowyError",
    "Found",
    "HistoryError",
    "LambdaProxy",
    "NonDeterminismError",
    "NotAwaitedError",
    "NotDelivered",
    "Outcome",
    "Payloads",
    "RegistrationError",
    "Result",
    "Retry",
    "SerializationError",
    "StartError",
    "SwfClient",
    "TaskCanceled",
    "TaskError",
    "TaskFailed",
    "TaskNotScheduled",
    "TaskTerminated",
    "TaskTimedOut",
    "UnrepeatableError",
    "Worker",
    "Workflow",
    "WorkflowContext",
    "WorkflowLogger",
    "WorkflowProxy",
    "WorkflowWorker",
    "activity",
    "async_completion",
    "connect",
    "decide",
    "errors",
    "finish_order",
    "first",
    "gather",
    "outcome",
    "parallel_reduce",
    "replay",
    "run_workers",
    "scan",
    "start",
    "wait",
    "workflow",
]
