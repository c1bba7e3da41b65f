"""``flowy-sim history`` records histories from any service, and verify reads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from flowy._client import Execution
from flowy_sim import Limits, Simulation, mock_swf
from flowy_sim._cli import cli
from flowy_sim._cli.history_recorder import MOST_REFUSALS, RetryingClient, path_of, record
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import serving
from flowy_sim.testing._history_files import load
from flowy_sim.verify import verify_paths

DOMAIN = "shop"
ORDER = {"name": "Order", "version": "1"}
# Before click 8.2 standard error is mixed with the output unless this is said.
APART: Any = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


def live(client: Any) -> None:
    """Let two orders be completed, one fail and one be open, all with a timer that was started."""
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
    client.register_workflow_type(
        domain=DOMAIN,
        **ORDER,
        defaultChildPolicy="TERMINATE",
        defaultExecutionStartToCloseTimeout="3600",
        defaultTaskList={"name": "decisions"},
        defaultTaskStartToCloseTimeout="60",
    )
    timer = {
        "decisionType": "StartTimer",
        "startTimerDecisionAttributes": {"timerId": "1", "startToFireTimeout": "600"},
    }
    for workflow_id, ending in (
        ("order/1", "CompleteWorkflowExecution"),
        ("order/1", "CompleteWorkflowExecution"),
        ("order 2", "FailWorkflowExecution"),
        ("order 3", ""),
    ):
        client.start_workflow_execution(domain=DOMAIN, workflowId=workflow_id, workflowType=ORDER)
        decide(client, timer)
        client.signal_workflow_execution(domain=DOMAIN, workflowId=workflow_id, signalName="go")
        decide(client, *([{"decisionType": ending}] if ending else []))


def decide(client: Any, *decisions: dict[str, Any]) -> None:
    task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=list(decisions))


@pytest.fixture
def client() -> Any:
    client = Simulation(limits=Limits(page=3)).client(exact=True)
    live(client)
    return client


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving() as endpoint:
        client = endpoint.client()
        live(client)
        client.close()
        yield endpoint


def agreeing(folder: Path) -> int:
    """How many histories in a folder the simulator would write; it has to be all of them."""
    verdicts = list(verify_paths(folder))
    assert all(verdict.agrees for verdict in verdicts), verdicts
    return len(verdicts)


def test_every_execution_gets_a_file_that_verify_agrees_with(client: Any, tmp_path: Path) -> None:
    recorded = list(record(client, DOMAIN, tmp_path))

    assert [each.execution.workflow_id for each in recorded] == [
        "order 3",
        "order 2",
        "order/1",
        "order/1",
    ]
    assert sorted(each.path for each in recorded) == sorted(tmp_path.iterdir())
    assert agreeing(tmp_path) == 4


def test_a_file_names_its_execution(client: Any, tmp_path: Path) -> None:
    (recorded,) = record(client, DOMAIN, tmp_path, status="FAILED")
    document = json.loads(recorded.path.read_text())

    events = document.pop("events")
    assert document == {
        "domain": DOMAIN,
        "workflowId": "order 2",
        "runId": recorded.execution.run_id,
        "closed": True,
    }
    assert events[0]["eventTimestamp"] == "2024-01-01T00:00:00.000+00:00"
    assert [event["eventId"] for event in events] == list(range(1, recorded.events + 1))
    assert load(recorded.path).execution == recorded.execution


@pytest.mark.parametrize("wire", [False, True])
def test_any_boto3_client_will_do(tmp_path: Path, wire: bool) -> None:
    with mock_swf(wire=wire):
        import boto3

        client = boto3.client(
            "swf", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        live(client)
        list(record(client, DOMAIN, tmp_path))

    assert agreeing(tmp_path) == 4


def test_one_run_is_recorded_by_its_ids(client: Any, tmp_path: Path) -> None:
    first = list(record(client, DOMAIN, tmp_path / ".", workflow_id="order/1"))[-1]
    first.path.unlink()

    assert list(record(client, DOMAIN, tmp_path, first.execution)) == [first]


def test_names_of_files_are_safe_and_each_run_has_its_own(tmp_path: Path) -> None:
    names = ["../../etc/passwd", "..", "a\0b", "ü" * 300, "x" * 300, "con:1", ".hidden"]
    paths = {path_of(tmp_path, Execution(name, run)) for name in names for run in ("a/b", "a+b")}

    assert len(paths) == 2 * len(names)
    assert all(path.parent == tmp_path and len(path.name) < 120 for path in paths)
    assert not any(path.name.startswith(".") for path in paths)


class Calls:
    """A client whose calls are counted, and refused while `refusals` are left."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.made: list[str] = []
        self.refusals = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self.client, name)

        def counted(**request: Any) -> Any:
            self.made.append(name)
            if self.refusals:
                self.refusals -= 1
                raise Refusal
            return call(**request)

        return counted


