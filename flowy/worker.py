"""Workers: they wait for tasks, work on them and answer.

Any number of workers may wait on one task list, in threads, processes or machines.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any, ClassVar

from flowy import checks
from flowy.activity import Activity, ActivityType, activity_class
from flowy.activity_context import LATER, ActivityContext, Heartbeat, Wait, kept_alive
from flowy.client import Execution, Reply, SwfClient, fault_code
from flowy.decider import decide
from flowy.decisions import Decision, fail_workflow
from flowy.errors import (
    ActivityCanceled,
    ConfigurationError,
    NonDeterminismError,
    reason_and_details,
)
from flowy.limits import DATA_LIMIT, HEARTBEAT_LIMIT, cut
from flowy.patience import Backoff, passes
from flowy.registry import Type, by_type, register
from flowy.running import run_workers
from flowy.serialization import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType

logger = logging.getLogger(__name__)

_TRIES = 8
"""How often a call is made that must not be lost, over two minutes or so."""


class Worker:
    """What both kinds of workers have in common: polling, and when to stop."""

    kind: ClassVar[str]

    def __init__(
        self,
        client: SwfClient,
        domain: str,
        task_list: str,
        identity: str | None,
        payloads: Payloads,
        wait: Wait,
    ) -> None:
        """Keep where to wait for tasks."""
        self._client = client
        self._payloads = payloads
        self._wait = wait
        self.domain = checks.text("domain", domain)
        self.task_list = checks.text("task_list", task_list)
        self._poll_request: dict[str, Any] = {"domain": domain, "taskList": {"name": task_list}}
        if identity is not None:
            self._poll_request["identity"] = checks.text("identity", identity)
        self._stopping = threading.Event()

    @property
    def types(self) -> list[Type]:
        """The types this worker works on."""
        raise NotImplementedError

    def register(self) -> None:
        """Register the types that the domain does not know yet.

        Raises:
            RegistrationError: the domain is unknown, or has other defaults for one of them.
        """
        register(self._client, self.domain, self.types)

    def run_once(self) -> bool:
        """Poll once; work on the task and answer, if there is one.

        Returns:
            Whether there was a task.
        """
        raise NotImplementedError

    def run(self, *, handle_signals: bool = False) -> None:
        """Work on tasks until `stop` is called.

        Args:
            handle_signals: whether SIGINT and SIGTERM stop the worker, after the poll and the
                task in hand; the second one ends the process at once. Only in the main thread.
        """
        run_workers([self], handle_signals=handle_signals)

    def stop(self) -> None:
        """Stop after the poll and the task in hand; from any thread."""
        self._stopping.set()

    def loop(self) -> None:
        """Work on tasks until `stop` is called, whatever signals come.

        While the service throttles, has trouble of its own or cannot be reached, polls wait ever
        longer, up to a minute.

        Raises:
            Exception: what a poll raised that waiting does not mend, such as an unknown domain.
        """
        logger.info("%s worker waits on %s in %s", self.kind, self.task_list, self.domain)
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                self.run_once()
            except Exception as error:
                if not passes(error):
                    raise
                seconds = backoff.next()
                logger.warning(
                    "%s worker on %s: %s; next poll in %.1f s",
                    self.kind,
                    self.task_list,
                    error,
                    seconds,
                )
                self._wait(self._stopping, seconds)
            else:
                backoff.reset()
        logger.info("%s worker on %s in %s stopped", self.kind, self.task_list, self.domain)

    def _answer(self, operation: str, label: str, **answer: Any) -> None:
        """Answer a task; an answer that the service does not take changes nothing."""
        try:
            self._insist(operation, label, answer)
        except Exception as error:
            if fault_code(error) == "UnknownResourceFault":
                logger.warning("%s: too late to answer, as the task has ended: %s", label, error)
            else:
                logger.error("%s: the service refuses the answer: %s", label, error)

    def _insist(self, operation: str, label: str, request: dict[str, Any]) -> Reply:
        """Call the service, again and again while it may help."""
        backoff = Backoff()
        call: Callable[..., Reply] = getattr(self._client, operation)
        while True:
            try:
                return call(**request)
            except Exception as error:
                if not passes(error) or backoff.failures + 1 >= _TRIES:
                    raise
                seconds = backoff.next()
                logger.warning("%s: %s: %s; again in %.1f s", label, operation, error, seconds)
                # A worker that is to stop does not lose what it has done.
                self._wait(threading.Event(), seconds)


class ActivityWorker(Worker):
    """Works on activity tasks.

    Args:
        client: an SWF client.
        domain: the domain's name.
        task_list: the task list to wait on.
        activities: classes and functions decorated with `activity`.
        identity: who this worker is, up to 256 characters, kept in the history; or None.
        payloads: how arguments and results travel.
        wait: waits for an event to be set or seconds to pass, and tells whether it is set.

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
        """Check the arguments; nothing is asked of the service yet."""
        super().__init__(client, domain, task_list, identity, payloads, wait)
        classes: list[type[Activity]] = [activity_class(each) for each in activities]
        self._activities = by_type(ActivityType, classes)

    @property
    def types(self) -> list[Type]:
        """The types this worker works on."""
        return [cls.flowy_type for cls in self._activities.values()]

    def run_once(self) -> bool:
        """Poll once; do the activity and answer, if there is one.

        Returns:
            Whether there was a task.
        """
        task = self._client.poll_for_activity_task(**self._poll_request)
        token = task.get("taskToken")
        if not token:
            return False
        named = task["activityType"]
        label = f"{named['name']} {named['version']}"
        logger.debug("%s: begins as %s", label, task["activityId"])
        operation, answer = self._worked_on(task, label)
        if operation:
            self._answer(operation, label, taskToken=token, **answer)
        return True

    def _worked_on(self, task: Reply, label: str) -> tuple[str, dict[str, str]]:
        """Do an activity; return the operation that says what came of it, and what to say."""
        activity_id = task["activityId"]
        try:
            result = self._perform(task, label)
        except ActivityCanceled as canceled:
            logger.info("%s: %s is canceled", label, activity_id)
            return "respond_activity_task_canceled", {"details": cut(canceled.details, DATA_LIMIT)}
        except (Exception, SystemExit) as error:
            reason, details = reason_and_details(error)
            logger.info("%s: %s failed: %s", label, activity_id, reason)
            return "respond_activity_task_failed", {"reason": reason, "details": details}
        if result is None:
            logger.info("%s: %s is finished elsewhere", label, activity_id)
            return "", {}
        logger.info("%s: %s is done", label, activity_id)
        return "respond_activity_task_completed", {"result": result}

    def _perform(self, task: Reply, label: str) -> str | None:
        """Do an activity; return its result, or None if that comes from elsewhere."""
        named, execution = task["activityType"], task["workflowExecution"]
        cls = self._activities.get((named["name"], named["version"]))
        if cls is None:
            raise _unknown(self, label)
        args, kwargs = self._payloads.decode_input(label, task.get("input"), cls)
        activity = cls()
        activity.context = ActivityContext(
            label,
            task["activityId"],
            execution["workflowId"],
            execution["runId"],
            task["taskToken"],
            partial(self._heartbeat, task, label),
        )
        every = cls.flowy_type.automatic_heartbeat
        with nullcontext() if every is None else kept_alive(activity.context, every, self._wait):
            value = activity.run(*args, **kwargs)
        return None if value is LATER else self._payloads.encode_result(label, value)

    def _heartbeat(self, task: Reply, label: str, details: str | None) -> Heartbeat:
        request = {"taskToken": task["taskToken"]}
        if details is not None:
            request["details"] = cut(str(details), HEARTBEAT_LIMIT)
        try:
            reply = self._client.record_activity_task_heartbeat(**request)
        except Exception as error:
            if fault_code(error) == "UnknownResourceFault":
                logger.warning("%s: nobody waits for %s any more", label, task["activityId"])
                return Heartbeat(missed=True)
            if not passes(error):
                raise
            # The next one may get through before the time-out.
            logger.warning("%s: a heartbeat was lost: %s", label, error)
            return Heartbeat()
        return Heartbeat(canceled=reply["cancelRequested"])


