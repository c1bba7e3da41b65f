"""The same calls to moto and to the engine, and what differs between their answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any
from unittest.mock import patch

import boto3
import freezegun
import moto
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.swf.models import swf_backends

from flowy_sim._engine import Engine, Fault
from flowy_sim._engine.model import instant
from tests.support.engine_driver import START

ABSENT = object()
#: Members whose values each service invents; only whether they are there is compared.
INVENTED = re.compile(r"(Timestamp|Date|runId|taskToken|nextPageToken)$")


@dataclass(frozen=True)
class Twin:
    """A pair of values: moto's and the engine's."""

    moto: Any
    engine: Any


class Both:
    """Moto and an engine, called in turn.

    Attributes:
        differences: what differed so far, each as one line.
    """

    def __init__(self, client: Any, clock: Any) -> None:
        self._client = client
        self._clock = clock
        self._engine = Engine()
        self._now = START
        self._run_ids: set[str] = set()
        self.differences: set[str] = set()

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Make a call; return the reply with twins for what each service invents."""
        outcome_moto, reply_moto = self._outcome(self._call_moto, operation, side(request, "moto"))
        outcome, reply = self._outcome(self._call_engine, operation, side(request, "engine"))
        if operation.startswith("List"):
            operation += f"({', '.join(name for name in request if name != 'domain')})"
        if outcome_moto != outcome:
            self._note(operation, outcome_moto, outcome)
            return {}
        self._compare(operation, reply_moto, reply)
        return twins(reply_moto, reply)

    def advance(self, seconds: int) -> None:
        """Let time pass for both."""
        self._clock.tick(timedelta(seconds=seconds))
        self._now += seconds * 1000

    def history(self, workflow_id: str, run_id: Twin) -> None:
        """Compare a history, as far as both have the same events."""
        request = {"domain": "d", "execution": {"workflowId": workflow_id, "runId": run_id}}
        histories = [
            call("GetWorkflowExecutionHistory", side(request, name))["events"]
            for call, name in ((self._call_moto, "moto"), (self._call_engine, "engine"))
        ]
        self._compare_events(*histories)

    def _outcome(
        self, call: Callable[[str, dict[str, Any]], dict[str, Any]], operation: str, request: Any
    ) -> tuple[str, dict[str, Any]]:
        try:
            return "answered", call(operation, request)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        except Fault as fault:
            code, message = fault.code, fault.message or ""
        except Exception as error:
            return f"{type(error).__name__} {str(error)[:60]}", {}
        for known in self._run_ids:
            message = message.replace(known, "<run>")
        return f"{code} {message!r}", {}

    def _call_moto(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = getattr(self._client, xform_name(operation))(**request)
        del reply["ResponseMetadata"]
        self._run_ids |= {reply["runId"]} if "runId" in reply else set()
        return reply

    def _call_engine(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        reply = self._engine.call(operation, request, self._now)
        self._run_ids |= {reply["runId"]} if "runId" in reply else set()
        return reply

    def _compare(self, path: str, theirs: Any, ours: Any) -> None:
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for name in sorted(theirs.keys() | ours.keys()):
                self._compare(f"{path}.{name}", theirs.get(name, ABSENT), ours.get(name, ABSENT))
        elif path.endswith(".events") and ABSENT not in (theirs, ours):
            self._compare_events(theirs, ours)
        elif isinstance(theirs, list) and isinstance(ours, list):
            if len(theirs) != len(ours):
                self._note(path, f"{len(theirs)} elements", f"{len(ours)} elements")
                return
            for their, our in zip(theirs, ours, strict=True):
                self._compare(f"{path}.each", their, our)
        elif theirs != ours and not (INVENTED.search(path) and ABSENT not in (theirs, ours)):
            self._note(path, *(told(path, value) for value in (theirs, ours)))

    def _compare_events(self, theirs: Any, ours: Any) -> None:
        last = "nothing"
        for their, our in zip_longest(theirs, ours, fillvalue={"eventType": "nothing"}):
            if their["eventType"] != our["eventType"]:
                self._note(f"after {last}", their["eventType"], our["eventType"])
                return
            last = our["eventType"]
            self._compare(last, attributes(their), attributes(our))

    def _note(self, path: str, theirs: Any, ours: Any) -> None:
        self.differences.add(f"{path}: {theirs} | {ours}")


def told(path: str, value: Any) -> str:
    """A value as a difference shows it."""
    if value is ABSENT:
        return "absent"
    return "there" if INVENTED.search(path) else repr(value)


def attributes(event: dict[str, Any]) -> dict[str, Any]:
    """The attributes of an event; none if the event's type is unknown to SWF."""
    return next((v for name, v in event.items() if name.endswith("EventAttributes")), {})


def side(value: Any, name: str) -> Any:
    """A request as one of the two has to see it."""
    if isinstance(value, Twin):
        return getattr(value, name)
    if isinstance(value, dict):
        return {key: side(inner, name) for key, inner in value.items()}
    return [side(inner, name) for inner in value] if isinstance(value, list) else value


def twins(theirs: Any, ours: Any) -> Any:
    """A reply of both, as far as both have the same structure."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return {name: twins(theirs[name], ours[name]) for name in theirs.keys() & ours.keys()}
    return ours if theirs == ours else Twin(theirs, ours)


@contextmanager
def both() -> Iterator[Both]:
    """Moto and an engine, both empty, at the same instant."""
    at: datetime = instant(START)
    # There an empty poll waits for a second of real time.
    sleepless = patch("moto.swf.models.sleep")
    with freezegun.freeze_time(at) as clock, moto.mock_aws(), sleepless:
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        yield Both(boto3.client("swf", "us-east-1", config=config), clock)
        for backend in swf_backends["123456789012"].values():
            for domain in backend.domains:
                for execution in domain.workflow_executions:
                    for timer in execution._timers.values():
                        timer.cancel()
