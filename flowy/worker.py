"""Workers: they wait for tasks, work on them and answer.

Any number of workers may wait on one task list, in threads, processes or machines.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, ClassVar

from flowy import options
from flowy.activity import Activity, ActivityType
from flowy.client import Reply, SwfClient, fault_code
from flowy.decider import decide
from flowy.decisions import Decision, fail_workflow
from flowy.errors import ConfigurationError, NonDeterminismError, reason_and_details
from flowy.limits import HEARTBEAT_LIMIT, cut
from flowy.registry import Type, by_type, register
from flowy.running import run_workers
from flowy.serialization import decode_input, encode_result
from flowy.workflow import Workflow, WorkflowType

logger = logging.getLogger(__name__)


class Worker:
    """What both kinds of workers have in common: polling, and when to stop."""

    kind: ClassVar[str]

    def __init__(
        self, client: SwfClient, domain: str, task_list: str, identity: str | None
    ) -> None:
        """Keep where to wait for tasks."""
        self._client = client
        self.domain = options.text("domain", domain)
        self.task_list = options.text("task_list", task_list)
        self._poll_request: dict[str, Any] = {"domain": domain, "taskList": {"name": task_list}}
        if identity is not None:
            self._poll_request["identity"] = options.text("identity", identity)
        self._stopping = False

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
        self._stopping = True

    def loop(self) -> None:
        """Work on tasks until `stop` is called, whatever signals come."""
        logger.info("%s worker waits on %s in %s", self.kind, self.task_list, self.domain)
        while not self._stopping:
            self.run_once()
        logger.info("%s worker on %s in %s stopped", self.kind, self.task_list, self.domain)

    def _answer(self, operation: str, label: str, **answer: Any) -> None:
        """Answer a task; an answer that the service no longer wants changes nothing."""
        try:
            getattr(self._client, operation)(**answer)
        except Exception as error:
            code = fault_code(error)
            if code is None:
                raise
            if code == "UnknownResourceFault":
                logger.warning("%s: too late to answer, as the task has ended: %s", label, error)
            else:
                logger.error("%s: the service refuses the answer: %s", label, error)


class ActivityWorker(Worker):
    """Works on activity tasks.

    Args:
        client: an SWF client.
        domain: the domain's name.
        task_list: the task list to wait on.
        activities: classes decorated with `activity`.
        identity: who this worker is, up to 256 characters, kept in the history; or None.

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
        activities: Iterable[type[Activity]],
        *,
        identity: str | None = None,
    ) -> None:
        """Check the arguments; nothing is asked of the service yet."""
        super().__init__(client, domain, task_list, identity)
        self._activities = by_type(ActivityType, activities)

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
        try:
            result = self._perform(task, label)
        except Exception as error:
            reason, details = reason_and_details(error)
            logger.info("%s: %s failed: %s", label, task["activityId"], reason)
            self._answer(
                "respond_activity_task_failed",
                label,
                taskToken=token,
                reason=reason,
                details=details,
            )
        else:
            logger.info("%s: %s is done", label, task["activityId"])
            self._answer("respond_activity_task_completed", label, taskToken=token, result=result)
        return True

    def _perform(self, task: Reply, label: str) -> str:
        named = task["activityType"]
        cls = self._activities.get((named["name"], named["version"]))
        if cls is None:
            raise _unknown(self, label)
        args, kwargs = decode_input(label, task.get("input"))
        activity = cls()
        activity._send_heartbeat = lambda details: self._heartbeat(task, label, details)
        return encode_result(label, activity.run(*args, **kwargs))

    def _heartbeat(self, task: Reply, label: str, details: str | None) -> bool:
        request = {"taskToken": task["taskToken"]}
        if details is not None:
            request["details"] = cut(str(details), HEARTBEAT_LIMIT)
        try:
            reply = self._client.record_activity_task_heartbeat(**request)
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
            logger.warning("%s: nobody waits for %s any more", label, task["activityId"])
            return False
        return not reply["cancelRequested"]


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
    ) -> None:
        """Check the arguments; nothing is asked of the service yet."""
        super().__init__(client, domain, task_list, identity)
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
        return decide(cls, self._events(task))

    def _events(self, page: Reply) -> list[Any]:
        """All events of a task; the answer uses the first page's token, as was recorded."""
        events: list[Any] = page["events"]
        while page.get("nextPageToken"):
            page = self._client.poll_for_decision_task(
                **self._poll_request, nextPageToken=page["nextPageToken"]
            )
            events = events + page["events"]
        return events


def _unknown(worker: Worker, label: str) -> ConfigurationError:
    known = ", ".join(str(declared) for declared in worker.types)
    return ConfigurationError(
        f"the worker on {worker.task_list} knows no {worker.kind} {label}, only {known}"
    )
