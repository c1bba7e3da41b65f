"""The writer of a test that repeats a run: stubs, times and signals as code, from a history.

What happened outside the decider is written down: how each activity, child workflow and Lambda
function ended and how long that took, which signals and cancel requests arrived, and when. The test
runs the decider against that, and compares how the execution ends. A second test replays the
history. Neither depends on the choices of an exploration, so both survive edits that renumber them.
"""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from flowy._decider.decider import UNKNOWN
from flowy.errors import HistoryError
from flowy_sim._events.history import Event
from flowy_sim._events.schema import (
    ACTIVITY,
    CALLS,
    CHILD,
    COMPLETED,
    ENDS,
    EVENTS,
    FAILED,
    OPEN,
    OPENS,
    TIMED_OUT,
    Attributes,
    attributes_of,
)
from flowy_sim._events.spans import milliseconds
from flowy_sim.testing._history_files import LoadedHistory

_REASON = re.compile(r"(?P<type>[A-Za-z_]\w*): (?P<message>.*)", re.DOTALL)


class TestedCode(NamedTuple):
    """The decider that a test is written for.

    Attributes:
        module, name: where it is imported from.
        is_workflow: whether it is a flowy workflow, and not code that polls with its own loop.
        freeze: whether the code sees the simulated time.
    """

    module: str
    name: str
    is_workflow: bool
    freeze: bool = False


def write_test(history: LoadedHistory, target: TestedCode, path: Path) -> str:
    """Return the code of a test that repeats a run.

    Args:
        history: the history of the run; it has to be closed.
        target: the decider.
        path: the file that the test will be in. The history is expected beside it, under the same
            name with the ending ``.json``.

    Raises:
        HistoryError: the execution of the history is still open.
    """
    return "\n".join(_TestWriter(history, target, path).lines()) + "\n"


@dataclass
class _Call:
    """A call of the decider that something outside of it answered.

    Attributes:
        kind: one of `CALLS`.
        what: what identifies the type that was called, as arguments of its stub.
        begun: the event that opened it.
        ended: the event that ended it; None if none did.
    """

    kind: str
    what: str
    begun: Event
    ended: Event | None = None


