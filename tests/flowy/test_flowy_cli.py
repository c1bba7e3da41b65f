from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from flowy import ActivityWorker, Execution, WorkflowWorker, scan
from flowy._cli import cli, parse_argument
from flowy._installation import install_command
from flowy_sim import mock_swf
from tests.support.worker_loops import DOMAIN, attributes, history

WORK = """
import os, signal
from flowy import Activity, ActivityProxy, Workflow, activity, workflow

@activity("greet", 1, "everything")
class Greet(Activity):
    def run(self, name, size=1):
        os.kill(os.getpid(), signal.SIGTERM)
        return name * size

@workflow("welcome", 1, "everything")
class Welcome(Workflow):
    greet = ActivityProxy(Greet)

    def run(self, name, size=1):
        return self.greet(name, size)
"""


@pytest.fixture
def client() -> Iterator[Any]:
    """A boto3 client of the simulation that the commands call as well."""
    with mock_swf():
        yield boto3.client("swf")


@pytest.fixture
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A current directory with a module ``work``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "broken.py").write_text("1 / 0")
    yield
    for name in ("work", "empty", "broken"):
        sys.modules.pop(name, None)


@contextmanager
def logging_not_set_up() -> Iterator[None]:
    """Let a command set up logging as in a process of its own, and undo it."""
    botocore = logging.getLogger("botocore")
    handlers, levels = [*logging.root.handlers], (logging.root.level, botocore.level)
    logging.root.handlers.clear()
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(levels[0])
    botocore.setLevel(levels[1])


def flowy(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_domain_is_registered_once(client: Any) -> None:
    result = flowy("register-domain", DOMAIN, "--retention", "30")
    assert (result.exit_code, result.output) == (
        0,
        "Registered flowy; it keeps closed executions for 30 days.\n",
    )
    result = flowy("register-domain", DOMAIN)
    assert (result.exit_code, result.output) == (
        0,
        "The domain flowy exists already; it keeps closed executions for 30 days.\n",
    )
    configuration = client.describe_domain(name=DOMAIN)["configuration"]
    assert configuration == {"workflowExecutionRetentionPeriodInDays": "30"}


@pytest.mark.parametrize("period", ["NONE", "0"])
def test_a_domain_that_exists_may_retain_nothing(client: Any, period: str) -> None:
    client.register_domain(name="brief", workflowExecutionRetentionPeriodInDays=period)
    result = flowy("register-domain", "brief")
    assert (result.exit_code, result.output) == (
        0,
        "The domain brief exists already; it keeps closed executions for 0 days.\n",
    )


@pytest.mark.usefixtures("_project")
def test_an_execution_is_started_and_worked_on(client: Any) -> None:
    flowy("register-domain", DOMAIN)
    found = scan("work")
    ActivityWorker(client, DOMAIN, "everything", found.activities).register()
    WorkflowWorker(client, DOMAIN, "everything", found.workflows).register()

    started = flowy("start", "--domain", DOMAIN, "--workflow-id", "one", "work:Welcome", "you", "3")
    assert started.exit_code == 0
    workflow_id, run_id = (line.split(": ")[1] for line in started.output.splitlines())
    assert workflow_id == "one"

    before = signal.getsignal(signal.SIGTERM)
    with logging_not_set_up():
        worked = flowy("worker", "--domain", DOMAIN, "--task-list", "everything", "work")
    assert worked.exit_code == 0, worked.output
    assert "INFO flowy.workers: one: greet-1 (greet 1) completed" in worked.stderr
    assert signal.getsignal(signal.SIGTERM) is before
    events = history(client, Execution(workflow_id, run_id))
    assert attributes(events, "WorkflowExecutionStarted")[0]["input"] == '[["you", 3], {}]'
    assert attributes(events, "ActivityTaskCompleted")[0]["result"] == '"youyouyou"'
    identity = attributes(events, "ActivityTaskStarted")[0]["identity"]
    assert identity.endswith(f":{os.getpid()}")


@pytest.mark.usefixtures("_project")
def test_an_execution_is_started_with_settings_of_its_own(client: Any) -> None:
    flowy("register-domain", DOMAIN)
    WorkflowWorker(client, DOMAIN, "everything", scan("work").workflows).register()
    started = flowy(
        *("start", "--domain", DOMAIN, "--workflow-id", "one", "--priority", "-3"),
        *("--execution-start-to-close", "60", "--task-start-to-close", "5"),
        *("--child-policy", "abandon", "--lambda-role", "arn:role", "--tag", "blue"),
        *("work:Welcome", "you"),
    )
    assert started.exit_code == 0, started.output
    run_id = started.output.split("run ID: ")[1].strip()
    (begun,) = attributes(history(client, Execution("one", run_id)), "WorkflowExecutionStarted")
    named = ("taskPriority", "executionStartToCloseTimeout", "taskStartToCloseTimeout")
    assert [begun[name] for name in named] == ["-3", "60", "5"]
    named = ("childPolicy", "lambdaRole", "tagList")
    assert [begun[name] for name in named] == ["ABANDON", "arn:role", ["blue"]]


@pytest.mark.usefixtures("client", "_project")
def test_several_threads_work_in_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    flowy("register-domain", DOMAIN)
    asked: list[Any] = []
    monkeypatch.setattr(
        "flowy._cli.worker.run_processes", lambda *arguments: asked.append(arguments)
    )
    with logging_not_set_up():
        result = flowy(
            *("worker", "--domain", DOMAIN, "--task-list", "everything"),
            *("--processes", "3", "--threads", "4", "--store", "kept", "work"),
        )
    assert result.exit_code == 0, result.output
    ((processes, make_workers, staff),) = asked
    assert processes == 3
    with logging_not_set_up():
        workers = make_workers(pickle.loads(pickle.dumps(staff)))
    assert [each.kind for each in workers] == ["activity", "workflow"] * 4
    identities = {each._poll_request["identity"] for each in workers}
    assert len(identities) == 4
    assert all(f":{os.getpid()}:" in identity for identity in identities)


@pytest.mark.usefixtures("client", "_project")
@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("register-domain", DOMAIN, "--retention", "91"), 2, "91 is not in the range 1<=x<=90"),
        (("register-domain",), 2, "Missing argument 'NAME'"),
        (("worker", "--domain", DOMAIN, "--task-list", "everything"), 2, "Missing argument"),
        (("worker", "--domain", DOMAIN, "work"), 2, "Missing option '--task-list'"),
        (
            ("worker", "--domain", DOMAIN, "--task-list", "x", "--threads", "0", "work"),
            2,
            "0 is not in the range x>=1",
        ),
        (
            ("worker", "--domain", DOMAIN, "--task-list", "x", "--store", "ftp://x", "work"),
            1,
            "Error: a store is a folder or s3://bucket/prefix, not 'ftp://x'",
        ),
        (
            ("worker", "--domain", "nowhere", "--task-list", "everything", "work"),
            1,
            "Error: there is no domain 'nowhere'; register it first: flowy register-domain",
        ),
        (
            ("worker", "--domain", DOMAIN, "--task-list", "everything", "empty"),
            1,
            "Error: there are no activities and no workflows in empty",
        ),
        (
            ("worker", "--domain", DOMAIN, "--task-list", "x", "--workflows", "empty"),
            1,
            "Error: there is no workflow to work on",
        ),
        (
            ("worker", "--domain", DOMAIN, "--task-list", "everything", "broken"),
            1,
            "Error: the module 'broken' cannot be imported: ZeroDivisionError: division by zero",
        ),
        (("start", "--domain", DOMAIN, "work.Welcome"), 1, "Error: name a workflow as module"),
        (("start", "--domain", DOMAIN, "work:Greet"), 1, "'Greet' is not a workflow of the module"),
        (("start", "--domain", DOMAIN, "work:Welcome"), 1, "missing a required argument: 'name'"),
        (
            ("start", "--domain", DOMAIN, "--workflow-id", "x" * 257, "work:Welcome", "you"),
            1,
            "Error: workflow_id must be text of 1 to 256 characters",
        ),
    ],
)
def test_errors_are_reported_in_one_sentence(
    arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    result = flowy(*arguments)
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert result.exit_code == status
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ["AWS_DEFAULT_REGION"],
            "You must specify a region. Give --region or set AWS_DEFAULT_REGION.",
        ),
        (
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            "Unable to locate credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE.",
        ),
    ],
)
def test_a_missing_setting_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, names: list[str], sentence: str
) -> None:
    for name in names:
        monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it knows what was set before
    result = flowy("register-domain", DOMAIN, "--endpoint-url", "http://127.0.0.1:1")
    assert (result.exit_code, result.output) == (1, f"Error: {sentence}\n")


