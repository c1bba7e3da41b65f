"""Polls that wait for a task on a real clock, over many connections."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings
from tests.support.http_clients import (
    ACTIVITIES,
    COMPLETE,
    DECISIONS,
    DOMAIN,
    Program,
    pack,
    wait_for_polls,
)

Make = Callable[..., Program]


def test_tasks_go_to_the_polls_that_have_waited_longest(real: Endpoint, program: Make) -> None:
    starter = program(real)
    starter.prepare()
    pollers = [program(real) for _ in range(10)]
    for number, poller in enumerate(pollers, 1):
        poller.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(real, number)
    for number in range(10):
        starter.start(f"order-{number}")
    taken = [poller.receive().members["workflowExecution"]["workflowId"] for poller in pollers]
    assert taken == [f"order-{number}" for number in range(10)]


def test_clients_that_poll_repeatedly_get_equally_many_tasks(real: Endpoint, program: Make) -> None:
    starter = program(real)
    starter.prepare()
    pollers = [program(real) for _ in range(4)]
    for number, poller in enumerate(pollers, 1):
        poller.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(real, number)
    for number in range(20):
        starter.start(f"order-{number}")
        poller = pollers[number % 4]
        task = poller.receive().members
        assert task["workflowExecution"]["workflowId"] == f"order-{number}"
        poller.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(real, 4)


def test_polls_of_a_busy_list_do_not_delay_polls_of_another(real: Endpoint, program: Make) -> None:
    decider, worker = program(real), program(real)
    decider.prepare()
    worker.send("PollForActivityTask", ACTIVITIES)
    wait_for_polls(real, 1)
    for number in range(20):
        decider.start(f"order-{number}")
        decider.decide(*([pack()] if number == 19 else []))
    assert worker.receive().members["activityId"] == "pack"


def test_no_task_is_lost_to_a_client_that_hangs_up_just_before_it_arrives(
    real: Endpoint, program: Make
) -> None:
    starter = program(real)
    starter.prepare()
    for number in range(50):
        gone, there = program(real), program(real)
        gone.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(real, 1)
        there.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(real, 2)
        gone.hang_up()
        starter.start(f"order-{number}")
        task = there.receive().members
        assert task["workflowExecution"]["workflowId"] == f"order-{number}"
        there.hang_up()


def test_a_silent_client_counts_as_gone(real: Endpoint, program: Make) -> None:
    gone, there = program(real), program(real)
    there.prepare()
    gone.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(real, 1)
    gone.connection.sock.shutdown(socket.SHUT_WR)
    there.start()
    assert there.call("PollForDecisionTask", **DECISIONS)["startedEventId"] == 3


def test_no_task_is_lost_to_a_client_that_ends_without_closing_its_connection(
    real: Endpoint, program: Make
) -> None:
    gone, there = program(real), program(real)
    there.prepare()
    gone.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(real, 1)
    gone.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.hang_up()
    there.start()
    assert there.call("PollForDecisionTask", **DECISIONS)["startedEventId"] == 3


def test_a_client_that_begins_another_request_counts_as_present(
    real: Endpoint, program: Make
) -> None:
    hasty, starter = program(real), program(real)
    starter.prepare()
    hasty.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(real, 1)
    hasty.connection.sock.sendall(b"POST / HTTP/1.1\r\n")
    starter.start()
    assert hasty.receive().members["startedEventId"] == 3


def test_a_task_that_no_client_is_left_to_take_waits(real: Endpoint, program: Make) -> None:
    starter = program(real)
    starter.prepare()
    gone = program(real)
    gone.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(real, 1)
    gone.hang_up()
    starter.start()
    assert starter.call("PollForDecisionTask", **DECISIONS)["startedEventId"] == 3


def test_decisions_and_activities_of_one_answer_reach_waiting_polls(
    real: Endpoint, program: Make
) -> None:
    decider, first, second = program(real), program(real), program(real)
    decider.prepare()
    run_id = decider.start()
    first.send("PollForActivityTask", ACTIVITIES)
    second.send("PollForActivityTask", ACTIVITIES)
    wait_for_polls(real, 2)
    decider.decide(pack("a"), pack("b"))
    for worker in (first, second):
        token = worker.receive().members["taskToken"]
        worker.call("RespondActivityTaskCompleted", taskToken=token)
    decider.decide(COMPLETE)
    assert decider.events(run_id)[-1] == "WorkflowExecutionCompleted"


def test_a_poll_ends_empty_when_its_time_is_over(program: Make) -> None:
    with serving(ServerSettings(poll_seconds=0.04)) as endpoint:
        poller = program(endpoint)
        poller.prepare()
        decision = poller.post("PollForDecisionTask", DECISIONS)
        assert decision.body == b'{"previousStartedEventId":0,"startedEventId":0}'
        activity = poller.post("PollForActivityTask", ACTIVITIES)
        assert activity.body == b'{"startedEventId":0}'


def test_a_time_out_reaches_a_decider_that_waits(program: Make) -> None:
    scaled = ServerSettings(simulation=Settings(clock="x1"))
    with serving(scaled) as endpoint:
        decider = program(endpoint)
        decider.prepare()
        run_id = decider.start()
        decider.decide(pack())
        endpoint.set_clock("x10000")
        task = decider.call("PollForDecisionTask", **DECISIONS)
        while not task.get("taskToken"):
            task = decider.call("PollForDecisionTask", **DECISIONS)
        assert "ActivityTaskTimedOut" in decider.events(run_id)


def test_polls_beyond_the_limit_of_a_list_are_refused(program: Make) -> None:
    limited = ServerSettings(simulation=Settings(limits={"polls": 1}))
    with serving(limited) as endpoint:
        one, other = program(endpoint), program(endpoint)
        one.prepare()
        one.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(endpoint, 1)
        reply = other.post("PollForDecisionTask", DECISIONS)
        assert reply.status == 400
        assert reply.members["__type"] == "com.amazonaws.swf.base.model#LimitExceededFault"


def test_a_server_holds_as_many_polls_as_its_limit_allows(program: Make) -> None:
    with serving(ServerSettings(max_polls=1)) as endpoint:
        one, other = program(endpoint), program(endpoint)
        one.prepare()
        one.send("PollForDecisionTask", DECISIONS)
        wait_for_polls(endpoint, 1)
        reply = other.post("PollForActivityTask", ACTIVITIES)
        assert reply.members["__type"] == "com.amazon.coral.availability#ThrottlingException"
        one.hang_up()
        wait_for_polls(endpoint, 0)
        other.send("PollForActivityTask", ACTIVITIES)
        wait_for_polls(endpoint, 1)


def test_a_reset_answers_the_polls_that_wait(real: Endpoint, program: Make) -> None:
    poller = program(real)
    poller.prepare()
    poller.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(real, 1)
    real.reset()
    assert poller.receive().members == {"previousStartedEventId": 0, "startedEventId": 0}


def test_hundreds_of_polls_are_answered_when_the_server_stops(program: Make) -> None:
    with serving(ServerSettings()) as endpoint:
        pollers = [program(endpoint) for _ in range(300)]
        pollers[0].prepare()
        for poller in pollers:
            poller.send("PollForActivityTask", ACTIVITIES)
        wait_for_polls(endpoint, 300)
    empty = {"startedEventId": 0}
    assert all(poller.receive().members == empty for poller in pollers)


def test_a_poll_of_an_unknown_domain_does_not_wait(real: Endpoint, program: Make) -> None:
    reply = program(real).post("PollForDecisionTask", DECISIONS)
    assert reply.members["message"] == f"Unknown domain: {DOMAIN}"
