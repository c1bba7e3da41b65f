"""Commands that show what is going on: waits, live progress, and acting on several executions."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from click.testing import CliRunner, Result

from flowy import ActivityProxy, Execution, Workflow, WorkflowWorker, start, workflow
from flowy._cli import cli, follow
from flowy.tutorial import ImageCategorization
from flowy.tutorial.activities import PredominantColor, RenameImage, Resize
from flowy_sim import Simulation, mock_swf
from flowy_sim._cli import cli as flowy_sim_cli
from tests.support.exact_calls import EXACT_CALLS
from tests.support.example_workflows import Chain, Double
from tests.support.worker_loops import DOMAIN, attributes, history, types, workers


@workflow("paused", 1, "decisions", execution_start_to_close=7200)
class Paused(Workflow):
    """Waits for an activity, a timer and a signal, then runs again or fails."""

    double = ActivityProxy(Double)

    def run(self, end: str) -> int:
        number = self.double(1)
        self.timer(90)
        self.signal("go").result()
        number.result()
        if end == "again":
            self.restart("complete")
        if end == "fail":
            raise ValueError("it was to fail")
        return 3


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(latency=EXACT_CALLS)


@pytest.fixture
def client(simulation: Simulation) -> Iterator[Any]:
    with mock_swf(simulation):
        client = boto3.client("swf")
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
        workers(client, [Double], [Chain, Paused])
        yield client


@pytest.fixture
def both(client: Any) -> list[Any]:
    return workers(client, [Double], [Chain, Paused])


def flowy(command: str, *arguments: str, **settings: Any) -> Result:
    environment = {"COLUMNS": str(settings.pop("columns", 200))}
    return CliRunner(env=environment).invoke(
        cli, [command, "--domain", DOMAIN, *arguments], **settings
    )


def answered(command: str, *arguments: str, **settings: Any) -> str:
    result = flowy(command, *arguments, **settings)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_an_open_execution_waits_for_is_shown_with_its_end(client: Any, both: Any) -> None:
    start(client, DOMAIN, Paused, "complete", workflow_id="one")
    assert answered("show", "one").splitlines()[-1] == (
        "- its decision task has been on the list 'decisions' since 2024-01-01 00:00:00; no worker "
        "has taken it"
    )
    both[0].run_once()
    shown = answered("show", "one", "--code", __name__)
    assert "times out:   2024-01-01 02:00:00.000 UTC\n" in shown
    assert "open:        1 activity task, 1 timer\n" in shown
    assert "paused 1 · open" in shown
    assert re.search(r"^go\? .* ◇  awaited$", shown, re.MULTILINE)
    assert shown.split("It waits for (times in UTC):\n")[1].splitlines() == [
        "- it waits for the signal 'go', which has not been sent",
        "- activity double 1 (double-1) has been on the list 'numbers' since 2024-01-01 00:00:00; "
        "no worker has taken it",
        "- timer timer-2 fires at 2024-01-01 00:01:30",
    ]
    waits = json.loads(answered("show", "--json", "one"))["waits"]
    assert [text.split()[0] for text in waits] == ["activity", "timer"]


def test_the_page_about_workers_shows_what_is_shown(client: Any) -> None:
    workers(client, [Double], [ImageCategorization])
    for activity in (Resize, PredominantColor, RenameImage):
        declared = activity.flowy_type
        client.register_activity_type(
            domain=DOMAIN, name=declared.name, version=declared.version, **declared.defaults
        )
    start(client, DOMAIN, ImageCategorization, "lake.jpg", workflow_id="lake")
    WorkflowWorker(client, DOMAIN, "image_processing", [ImageCategorization]).run_once()
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text(encoding="utf-8")
    _, shown = answered("show", "lake").split("\n\nIt waits")
    assert f"```text\nIt waits{shown}```\n" in page


def test_a_task_that_a_worker_holds_is_shown_with_the_worker(client: Any, both: Any) -> None:
    start(client, DOMAIN, Paused, "complete", workflow_id="one")
    both[0].run_once()
    client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "numbers"}, identity="me")
    shown = answered("show", "one")
    assert "(double-1) was taken by me at 2024-01-01 00:00:00 and has not answered" in shown


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(client: Any, both: Any, columns: int) -> None:
    for number in range(3):
        name = f"a rather long name of an execution, {number}"
        start(client, DOMAIN, Paused, "x" * 500, workflow_id=name, tags=["a long tag", "another"])
    both[0].run_once()
    lines = answered("history", name, columns=columns).splitlines()
    assert columns < 80 or max(map(len, lines)) <= columns
    table = answered("list", columns=columns).splitlines()
    assert columns < 80 or max(map(len, table)) <= columns
    assert table[0].split("  ")[0] == "WORKFLOW ID"
    assert len(table) == 4


def test_events_say_what_they_are_about(client: Any, both: Any) -> None:
    execution = start(client, DOMAIN, Paused, "complete", workflow_id="one")
    both[0].run_once()
    both[1].run_once()
    client.signal_workflow_execution(domain=DOMAIN, workflowId="one", signalName="go", input="1")
    lines = answered("history", "one").splitlines()[1:]
    about = dict(zip(types(history(client, execution)), lines, strict=True))
    assert about["TimerStarted"].endswith("timer-2  1 min 30 s")
    assert about["ActivityTaskCompleted"].endswith("double-1  2")
    assert about["WorkflowExecutionSignaled"].endswith("signal go  1")
    client.terminate_workflow_execution(domain=DOMAIN, workflowId="one", reason="enough")
    assert answered("history", "one").splitlines()[-1].endswith("enough")


def test_executions_are_written_as_csv(client: Any) -> None:
    start(client, DOMAIN, Chain, 1, 2, workflow_id='a "quoted", one', tags=["red", "blue"])
    rows = list(csv.DictReader(io.StringIO(answered("list", "--format", "csv"))))
    assert rows[0]["workflow_id"] == 'a "quoted", one'
    assert rows[0]["started"] == "2024-01-01T00:00:00+00:00"
    assert (rows[0]["status"], rows[0]["closed"], rows[0]["tags"]) == ("OPEN", "", "red blue")
    assert answered("list", "--format", "json") == answered("list", "--json")


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch, client: Any, both: Any) -> None:
    """While a command waits for news, the workers work and the signal is sent."""

    def work(_: float) -> None:
        client.signal_workflow_execution(domain=DOMAIN, workflowId="one", signalName="go")
        for worker in both:
            worker.run_once()

    monkeypatch.setattr(follow.time, "sleep", work)


@pytest.mark.parametrize(("end", "status"), [("complete", 0), ("fail", 1), ("again", 0)])
@pytest.mark.parametrize("command", ["show", "history", "start"])
@pytest.mark.usefixtures("followed")
def test_following_ends_with_the_status_of_the_outcome(
    client: Any, end: str, status: int, command: str
) -> None:
    if command == "start":
        words = ["--wait", "--workflow-id", "one", f"{__name__}:Paused", end]
    else:
        start(client, DOMAIN, Paused, end, workflow_id="one")
        words = ["--follow", "one"]
    result = flowy(command, *words)
    assert result.exit_code == status, result.output
    progress = result.stdout if command == "history" else result.stderr
    assert "ActivityTaskCompleted       double-1  2" in progress
    assert progress.count("WorkflowExecutionStarted") == (2 if end == "again" else 1)
    if command != "history":
        assert f"status:      {'FAILED' if status else 'COMPLETED'}\n" in result.stdout


@pytest.mark.usefixtures("followed")
def test_a_terminal_gets_a_timeline_that_grows(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    start(client, DOMAIN, Paused, "again", workflow_id="one")
    result = flowy("show", "--follow", "one", columns=80)
    assert result.exit_code == 0
    assert "1mpaused 1\x1b" in result.stderr
    assert "no news for 0 s; Ctrl-C does not stop the execution" in result.stderr


@pytest.mark.usefixtures("followed")
def test_following_in_json_shows_only_the_outcome(client: Any) -> None:
    result = flowy("start", "--wait", "--json", "--workflow-id", "one", f"{__name__}:Paused", "x")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["result"] == 3


def test_a_type_without_local_code_is_started_with_its_input(client: Any) -> None:
    run_id = json.loads(answered("start", "--json", "--workflow-id", "one", "chain:1"))["run_id"]
    sent = attributes(history(client, Execution("one", run_id)), "WorkflowExecutionStarted")[0]
    assert sent["input"] == "[[], {}]"
    for number, text in enumerate(("", "as it is", '{"a": 1}')):
        words = ["--workflow-id", f"{number}", "chain:1", "--input", text, "--json"]
        run_id = json.loads(answered("start", *words))["run_id"]
        events = history(client, Execution(f"{number}", run_id))
        assert attributes(events, "WorkflowExecutionStarted")[0].get("input", "") == text


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("chain", "--input", "x"), 2, "--input needs NAME:VERSION, such as order:1.0, not 'chain"),
        (("chain:1", "x", "--input", "x"), 2, "Give either arguments or --input"),
        (("nowhere:Order",), 1, "to start a type without its code, give NAME:VERSION and --input"),
        (("chain:2.0", "--input", "x"), 1, "chain 2.0 cannot be started: it is not registered in"),
        (("chain:1", "-5"), 2, "No such option '-5'. Write -- before arguments that begin with a"),
    ],
)
@pytest.mark.usefixtures("client")
def test_a_wrong_start_is_reported_in_one_sentence(
    words: tuple[str, ...], status: int, sentence: str
) -> None:
    result = flowy("start", *words)
    assert result.exit_code == status
    assert result.output.count(sentence) == 1


ON_SEVERAL = {
    "signal": (["go"], "WorkflowExecutionSignaled", "Send the signal go to these 2 executions?"),
    "cancel": (
        [],
        "WorkflowExecutionCancelRequested",
        "Request the cancellation of these 2 executions?",
    ),
    "terminate": ([], "WorkflowExecutionTerminated", "Terminate these 2 executions?"),
}


@pytest.mark.parametrize("command", ON_SEVERAL)
def test_several_executions_are_acted_on_after_a_question(client: Any, command: str) -> None:
    words, event, question = ON_SEVERAL[command]
    tagged = [
        start(client, DOMAIN, Chain, 1, 2, workflow_id=name, tags=["red"]) for name in ("a", "b")
    ]
    other = start(client, DOMAIN, Chain, 1, 2, workflow_id="c")
    refused = flowy(command, "--tag", "red", *words, input="n\n")
    assert refused.exit_code == 1
    assert question in refused.output
    assert refused.stderr.startswith("  b\n  a\n")
    assert refused.stderr.endswith("Nothing was done.\n")
    assert "Error" not in refused.stderr
    assert not any(event in types(history(client, each)) for each in (*tagged, other))
    assert flowy(command, "--tag", "red", *words, input="y\n").exit_code == 0
    assert all(event in types(history(client, each)) for each in tagged)
    assert event not in types(history(client, other))
    unmatched = flowy(command, "--type", "chain:2", "--yes", *words)
    assert unmatched.stderr == f"Error: no open execution in the domain {DOMAIN!r} matches\n"
    refused = flowy(command, "--type", "chain:", "--yes", *words)
    assert "'chain:' is not a workflow type; give NAME or NAME:VERSION" in refused.stderr
    answer = answered(command, "--type", "chain:1", "--yes", "--json", *words)
    assert json.loads(answer.splitlines()[0])["workflow_id"] == "c"


def test_where_no_one_answers_nothing_is_done(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def confirm(text: str, **_: Any) -> bool:
        raise click.Abort  # As at the end of the input.

    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="a", tags=["red"])
    monkeypatch.setattr(click, "confirm", confirm)
    unanswered = flowy("cancel", "--tag", "red")
    assert unanswered.exit_code == 1
    assert unanswered.stderr.endswith(
        "\nError: nothing was done; to act without being asked, give --yes\n"
    )
    assert "WorkflowExecutionCancelRequested" not in types(history(client, execution))


def test_executions_that_are_gone_do_not_keep_the_others_from_being_canceled(client: Any) -> None:
    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="b")
    result = flowy("cancel", "a", "b")
    assert result.exit_code == 1
    assert "no open execution with the workflow ID 'a'" in result.stderr
    assert result.stdout == "Asked b to cancel itself.\n"
    assert "WorkflowExecutionCancelRequested" in types(history(client, execution))


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("cancel",), 2, "Give a WORKFLOW_ID, or choose executions by --type or --tag."),
        (("cancel", "a", "--tag", "red"), 2, "--type and --tag choose executions; leave IDs out."),
        (("terminate", "--run-id", "r", "a", "b"), 2, "--run-id is for one execution"),
        (("terminate", "--tag", "red"), 1, "no open execution in the domain 'flowy' matches"),
        (("signal", "a"), 2, "Missing argument 'NAME'"),
        (("signal",), 2, "Missing argument"),
        (
            ("signal", "a", "b", "c", "d"),
            2,
            "Give one VALUE, not 2; write a value with spaces in quotes.",
        ),
        (
            ("signal", "--tag", "red", "b", "c", "d"),
            2,
            "Give one VALUE, not 2; write a value with spaces in quotes.",
        ),
        (("history", "a", "--follow", "--json"), 2, "leave --output and --json out"),
    ],
)
@pytest.mark.usefixtures("client")
def test_wrong_words_are_reported(words: tuple[str, ...], status: int, sentence: str) -> None:
    result = flowy(*words)
    assert (result.exit_code, result.output.count(sentence)) == (status, 1), result.output


def test_a_failure_is_told_once(client: Any) -> None:
    execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
    task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
    for details, shown in (("Traceback\n  File\nValueError: no money\n", "Traceback"), ("", "")):
        failure = {"reason": "ValueError: no money", **({"details": details} if details else {})}
        client.respond_decision_task_completed(
            taskToken=task["taskToken"],
            decisions=[
                {
                    "decisionType": "FailWorkflowExecution",
                    "failWorkflowExecutionDecisionAttributes": failure,
                }
            ],
        )
        output = answered("show", "one")
        assert output.count("no money") == 1
        assert shown in output
        execution = start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
        task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "decisions"})
    assert execution.run_id in answered("show", "one")


def commands() -> Iterator[Any]:
    for group in (cli, flowy_sim_cli):
        assert isinstance(group, click.Group)
        yield pytest.param(group, id=str(group.callback.__module__))
        for name, command in group.commands.items():
            yield pytest.param(command, id=f"{group.callback.__module__} {name}")


@pytest.mark.parametrize("command", list(commands()))
def test_the_help_of_every_command_has_examples(command: click.Command) -> None:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(command, ["--help"])
    assert re.search(r"Examples?:\n    ", result.output)
    assert max(map(len, result.output.splitlines())) <= 80


def test_a_terminal_gets_colours_and_a_file_does_not(
    client: Any, both: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(client, DOMAIN, Chain, 1, 2, workflow_id="one")
    for command in (["list"], ["history", "one"], ["show", "one"]):
        assert "\x1b[" not in answered(*command)
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "\x1b[" in answered(*command)
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b[3" not in answered(*command)
        monkeypatch.delenv("NO_COLOR")
        monkeypatch.delenv("FORCE_COLOR")


def test_a_refusal_is_explained_by_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    class Refusing:
        def __init__(self, code: str, text: str) -> None:
            error = {"Error": {"Code": code, "Message": text}}
            self.error = ClientError(error, "ListOpenWorkflowExecutions")

        def __getattr__(self, operation: str) -> Any:
            def refuse(**_: Any) -> None:
                raise self.error

            return refuse

    host = "The host 'swf' is not allowed; start the server with --allow-host swf."
    user = "User: arn:aws:iam::1:user/me is not authorized to perform: swf:List"
    policy = f"{user}; allow the action in the IAM policy of these credentials.\n"
    for code, text, end in (
        ("AccessDeniedException", host, f"{host}\n"),  # Of a simulator.
        ("AccessDeniedException", user, policy),
        ("OperationNotPermittedFault", user, policy),
        ("UnrecognizedClientException", "It is invalid.", "invalid; the service does not know"),
        ("ExpiredTokenException", "It is expired", "It is expired; renew these credentials"),
    ):
        refusing = Refusing(code, text)
        monkeypatch.setattr("flowy._cli.common.connect", lambda *_, it=refusing: it)
        assert end in flowy("list").output