def test_a_registered_domain_is_reported_in_json(client: Any) -> None:
    assert json.loads(flowy("register-domain", "--json", DOMAIN).output) == {
        "domain": DOMAIN,
        "registered": True,
        "retention_days": 7,
    }
    assert json.loads(flowy("register-domain", "--json", DOMAIN).output)["registered"] is False


def test_a_service_that_does_not_answer_is_reported_in_one_sentence() -> None:
    result = flowy("register-domain", DOMAIN, "--endpoint-url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.output.startswith("Error: Could not connect to the endpoint URL")


def test_a_bug_in_flowy_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowy._cli.common.connect", lambda *arguments: None)
    result = flowy("register-domain", DOMAIN)
    assert isinstance(result.exception, AttributeError)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("[1, null]", [1, None]),
        ('"3"', "3"),
        ("photo.jpg", "photo.jpg"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("", ""),
        ("[" * 9_999, "[" * 9_999),
    ],
)
def test_arguments_are_json_or_else_text(text: str, value: Any) -> None:
    assert parse_argument(text) == value


def test_a_command_that_is_interrupted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flowy._cli.common.connect", press)
    ran = flowy("list", "--domain", "shop", "--endpoint-url", "http://127.0.0.1:1")
    assert (ran.exit_code, ran.stderr) == (130, "Interrupted.\n")


def test_the_package_can_be_run() -> None:
    completed = run_python("-m", "flowy", "--help")
    assert completed.returncode == 0
    assert "register-domain" in completed.stdout


def test_without_click_one_sentence_says_what_to_install() -> None:
    script = "import sys; sys.modules['click'] = None; from flowy.__main__ import main; main()"
    completed = run_python("-c", script)
    assert (completed.returncode, completed.stdout, completed.stderr) == (
        1,
        "",
        f"flowy's command line needs click; install it: {install_command('cli')}\n",
    )


def test_the_simulator_is_imported_within_commands_only() -> None:
    script = "import sys, flowy._cli; print('flowy_sim' in sys.modules)"
    assert run_python("-c", script).stdout == "False\n"


def test_using_flowy_imports_neither_boto3_nor_click_nor_the_simulator() -> None:
    script = (
        "import sys, flowy; print({'boto3', 'botocore', 'click', 'flowy_sim'} & {*sys.modules})"
    )
    assert run_python("-c", script).stdout == "set()\n"


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
