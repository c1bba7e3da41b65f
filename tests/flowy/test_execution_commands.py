"""Commands that manage executions, with output for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from flowy import Execution, Payloads, replay, start
from flowy._cli import cli
from flowy_sim import Simulation, mock_swf
from tests.support.exact_calls import EXACT_CALLS
from tests.support.example_workflows import Chain, Double, SumOfDoubles
from tests.support.worker_loops import DOMAIN, attributes, carried_out, history, types, workers


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(latency=EXACT_CALLS)


@pytest.fixture
def client(simulation: Simulation) -> Iterator[Any]:
    """A client of the simulation that the commands call as well, with a domain and its types."""
    with mock_swf(simulation):
        client = boto3.client("swf")
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        workers(client, [Double], [Chain, SumOfDoubles])
        yield client


@pytest.fixture
def done(simulation: Simulation, client: Any) -> Execution:
    """An execution that ended a minute ago."""
    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="done", tags=["red"])
    carried_out(client, execution, workers(client, [Double], [Chain, SumOfDoubles]))
    simulation.clock.advance(60)
    return execution


def flowy(command: str, *arguments: str) -> Result:
    runner = CliRunner(env={"COLUMNS": None})
    return runner.invoke(cli, [command, "--domain", DOMAIN, *arguments])


def answered(command: str, *arguments: str) -> str:
    result = flowy(command, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_start_is_answered_in_json(client: Any) -> None:
    answer = json.loads(
        answered(
            "start",
            "--json",
            "--tag",
            "a",
            "--tag",
            "b",
            "tests.support.example_workflows:Chain",
            "1",
            "2",
        )
    )
    assert answer.keys() == {"workflow_id", "run_id"}
    execution = {"workflowId": answer["workflow_id"], "runId": answer["run_id"]}
    described = client.describe_workflow_execution(domain=DOMAIN, execution=execution)
    assert described["executionInfo"]["tagList"] == ["a", "b"]


def test_a_signal_is_sent_with_a_value_or_without(client: Any) -> None:
    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
    assert answered("signal", "one", "stop") == "Sent the signal stop to one.\n"
    assert json.loads(answered("signal", "--json", "one", "go", '{"how": "fast"}')) == {
        "workflow_id": "one",
        "signal": "go",
    }
    answered("signal", "--run-id", execution.run_id, "one", "go", "far away")
    signals = attributes(history(client, execution), "WorkflowExecutionSignaled")
    assert [(each["signalName"], each.get("input")) for each in signals] == [
        ("stop", None),
        ("go", '{"how": "fast"}'),
        ("go", '"far away"'),
    ]


def test_text_that_looks_like_wrong_json_is_sent_with_a_warning(client: Any) -> None:
    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
    result = flowy("signal", "one", "go", "{'how': 'fast'}")
    assert result.stderr == (
        "Warning: {'how': 'fast'} is not JSON, so it is taken as text; JSON has double quotes.\n"
    )
    (signal,) = attributes(history(client, execution), "WorkflowExecutionSignaled")
    assert json.loads(signal["input"]) == "{'how': 'fast'}"


def test_an_execution_is_asked_to_cancel_itself(client: Any) -> None:
    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
    assert answered("cancel", "one") == "Asked one to cancel itself.\n"
    assert "WorkflowExecutionCancelRequested" in types(history(client, execution))
    assert "OPEN, canceling" in answered("show", "one")


def test_an_execution_is_terminated_with_a_reason(client: Any) -> None:
    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
    answer = answered(
        *("terminate", "--reason", "enough", "--details", "for today"),
        *("--child-policy", "abandon", "--json", "one"),
    )
    assert json.loads(answer) == {"workflow_id": "one", "terminated": True}
    ended = attributes(history(client, execution), "WorkflowExecutionTerminated")[0]
    assert (ended["reason"], ended["details"]) == ("enough", "for today")
    assert ended["childPolicy"] == "ABANDON"
    shown = answered("show", "one")
    assert "status:      TERMINATED\n" in shown
    assert "reason:      enough\n" in shown


def test_executions_are_listed_for_people(client: Any, done: Execution) -> None:
    start(client, DOMAIN, SumOfDoubles, 1, 2, workflow_id="still open")
    assert answered("list").splitlines() == [
        "WORKFLOW ID  STATUS     STARTED (UTC)        CLOSED    DURATION  TYPE     TAGS",
        "still open   OPEN       2024-01-01 00:01:00                      sum 1",
        "done         COMPLETED  2024-01-01 00:00:00  00:00:00  0 s       chain 1  red",
    ]
    assert answered("list", "--status", "failed") == "No executions found in flowy.\n"


def test_columns_of_a_list_are_aligned_below_ids_that_flowy_has_made(client: Any) -> None:
    start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
    start(client, DOMAIN, Chain, 1, 2)
    assert len({line.index("2024") for line in answered("list").splitlines()[1:]}) == 1


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["still open", "done"]),
        (("--status", "OPEN"), ["still open"]),
        (("--status", "CLOSED"), ["done"]),
        (("--status", "COMPLETED"), ["done"]),
        (("--status", "TIMED_OUT"), []),
        (("--type", "chain"), ["done"]),
        (("--type", "chain:1"), ["done"]),
        (("--type", "chain:2"), []),
        (("--workflow-id", "done", "--type", "chain:2"), []),
        (("--type", "chain", "--status", "OPEN"), []),
        (("--tag", "red"), ["done"]),
        (("--tag", "red", "--type", "sum"), []),
        (("--workflow-id", "still open"), ["still open"]),
        (("--workflow-id", "still open", "--tag", "red"), []),
        (("--since", "2023-12-31"), ["still open", "done"]),
        (("--since", "2024-01-01T00:01:00"), ["still open"]),
        (("--until", "2024-01-01T00:00:30"), ["done"]),
        (("--limit", "1"), ["still open"]),
        (("--status", "OPEN", "--status", "completed"), ["still open", "done"]),
        (("--status", "FAILED", "--status", "COMPLETED"), ["done"]),
        (("--status", "FAILED", "--status", "CLOSED"), ["done"]),
    ],
)
def test_executions_are_listed_in_json_with_filters(
    client: Any, done: Execution, options: tuple[str, ...], found: list[str]
) -> None:
    start(client, DOMAIN, SumOfDoubles, 1, 2, workflow_id="still open")
    lines = answered("list", "--json", *options).splitlines()
    assert [json.loads(line)["execution"]["workflowId"] for line in lines] == found


def test_an_execution_is_shown_to_people(client: Any, done: Execution) -> None:
    assert answered("show", "done").splitlines()[:10] == [
        "workflow ID: done",
        f"run ID:      {done.run_id}",
        "type:        chain 1",
        "status:      COMPLETED",
        "tags:        red",
        "started:     2024-01-01 00:00:00.000 UTC",
        "closed:      2024-01-01 00:00:00.000 UTC",
        "input:       [[1, 2], {}]",
        "result:      4",
        "",
    ]
    start(client, DOMAIN, Chain, 1, 2, workflow_id="open")
    assert "open:        1 decision task\n" in answered("show", "open")


def test_an_execution_is_shown_in_json(client: Any, done: Execution) -> None:
    shown = json.loads(answered("show", "--json", "done"))
    assert shown["executionInfo"]["closeStatus"] == "COMPLETED"
    assert shown["executionInfo"]["startTimestamp"] == "2024-01-01T00:00:00+00:00"
    assert (shown["input"], shown["result"]) == ([[1, 2], {}], 4)
    assert "ResponseMetadata" not in shown


def test_the_open_run_is_shown_or_else_the_latest(client: Any, done: Execution) -> None:
    again = start(client, DOMAIN, Chain, 3, 0, workflow_id="done")
    assert f"run ID:      {again.run_id}\n" in answered("show", "done")
    assert "COMPLETED" in answered("show", "--run-id", done.run_id, "done")


def test_a_value_in_a_store_is_shown_where_the_store_is_known(client: Any, tmp_path: Path) -> None:
    payloads = Payloads(store=tmp_path)
    start(client, DOMAIN, ("chain", 1), "x" * 40_000, 2, workflow_id="long", payloads=payloads)
    assert "input:       flowy:stored:" in answered("show", "long")
    shown = json.loads(answered("show", "--json", "--store", str(tmp_path), "long"))
    assert shown["input"] == [["x" * 40_000, 2], {}]


def test_a_history_is_shown_to_people(client: Any, done: Execution) -> None:
    day, *lines = answered("history", "done").splitlines()
    assert day == "2024-01-01 UTC"
    assert len(lines) == len(history(client, done))
    assert lines[0] == (
        " 1  00:00:00.000  WorkflowExecutionStarted    chain 1  on decisions  [[1, 2], {}]"
    )
    assert lines[4] == (
        " 5  00:00:00.000  ActivityTaskScheduled       double-1  double 1  on numbers  [[1], {}]"
    )
    assert lines[6] == " 7  00:00:00.000  ActivityTaskCompleted       double-1  2"
    assert lines[-1] == "17  00:00:00.000  WorkflowExecutionCompleted  4"


def test_a_history_is_written_as_replay_reads_it(
    client: Any, done: Execution, tmp_path: Path
) -> None:
    path = tmp_path / "done.json"
    count = len(history(client, done))
    assert answered("history", "--output", str(path), "done") == (
        f"Wrote {count} events to {path}.\n"
    )
    replay.replay(Chain, path)
    assert json.loads(answered("history", "--json", "done")) == json.loads(path.read_text())
    assert json.loads(answered("history", "--json", "--output", str(path), "done")) == {
        "events": count,
        "file": str(path),
    }


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("show", "nobody"), 1, "Error: there is no execution with the workflow ID 'nobody' in"),
        (("show", "--run-id", "r", "nobody"), 1, "and the run ID 'r' in the domain 'flowy'"),
        (("history", "nobody"), 1, "Error: there is no execution with the workflow ID 'nobody'"),
        (("history", "--run-id", "r", "nobody"), 1, "and the run ID 'r' in the domain"),
        (("signal", "nobody", "stop"), 1, "Error: there is no open execution with the workflow"),
        (("signal", "done", "stop"), 1, "there is no open execution with the workflow ID 'done'"),
        (("signal", "done", ""), 1, "Error: the name of a signal must be text of 1 to 256"),
        (("cancel", "done"), 1, "Error: there is no open execution"),
        (("terminate", "done"), 1, "Error: there is no open execution"),
        (("terminate", "--child-policy", "kill", "done"), 2, "'kill' is not one of"),
        (("list", "--status", "dead"), 2, "'dead' is not one of"),
        (("list", "--since", "yesterday"), 2, "'yesterday' is not a time; write a date such as 20"),
        (("list", "--since", "2024-13-01"), 2, "'2024-13-01' is not a time"),
        (("list", "--since", "2024-02-01", "--until", "2024-01-31"), 2, "--since is later than"),
        (("list", "--limit", "many"), 2, "'many' is not a valid integer."),
        (("list", "--json", "--format", "csv"), 2, "--json is short for --format json; give one"),
        (("terminate", "--reason", "x" * 257, "done"), 1, "reason must be text of 1 to 256 chara"),
        (("terminate", "--details", "x" * 32_769, "done"), 1, "32,768 characters, not 32,769"),
        (("history", "--output", "/nowhere/x.json", "done"), 1, "/nowhere/x.json cannot be writt"),
        (("signal", "done", "stop", "1", "--store", "ftp://x"), 1, "a store is a folder or s3:"),
        (("signal", "done", "stop", "1", "--store", "s3:/x"), 1, "a store is a folder or s3:"),
        (("start", "order"), 1, "to start a type without its code, give NAME:VERSION and --input"),
        (("start", "shop/orders.py:Order", "1"), 1, "there is no module 'shop/orders.py'"),
    ],
)
@pytest.mark.usefixtures("done")
def test_errors_are_reported_in_one_sentence(
    arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    result = flowy(*arguments)
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert result.exit_code == status
    assert isinstance(result.exception, SystemExit)


@pytest.mark.usefixtures("client")
def test_a_domain_that_is_unknown_is_named() -> None:
    for command in (["list"], ["show", "done"], ["signal", "done", "go"], ["cancel", "done"]):
        result = CliRunner().invoke(cli, [*command, "--domain", "nowhere"])
        assert result.exit_code == 1
        assert "there is no domain 'nowhere'; register it first" in result.output


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["history", "done", "--run-id", ""], "run_id must be text of 1 to 64 characters, not ''"),
        (["terminate", "done", "--run-id", ""], "run_id must be text of 1 to 64 characters"),
        (["list", "--status", "late"], "'late' is not one of 'OPEN', 'CLOSED', 'COMPLETED'"),
        (["show", "done", "--code", "nowhere"], "there is no module 'nowhere'"),
        (["list", "--region", ""], "invalid region ''; give a region, such as eu-west-1"),
        (["start", "flowy.tutorial:ImageCategorization", "a.jpg", "--task-list", ""], "task_list"),
    ],
)
def test_an_option_that_is_empty_or_unknown_is_refused(words: list[str], sentence: str) -> None:
    result = flowy(*words)
    assert result.exit_code in (1, 2)
    assert sentence in result.output


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("url", ["here", "", "http://", "ftp://here", "http://127.0.0.1:99999"])
def test_an_invalid_address_is_reported(url: str) -> None:
    result = flowy("list", "--endpoint-url", url)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: invalid endpoint {url!r}; give a URL, such as http://127.0.0.1:4567\n"
    )


@pytest.mark.usefixtures("client")
def test_the_domain_may_come_from_the_environment() -> None:
    result = CliRunner(env={"FLOWY_DOMAIN": DOMAIN}).invoke(cli, ["list"])
    assert result.output == "No executions found in flowy.\n"
