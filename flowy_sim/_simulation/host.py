"""The host of a simulation: engines, clock, pollers and polls, and how a call is carried out.

The host never blocks. A poll that finds no task is returned as a `Poll`, for a waiter to wait for:
`flowy_sim._simulation.waiters` in a test, `flowy_sim._simulation.event_loop` in a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any

from flowy_sim._engine.tokens import ACTIVITY
from flowy_sim._simulation.clock import Clock
from flowy_sim._simulation.polls import Poll, Polls, Reply, why_empty
from flowy_sim._simulation.presence import Poller, Presence
from flowy_sim._simulation.regions import (
    DECISION_POLL,
    POLLS,
    Engines,
    TaskList,
    handed_out,
)
from flowy_sim._simulation.time_skipping import HEARTBEAT, QUERIES, TimeSkipping


def is_query(operation: str) -> bool:
    """Return whether an operation changes nothing."""
    return operation in QUERIES


def is_poll(operation: str, request: Mapping[str, Any]) -> bool:
    """Return whether a call asks for a task, not for the next page of one handed out already."""
    is_next_page = operation == DECISION_POLL and request.get("nextPageToken")
    return operation in POLLS and not is_next_page


class Host:
    """One simulation, as its clients call it.

    Only one thread at a time may use it.

    Args:
        clock: the clock that it follows.
        engines: the service in each region.
        presence: the pollers.
        polls: the polls that wait.
        others_can_call: returns whether a client that is not inside a poll may make a call.
        longest_poll: real seconds after which a poll ends on a clock that does not run; infinite
            if polls end when no effect is pending.

    Attributes:
        clock, engines, presence, polls: as given.
        time_skipping: moves the clock.
    """

    def __init__(
        self,
        clock: Clock,
        engines: Engines,
        presence: Presence,
        polls: Polls,
        others_can_call: Callable[[], bool],
        longest_poll: float = inf,
    ) -> None:
        self.clock = clock
        self.engines = engines
        self.presence = presence
        self.polls = polls
        self.time_skipping = TimeSkipping(
            clock,
            engines,
            presence,
            polls,
            others_can_call,
            longest_poll == inf,
            partial(why_empty, engines),
        )
        self._longest_poll = longest_poll

    def call(
        self,
        poller: Poller,
        operation: str,
        request: Reply,
        region: str,
        poll_seconds: float,
        exact: bool = False,
    ) -> Reply | Poll:
        """Carry out a call of a client.

        Args:
            poller: the client.
            operation: such as ``PollForActivityTask``.
            request: its members.
            region: the region whose service is called.
            poll_seconds: for how many simulated seconds a poll waits for a task, on a clock that
                runs. With 0 no call of the client moves the clock.
            exact: whether the call takes no simulated time.

        Returns:
            The reply; of a poll that found no task and waits, the poll. It has to be given to
            `leave` when its client waits no longer.

        Raises:
            Fault: the call is refused.
        """
        if operation in QUERIES:
            return self.carry_out(operation, request, region)
        if operation in POLLS and is_poll(operation, request):
            return self._poll(poller, operation, request, region, poll_seconds, exact)
        self.presence.acts(poller)
        reply = self.carry_out(operation, request, region, exact or poll_seconds == 0)
        if operation == HEARTBEAT:
            token = self.engines.of(region).tokens.read(request["taskToken"], ACTIVITY)
            self.presence.held_tasks.heartbeat((token.run_id, token.started_id))
        if poll_seconds > 0:
            self.time_skipping.follow()
        return reply

    def carry_out(
        self, operation: str, request: Mapping[str, Any], region: str, exact: bool = True
    ) -> Reply:
        """Carry out a call of any client at this instant; a poll does not wait.

        Args:
            operation: such as ``StartWorkflowExecution``.
            request: its members.
            region: the region whose service is called.
            exact: whether the call takes no simulated time.

        Raises:
            Fault: the call is refused.
        """
        if operation in POLLS and self.engines.in_function:
            raise RuntimeError(
                "A Lambda function cannot poll for tasks: time stands still while it runs; "
                "let a decider or a worker poll."
            )
        now = self.time_skipping.present()
        reply = self.engines.call(region, operation, request, now)
        self.time_skipping.called(operation, reply, None if exact else region)
        return reply

    def leave(self, poll: Poll) -> None:
        """Remove a poll from those that wait, whether it was answered or not."""
        self.polls.remove(poll)

    def _poll(
        self,
        poller: Poller,
        operation: str,
        request: Reply,
        region: str,
        seconds: float,
        exact: bool,
    ) -> Reply | Poll:
        reply = self.carry_out(operation, request, region, exact or seconds == 0)
        task_list = TaskList(region, operation, request["domain"], request["taskList"]["name"])
        found = bool(reply.get("taskToken"))
        if seconds > 0 and not found:
            self.polls.check_limit(task_list)
        self.presence.polls(poller, task_list, found)
        self.time_skipping.waiting_tasks.polled(task_list)
        if found:
            task = handed_out(self.engines.of(region), task_list, reply)
            self.presence.hold(task, poller.as_holder())
        elif seconds > 0:
            return self._wait(poller, task_list, request, reply, seconds, exact)
        return reply

    def _wait(
        self,
        poller: Poller,
        task_list: TaskList,
        request: Reply,
        empty: Reply,
        seconds: float,
        exact: bool,
    ) -> Poll:
        poll = Poll(
            poller,
            task_list,
            request,
            empty,
            began=self.clock.milliseconds,
            lasts=max(1, round(seconds * 1000)),
            real_end=inf
            if self._longest_poll == inf
            else self.presence.now() + min(seconds, self._longest_poll),
            exact=exact,
        )
        self.time_skipping.add(poll)
        return poll