class Refusal(Exception):
    """The service throttles."""

    response: ClassVar[dict[str, Any]] = {
        "Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    }


def test_closed_executions_are_read_once(client: Any, tmp_path: Path) -> None:
    list(record(client, DOMAIN, tmp_path))
    calls = Calls(client)
    again = list(record(calls, DOMAIN, tmp_path))

    assert [each.is_new for each in again] == [True, False, False, False]
    # That of the one that is open comes in pages of three events.
    assert calls.made.count("get_workflow_execution_history") == 3


def test_a_file_that_was_damaged_is_written_again(client: Any, tmp_path: Path) -> None:
    (recorded,) = record(client, DOMAIN, tmp_path, status="FAILED")
    recorded.path.write_text(recorded.path.read_text()[:500])

    assert list(record(client, DOMAIN, tmp_path, status="FAILED")) == [recorded]
    assert agreeing(tmp_path) == 1


def test_no_other_file_is_touched(client: Any, tmp_path: Path) -> None:
    (recorded,) = record(client, DOMAIN, tmp_path, status="FAILED")
    users = recorded.path.with_name(f"{recorded.path.name}.new")
    users.write_text("the user's")
    recorded.path.unlink()

    list(record(client, DOMAIN, tmp_path, status="FAILED"))

    assert {*tmp_path.iterdir()} == {recorded.path, users}
    assert users.read_text() == "the user's"


def test_the_service_s_rates_are_kept(tmp_path: Path) -> None:
    simulation = Simulation(limits=Limits(page=1, throttling=True))
    live(simulation.client())
    waits: list[float] = []
    patient = RetryingClient(
        simulation.client(), lambda error, wait: waits.append(wait), simulation.clock.advance
    )
    for _ in range(60):
        list(record(patient, DOMAIN, tmp_path, status="OPEN"))

    assert waits
    assert agreeing(tmp_path) == 1


def test_waits_grow_and_end(client: Any) -> None:
    waits: list[float] = []
    told: list[float] = []
    calls = Calls(client)
    patient = RetryingClient(calls, lambda error, wait: told.append(wait), waits.append)
    calls.refusals = 3
    patient.describe_domain(name=DOMAIN)
    assert told == waits
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2 <= waits[2] <= 4

    calls.refusals = 1_000
    with pytest.raises(Refusal):
        patient.describe_domain(name=DOMAIN)
    assert len(waits) == 3 + MOST_REFUSALS


def test_other_faults_are_not_waited_for(client: Any) -> None:
    waits: list[float] = []
    patient = RetryingClient(client, lambda error, wait: None, waits.append)

    with pytest.raises(client.exceptions.UnknownResourceFault):
        patient.describe_domain(name="nowhere")
    assert not waits


# The command


def typed(*words: str) -> Result:
    result = CliRunner(**APART).invoke(cli, ["history", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


def test_the_command_records_from_a_server(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("--endpoint-url", endpoint.url, "--domain", DOMAIN)
    result = typed(*words)

    assert result.exit_code == 0
    *files, summary = result.stdout.splitlines()
    assert [line.partition(".")[0] for line in files] == ["order_3", "order_2", *["order_1"] * 2]
    assert summary == "4 executions in histories."
    assert agreeing(tmp_path / "histories") == 4
    again = typed(*words, "--status", "closed").stdout
    assert again == "3 executions in histories, 3 of them from before.\n"
    some = typed(*words, "--type", "Order", "--since", "2024-01-01", "--limit", "1", "--to", "a/b")
    assert some.stdout.endswith("1 execution in a/b.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--domain", DOMAIN), "Error: Give either --from-aws or --endpoint-url."),
        (
            ("--from-aws", "--endpoint-url", "http://x", "--domain", "a"),
            "Error: Give either --from-aws",
        ),
        (("--from-aws",), "Error: Missing option '--domain'"),
        (("{url}", "--domain", "a", "--run-id", "x"), "Error: --run-id requires --workflow-id."),
        (
            ("{url}", "--domain", "a", "--run-id", "x", "--workflow-id", "y", "--limit", "1"),
            "Error: --run-id already names the run; leave the other filters out.",
        ),
        (("{url}", "--domain", "a"), "Error: there is no domain 'a'"),
        (
            ("{url}", "--domain", DOMAIN, "--workflow-id", "a"),
            "Error: no execution matches the filters",
        ),
        (
            ("{url}", "--domain", DOMAIN, "--workflow-id", "a", "--run-id", "b"),
            "Error: there is no execution with the workflow ID 'a' and the run ID 'b' in the ",
        ),
        (("{url}", "--domain", DOMAIN, "--since", "x"), "Error: Invalid value for '--since': "),
        (("{url}", "--domain", DOMAIN, "--status", "x"), "Error: Invalid value for '--status': "),
        (("{url}", "--domain", DOMAIN, "--limit", "0"), "Error: Invalid value for '--limit': "),
        (("--endpoint-url", "here", "--domain", "a"), "Error: 'here' is not the URL of a service"),
        (("{url}", "--domain", DOMAIN, "--to", "file"), "Error: Invalid value for '--to': "),
        (
            ("{url}", "--domain", DOMAIN, "--to", "file/a"),
            "Error: file/a cannot be written: Not a ",
        ),
    ],
)
def test_a_failed_recording_is_reported_in_a_sentence(
    endpoint: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    given = [f"--endpoint-url={endpoint.url}" if word == "{url}" else word for word in words]
    result = typed(*given)

    assert result.exit_code > 0
    assert not result.stdout
    assert result.stderr.splitlines()[-1].startswith(said)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_reply_that_is_cut_off_is_not_taken_for_a_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class CutOff:
        def __getattr__(self, name: str) -> Any:
            return lambda **request: {}

    monkeypatch.setattr(sys.modules["flowy_sim._cli.history"], "_client", lambda *_: CutOff())
    result = typed("--endpoint-url=http://127.0.0.1:1", "--domain", DOMAIN, "--to", str(tmp_path))
    assert result.exit_code == 1
    assert "the reply to list_open_workflow_executions is empty or cut off" in result.output
