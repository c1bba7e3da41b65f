"""What commands show of an execution whose every text was chosen by an attacker."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from hypothesis import given

from flowy._cli import cli, common
from flowy._cli.list import _write_csv
from tests.support.hostile_text import WORST, hostile_texts, problems_of

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Service:
    """A service with one execution, in which every text is the same."""

    def __init__(self, text: str, status: str = "CLOSED") -> None:
        self.text = text
        self.info = {
            "execution": {"workflowId": text, "runId": text},
            "workflowType": {"name": text, "version": text},
            "startTimestamp": NOON,
            "executionStatus": status,
            "tagList": [text],
        }
        if status == "CLOSED":
            self.info |= {"closeTimestamp": NOON, "closeStatus": "FAILED"}

    def list_open_workflow_executions(self, **_: Any) -> dict[str, Any]:
        is_open = self.info["executionStatus"] == "OPEN"
        return {"executionInfos": [self.info] if is_open else []}

    def list_closed_workflow_executions(self, **_: Any) -> dict[str, Any]:
        is_open = self.info["executionStatus"] == "OPEN"
        return {"executionInfos": [] if is_open else [self.info]}

    def describe_workflow_execution(self, **_: Any) -> dict[str, Any]:
        return {"executionInfo": self.info, "openCounts": {"openTimers": 1}}

    def get_workflow_execution_history(self, **_: Any) -> dict[str, Any]:
        text = self.text
        type_ = {"name": text, "version": text}
        return {
            "events": [
                _event(1, "WorkflowExecutionStarted", input=text, workflowType=type_),
                _event(2, "WorkflowExecutionSignaled", signalName=text, input=text),
                _event(3, "MarkerRecorded", markerName=text, details=text),
                _event(4, "WorkflowExecutionFailed", reason=text, details=text),
            ]
        }

    def __getattr__(self, operation: str) -> Any:
        return lambda **_: {}


class Refusing:
    """A service that refuses every call, with a text."""

    def __init__(self, text: str) -> None:
        self._error = ClientError({"Error": {"Code": "Refused", "Message": text}}, "Any")

    def __getattr__(self, operation: str) -> Any:
        def refuse(**_: Any) -> None:
            raise self._error

        return refuse


def _event(event_id: int, kind: str, **attributes: Any) -> dict[str, Any]:
    member = f"{kind[0].lower()}{kind[1:]}EventAttributes"
    return {"eventId": event_id, "eventType": kind, "eventTimestamp": NOON, member: attributes}


def flowy(service: object, *arguments: str) -> Result:
    patch = pytest.MonkeyPatch()
    patch.setattr(common, "connect", lambda *_: service)
    try:
        name, *others = arguments
        runner = CliRunner(env={"COLUMNS": None})
        return runner.invoke(cli, [name, "--domain", "shop", *others])
    finally:
        patch.undo()


COMMANDS = {
    "list": (),
    "show": ("order",),
    "history": ("order",),
    "signal": ("--", "order", "TEXT"),
    "cancel": ("--", "TEXT"),
    "terminate": ("--reason", "TEXT", "order"),
}


@pytest.mark.parametrize("command", COMMANDS)
@given(text=hostile_texts())
def test_no_command_shows_text_that_could_do_harm(command: str, text: str) -> None:
    words = [text if word == "TEXT" else word for word in COMMANDS[command]]
    shown = flowy(Service(text), command, *words)
    assert shown.exception is None, shown.exception
    assert not problems_of(shown.output)


@pytest.mark.parametrize("command", ["list", "show", "history"])
def test_a_text_cannot_forge_lines(command: str) -> None:
    counts = [
        flowy(Service(text), command, *COMMANDS[command]).output.count("\n")
        for text in ("harmless", "a\r\x0b\x0c\x1c\x85\u2028b")
    ]
    assert counts[0] == counts[1]
    if command != "show":
        shown = flowy(Service("a\nb"), command, *COMMANDS[command]).output
        assert shown.count("\n") == counts[0]
    else:
        shown = flowy(Service("a\nstatus: fine"), command, "order").output
        assert "\nstatus: fine" not in shown


@given(text=hostile_texts())
def test_rows_of_csv_are_exact_in_a_file_and_harmless_on_a_terminal(text: str) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown: list[str] = []
    for output in (io.StringIO(newline=""), Terminal(newline="")):
        with redirect_stdout(output):
            _write_csv([Service(text).info])
        shown.append(output.getvalue())
    exact = list(csv.reader(io.StringIO(shown[0], newline="")))[1]
    assert (exact[0], exact[-1]) == (text, text)
    assert not problems_of(shown[1])
    assert shown[1].count("\n") == 2


@pytest.mark.parametrize("command", COMMANDS)
@given(text=hostile_texts())
def test_messages_of_the_service_are_harmless(command: str, text: str) -> None:
    words = [text if word == "TEXT" else word for word in COMMANDS[command]]
    shown = flowy(Refusing(text), command, *words)
    assert shown.exit_code == 1
    assert not problems_of(shown.output)
    assert shown.output.count("\n") == 1


@given(hostile_texts())
def test_json_output_is_exact(text: str) -> None:
    text = json.loads(json.dumps(text))  # Two surrogates in a row become a character.
    listed = flowy(Service(text), "list", "--json")
    assert json.loads(listed.output)["execution"]["workflowId"] == text
    events = json.loads(flowy(Service(text), "history", "--json", "order").output)["events"]
    assert events[3]["workflowExecutionFailedEventAttributes"]["details"] == text
    assert json.loads(flowy(Service(text), "show", "--json", "order").output)["reason"] == text


def test_a_long_id_moves_only_its_own_line() -> None:
    service = Service("x" * 32_768, status="OPEN")
    short = {**service.info, "execution": {"workflowId": "short", "runId": "r"}}
    service.list_open_workflow_executions = lambda **_: {  # type: ignore[method-assign]
        "executionInfos": [short, service.info]
    }
    _, first, second = flowy(service, "list").output.splitlines()
    assert first.startswith("short" + " " * 57 + "OPEN")
    assert second.startswith("x" * 32_768 + "  OPEN")


def test_the_worst_of_texts_is_still_recognizable() -> None:
    shown = flowy(Service(WORST), "list").output.split("\n", 1)[1]
    assert shown.startswith(
        r"␛[2J␍␊2024-01-01 ERROR forged\x9b1m␇␀\u202eabc\u2066\u2028\ud800\u061c<"
    )