class _TestWriter:
    def __init__(self, history: LoadedHistory, target: TestedCode, path: Path) -> None:
        self._events = history.events
        self._target = target
        self._path = path
        self._started = attributes_of(self._events[0])
        self._last = EVENTS[self._events[-1]["eventType"]]
        if self._last.close_status is None:
            raise HistoryError(
                "the execution is still open, so a test cannot tell how it has to end; write the "
                "test when it is closed"
            )
        known = history.execution != UNKNOWN
        self._workflow_id = history.execution.workflow_id if known else ""
        self._errors: dict[str, None] = {}

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file."""
        test = list(self._test())
        json_path = self._path.with_suffix(".json").name
        yield f'"""{self._title()}, repeated with stubs, and replayed."""'
        yield ""
        if any("math.inf" in line for line in test):
            yield "import math"
        yield from ("from pathlib import Path", "")
        if any("@pytest" in line for line in test):
            yield from ("import pytest", "")
        yield f"from {self._target.module} import {self._target.name}"
        yield from ("", f"HISTORY = Path(__file__).with_name({_quoted(json_path)})", "")
        for error in self._errors:
            yield from ("", f"class {error}(Exception):", "    pass", "")
        yield from ("", *test, "", "")
        yield "def test_the_code_still_makes_the_same_decisions(swf_replay):"
        yield f"    swf_replay({self._target.name}, HISTORY)"

    def _title(self) -> str:
        type_ = self._started["workflowType"]
        return f"A run of {self._workflow_id or type_['name']}".replace("\\", "").replace('"', "'")

    def _test(self) -> Iterator[str]:
        words = re.sub(r"\W+", "_", self._workflow_id or self._started["workflowType"]["name"])
        status = str(self._last.close_status)
        options = [f"workflows=[{self._target.name}]"] if self._target.is_workflow else []
        options += ["freeze=True"] if self._target.freeze else []
        options += ["times_out=True"] if status == "TIMED_OUT" else []
        if options:
            yield f"@pytest.mark.swf({', '.join(options)})"
        yield f"def test_{words.strip('_').lower()}_ends_as_before(swf_run, swf_stub):"
        if not self._target.is_workflow:
            yield f"    swf_run.loop({self._target.name})"
        yield from self._stubs()
        yield from self._start()
        yield from self._actions()
        yield "    run = swf_run.finish(execution)"
        yield f"    assert run.status == {_quoted(status)}"
        closed = attributes_of(self._events[-1])
        if "result" in closed:
            yield f"    assert run.raw_result == {_quoted(closed['result'])}"
        elif status == "FAILED":
            yield f"    assert run.reason == {_quoted(closed.get('reason', ''))}"

    # What answered the decider

    def _stubs(self) -> Iterator[str]:
        by_type: dict[str, list[_Call]] = {}
        for call in self._calls():
            by_type.setdefault(call.what, []).append(call)
        for what, calls in by_type.items():
            answers = [self._answer(call) for call in calls]
            while len(answers) > 1 and answers[-1] == answers[-2]:
                answers.pop()  # The last answer is repeated.
            first, *others = answers
            if not others:
                yield f"    {what}{first})"
                continue
            yield f"    {what}{first}).then("
            for answer, following in zip(others, [*others[1:], None], strict=True):
                yield f"        {answer}"
                yield "    )" if following is None else "    ).then("

    def _calls(self) -> Iterator[_Call]:
        calls: dict[int, _Call] = {}
        for event in self._events:
            schema, attributes = EVENTS[event["eventType"]], attributes_of(event)
            if schema.kind not in CALLS:
                continue
            if schema.phase == OPENS:
                what = _stub_of(schema.kind, attributes)
                calls[event["eventId"]] = _Call(schema.kind, what, event)
            elif schema.phase == ENDS and attributes.get(schema.about) in calls:
                if schema.refuses:  # The service itself has answered it.
                    del calls[attributes[schema.about]]
                else:
                    calls[attributes[schema.about]].ended = event
        yield from calls.values()

    def _answer(self, call: _Call) -> str:
        outcome = OPEN if call.ended is None else EVENTS[call.ended["eventType"]].outcome
        if call.ended is None or outcome == OPEN:
            return "takes=math.inf"
        attributes = attributes_of(call.ended)
        if outcome == TIMED_OUT:
            return f"timeout={_quoted(attributes.get('timeoutType', 'START_TO_CLOSE'))}"
        takes = self._duration(call)
        if outcome == COMPLETED:
            return ", ".join([*self._result(attributes), *takes]) or "result=None"
        if outcome == FAILED:
            reason = attributes.get("reason") or ""
            return ", ".join([f"error={self._error(reason)}", *takes])
        # Canceled or terminated: it goes on until it learns of that.
        return "takes=math.inf, heartbeat=1" if call.kind == ACTIVITY else "takes=math.inf"

    def _result(self, attributes: Attributes) -> list[str]:
        return [f"result={self._value(attributes['result'])}"] if "result" in attributes else []

    def _duration(self, call: _Call) -> list[str]:
        assert call.ended is not None
        seconds = self._seconds(call.ended) - self._seconds(call.begun)
        if call.kind == CHILD:
            seconds = round(seconds)
        return [f"takes={seconds:g}"] if seconds else []

    def _error(self, reason: str) -> str:
        """Return an exception that is reported with a reason."""
        match = _REASON.fullmatch(reason)
        name, message = (match["type"], match["message"]) if match else ("WorkError", reason)
        known = getattr(builtins, name, None)
        if not (isinstance(known, type) and issubclass(known, Exception)):
            self._errors[name] = None
        return f"{name}({_quoted(message)})"

    def _value(self, text: str) -> str:
        """Return a value of the decider, as it is written in code."""
        if self._target.is_workflow:
            try:
                value = json.loads(text)
            except ValueError:
                return _quoted(text)
            return _quoted(value) if isinstance(value, str) else repr(value)
        return _quoted(text)

    # What started it, and what it received

    def _start(self) -> Iterator[str]:
        type_ = self._started["workflowType"]
        yield "    execution = swf_run.start("
        yield f"        ({_quoted(type_['name'])}, {_quoted(type_['version'])}),"
        if "input" in self._started:
            yield f"        input={_quoted(self._started['input'])},"
        if self._workflow_id:
            yield f"        workflow_id={_quoted(self._workflow_id)},"
        yield f"        task_list={_quoted(self._started['taskList']['name'])},"
        if "lambdaRole" in self._started:
            yield f"        lambda_role={_quoted(self._started['lambdaRole'])},"
        if "executionStartToCloseTimeout" in self._started:
            seconds = self._started["executionStartToCloseTimeout"]
            yield f"        execution_start_to_close={seconds},"
        yield "    )"

    def _actions(self) -> Iterator[str]:
        for event in self._events:
            attributes, seconds = attributes_of(event), f"{self._seconds(event):g}"
            match event["eventType"]:
                case "WorkflowExecutionSignaled":
                    value = [self._value(attributes["input"])] if "input" in attributes else []
                    given = ", ".join(["execution", _quoted(attributes["signalName"]), *value])
                    yield f"    swf_run.after({seconds}, lambda: swf_run.signal({given}))"
                case "WorkflowExecutionCancelRequested":
                    yield f"    swf_run.after({seconds}, lambda: swf_run.cancel(execution))"
                case "WorkflowExecutionTerminated":
                    yield "    named = execution.workflow_id"
                    yield '    ids = {"domain": swf_run.domain, "workflowId": named}'
                    yield "    terminate = swf_run.simulation.client().terminate_workflow_execution"
                    yield f"    swf_run.after({seconds}, lambda: terminate(**ids))"

    def _seconds(self, event: Event) -> float:
        """Return how long after the start something happened, in seconds."""
        times = [milliseconds(each["eventTimestamp"]) for each in (self._events[0], event)]
        began, now = (0 if each is None else each for each in times)
        return (now - began) / 1000


def _quoted(text: str) -> str:
    """Return text as it is written in code, in double quotes if that needs no escapes."""
    written = repr(text)
    return f'"{written[1:-1]}"' if written[0] == "'" and '"' not in text else written


def _stub_of(kind: str, attributes: Attributes) -> str:
    """Return the beginning of the call that stubs what was called."""
    if kind == ACTIVITY:
        type_ = attributes["activityType"]
        return f"swf_stub({_quoted(type_['name'])}, {_quoted(type_['version'])}, "
    if kind == CHILD:
        type_ = attributes["workflowType"]
        return f"swf_stub.child({_quoted(type_['name'])}, {_quoted(type_['version'])}, "
    return f"swf_stub.lambda_function({_quoted(attributes['name'])}, "
