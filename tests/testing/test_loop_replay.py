"""Replaying histories with deciders that poll with their own loops."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from flowy._client import Execution
from flowy.errors import HistoryError, NonDeterminismError
from flowy_sim import Simulation
from flowy_sim._cli import cli as main
from flowy_sim.testing import Runner, Stubs
from flowy_sim.testing._history_files import save
from flowy_sim.testing._loop_replay import replay_loop
from flowy_sim.testing._recorded_decisions import Tolerance
from flowy_sim.testing._run import Run

SHOP = """
import time
import boto3

DOMAIN = "simulated"


def decide(client, first="charge", text=None, identity="charge-1", poll=None, result="done"):
    task = client.poll_for_decision_task(
        domain=DOMAIN, taskList={"name": "deciders"}, **(poll or {})
    )
    if not task.get("taskToken"):
        return
    events = list(task["events"])
    while task.get("nextPageToken"):
        task = client.poll_for_decision_task(
            domain=DOMAIN, taskList={"name": "deciders"}, nextPageToken=task["nextPageToken"],
            **(poll or {}),
        )
        events += task["events"]
    ended = [each for each in events if each["eventType"] == "ActivityTaskCompleted"]
    if ended:
        decisions = [{
            "decisionType": "CompleteWorkflowExecution",
            "completeWorkflowExecutionDecisionAttributes": {"result": result},
        }]
    else:
        attributes = {"activityId": identity, "activityType": {"name": first, "version": "1"}}
        if text is not None:
            attributes["input"] = text
        decisions = [
            {"decisionType": "ScheduleActivityTask",
             "scheduleActivityTaskDecisionAttributes": attributes},
            {"decisionType": "RecordMarker",
             "recordMarkerDecisionAttributes": {"markerName": "charging"}},
        ]
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)


def main():
    client = boto3.client("swf", region_name="us-east-1")
    try:
        client.register_workflow_type(domain=DOMAIN, name="order", version="1")
    except client.exceptions.TypeAlreadyExistsFault:
        pass
    while True:
        decide(client)
        time.sleep(1000)


class Decider:
    def __init__(self):
        self.seen = 0

    def __call__(self, client):
        self.seen += 1
        decide(client)


def worker(client):
    client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "workers"})
"""


@pytest.fixture
def shop() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(SHOP, names)
    return names


@pytest.fixture
def run(shop: dict[str, Any]) -> Run:
    stubs = Stubs()
    stubs("charge", "1", result="ok", takes=5)
    runner = Runner(Simulation(), stubs=stubs)
    runner.simulation.client().register_workflow_type(
        domain=runner.domain,
        name="order",
        version="1",
        defaultTaskList={"name": "deciders"},
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )
    runner.loop(shop["decide"])
    return runner(("order", "1"))


def replayed(code: Any, run: Run, **tolerance: Any) -> bool:
    return replay_loop(code, run.history, tolerance=Tolerance(**tolerance))


@pytest.mark.parametrize("name", ["decide", "main", "Decider"])
def test_unchanged_code_replays_and_defaults_count_as_given(
    shop: dict[str, Any], run: Run, name: str
) -> None:
    assert (
        run.history.find("ActivityTaskScheduled").attributes()[0]["startToCloseTimeout"] == "NONE"
    )
    before = time.monotonic()
    assert replayed(shop[name], run)
    assert time.monotonic() - before < 60  # Sleeps take no time.


@pytest.mark.parametrize(
    "poll",
    [
        {"maximumPageSize": 1},
        {"reverseOrder": True},
        {"startAtPreviousStartedEvent": True},
        {"startAtPreviousStartedEvent": True, "reverseOrder": True, "maximumPageSize": 2},
    ],
)
def test_polls_are_answered_as_the_decider_wants_the_events(
    shop: dict[str, Any], run: Run, poll: Any
) -> None:
    assert replayed(lambda client: shop["decide"](client, poll=poll), run)


@pytest.mark.parametrize(
    ("changed", "event", "sentence"),
    [
        ({"first": "refund"}, 5, "another activityType: activityType.name was 'charge' and is"),
        ({"text": "42"}, 5, "another input: input is new: '42'"),
        ({"identity": "other"}, 5, "another activityId"),
        ({"result": "finished"}, 12, "another result"),
    ],
)
def test_the_first_difference_is_named(
    shop: dict[str, Any], run: Run, changed: Any, event: int, sentence: str
) -> None:
    with pytest.raises(NonDeterminismError, match=sentence) as error:
        replayed(lambda client: shop["decide"](client, **changed), run)
    assert error.value.event_id == event


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            '{"n": 1, "by": 2}',
            '{"n": "1", "to": 3}',
            r"input.by is gone: 2; input.n was 1 and is '1'",
        ),
        ('[{"n": 1}]', '[{"n": 2}, 3]', r"input\[0\].n was 1 and is 2; input\[1\] is new: 3"),
        ('{"n": [1, 2]}', '{"n":[1,2]}', "input is the same JSON, written differently"),
        ("[1, 2, 3, 4]", "[5, 6, 7, 8]", r"input\[2\] was 3 and is 7; and 1 more"),
    ],
)
def test_the_parts_of_json_that_differ_are_named(
    shop: dict[str, Any], run: Run, old: str, new: str, sentence: str
) -> None:
    attributes = run.history[4]["activityTaskScheduledEventAttributes"]
    attributes["input"] = old
    with pytest.raises(NonDeterminismError, match=sentence):
        replayed(lambda client: shop["decide"](client, text=new), run)


def test_members_that_do_not_matter_are_ignored(shop: dict[str, Any], run: Run) -> None:
    def decide(client: Any) -> None:
        shop["decide"](client, identity=f"random-{time.monotonic_ns()}")

    assert replayed(decide, run, ignore=["activityId"])
    with pytest.raises(ValueError, match="no decision has a member activityID"):
        Tolerance(ignore=["activityID"])


class Reversing:
    """A client that reverses the decisions of each task."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def respond_decision_task_completed(self, *, decisions: Any, **request: Any) -> None:
        self._client.respond_decision_task_completed(**request, decisions=decisions[::-1])