class WorkflowWorker(Worker):
    """Works on decision tasks.

    A workflow whose code decides otherwise than its history shows is not answered for: the task
    times out and comes again, until a worker with the right code takes it. An execution of a type
    that the worker does not know is failed; all workers on a list must know all its types.

    Args:
        client: an SWF client.
        domain: the domain's name.
        task_list: the task list to wait on.
        workflows: classes decorated with `workflow`.
        identity: who this worker is, up to 256 characters, kept in the history; or None.
        payloads: how arguments and results travel.
        wait: waits for an event to be set or seconds to pass, and tells whether it is set.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ``WorkflowWorker(client, "photos", "image_decisions", [ImageCategory]).run()``
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
        wait: Wait = threading.Event.wait,
    ) -> None:
        """Check the arguments; nothing is asked of the service yet."""
        super().__init__(client, domain, task_list, identity, payloads, wait)
        self._workflows = by_type(WorkflowType, workflows)

    @property
    def types(self) -> list[Type]:
        """The types this worker works on."""
        return [cls.flowy_type for cls in self._workflows.values()]

    def run_once(self) -> bool:
        """Poll once; decide and answer, if there is a task.

        Returns:
            Whether there was a task.
        """
        task = self._client.poll_for_decision_task(**self._poll_request)
        token = task.get("taskToken")
        if not token:
            return False
        label = task["workflowExecution"]["workflowId"]
        try:
            decisions = self._decide(task)
        except NonDeterminismError as error:
            logger.error("%s: not answered: %s", label, error)
            return True
        except Exception:
            logger.exception("%s: not answered, as deciding went wrong", label)
            return True
        logger.debug("%s: %d decisions", label, len(decisions))
        wire = [decision.wire() for decision in decisions]
        self._answer("respond_decision_task_completed", label, taskToken=token, decisions=wire)
        return True

    def _decide(self, task: Reply) -> list[Decision]:
        named = task["workflowType"]
        cls = self._workflows.get((named["name"], named["version"]))
        if cls is None:
            label = f"{named['name']} {named['version']}"
            unknown = _unknown(self, label)
            logger.error("%s", unknown)
            return [fail_workflow(*reason_and_details(unknown))]
        named = task["workflowExecution"]
        execution = Execution(named["workflowId"], named["runId"])
        return decide(cls, self._events(task), self._payloads, execution)

    def _events(self, page: Reply) -> list[Any]:
        """All events of a task; the answer uses the first page's token, as was recorded."""
        events: list[Any] = page["events"]
        while page.get("nextPageToken"):
            request = {**self._poll_request, "nextPageToken": page["nextPageToken"]}
            page = self._insist("poll_for_decision_task", self.task_list, request)
            events = events + page["events"]
        return events


def _unknown(worker: Worker, label: str) -> ConfigurationError:
    known = ", ".join(str(declared) for declared in worker.types)
    return ConfigurationError(
        f"the worker on {worker.task_list} knows no {worker.kind} {label}, only {known}"
    )
