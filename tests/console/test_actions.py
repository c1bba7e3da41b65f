from __future__ import annotations

import json
import shlex
from contextlib import suppress
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim._console.actions import CALLS, MOVES, seconds_of
from flowy_sim._console.commands import CallTarget, aws_cli, boto3
from flowy_sim._console.source import SourceError
from flowy_sim._server.endpoint import Endpoint
from tests.support.console_pages import Browser
from tests.support.console_shop import DOMAIN, Shop, charge, timer
from tests.support.hostile_text import WORST, hostile_texts


def act(
    browser: Browser,
    name: str,
    kind: str = "act",
    headers: dict[str, str] | None = None,
    **fields: str,
) -> tuple[int, dict[str, Any]]:
    """Send the form of an action, and return status and answer."""
    if not browser.token:
        browser.open()
    sent = {"X-Flowy-Action": browser.token, "Content-Type": "application/json", **(headers or {})}
    status, _, body = browser.ask(
        "POST", f"_console/{kind}/{name}", json.dumps(fields).encode(), **sent
    )
    return status, json.loads(body)


def events(shop: Shop, workflow_id: str, run_id: str) -> list[dict[str, Any]]:
    found = shop.client.get_workflow_execution_history(
        domain=DOMAIN, execution={"workflowId": workflow_id, "runId": run_id}
    )
    return list(found["events"])


class TestCalls:
    def test_start_by_name_and_version(self, browser: Browser, shop: Shop) -> None:
        status, done = act(
            browser,
            "start",
            type_name="Purchase",
            type_version="2",
            workflow="order-1",
            input='{"items": 1}',
            tags="eu, vip",
            task_list="other",
        )
        assert status == 200
        page = browser.open(f"_console/{done['url']}")
        assert "<title>order-1" in page.source
        run_id = page.links["Download the history"].rpartition("run=")[2]
        assert run_id
        listed = shop.client.list_open_workflow_executions(
            domain=DOMAIN, startTimeFilter={"oldestDate": 0}
        )["executionInfos"]
        assert listed[0]["tagList"] == ["eu", "vip"]

    def test_signal(self, browser: Browser, shop: Shop) -> None:
        run_id = shop.start("order-1")
        act(browser, "signal", workflow="order-1", run=run_id, signal="hurry", input=WORST)
        signaled = events(shop, "order-1", run_id)[2]["workflowExecutionSignaledEventAttributes"]
        assert (signaled["signalName"], signaled["input"]) == ("hurry", WORST)

    def test_request_cancel(self, browser: Browser, shop: Shop) -> None:
        run_id = shop.start("order-1")
        act(browser, "cancel", workflow="order-1", run=run_id)
        assert events(shop, "order-1", run_id)[2]["eventType"] == "WorkflowExecutionCancelRequested"
        assert "cancel requested" in browser.open().text

    def test_terminate(self, browser: Browser, shop: Shop) -> None:
        run_id = shop.start("order-1")
        act(browser, "terminate", workflow="order-1", run=run_id, reason="a mistake")
        last = events(shop, "order-1", run_id)[-1]["workflowExecutionTerminatedEventAttributes"]
        assert (last["reason"], last["cause"]) == ("a mistake", "OPERATOR_INITIATED")

    @pytest.mark.parametrize("activity_id", ["charge-1", WORST])
    def test_complete_and_fail_a_held_activity_by_hand(
        self, browser: Browser, shop: Shop, activity_id: str
    ) -> None:
        run_id = shop.start("order-1")
        shop.decide(charge(activity_id), charge("charge-2"))
        shop.take()
        shop.take()
        ids = {"workflow": "order-1", "run": run_id}
        assert act(browser, "complete", activity=activity_id, result="42", **ids)[0] == 200
        assert act(browser, "fail", activity="charge-2", reason="broke", **ids)[0] == 200
        completed, failed = [
            each for each in events(shop, "order-1", run_id) if each["eventType"].endswith("ed")
        ][-3::2]
        assert completed["activityTaskCompletedEventAttributes"]["result"] == "42"
        assert failed["activityTaskFailedEventAttributes"]["reason"] == "broke"

    def test_an_activity_that_no_worker_has_cannot_be_answered(
        self, browser: Browser, shop: Shop
    ) -> None:
        run_id = shop.start("order-1")
        shop.decide(charge("charge-1"))
        status, answer = act(
            browser, "complete", workflow="order-1", run=run_id, activity="charge-1"
        )
        assert status == 400
        assert answer["error"] == "No worker has an activity task 'charge-1'."

    def test_a_refusal_has_the_words_of_the_service(self, browser: Browser, shop: Shop) -> None:
        status, answer = act(browser, "signal", workflow="nobody", signal="x")
        assert status == 404
        assert answer == {
            "code": "UnknownResourceFault",
            "error": "Unknown execution, workflowId = nobody",
        }

    @pytest.mark.parametrize("name", ["poll", "", "../x"])
    def test_nothing_else_can_be_called(self, browser: Browser, shop: Shop, name: str) -> None:
        browser.open()
        status, _, _ = browser.ask(
            "POST", f"_console/act/{name}", b"{}", **{"X-Flowy-Action": browser.token}
        )
        assert status in (400, 404, 405)


