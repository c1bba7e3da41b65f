"""Stubs of a served simulation, which every client can define over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flowy_sim import Latency, Simulation
from flowy_sim._cli import cli
from flowy_sim._engine.limits import OPERATION_RATES, Rate
from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.served_stubs import ServedStubs
from flowy_sim._server.server import Server, listen, serving, serving_in_thread, url_of
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.stub_definitions import read_lambdas
from flowy_sim._simulation.settings import Settings
from flowy_sim._storage.file_journal import journal_in
from flowy_sim.testing import Runner, Stubs
from tests.support.http_clients import (
    ACTIVITIES,
    DECISIONS,
    DOMAIN,
    ORDER,
    PACK,
    Program,
    pack,
    wait_until,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
SHIPPING = {"name": "Shipping", "version": "1"}
ROLE = "arn:aws:iam::123456789012:role/shop"
Make = Callable[..., Program]


@pytest.fixture
def decider(virtual: Endpoint, program: Make) -> Program:
    made = program(virtual)
    made.prepare()
    return made


def child(**attributes: Any) -> dict[str, Any]:
    return {
        "decisionType": "StartChildWorkflowExecution",
        "startChildWorkflowExecutionDecisionAttributes": {
            "workflowId": "shipping-1",
            "workflowType": SHIPPING,
            **attributes,
        },
    }


def function(name: str, text: str | None = None, **attributes: str) -> dict[str, Any]:
    given = {} if text is None else {"input": text}
    return {
        "decisionType": "ScheduleLambdaFunction",
        "scheduleLambdaFunctionDecisionAttributes": {
            "id": name,
            "name": name,
            **given,
            **attributes,
        },
    }


def attributes_of(event: dict[str, Any]) -> dict[str, Any]:
    kind = event["eventType"]
    found: dict[str, Any] = event[f"{kind[0].lower()}{kind[1:]}EventAttributes"]
    return found


def end_of(decider: Program, *decisions: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Let an execution decide; return the type and the attributes of the event that follows."""
    request = {"domain": DOMAIN, "workflowId": "order-1", "workflowType": ORDER}
    decider.call("StartWorkflowExecution", **request, lambdaRole=ROLE)
    decider.decide(*decisions)
    kinds = {f"{what}{end}" for what in CALLED for end in ("Completed", "Failed", "TimedOut")}
    while True:
        task = decider.call("PollForDecisionTask", **DECISIONS)
        ended = [event for event in task["events"] if event["eventType"] in kinds]
        if ended:
            return ended[-1]["eventType"], attributes_of(ended[-1])
        decider.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"])


CALLED = ("ActivityTask", "ChildWorkflowExecution", "LambdaFunction")


def test_a_stub_answers_an_activity_after_its_time(virtual: Endpoint, decider: Program) -> None:
    virtual.stub(activity="Pack", version="1", result="packed", takes=40)
    kind, ended = end_of(decider, pack())
    assert (kind, ended["result"]) == ("ActivityTaskCompleted", "packed")
    assert virtual.now == START + timedelta(seconds=40)


def test_answers_follow_the_order_of_calls_and_the_last_is_repeated(
    virtual: Endpoint, decider: Program
) -> None:
    again = [{"error": {"reason": "disk full", "details": "/dev/sda"}}, {"result": {"boxes": 2}}]
    virtual.stub(activity="Pack", version="1", error="out of paper", then=again)
    run_id = decider.start()
    decider.decide(*(pack(f"pack-{number}") for number in range(4)))
    execution = {"workflowId": "order-1", "runId": run_id}
    events = decider.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)
    ended = [
        attributes_of(event)
        for event in events["events"]
        if event["eventType"] in ("ActivityTaskCompleted", "ActivityTaskFailed")
    ]
    outcomes = [(each.get("reason"), each.get("details"), each.get("result")) for each in ended]
    assert outcomes == [
        ("out of paper", None, None),
        ("disk full", "/dev/sda", None),
        (None, None, '{"boxes": 2}'),
        (None, None, '{"boxes": 2}'),
    ]


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("SCHEDULE_TO_START", 600), ("START_TO_CLOSE", 300), ("HEARTBEAT", 20)],
)
def test_a_stub_can_time_out_without_waiting_for_clients(
    virtual: Endpoint, decider: Program, timeout: str, seconds: int
) -> None:
    virtual.reset(patience=3600)
    decider.prepare()
    virtual.stub(activity="Pack", version="1", timeout=timeout)
    kind, ended = end_of(decider, pack(heartbeatTimeout="20" if timeout == "HEARTBEAT" else "NONE"))
    assert (kind, ended["timeoutType"]) == ("ActivityTaskTimedOut", timeout)
    assert virtual.now == START + timedelta(seconds=seconds)