def test_another_order_is_a_difference_unless_it_is_allowed(shop: dict[str, Any], run: Run) -> None:
    def decide(client: Any) -> None:
        shop["decide"](Reversing(client))

    with pytest.raises(NonDeterminismError):
        replayed(decide, run)
    assert replayed(decide, run, any_order=True)


def test_a_decision_less_or_more_is_a_difference(shop: dict[str, Any], run: Run) -> None:
    def answering(decisions: Any) -> Any:
        def decide(client: Any) -> None:
            task = client.poll_for_decision_task(domain="d", taskList={"name": "l"})
            client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

        return decide

    with pytest.raises(NonDeterminismError, match="decided nothing"):
        replayed(answering([]), run)
    marker = {
        "decisionType": "RecordMarker",
        "recordMarkerDecisionAttributes": {"markerName": "charging"},
    }
    more = [
        {
            "decisionType": "ScheduleActivityTask",
            "scheduleActivityTaskDecisionAttributes": {
                "activityId": "charge-1",
                "activityType": {"name": "charge", "version": "1"},
            },
        },
        marker,
        marker,
    ]
    with pytest.raises(NonDeterminismError, match="no further decision"):
        replayed(answering(more), run)


@pytest.mark.parametrize("forever", [False, True])
def test_a_decider_that_does_not_answer_is_a_difference(run: Run, forever: bool) -> None:
    def decide(client: Any) -> None:
        while True:
            client.poll_for_decision_task(domain="d", taskList={"name": "l"})
            if not forever:
                return

    with pytest.raises(NonDeterminismError, match="did not answer"):
        replayed(decide, run)


def test_a_history_is_read_as_far_as_the_task(shop: dict[str, Any], run: Run) -> None:
    lengths = []

    def decide(client: Any) -> None:
        if lengths:
            raise AssertionError("one task is enough")
        task = client.poll_for_decision_task(domain="d", taskList={"name": "l"})
        events = client.get_workflow_execution_history(
            domain="d", execution=task["workflowExecution"], reverseOrder=True
        )["events"]
        assert isinstance(events[0]["eventTimestamp"], datetime)
        lengths.append((len(events), task["startedEventId"], events[0]["eventId"]))

    with pytest.raises(NonDeterminismError):
        replayed(decide, run)
    assert lengths == [(3, 3, 3)]


