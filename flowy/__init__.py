"""Write workflows for Amazon SWF in plain Python, and run them.

Activities and workflows are classes with a ``run`` method, decorated with `activity` and
`workflow`. A workflow has an `ActivityProxy` for each activity that it calls. `ActivityWorker` and
`WorkflowWorker` poll for tasks and work on them, `start` starts executions, and
`flowy.replay.replay` checks that changed code still makes the decisions of a recorded history.
Everything talks to the service through an SWF client, such as ``boto3.client("swf")``.

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

Layout. The modules without an underscore are public; nothing else is promised.

writing workflows    `activity`, `workflow`, `context`, `proxy`, `result`, `options`, `retry`
running them         `workers`, `executions`, `async_completion`, `replay`
values and errors    `payloads`, `errors`
an example           `tutorial`
``_calls``           one class for each kind of call that a workflow can make
``_decider``         history to decisions, a pure function
``_determinism``     finds and explains code that is not the same at each replay
``_payloads``        serializers, type hints, stores, limits
``_workers``         poll loops, back-off, processes, registration
``_cli``             the command ``flowy``
"""

from flowy import _installation as _installation  # First: it may refuse the import.
from flowy import async_completion, errors, replay
from flowy._calls.bound import ChildResult
from flowy._client import Execution, SwfClient, connect
from flowy._decider.decider import decide
from flowy._logs import ExecutionFilter, WorkflowLogger
from flowy._start import Outcome, outcome, start
from flowy._workers.loop import Worker, run_workers
from flowy._workers.registration import ScanResult, scan
from flowy.activity import LATER, Activity, ActivityContext, activity, checkpoint
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
from flowy.result import Result, finish_order, first, gather, parallel_reduce, wait
from flowy.retry import Retry
from flowy.workers import ActivityWorker, WorkflowWorker
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
    "ScanResult",
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
    "checkpoint",
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