def test_a_stub_that_takes_longer_than_a_time_out_times_out(
    virtual: Endpoint, decider: Program
) -> None:
    virtual.stub(activity="Pack", version="1", takes="never")
    kind, ended = end_of(decider, pack())
    assert (kind, ended["timeoutType"]) == ("ActivityTaskTimedOut", "START_TO_CLOSE")


def test_a_time_out_that_the_activity_does_not_have_fails_it_and_says_why(
    virtual: Endpoint, decider: Program
) -> None:
    virtual.stub(activity="Pack", version="1", timeout="HEARTBEAT")
    kind, ended = end_of(decider, pack())
    assert (kind, ended["reason"]) == ("ActivityTaskFailed", "the stub cannot answer")
    assert "the activity has no such time-out" in ended["details"]


def test_a_heartbeat_that_reports_a_cancel_request_cancels_the_activity(
    virtual: Endpoint, decider: Program
) -> None:
    virtual.stub(
        activity="Pack", version="1", result="packed", takes=timedelta(seconds=100), heartbeat=30
    )
    run_id = decider.start()
    wait = {"timerId": "t", "startToFireTimeout": "40"}
    decider.decide(pack(), {"decisionType": "StartTimer", "startTimerDecisionAttributes": wait})
    cancel = {"activityId": "pack"}
    decider.decide(
        {
            "decisionType": "RequestCancelActivityTask",
            "requestCancelActivityTaskDecisionAttributes": cancel,
        }
    )
    assert decider.call("PollForDecisionTask", **DECISIONS)["taskToken"]
    assert "ActivityTaskCanceled" in decider.events(run_id)
    assert virtual.now == START + timedelta(seconds=60)


def test_a_child_workflow_is_stubbed(virtual: Endpoint, decider: Program) -> None:
    virtual.stub(workflow="Shipping", version="1", result="shipped", takes=30)
    kind, ended = end_of(decider, child(input="order 7"))
    assert (kind, ended["result"]) == ("ChildWorkflowExecutionCompleted", "shipped")
    assert virtual.now - START < timedelta(seconds=31)
    [call] = virtual.stub_calls(workflow="Shipping", version="1")
    assert (call["input"], call["workflowId"]) == ("order 7", "shipping-1")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": "no stock"}, "ChildWorkflowExecutionFailed"),
        ({"timeout": "START_TO_CLOSE"}, "ChildWorkflowExecutionTimedOut"),
    ],
)
def test_a_child_workflow_fails_or_times_out(
    virtual: Endpoint, decider: Program, answer: dict[str, Any], kind: str
) -> None:
    virtual.stub(workflow="Shipping", version="1", **answer)
    assert end_of(decider, child(executionStartToCloseTimeout="600"))[0] == kind


def test_a_stubbed_child_that_is_asked_to_cancel_cancels_itself(
    virtual: Endpoint, decider: Program
) -> None:
    virtual.stub(workflow="Shipping", version="1", takes=3000)
    run_id = decider.start()
    decider.decide(child())
    decider.call("RequestCancelWorkflowExecution", domain=DOMAIN, workflowId="shipping-1")
    wait_until(lambda: "ChildWorkflowExecutionCanceled" in decider.events(run_id))


def test_a_caller_that_encodes_as_flowy_does_gets_a_result_that_flowy_can_read(
    virtual: Endpoint, decider: Program
) -> None:
    virtual.stub(activity="Pack", version="1", result="packed")
    assert end_of(decider, pack(input='[["a book"], {}]'))[1]["result"] == '"packed"'


def test_no_worker_gets_a_task_of_a_stub_whatever_its_list(
    virtual: Endpoint, program: Make, decider: Program
) -> None:
    worker = program(virtual)
    virtual.stub(activity="Pack", version="1", result="packed", takes=5)
    worker.send("PollForActivityTask", ACTIVITIES)
    decider.start()
    decider.decide(pack())
    virtual.remove_stubs(activity="Pack", version="1")
    task = decider.call("PollForDecisionTask", **DECISIONS)
    again = [pack("again")]
    decider.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=again)
    assert worker.receive().members["activityId"] == "again"