def test_a_call_that_a_history_does_not_answer_is_named(run: Run) -> None:
    def decide(client: Any) -> None:
        client.poll_for_decision_task(domain="d", taskList={"name": "l"})
        with suppress(HistoryError):  # As code does that logs all errors and goes on.
            client.count_pending_activity_tasks(domain="d", taskList={"name": "l"})

    with pytest.raises(HistoryError, match="calls CountPendingActivityTasks"):
        replayed(decide, run)


def test_a_decider_may_look_at_what_it_has_registered(shop: dict[str, Any], run: Run) -> None:
    found = []

    def main(client: Any) -> None:
        named = {"domain": "d", "name": "order", "version": "1"}
        for _ in range(2):  # As if the processes before had not registered it.
            client.register_workflow_type(**named, defaultTaskList={"name": "l"})
        listed = client.list_workflow_types(domain="d", registrationStatus="REGISTERED")
        found.extend(info["workflowType"]["name"] for info in listed["typeInfos"])
        assert (
            client.list_activity_types(domain="d", registrationStatus="REGISTERED")["typeInfos"]
            == []
        )
        while True:
            shop["decide"](client)

    assert replayed(main, run)
    assert found == ["order"]


def test_a_type_that_only_another_program_registers_is_not_known(run: Run) -> None:
    def decide(client: Any) -> None:
        client.describe_activity_type(domain="d", activityType={"name": "pack", "version": "1"})

    with pytest.raises(HistoryError, match="calls DescribeActivityType"):
        replayed(decide, run)


def test_a_worker_is_not_a_decider(shop: dict[str, Any], run: Run) -> None:
    assert not replayed(shop["worker"], run)


def test_clients_reach_a_service_again_afterwards(shop: dict[str, Any], run: Run) -> None:
    real = boto3.client("swf", region_name="us-east-1")
    replayed(shop["main"], run)
    assert "_make_request" not in vars(real)
    assert time.sleep.__module__ == "time"


def replay(*words: object) -> Any:
    return CliRunner().invoke(main, ["replay", *map(str, words)])


def test_the_command_replays_histories_with_a_decider(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "corner_shop.py").write_text(SHOP, encoding="utf-8")
    folder = tmp_path / "histories"
    folder.mkdir()
    save(folder / "order.json", run.history)
    result = replay("--decider", "corner_shop:main", folder)
    assert (result.exit_code, result.output) == (
        0,
        "replays: order.json\n1 history: 1 replayed, 0 differ, 0 unreadable\n",
    )
    changed = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    changed["events"][4]["activityTaskScheduledEventAttributes"]["activityId"] = "x"
    (folder / "order.json").write_text(json.dumps(changed), encoding="utf-8")
    assert "another activityId" in replay("--decider", "corner_shop:decide", folder).output
    ignoring = ["--ignore", "activityId", "--any-order"]
    assert replay("--decider", "corner_shop:decide", folder, *ignoring).exit_code == 0
    assert "unreadable" in replay("--decider", "corner_shop:worker", folder).output
    assert replay("--decider", "corner_shop:nothing", folder).exit_code == 2
    assert replay("--decider", "corner_shop:decide").exit_code == 2


GOLDEN = """
import pytest
import deli


@pytest.mark.swf(golden=True)
def test_order(swf_run, swf_stub):
    swf_stub("charge", "1", result="ok")
    swf_run.simulation.client().register_workflow_type(
        domain=swf_run.domain, name="order", version="1",
        defaultTaskList={"name": "deciders"}, defaultExecutionStartToCloseTimeout="3600",
        defaultTaskStartToCloseTimeout="60", defaultChildPolicy="TERMINATE",
    )
    swf_run.loop(deli.worker)
    swf_run.loop(deli.decide)
    assert swf_run(("order", "1")).result == "done"


def test_replay(swf_replay):
    swf_replay(deli.decide, "histories/test_golden/test_order.json")
    swf_replay(deli.main, "histories/test_golden/test_order.json", ignore=["activityId"])
"""


