"""Activities that a workflow asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowy.calls.attempts import WAITS, TaskCall
from flowy.decisions import Decision
from flowy.limits import beginning
from flowy.options import Choices

if TYPE_CHECKING:
    from flowy.activity import Activity, ActivityType
    from flowy.decider import Decider

PREFIX_LIMIT = 200  # of the 256 characters of an id; the rest is for numbers


class ActivityCall(TaskCall):
    """An activity that was asked for, through all its attempts."""

    __slots__ = ("declared",)

    meanings = WAITS | {
        "ActivityTaskCompleted": "completed",
        "ActivityTaskFailed": "failed",
        "ActivityTaskTimedOut": "timed_out",
        "ActivityTaskCanceled": "canceled",
        "ScheduleActivityTaskFailed": "refused",
    }

    def __init__(
        self,
        decider: Decider,
        declared: ActivityType,
        cls: type[Activity] | None,
        choices: Choices,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        """Keep the call; nothing is asked for yet."""
        super().__init__(decider, str(declared), cls, choices, args, kwargs)
        self.declared = declared

    @property
    def first_key(self) -> str:
        """The activity id of the first attempt."""
        return f"{beginning(self.declared.name, PREFIX_LIMIT)}-{self.number}"

    def decision(self) -> Decision:
        """Schedule the present attempt."""
        return Decision(
            "ScheduleActivityTask",
            {
                "activityId": self.key,
                "input": self.input,
                "activityType": {"name": self.declared.name, "version": self.declared.version},
                **self.choices.members,
            },
        )

    def stop_attempt(self) -> None:
        """Ask the activity to cancel; its worker hears of it at the next heartbeat."""
        self.decider.add(Decision("RequestCancelActivityTask", {"activityId": self.key}))