def test_stubs_use_nothing_of_the_rates_that_clients_have(
    virtual: Endpoint, decider: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for operation in ("PollForActivityTask", "RespondActivityTaskCompleted"):
        monkeypatch.setitem(OPERATION_RATES, operation, Rate(1, 1))
    virtual.reset(limits={"throttling": True})
    decider.prepare()
    virtual.stub(activity="Pack", version="1", result="packed")
    run_id = decider.start()
    decider.decide(*(pack(f"pack-{number}") for number in range(5)))
    assert decider.events(run_id).count("ActivityTaskCompleted") == 5


def test_stubs_are_listed_replaced_and_removed(virtual: Endpoint) -> None:
    first = {"activity": "Pack", "version": "1", "result": "packed"}
    other = {"workflow": "Shipping", "version": "1", "takes": 5}
    replaced = {**first, "result": "packed twice"}
    for each in (first, other, replaced):
        virtual.stub(**each)
    assert sorted(virtual.stubs(), key=str) == sorted([replaced, other], key=str)
    virtual.remove_stubs(activity="Pack", version="1")
    assert virtual.stubs() == [other]
    virtual.remove_stubs()
    assert virtual.stubs() == []
    with pytest.raises(EndpointError, match="There is no stub of the activity Pack 1"):
        virtual.remove_stubs(activity="Pack", version="1")


def test_a_client_learns_what_was_called_with_which_input(
    virtual: Endpoint, decider: Program
) -> None:
    virtual.stub(activity="Pack", version="1")
    run_id = decider.start()
    decider.decide(pack("first", input="a book"), pack("second"))
    assert virtual.stub_calls() == [
        {
            "activity": "Pack",
            "version": "1",
            "input": text,
            "workflowId": "order-1",
            "runId": run_id,
            "id": activity_id,
            "at": "2024-01-01T00:00:00.000Z",
        }
        for activity_id, text in (("first", "a book"), ("second", None))
    ]
    assert virtual.stub_calls(activity="Pack", version="2") == []


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({}, "Give the name of what is stubbed as one of activity, workflow and lambda"),
        ({"activity": "Pack"}, "Give the version of the activity 'Pack'"),
        ({"activity": "", "version": "1"}, "The activity must be text of 1 to 256 characters"),
        ({"lambda": "pack", "version": "1"}, "A Lambda function has no version"),
        ({"lambda": "pack", "takes": -1}, "Takes of the stub of pack must be a number"),
        ({"lambda": "pack", "takes": "soon"}, "takes='soon': give a number of seconds, or 'never'"),
        ({"lambda": "pack", "timeout": "HEARTBEAT"}, "must be START_TO_CLOSE, not 'HEARTBEAT'"),
        ({"lambda": "pack", "url": "ftp://x"}, "url='ftp://x': give a URL"),
        ({"lambda": "pack", "function": "os:system"}, "Function of the stub of pack must be"),
        ({"activity": "Pack", "version": 1, "url": "http://x"}, "Only a Lambda function can be"),
        ({"activity": "Pack", "version": 1, "results": 1}, "A stub has no member 'results'"),
        (
            {"activity": "Pack", "version": 1, "then": [{"then": []}]},
            "An answer in 'then' has no member 'then'",
        ),
        (
            {"activity": "Pack", "version": 1, "then": [{"version": 1}]},
            "An answer in 'then' has no member 'version'",
        ),
        ({"activity": "Pack", "version": 1, "takes": float("inf")}, "takes=inf: give a number"),
        (
            {"activity": "Pack", "version": 1, "heartbeat": float("inf")},
            "heartbeat=inf: give a number",
        ),
        ({"activity": "Pack", "version": 1, "then": {}}, "then={}: give a list of objects"),
        ({"activity": "Pack", "version": 1, "error": 7}, "error=7: give a reason"),
        ({"activity": "Pack", "version": 1, "error": "x" * 257}, "at most 256 characters"),
        (
            {"activity": "Pack", "version": 1, "error": {"reason": "x", "details": "é" * 32_769}},
            "give details as a string of at most 32768 characters",
        ),
        ({"activity": "Pack", "version": 1, "error": "x", "result": 1}, "more than one of"),
    ],
)
def test_a_definition_that_is_wrong_is_refused(
    virtual: Endpoint, definition: dict[str, Any], message: str
) -> None:
    with pytest.raises(EndpointError, match=message):
        virtual.stub(**definition)
    assert virtual.stubs() == []