@pytest.mark.slow
def test_golden_histories_of_a_decider_are_recorded_and_replayed(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(deli=SHOP, test_golden=GOLDEN)
    pytester.syspathinsert()
    pytester.runpytest_inprocess("--swf-record", "-k", "order").assert_outcomes(passed=1)
    pytester.runpytest_inprocess().assert_outcomes(passed=2)
    changed = SHOP.replace('"charging"', '"charged"')
    pytester.makepyfile(deli=changed)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    assert "record it again: pytest --swf-record" in str(result.stdout)


def test_a_function_that_makes_the_decider_is_replayed(shop: dict[str, Any], run: Run) -> None:
    made: list[str] = []

    def factory() -> Any:
        made.append("decider")
        return lambda client: shop["decide"](client)

    assert replay_loop(factory, run.history)
    assert made == ["decider"]
    with pytest.raises(NonDeterminismError):
        replay_loop(lambda: lambda client: shop["decide"](client, "refund"), run.history)


def in_coroutine(shop: dict[str, Any], **changes: Any) -> Any:
    """The decider as a coroutine: it polls in another thread of the event loop, and sleeps."""

    async def decider() -> None:
        client = boto3.client("swf", region_name="us-east-1")
        while True:
            await asyncio.to_thread(shop["decide"], client, **changes)
            await asyncio.sleep(1000)

    return decider


def with_its_client(shop: dict[str, Any], **changes: Any) -> Any:
    """The decider as a coroutine that is called with a client."""

    async def decider(client: Any) -> None:
        task = await client.poll_for_decision_task(
            domain="simulated", taskList={"name": "deciders"}
        )
        sent: dict[str, Any] = {}

        class Once:
            def poll_for_decision_task(self, **members: Any) -> Any:
                return task

            def respond_decision_task_completed(self, **members: Any) -> None:
                sent.update(members)

        shop["decide"](Once(), **changes)
        async with asyncio.timeout(3600):
            await client.respond_decision_task_completed(**sent)

    return decider


@pytest.mark.parametrize("form", [in_coroutine, with_its_client])
def test_a_decider_that_is_a_coroutine_is_replayed(
    form: Any, shop: dict[str, Any], run: Run
) -> None:
    began = time.monotonic()
    assert replay_loop(form(shop), run.history)
    with pytest.raises(NonDeterminismError, match="refund"):
        replay_loop(form(shop, first="refund"), run.history)
    assert time.monotonic() - began < 60


def test_an_instance_of_a_class_with_a_coroutine_is_replayed(
    shop: dict[str, Any], run: Run
) -> None:
    class Decider:
        def __init__(self) -> None:
            self.decide = with_its_client(shop)

        async def __call__(self, client: Any) -> None:
            await self.decide(client)

    assert replay_loop(Decider, run.history)


def test_a_main_function_that_runs_an_event_loop_is_replayed(
    shop: dict[str, Any], run: Run
) -> None:
    def main() -> None:
        asyncio.run(in_coroutine(shop)())

    assert replay_loop(main, run.history)


def test_a_history_can_be_replayed_in_a_coroutine(shop: dict[str, Any], run: Run) -> None:
    async def test() -> bool:
        return replay_loop(in_coroutine(shop), run.history)

    assert asyncio.run(test())


def test_a_decider_may_still_know_the_run_from_a_table(shop: dict[str, Any], run: Run) -> None:
    """As one does that keeps its state in a database, by the run ID."""
    seen: dict[str, int] = {}

    def decide(client: Any, **changed: Any) -> None:
        task = client.poll_for_decision_task(domain="simulated", taskList={"name": "deciders"})
        run_id = task["workflowExecution"]["runId"]
        if seen.get(run_id, 0) < task["startedEventId"]:
            shop["decide"](Holding(client, task), **changed)
            seen[run_id] = task["startedEventId"]
        else:
            client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[])

    execution = Execution(run.workflow_id, run.run_id)
    for _ in range(2):
        assert replay_loop(decide, run.history, execution)
        assert replay_loop(decide, run.history)
    with pytest.raises(NonDeterminismError):
        replay_loop(lambda client: decide(client, first="refund"), run.history, execution)


class Holding(Reversing):
    """A client that answers the first poll with a task that was received already."""

    def __init__(self, client: Any, task: Any) -> None:
        super().__init__(client)
        self._task = task

    def poll_for_decision_task(self, **request: Any) -> Any:
        return self._task

    def respond_decision_task_completed(self, **request: Any) -> None:
        self._client.respond_decision_task_completed(**request)
