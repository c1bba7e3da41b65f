"""Workers: they poll for tasks, work on them and answer.

Any number of workers may poll one task list, in threads, processes or on several machines.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from flowy._client import Execution, Reply, SwfClient, call, fault_code
from flowy._decider.decider import decide
from flowy._decider.suspended import DEFAULT_LIMIT, SuspendedExecutions
from flowy._decisions import Decision, fail_workflow
from flowy._determinism.code_check import check
from flowy._logs import LoggingContext, RunInfo
from flowy._payloads.text import DATA_LIMIT, HEARTBEAT_LIMIT, cut, ends_task, reason_and_details
from flowy._safe_text import safe_logger
from flowy._workers.loop import Wait, Worker, is_transient, run_workers
from flowy._workers.registration import ScanResult, Type, by_type, scan
from flowy.activity import (
    LATER,
    Activity,
    ActivityContext,
    ActivityType,
    HeartbeatReply,
    activity_class,
    automatic_interval,
)
from flowy.errors import ActivityCanceled, NonDeterminismError, UnrepeatableError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType

__all__ = ["ActivityWorker", "ScanResult", "Worker", "WorkflowWorker", "run_workers", "scan"]

logger = safe_logger("flowy.workers")

_SEARCHED_EVENTS = 100
"""How many of the latest events are searched for the one that scheduled a task."""


class ActivityWorker(Worker):
    """Works on activity tasks.

    Args:
        client: an SWF client.
        domain: the domain's name.
        task_list: the task list to poll.
        activities: classes and functions decorated with `activity`.
        identity: the worker's name in histories, up to 256 characters; or None.
        payloads: how arguments and results are written and read.
        wait: waits until an event is set or a number of seconds has passed, and returns whether the
            event is set.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ``ActivityWorker(client, "photos", "image_processing", [ResizeImage]).run()``
    """

    kind = "activity"

    def __init__(
        self,
        client: SwfClient,
        domain: str,
        task_list: str,
        activities: Iterable[type[Activity] | Callable[..., Any]],
        *,
        identity: str | None = None,
        payloads: Payloads = PLAIN,
        wait: Wait = threading.Event.wait,
    ) -> None:
        super().__init__(client, domain, task_list, identity, payloads, wait)
        classes: list[type[Activity]] = [activity_class(each) for each in activities]
        self._activities = by_type(ActivityType, classes)

    @property
    def types(self) -> list[Type]:
        """The types that this worker works on."""
        return [cls.flowy_type for cls in self._activities.values()]

    def run_once(self) -> bool:
        """Poll once, and run the activity and answer if there is a task.

        Returns:
            Whether there was a task.
        """
        task = call(self._client, "poll_for_activity_task", self._poll_request)
        token = task.get("taskToken")
        if not token:
            return False
        execution = task["workflowExecution"]
        place = _place(task)
        with LoggingContext(RunInfo(execution["workflowId"], execution["runId"], "-")):
            logger.debug("%s started", place)
            process = os.getpid()
            operation, answer = self._worked_on(task, place)
            if os.getpid() != process:
                # A forked process must neither answer the task nor poll on a shared connection.
                logger.error("%s: a process that it forked has left its code; it ends", place)
                os._exit(1)
            if operation:
                self._answer(operation, place, taskToken=token, **answer)
        return True

    def _worked_on(self, task: Reply, place: str) -> tuple[str, dict[str, str]]:
        """Run an activity; return the operation that reports its outcome, and its arguments."""
        try:
            result = self._perform(task)
        except ActivityCanceled as canceled:
            logger.info("%s canceled", place)
            return "respond_activity_task_canceled", {"details": cut(canceled.details, DATA_LIMIT)}
        except BaseException as error:
            if not ends_task(error):
                raise
            reason, details = reason_and_details(error)
            logger.info("%s failed: %s", place, reason)
            return "respond_activity_task_failed", {"reason": reason, "details": details}
        # The result itself is text: "null" for None. So None can only mean `LATER`.
        if result is None:
            logger.info("%s will be completed by its token", place)
            return "", {}
        logger.info("%s completed", place)
        return "respond_activity_task_completed", {"result": result}

    def _perform(self, task: Reply) -> str | None:
        """Run an activity; return its result, or None if another process will complete it."""
        named, execution = task["activityType"], task["workflowExecution"]
        label = f"{named['name']} {named['version']}"
        cls = self._activities.get((named["name"], named["version"]))
        if cls is None:
            raise self._unknown(label)
        args, kwargs = self._payloads.decode_input(label, task.get("input"), cls)
        activity = cls()
        activity.context = ActivityContext(
            label,
            task["activityId"],
            execution["workflowId"],
            execution["runId"],
            task["taskToken"],
            partial(self._heartbeat, task),
        )
        every = self._heartbeat_interval(task, cls.flowy_type)
        with nullcontext() if every is None else kept_alive(activity.context, every, self._wait):
            value = activity.run(*args, **kwargs)
        return None if value is LATER else self._payloads.encode_result(label, value)

    def _heartbeat_interval(self, task: Reply, declared: ActivityType) -> float | None:
        """Return the seconds between two automatic heartbeats; None if there are none.

        A call may override the declared time-out. A task does not hold its own, but its history
        does, so the last page is read. If that fails, the declared time-out counts.
        """
        if declared.automatic_heartbeat is None:
            return None
        request = {
            "domain": self.domain,
            "execution": task["workflowExecution"],
            "maximumPageSize": _SEARCHED_EVENTS,
            # The event that scheduled the task is among the newest.
            "reverseOrder": True,
        }
        try:
            events = call(self._client, "get_workflow_execution_history", request)["events"]
        except Exception as error:
            logger.debug("%s: its heartbeat time-out is not known: %s", _place(task), error)
            return declared.automatic_heartbeat
        for event in events:
            scheduled = event.get("activityTaskScheduledEventAttributes", {})
            if scheduled.get("activityId") == task["activityId"]:
                seconds = scheduled.get("heartbeatTimeout", "NONE")
                if seconds.isdecimal() and int(seconds) > 0:
                    return automatic_interval(int(seconds))
                break
        return declared.automatic_heartbeat

    def _heartbeat(self, task: Reply, details: str | None) -> HeartbeatReply:
        request = {"taskToken": task["taskToken"]}
        if details is not None:
            request["details"] = cut(str(details), HEARTBEAT_LIMIT)
        try:
            reply = call(self._client, "record_activity_task_heartbeat", request)
        except Exception as error:
            # The task has timed out, or its execution has ended.
            if fault_code(error) == "UnknownResourceFault":
                logger.warning("%s is no longer awaited", _place(task))
                return HeartbeatReply(missed=True)
            if not is_transient(error):
                raise
            # The next one may arrive; the work is worth more than a heartbeat.
            logger.warning("%s: a heartbeat was lost: %s", _place(task), error)
            return HeartbeatReply()
        return HeartbeatReply(canceled=reply["cancelRequested"])


@contextmanager
def kept_alive(context: ActivityContext, every: float, wait: Wait) -> Iterator[None]:
    """Send heartbeats from a separate thread while the block runs.

    Args:
        context: the task.
        every: seconds between two heartbeats.
        wait: waits until an event is set or a number of seconds has passed.
    """
    done = threading.Event()

    def beat() -> None:
        # Waits for an event instead of sleeping, so that a finished task need not wait for it.
        while not wait(done, every):
            try:
                if not context.repeat():
                    return
            except Exception as error:
                place = f"{context.workflow_id}: {context.activity_id} ({context.type})"
                logger.warning("%s: a heartbeat failed: %s", place, error)

    thread = threading.Thread(target=beat, name=f"heartbeats of {context.activity_id}")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class WorkflowWorker(Worker):
    """Works on decision tasks.

    If the code of a workflow makes decisions that differ from the history, the worker does not
    answer the task: it times out and is scheduled again, until a worker with the right code takes
    it. The same holds for tasks of a workflow whose code is not repeatable. A worker fails an
    execution whose type it does not know, so all workers on a task list must know all types whose
    tasks arrive there.

    Args:
        client: an SWF client.
        domain: the domain's name.
        task_list: the task list to poll.
        workflows: classes decorated with `workflow`.
        identity: the worker's name in histories, up to 256 characters; or None.
        payloads: how arguments and results are written and read.
        suspended: the maximum number of executions kept suspended between two decisions, so that a
            decision processes only new events and not the whole history; 0 for none. By default
            1,000 if greenlet is installed (the extra ``suspend``), else 0.
        wait: waits until an event is set or a number of seconds has passed, and returns whether the
            event is set.

    Raises:
        ConfigurationError: an argument is wrong.
        UnrepeatableError: the code of every workflow reads a clock or uses randomness directly.
            If only some do, the worker logs them and runs the others.

    Example:
        ``WorkflowWorker(client, "photos", "image_processing", [ImageCategorization]).run()``
    """

    kind = "workflow"

    def __init__(
        self,
        client: SwfClient,
        domain: str,
        task_list: str,
        workflows: Iterable[type[Workflow]],
        *,
        identity: str | None = None,
        payloads: Payloads = PLAIN,
        suspended: int | SuspendedExecutions = DEFAULT_LIMIT,
        wait: Wait = threading.Event.wait,
    ) -> None:
        super().__init__(client, domain, task_list, identity, payloads, wait)
        self._workflows = by_type(WorkflowType, workflows)
        self._unrepeatable = _unrepeatable(self._workflows.values())
        # Nothing is left that this worker could run.
        if len(self._unrepeatable) == len(self._workflows):
            raise next(iter(self._unrepeatable.values()))
        for cls, error in self._unrepeatable.items():
            logger.error("the workflow %s cannot be run: %s", cls.flowy_type, error)
        if not isinstance(suspended, SuspendedExecutions):
            suspended = SuspendedExecutions(suspended)
        self._suspended = suspended

    @property
    def types(self) -> list[Type]:
        """The types that this worker works on."""
        return [cls.flowy_type for cls in self._workflows.values() if cls not in self._unrepeatable]

    def run_once(self) -> bool:
        """Poll once, and decide and answer if there is a task.

        Returns:
            Whether there was a task.
        """
        # Most decisions then need only the events since the last one. Where the execution is no
        # longer suspended, the whole history is read.
        if self._suspended.limit:
            self._poll_request["startAtPreviousStartedEvent"] = True
        task = call(self._client, "poll_for_decision_task", self._poll_request)
        token = task.get("taskToken")
        if not token:
            return False
        label = task["workflowExecution"]["workflowId"]
        try:
            decisions = self._decide(task)
        except (NonDeterminismError, UnrepeatableError) as error:
            logger.error("%s: not answered: %s", label, error)
            return True
        except Exception:
            logger.exception("%s: not answered, because deciding raised an error", label)
            return True
        logger.debug("%s: %d decisions", label, len(decisions))
        wire = [decision.wire() for decision in decisions]
        operation = "respond_decision_task_completed"
        if not self._answer(operation, label, taskToken=token, decisions=wire):
            # Another worker may have decided meanwhile, so the suspended run may be out of date.
            self._suspended.forget(_execution(task))
        return True

    def loop(self) -> None:
        """Work on tasks until `stop` is called, without handling signals; see `Worker.loop`."""
        try:
            super().loop()
        finally:
            self._suspended.clear()

    def _decide(self, task: Reply) -> list[Decision]:
        named = task["workflowType"]
        cls = self._workflows.get((named["name"], named["version"]))
        if cls is None:
            unknown = self._unknown(f"{named['name']} {named['version']}")
            logger.error("%s: %s", _execution(task).workflow_id, unknown)
            return [fail_workflow(*reason_and_details(unknown))]
        if cls in self._unrepeatable:
            raise self._unrepeatable[cls]
        execution, events = _execution(task), self._events(task)
        if not self._suspended.limit:
            return decide(cls, events, self._payloads, execution)
        previous = task.get("previousStartedEventId", 0)
        news = [event for event in events if event["eventId"] > previous]
        known_from_the_first = events[0]["eventId"] == 1
        return self._suspended.decide(
            cls,
            execution,
            previous,
            news,
            lambda: events if known_from_the_first else self._history(task),
            self._payloads,
        )

    def _events(self, page: Reply) -> list[Any]:
        """Return all events of a task. The answer uses the first page's token, as recorded."""
        events: list[Any] = page["events"]
        while token := page.get("nextPageToken"):
            request = {**self._poll_request, "nextPageToken": token}
            page = self._call_with_retries("poll_for_decision_task", self.task_list, request)
            events = events + page["events"]
        return events

    def _history(self, task: Reply) -> list[Any]:
        """Return all events of the execution, up to the DecisionTaskStarted of the task."""
        last: int = task["startedEventId"]
        request = {"domain": self.domain, "execution": task["workflowExecution"]}
        events: list[Any] = []
        while len(events) < last:
            page = self._call_with_retries(
                "get_workflow_execution_history", self.task_list, request
            )
            events += page["events"]
            request["nextPageToken"] = page.get("nextPageToken")
        return events[:last]


def _unrepeatable(
    workflows: Iterable[type[Workflow]],
) -> dict[type[Workflow], UnrepeatableError]:
    """Return the workflows whose code is not repeatable, and why."""
    found = {}
    for cls in workflows:
        if cls.flowy_type.guard:
            try:
                check(cls)
            except UnrepeatableError as error:
                found[cls] = error
    return found


def _place(task: Reply) -> str:
    """Name the task of an activity in logs, such as ``order-7: charge-1 (charge 1)``."""
    named, workflow_id = task["activityType"], task["workflowExecution"]["workflowId"]
    return f"{workflow_id}: {task['activityId']} ({named['name']} {named['version']})"


def _execution(task: Reply) -> Execution:
    named = task["workflowExecution"]
    return Execution(named["workflowId"], named["runId"])