DEFINITIONS: list[dict[str, Any]] = [
    {"result": "packed"},
    {"result": ["a", 1], "takes": 12.5},
    {"takes": 500},
    {"takes": 100, "heartbeat": 7},
    {"timeout": "SCHEDULE_TO_START"},
    {"timeout": "SCHEDULE_TO_CLOSE"},
    {"timeout": "START_TO_CLOSE"},
    {"timeout": "HEARTBEAT"},
]


@pytest.mark.parametrize("answer", DEFINITIONS, ids=json.dumps)
def test_a_served_stub_does_what_a_stub_in_process_does(
    virtual: Endpoint, decider: Program, answer: dict[str, Any]
) -> None:
    limits = {"scheduleToCloseTimeout": "400"} if "CLOSE" in answer.get("timeout", "") else {}
    if answer.get("timeout") == "START_TO_CLOSE":
        limits["startToCloseTimeout"] = "30"
    if answer.get("timeout") == "SCHEDULE_TO_CLOSE":
        limits["startToCloseTimeout"] = "NONE"
    if "heartbeat" in answer or answer.get("timeout") == "HEARTBEAT":
        limits["heartbeatTimeout"] = "10"
    virtual.stub(activity="Pack", version="1", **answer)
    served = end_of(decider, pack(**limits)), (virtual.now - START).total_seconds()
    assert served == in_process(answer, pack(**limits))


def in_process(answer: dict[str, Any], decision: dict[str, Any]) -> tuple[Any, float]:
    """Return how the activity ends in a test in process, and when."""
    simulation, stubs = Simulation(latency=Latency.ZERO), Stubs()
    stubs(PACK["name"], PACK["version"], **answer)
    found: list[tuple[str, dict[str, Any], float]] = []
    runner = Runner(simulation, workflows=[], activities=[], stubs=stubs, domain=DOMAIN)
    client = simulation.client()
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
    every = ("Heartbeat", "ScheduleToClose", "ScheduleToStart", "StartToClose")
    limits = dict(zip(every, ("NONE", "3600", "600", "300"), strict=True))
    client.register_activity_type(
        domain=DOMAIN,
        **PACK,
        defaultTaskList={"name": "work"},
        **{f"defaultTask{name}Timeout": limits[name] for name in every},
    )
    client.register_workflow_type(
        domain=DOMAIN,
        **ORDER,
        defaultTaskList={"name": "decisions"},
        defaultExecutionStartToCloseTimeout="86400",
        defaultTaskStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )

    def decide(mine: Any) -> None:
        task = mine.poll_for_decision_task(**DECISIONS)
        if not task.get("taskToken"):
            return
        ended = [each for each in task["events"] if each["eventType"] in ENDS]
        decisions = [decision]
        if ended:
            passed = simulation.clock.now - START
            kind = ended[-1]["eventType"]
            found.append((kind, attributes_of(ended[-1]), passed.total_seconds()))
            decisions = [{"decisionType": "CompleteWorkflowExecution"}]
        mine.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

    runner.loop(decide)
    runner((ORDER["name"], ORDER["version"]))
    [(kind, attributes, seconds)] = found
    return (kind, attributes), seconds


ENDS = ("ActivityTaskCompleted", "ActivityTaskFailed", "ActivityTaskTimedOut")


# Lambda functions


def add(event: dict[str, Any], context: Any) -> str:
    """A handler as AWS Lambda calls it."""
    return f"{event['a'] + event['b']} by {context.function_name}"


def greet(event: dict[str, Any]) -> str:
    return f"Hello {event['name']}"


FUNCTIONS = [
    f"add={__name__}:add",
    f"greet={__name__}:greet",
    'sizes=result:{"s": 64}',
    "closed=error:Closed on Sundays",
    "stuck=timeout",
]


@pytest.fixture(scope="module")
def functions_server() -> Iterator[Endpoint]:
    settings = ServerSettings(
        simulation=Settings(clock="virtual", start="2024-01-01T00:00:00Z", patience=0.3),
        stubs=read_lambdas(FUNCTIONS, ["add=50", "sizes=2.5"]),
    )
    with serving(settings) as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("name", "text", "kind", "outcome", "seconds"),
    [
        ("add", '{"a": 1, "b": 2}', "Completed", {"result": '"3 by add"'}, 50),
        ("greet", '{"name": "Ann"}', "Completed", {"result": '"Hello Ann"'}, 0),
        ("greet", "{}", "Failed", {"reason": "UnhandledError"}, 0),
        ("sizes", None, "Completed", {"result": '{"s": 64}'}, 2.5),
        ("closed", None, "Failed", {"reason": "Closed on Sundays"}, 0),
        ("stuck", None, "TimedOut", {"timeoutType": "START_TO_CLOSE"}, 900),
        ("unknown", None, "Failed", {"reason": "ResourceNotFoundException"}, 0),
    ],
)
def test_lambda_functions_are_called(
    functions_server: Endpoint,
    program: Make,
    name: str,
    text: str | None,
    kind: str,
    outcome: dict[str, str],
    seconds: float,
) -> None:
    functions_server.reset(latency="none")
    decider = program(functions_server)
    decider.prepare()
    ended_as, ended = end_of(decider, function(name, text))
    assert (ended_as, ended) == (f"LambdaFunction{kind}", ended | outcome)
    assert (functions_server.now - START).total_seconds() == seconds


