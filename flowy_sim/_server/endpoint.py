"""A client of a served simulation: its URL, its clock and what else can be controlled.

Example:
    ``Endpoint("http://127.0.0.1:4567/suite-a").advance(60)``
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

#: The environment variable with the token for control requests.
ENVIRONMENT_VARIABLE = "FLOWY_SIM_CONTROL_TOKEN"
#: Real seconds within which a server has to answer.
_SECONDS = 30
#: Real seconds within which it has to answer with a snapshot.
_SNAPSHOT_SECONDS = 600


class EndpointError(Exception):
    """The server refuses a request; the message is the server's."""


class Endpoint:
    """A served simulation.

    Args:
        url: the URL of the simulation, such as ``http://127.0.0.1:4567/suite-a``.
        token: the server's token for control requests, if it has one; by default, the value of the
            environment variable ``FLOWY_SIM_CONTROL_TOKEN``.

    Attributes:
        url: as given.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = os.environ.get(ENVIRONMENT_VARIABLE, "") if token is None else token

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which any AWS SDK calls the simulation."""
        return {
            "AWS_ENDPOINT_URL_SWF": self.url,
            "AWS_ACCESS_KEY_ID": "simulated",
            "AWS_SECRET_ACCESS_KEY": "simulated",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }

    def client(self, **arguments: Any) -> Any:
        """Return a boto3 client that calls the simulation.

        Args:
            **arguments: arguments of ``boto3.client``. A region and credentials are not needed, and
                the user's own are not read.
        """
        import boto3
        from botocore.config import Config

        usual = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "simulated",
            "aws_secret_access_key": "simulated",
            "config": Config(read_timeout=70),
        }
        return boto3.client("swf", **{**usual, **arguments})

    def named(self, name: str) -> Endpoint:
        """Return another simulation of the same server.

        Args:
            name: the name of the simulation, which the server creates on the first call to it.
        """
        parts = urlsplit(self.url)
        return Endpoint(f"{parts.scheme}://{parts.netloc}/{name}", self._token)

    @property
    def now(self) -> datetime:
        """The current time of the simulation's clock, in UTC."""
        return datetime.fromisoformat(self.ask("GET", "/clock")["now"])

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; everything that falls due in the meantime happens at its own instant.

        Args:
            seconds: the number of simulated seconds that pass.

        Raises:
            EndpointError: `seconds` is not a number of at least 0, or the clock is real.
        """
        self.ask("POST", "/clock/advance", {"seconds": seconds})

    def jump(self) -> bool:
        """Let time pass until the next thing happens; return whether anything happened.

        Raises:
            EndpointError: the clock is real.
        """
        return bool(self.ask("POST", "/clock/jump")["jumped"])

    def set_clock(self, mode: str) -> None:
        """Set the mode of the simulation's clock.

        Args:
            mode: ``real``, ``virtual``, ``paused``, or a factor as in ``x60``.

        Raises:
            EndpointError: there is no such mode, or the clock is ahead of real time.
        """
        self.ask("PUT", "/clock", {"mode": mode})

    def after(self, seconds: float | timedelta, operation: str, **parameters: Any) -> None:
        """Call an operation after some simulated time.

        Args:
            seconds: the number of simulated seconds from now.
            operation: an operation that changes something, such as ``SignalWorkflowExecution``.
            **parameters: the parameters of the operation, as JSON values.

        Raises:
            EndpointError: `seconds`, the operation or a parameter is invalid.

        Example:
            ``endpoint.after(3600, "TerminateWorkflowExecution", domain="shop", workflowId="1")``
        """
        asked = {"seconds": seconds, "operation": operation, "parameters": parameters}
        self.ask("POST", "/after", asked)

    def stub(self, **definition: Any) -> None:
        """Add a stub of an activity, a workflow or a Lambda function, or replace it.

        Args:
            **definition: what to stub, and its answer: the members of ``POST /_flowy/stubs``.

        Raises:
            EndpointError: the definition is invalid.

        Example:
            ``endpoint.stub(activity="resize", version="1", result="small.jpg", takes=40)``
        """
        self.ask("POST", "/stubs", definition)

    def stubs(self) -> list[dict[str, Any]]:
        """Return the definitions of the stubs."""
        stubs: list[dict[str, Any]] = self.ask("GET", "/stubs")["stubs"]
        return stubs

    def remove_stubs(self, **name: str) -> None:
        """Remove a stub, or all of them.

        Args:
            **name: ``activity`` or ``workflow`` with its ``version``, or ``lambda``; nothing for
                all stubs.

        Raises:
            EndpointError: there is no such stub.
        """
        self.ask("DELETE", "/stubs", name)

    def stub_calls(self, **name: str) -> list[dict[str, Any]]:
        """Return the calls of stubs with their input, the oldest first.

        Args:
            **name: the stub, as for `remove_stubs`; nothing for all stubs.
        """
        calls: list[dict[str, Any]] = self.ask("GET", "/stubs/calls", name)["calls"]
        return calls

    def settle(self, seconds: float = 30) -> bool:
        """Wait until no client works and nothing more will happen; return whether that is the case.

        Args:
            seconds: the maximum number of real seconds to wait.
        """
        asked = {"seconds": seconds}
        return bool(self.ask("POST", "/settle", asked, seconds=_SECONDS + seconds)["still"])

    def reset(self, **settings: Any) -> None:
        """Replace the simulation by a new one with nothing registered.

        Args:
            **settings: the settings to change, such as ``clock="virtual"`` or ``patience=0.5``: the
                members of ``POST /_flowy/reset``.

        Raises:
            EndpointError: a setting is invalid.
        """
        self.ask("POST", "/reset", settings)

    def remove(self) -> None:
        """Remove the simulation from its server."""
        self.ask("DELETE", "")

    def describe(self) -> dict[str, Any]:
        """Return the simulation's settings and status: its time, waiting polls and tasks held."""
        return self.ask("GET", "")

    def snapshot(self) -> bytes:
        """Return a snapshot of the simulation: a database file for ``flowy-sim import``.

        Raises:
            EndpointError: the simulation has never been called.
        """
        return self._request("GET", "/snapshot", None, _SNAPSHOT_SECONDS)

    def snapshot_of_all(self) -> bytes:
        """Return a snapshot of all simulations of the server, in all accounts."""
        return self._request("GET", "/simulations/snapshot", None, _SNAPSHOT_SECONDS)

    def ask(
        self,
        method: str,
        path: str,
        members: dict[str, Any] | None = None,
        seconds: float = _SECONDS,
    ) -> dict[str, Any]:
        """Send a request to the control API.

        Args:
            method: the HTTP method, such as ``GET``.
            path: the path after ``/_flowy``, such as ``/clock``.
            members: the members of the request's JSON object.
            seconds: the maximum number of real seconds to wait for the answer.

        Returns:
            The answer, decoded from JSON.

        Raises:
            EndpointError: the server refuses the request.
        """
        answer: dict[str, Any] = json.loads(self._request(method, path, members, seconds))
        return answer

    def _request(
        self, method: str, path: str, members: dict[str, Any] | None, seconds: float
    ) -> bytes:
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
        with closing(connection):
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            target = f"{parts.path}/_flowy{path}"
            content = json.dumps(members or {}, default=_seconds)
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            body = response.read()
        if response.status != 200:
            answer = json.loads(body)
            raise EndpointError(answer.get("error") or answer.get("message") or str(answer))
        return body


def _seconds(value: object) -> float:
    """Return what JSON has instead of a timedelta, which may be given wherever a time is."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{value!r} cannot be sent to the server: JSON has no {type(value).__name__}")
