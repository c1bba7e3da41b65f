"""Activities that another process completes: any process that has the task's token.

Example:
    An activity passes its token on and returns `flowy.LATER`; the worker is free at once::

        @activity("approve", 1, "approvals", start_to_close=86_400)
        def approve(context: ActivityContext, text: str) -> str:
            send_mail(text, reply_with=context.token)
            return LATER

    The process that reads the reply completes it::

        async_completion.complete(client, token, "approved")

Until then the activity's time-outs keep running; one with a heartbeat time-out needs heartbeats.
"""

from __future__ import annotations

from typing import Any

from flowy._client import Reply, SwfClient, fault_code
from flowy._payloads.text import DATA_LIMIT, HEARTBEAT_LIMIT, REASON_LIMIT, cut, reason_and_details
from flowy.errors import NotAwaitedError
from flowy.payloads import PLAIN, Payloads


def complete(
    client: SwfClient, token: str, result: object = None, *, payloads: Payloads = PLAIN
) -> None:
    """Complete an activity with a result.

    Args:
        client: an SWF client.
        token: the task's token, ``context.token`` in the activity.
        result: the value that its ``run`` would have returned.
        payloads: how results are written; the same as that of the workers.

    Raises:
        SerializationError: the result cannot be sent.
        NotAwaitedError: the activity has ended, for example by a time-out, or its execution has.
    """
    text = payloads.encode_result("the activity", result)
    _send(client, "respond_activity_task_completed", taskToken=token, result=text)


def fail(client: SwfClient, token: str, reason: str | Exception, details: str = "") -> None:
    """Fail an activity.

    Args:
        client: an SWF client.
        token: the task's token.
        reason: the reason in a few words; or an exception, which also provides the details.
        details: more about it.

    Raises:
        NotAwaitedError: the activity has ended, or its execution has.
    """
    if isinstance(reason, Exception):
        reason, details = reason_and_details(reason)
    _send(
        client,
        "respond_activity_task_failed",
        taskToken=token,
        reason=cut(reason, REASON_LIMIT),
        details=cut(details, DATA_LIMIT),
    )


def cancel(client: SwfClient, token: str, details: str = "") -> None:
    """Report that an activity was canceled, as its workflow asked.

    Args:
        client: an SWF client.
        token: the task's token.
        details: a text for the workflow, such as what was undone.

    Raises:
        NotAwaitedError: the activity has ended, or its execution has.
    """
    _send(
        client,
        "respond_activity_task_canceled",
        taskToken=token,
        details=cut(details, DATA_LIMIT),
    )


def heartbeat(client: SwfClient, token: str, details: str | None = None) -> bool:
    """Report to the service that an activity is still running.

    Args:
        client: an SWF client.
        token: the task's token.
        details: the progress so far; cut to 2,048 characters.

    Returns:
        Whether to continue: False once the workflow has asked for the activity's cancellation.

    Raises:
        NotAwaitedError: the activity has ended, or its execution has.
    """
    said = {} if details is None else {"details": cut(details, HEARTBEAT_LIMIT)}
    reply = _send(client, "record_activity_task_heartbeat", taskToken=token, **said)
    return not reply["cancelRequested"]


def _send(client: SwfClient, operation: str, **request: Any) -> Reply:
    try:
        reply: Reply = getattr(client, operation)(**request)
    except Exception as error:
        if fault_code(error) != "UnknownResourceFault":
            raise
        raise NotAwaitedError(
            f"this activity is no longer awaited: it or its execution has ended ({error})"
        ) from error
    return reply