def test_a_function_that_takes_longer_than_its_time_out_times_out(
    functions_server: Endpoint, program: Make
) -> None:
    functions_server.reset()
    decider = program(functions_server)
    decider.prepare()
    decision = function("add", '{"a": 1, "b": 2}', startToCloseTimeout="20")
    assert end_of(decider, decision)[0] == "LambdaFunctionTimedOut"


def test_a_reset_keeps_the_functions_of_the_command_line_but_not_those_added_later(
    functions_server: Endpoint,
) -> None:
    functions_server.stub(**{"lambda": "later"})
    assert len(functions_server.stubs()) == len(FUNCTIONS) + 1
    functions_server.reset()
    assert [each["lambda"] for each in functions_server.stubs()] == [
        text.partition("=")[0] for text in FUNCTIONS
    ]
    assert functions_server.stubs()[0]["function"] == f"{__name__}:add"


class _Invoke(BaseHTTPRequestHandler):
    """A server of functions, as AWS Lambda's API describes it."""

    protocol_version = "HTTP/1.1"
    may_answer = threading.Event()

    def do_POST(self) -> None:
        event = self.rfile.read(int(self.headers["Content-Length"])).decode()
        name = self.path.split("/")[-2]
        headers = {}
        status, body = 200, f'{{ "{name}": {event}}}'
        if name == "broken":
            headers["X-Amz-Function-Error"] = "Unhandled"
            body = '{"errorMessage": "disk full"}'
        if name == "missing":
            status, body = 404, '{"Message": "Function not found"}'
            headers["x-amzn-ErrorType"] = "ResourceNotFoundException"
        if name == "slow":
            self.may_answer.wait(30)
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: Any) -> None:
        """Log nothing."""


@contextmanager
def invoke_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Invoke)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("name", "kind", "outcome"),
    [
        ("resize", "Completed", {"result": '{ "resize": {"size": 1}}'}),
        ("broken", "Failed", {"reason": "UnhandledError"}),
        ("missing", "Failed", {"reason": "ResourceNotFoundException"}),
    ],
)
def test_a_function_can_be_one_of_another_server(
    virtual: Endpoint, decider: Program, name: str, kind: str, outcome: dict[str, str]
) -> None:
    with invoke_server() as url:
        virtual.stub(**{"lambda": name, "url": url})
        ended_as, ended = end_of(decider, function(name, '{"size": 1}'))
        assert (ended_as, ended) == (f"LambdaFunction{kind}", ended | outcome)


def test_the_url_may_name_the_function(virtual: Endpoint, decider: Program) -> None:
    with invoke_server() as url:
        path = "/2015-03-31/functions/function/invocations"
        virtual.stub(**{"lambda": "resize", "url": f"{url}{path}"})
        assert end_of(decider, function("resize"))[1]["result"] == '{ "function": {}}'


def test_a_function_that_cannot_be_reached_fails(virtual: Endpoint, decider: Program) -> None:
    virtual.stub(**{"lambda": "resize", "url": "http://127.0.0.1:1"})
    kind, ended = end_of(decider, function("resize"))
    assert (kind, ended["reason"]) == ("LambdaFunctionFailed", "EndpointConnectionError")