class TestForgery:
    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Flowy-Action": ""},
            {"X-Flowy-Action": "0" * 64},
            {"Origin": "http://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Cookie": ""},
        ],
    )
    def test_a_forged_action_changes_nothing(
        self, browser: Browser, shop: Shop, headers: dict[str, str]
    ) -> None:
        run_id = shop.start("order-1")
        status, _ = act(browser, "terminate", headers=headers, workflow="order-1", run=run_id)
        assert status == 403
        assert len(events(shop, "order-1", run_id)) == 2

    @pytest.mark.parametrize("name", [*CALLS, *MOVES])
    def test_no_action_can_be_a_link(self, browser: Browser, shop: Shop, name: str) -> None:
        assert browser.ask("GET", f"_console/act/{name}")[0] == 405

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"workflow": 1}'])
    def test_a_malformed_form_is_refused(self, browser: Browser, shop: Shop, body: bytes) -> None:
        browser.open()
        status, _, _ = browser.ask(
            "POST", "_console/act/signal", body, **{"X-Flowy-Action": browser.token}
        )
        assert 400 <= status < 500


class TestTime:
    def test_the_header_says_what_happens_next(self, browser: Browser, shop: Shop) -> None:
        shop.start("order-1")
        shop.decide(timer("remind", 3540))
        assert "next in 59 min : timer remind fires (order-1)" in browser.open().text

    def test_jump_to_the_next_event(self, browser: Browser, shop: Shop) -> None:
        shop.start("order-1")
        shop.decide(timer("remind", 3540))
        _, done = act(browser, "jump")
        assert done["sentence"] == "This has happened: timer remind fires (order-1)."
        assert "2024-01-01 00:59:00 UTC paused" in browser.open().text

    def test_jump_where_nothing_will_happen(self, browser: Browser, shop: Shop) -> None:
        assert act(browser, "jump")[1]["sentence"] == "Nothing will happen by itself."

    def test_advance(self, browser: Browser, endpoint: Endpoint, shop: Shop) -> None:
        assert act(browser, "advance", seconds="1 h 30 min")[0] == 200
        assert endpoint.now.isoformat() == "2024-01-01T01:30:00+00:00"

    def test_run_until_nothing_moves(
        self, browser: Browser, endpoint: Endpoint, shop: Shop
    ) -> None:
        run_id = shop.start("order-1", executionStartToCloseTimeout="600")
        assert act(browser, "run")[1]["sentence"] == "Nothing more happens by itself."
        assert events(shop, "order-1", run_id)[-1]["eventType"] == "WorkflowExecutionTimedOut"
        assert endpoint.ask("GET", "/clock")["mode"] == "paused"

    def test_pause_and_resume(self, browser: Browser, endpoint: Endpoint) -> None:
        act(browser, "pause")
        assert endpoint.ask("GET", "/clock")["mode"] == "paused"
        assert "Resume" in browser.open().text
        act(browser, "resume")
        assert endpoint.ask("GET", "/clock")["mode"] == "virtual"

    @pytest.mark.parametrize("seconds", ["soon", "-5", "1 parsec", ""])
    def test_a_duration_that_cannot_be_read_is_refused(
        self, browser: Browser, endpoint: Endpoint, seconds: str
    ) -> None:
        assert act(browser, "advance", seconds=seconds)[0] == 400

    @pytest.mark.parametrize(
        ("text", "seconds"), [("90", 90), ("1.5h", 5400), ("2 d 3 h", 183_600), ("250 ms", 0.25)]
    )
    def test_durations(self, text: str, seconds: float) -> None:
        assert seconds_of({"seconds": text}) == seconds

    @given(text=st.text())
    def test_any_text_is_a_duration_or_refused(self, text: str) -> None:
        with suppress(SourceError):
            assert isinstance(seconds_of({"seconds": text}), float)


