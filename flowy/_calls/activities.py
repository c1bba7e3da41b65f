"""Activities that a workflow asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowy._calls.attempts import WAITS, TaskCall
from flowy._decider.decisions import Decision

if TYPE_CHECKING:
    from flowy.activity import ActivityType


class ActivityCall(TaskCall):
    """An activity that was asked for, through all its attempts."""

    __slots__ = ()

    declared: ActivityType

    meanings = WAITS | {
        "ActivityTaskCompleted": "completed",
        "ActivityTaskFailed": "failed",
        "ActivityTaskTimedOut": "timed_out",
        "ActivityTaskCanceled": "canceled",
        "ScheduleActivityTaskFailed": "refused",
    }

    def decision(self, key: str) -> Decision:
        """Schedule the present attempt."""
        return Decision(
            "ScheduleActivityTask",
            {
                "activityId": key,
                "input": self.input,
                "activityType": {"name": self.declared.name, "version": self.declared.version},
                **self.choices.members,
            },
        )

    def stop_attempt(self) -> None:
        """Ask the activity to cancel; its worker hears of it at the next heartbeat."""
        self.decider.add(Decision("RequestCancelActivityTask", {"activityId": self.key}))