def test_time_stands_still_and_other_calls_are_answered_while_a_function_runs(
    virtual: Endpoint, program: Make, decider: Program
) -> None:
    _Invoke.may_answer.clear()
    wait = {"timerId": "t", "startToFireTimeout": "40"}
    timer = {"decisionType": "StartTimer", "startTimerDecisionAttributes": wait}
    with invoke_server() as url:
        virtual.stub(**{"lambda": "slow", "url": url, "takes": 60})
        request = {"domain": DOMAIN, "workflowId": "order-1", "workflowType": ORDER}
        decider.call("StartWorkflowExecution", **request, lambdaRole=ROLE)
        decider.decide(function("slow"), timer)
        decider.send("PollForDecisionTask", DECISIONS)
        assert not virtual.settle(1)
        assert virtual.now - START < timedelta(seconds=1)
        [held] = virtual.describe()["heldTasks"]
        assert held == f"{url} holds the call 'slow' of a Lambda function by 'order-1'"
        _Invoke.may_answer.set()
        assert "TimerFired" in [each["eventType"] for each in decider.receive().members["events"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lambda", "resize"], "'resize' does not define a Lambda function; write NAME="),
        (["--lambda", "resize=result:{"], "The result of 'resize' is not JSON"),
        (["--lambda", "resize=no_module:f"], "'no_module:f', the Lambda function 'resize', cannot"),
        (["--lambda-takes", "resize=4"], "there is no Lambda function 'resize'; define it"),
        (["--lambda", "a=result:1", "--lambda-takes", "a=x"], "'a=x': write NAME=SECONDS"),
    ],
)
def test_a_function_that_is_defined_wrongly_is_refused(options: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["serve", *options, "--", "true"])
    assert result.exit_code == 2
    assert message in result.stderr


def test_after_a_restart_stubs_go_on_with_what_they_had_begun(
    tmp_path: Path, program: Make
) -> None:
    may_answer = threading.Event()

    def slow(event: dict[str, Any]) -> str:
        may_answer.wait(30)
        return "done"

    settings = ServerSettings(
        simulation=Settings(clock="paused", start="2024-01-01T00:00:00Z"),
        stubs=(
            {"activity": "Pack", "version": "1", "result": "packed", "takes": 40},
            {"workflow": "Shipping", "version": "1", "result": "shipped", "takes": 30},
            {"lambda": "slow", "function": slow, "takes": 20},
            {"lambda": "quick", "result": 1, "takes": 60},
        ),
    )
    with kept(tmp_path / "swf.db", settings) as endpoint:
        decider = program(endpoint)
        decider.prepare()
        request = {"domain": DOMAIN, "workflowId": "order-1", "workflowType": ORDER}
        run_id = decider.call("StartWorkflowExecution", **request, lambdaRole=ROLE)["runId"]
        decider.decide(pack(), child(), function("slow"), function("quick"))
        endpoint.advance(10)
        assert decider.events(run_id).count("LambdaFunctionStarted") == 2
    may_answer.set()
    with kept(tmp_path / "swf.db", settings) as endpoint:
        decider = program(endpoint)
        wait_until(lambda: not endpoint.describe()["heldTasks"])
        endpoint.advance(60)
        execution = {"workflowId": "order-1", "runId": run_id}
        reply = decider.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)
        ended = [
            (attributes_of(event)["result"], round(event["eventTimestamp"] - START.timestamp()))
            for event in reply["events"]
            if event["eventType"].endswith("Completed") and "Decision" not in event["eventType"]
        ]
    assert ended == [('"done"', 20), ("shipped", 30), ("packed", 40), ("1", 60)]


def test_a_stub_takes_a_task_that_a_crash_has_left_on_its_own_list(
    tmp_path: Path, program: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubs = ({"activity": "Pack", "version": "1", "result": "packed"},)
    simulation = Settings(clock="paused", start="2024-01-01T00:00:00Z")
    settings = ServerSettings(simulation=simulation, stubs=stubs)
    with monkeypatch.context() as crashing:
        crashing.setattr(ServedStubs, "serve", lambda *_: None)
        with kept(tmp_path / "swf.db", settings) as endpoint:
            decider = program(endpoint)
            decider.prepare()
            request = {"domain": DOMAIN, "workflowId": "order-1", "workflowType": ORDER}
            run_id = decider.call("StartWorkflowExecution", **request)["runId"]
            decider.decide(pack())
            assert "ActivityTaskStarted" not in decider.events(run_id)
    with kept(tmp_path / "swf.db", settings) as endpoint:
        endpoint.advance(1)
        assert "ActivityTaskCompleted" in program(endpoint).events(run_id)


@contextmanager
def kept(path: Path, settings: ServerSettings) -> Iterator[Endpoint]:
    """Serve what is kept in a file."""
    with closing(listen("127.0.0.1", 0)) as listener:
        server = Server(listener, settings, journal_in(path, {}))
        with serving_in_thread(server):
            yield Endpoint(url_of(listener))