class TestCopies:
    def test_an_action_can_be_copied_without_being_carried_out(
        self, browser: Browser, endpoint: Endpoint, shop: Shop
    ) -> None:
        run_id = shop.start("order-1")
        fields = {"workflow": "order-1", "run": run_id, "signal": "hurry"}
        status, copied = act(browser, "signal", kind="copy", **fields)
        assert status == 200
        assert copied["cli"].replace(" \\\n ", "").split()[:5] == [
            "aws", "swf", "signal-workflow-execution", "--endpoint-url", endpoint.url,
        ]  # fmt: skip
        assert f"endpoint_url={endpoint.url!r}" in copied["boto3"]
        assert len(events(shop, "order-1", run_id)) == 2

    def test_moving_the_clock_can_be_copied_as_a_control_request(
        self, browser: Browser, endpoint: Endpoint
    ) -> None:
        _, copied = act(browser, "advance", kind="copy", seconds="1 min")
        assert copied["curl"] == (
            f"curl -X POST {endpoint.url}/_flowy/clock/advance -d '{{\"seconds\": 60.0}}'"
        )

    @pytest.mark.parametrize("path", ["", "_console/task-lists", "_console/execution?workflow=o"])
    def test_every_view_can_be_copied(self, browser: Browser, shop: Shop, path: str) -> None:
        shop.start("o")
        text = browser.open(path).text
        assert "aws swf " in text
        assert "import boto3" in text

    @given(workflow_id=hostile_texts() | st.just("file://x") | st.just("--yes"))
    def test_commands_carry_ids_exactly(self, workflow_id: str) -> None:
        # In JSON, two halves of a surrogate pair are one character.
        workflow_id = json.loads(json.dumps(workflow_id))
        execution = {"workflowId": workflow_id, "runId": "r"}
        request = {"domain": workflow_id, "execution": execution}
        target = CallTarget("http://127.0.0.1:1", "us-east-1")
        code = boto3("DescribeWorkflowExecution", request, target)
        made = _Client()
        exec(
            code.replace("import boto3\n", "").replace("boto3.client", "client"),
            {"client": made, "print": id},
        )
        assert made.requests == [("describe_workflow_execution", request)]
        command = aws_cli("DescribeWorkflowExecution", request, target)
        # Unlike a shell, shlex keeps a line break after a backslash.
        words = shlex.split(command.replace(" \\\n  --", " --"))
        assert _cli_members("DescribeWorkflowExecution", words) == request


class _Client:
    """Stands where boto3 would be, and keeps what it is called with."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, service: str, **where: str) -> _Client:
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda **members: self.requests.append((name, members))


def _cli_members(operation: str, words: list[str]) -> dict[str, Any]:
    """Read a command as the AWS CLI does."""
    members: dict[str, Any] = {}
    model = botocore.session.get_session().get_service_model("swf").operation_model(operation)
    names = {f"--{xform_name(name, '-')}": name for name in model.input_shape.members}
    for option, value in zip(words[3::2], words[4::2], strict=True):
        if option == "--cli-input-json":
            members.update(json.loads(value))
        elif option in names:
            assert not value.startswith(("file://", "-")), value
            members[names[option]] = json.loads(value) if option == "--execution" else value
    return members
