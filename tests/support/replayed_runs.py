"""Workflows run to their end on a simulation, and decided again from their histories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from flowy import ActivityProxy, Execution, Workflow, WorkflowProxy, replay, workflow
from flowy._decider.decider import decide
from flowy._decider.history import attributes_of
from flowy._decisions import DECISION_EVENTS
from flowy.executions import history
from flowy_sim import Simulation
from flowy_sim.testing import Run, Runner, Stubs
from flowy_sim.testing._runner import DOMAIN

Script = Callable[..., Any]
"""The body of ``run``, given ``self`` and the arguments."""
Action = Callable[[Any, Execution], object]
"""Something done from outside, given an SWF client and the execution."""


def made(script: Script, name: str = "scripted", **members: Any) -> type[Workflow]:
    """A workflow whose ``run`` is a function, with further members such as proxies."""

    def run(self: Any, *args: Any) -> Any:
        return script(self, *args)

    cls = type(
        name.title(),
        (Workflow,),
        {
            "run": run,
            "one": ActivityProxy("one", 1),
            "two": ActivityProxy("two", 1),
            "handled": ActivityProxy("one", 1, error_handling=True),
            **members,
        },
    )
    return workflow(name, 1, "decisions")(cls)


def child(script: Script, name: str = "child", **options: Any) -> Any:
    """A proxy of a child whose ``run`` is a function, which `play` also runs."""
    return WorkflowProxy(made(script, name), **options)


def play(
    script: Script,
    *args: Any,
    stubs: Callable[[Stubs], object] | None = None,
    meanwhile: Mapping[int, Action] | None = None,
    simulation: Simulation | None = None,
    started: Mapping[str, Any] | None = None,
    workflows: Iterable[type[Workflow]] = (),
    workers: int | None = None,
    **members: Any,
) -> Run:
    """Run a script as a workflow; all that was decided is decided again from the histories.

    Args:
        script: the body of its ``run``.
        *args: its arguments.
        stubs: adds stubs to those of the activities: ``one`` returns the sum of its arguments, or
            1, and ``two`` 2 after ten seconds.
        meanwhile: actions from outside, by the number of seconds after which they happen.
        simulation: where, if it is not an ordinary one.
        started: options of `flowy.start`.
        workflows: others that are run, in addition to those that proxies among the members name.
        workers: how many wait on each list, if not as many as there are tasks.
        **members: of the workflow's class.
    """
    simulation = simulation or Simulation()
    acting = Stubs()
    acting("one", 1, function=lambda *numbers: sum(numbers) if numbers else 1)
    acting("two", 1, result=2, takes=10)
    if stubs is not None:
        stubs(acting)
    proxies = [each for each in members.values() if isinstance(each, WorkflowProxy)]
    others = [each.workflow for each in proxies if each.workflow is not None]
    others += workflows
    cls = made(script, **members)
    runner = Runner(simulation, stubs=acting, workflows=others, workers=workers)
    execution = runner.start(cls, *args, **(started or {}))
    for seconds, action in (meanwhile or {}).items():
        do = partial(action, simulation.client(), execution)
        runner.after(seconds, do) if seconds else do()
    run = runner.finish(execution)
    agree(simulation, [cls, *others])
    return run


def agree(simulation: Simulation, classes: Iterable[type[Workflow]], domain: str = DOMAIN) -> None:
    """Every execution of some workflows is decided as it was, from all beginnings."""
    by_name = {cls.flowy_type.name: cls for cls in classes}
    client = simulation.client()
    for run_id, past in list(simulation.engine().executions.items()):
        execution = Execution(past.workflow_id, run_id)
        events = history(client, domain, execution)
        declared = attributes_of(events[0])["workflowType"]["name"]
        if declared in by_name:
            decided_alike(by_name[declared], execution, events)


def decided_alike(cls: type[Workflow], execution: Execution, events: list[Any]) -> None:
    """Each beginning of a history gives the decisions that are in it."""
    replay.replay(cls, events, execution=execution)
    decided: dict[int, list[str]] = {}
    for event in events:
        by = attributes_of(event).get("decisionTaskCompletedEventId")
        # A failed start of a child or a failed delivery is not a decision.
        if by and not attributes_of(event).get("initiatedEventId"):
            decided.setdefault(by, []).append(DECISION_EVENTS[event["eventType"]].decision)
    for event in events:
        if event["eventType"] == "DecisionTaskCompleted":
            known = events[: attributes_of(event)["startedEventId"]]
            again = [decision.type for decision in decide(cls, known, execution=execution)]
            assert again == decided.get(event["eventId"], []), f"at event {event['eventId']}"


def seen(run: Run, event_type: str) -> list[dict[str, Any]]:
    """The attributes of all events of a type."""
    return [attributes_of(event) for event in run.history if event["eventType"] == event_type]


def at_the_worst_moment(self: Any, action: Callable[[], object]) -> None:
    """Let something happen while a turn makes its decisions, which therefore ignore it.

    A decision that closes the execution is then refused, and made again.
    """

    def act() -> None:
        with suppress(Exception):  # The execution may be closed when the turn is repeated.
            action()

    self.side_effect(act)


def signals(name: str, *values: object) -> Action:
    """Send signals from outside, one for each value; with none, one that carries nothing."""

    def send(client: Any, execution: Execution) -> None:
        request = {"domain": DOMAIN, "workflowId": execution.workflow_id, "signalName": name}
        for value in values:
            client.signal_workflow_execution(**request, input=json.dumps(value))
        if not values:
            client.signal_workflow_execution(**request)

    return send


def cancels(client: Any, execution: Execution) -> None:
    """Ask from outside to cancel."""
    client.request_cancel_workflow_execution(domain=DOMAIN, workflowId=execution.workflow_id)
