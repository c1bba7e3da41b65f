"""The worker that does activities."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

from flowy._client import Reply, SwfClient, fault_code
from flowy._payloads.failures import reason_and_details
from flowy._payloads.limits import DATA_LIMIT, HEARTBEAT_LIMIT, cut
from flowy._workers.backoff import Wait, passes
from flowy._workers.registration import Type, by_type
from flowy._workers.worker import Worker
from flowy.activity import Activity, ActivityType, activity_class
from flowy.activity_context import LATER, ActivityContext, Heartbeat, kept_alive
from flowy.errors import ActivityCanceled
from flowy.payloads import PLAIN, Payloads

logger = logging.getLogger("flowy.workers")


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
            raise self._unknown(label)
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
