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
    """The server refuses a request; the message is its own."""


class Endpoint:
    """A served simulation.

    Args:
        url: its URL, such as ``http://127.0.0.1:4567/suite-a``.
        token: the server's token for control requests, if it has one; by default what
            ``FLOWY_SIM_CONTROL_TOKEN`` in the environment says.

    Attributes:
        url: as given.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = os.environ.get(ENVIRONMENT_VARIABLE, "") if token is None else token

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that let any AWS SDK call it."""
        return {
            "AWS_ENDPOINT_URL_SWF": self.url,
            "AWS_ACCESS_KEY_ID": "simulated",
            "AWS_SECRET_ACCESS_KEY": "simulated",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }

    def client(self, **arguments: Any) -> Any:
        """Return a boto3 client of it.

        Args:
            arguments: passed on to ``boto3.client``. Region and credentials need not be given;
                those of the user are not read.
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
            name: its name; the server makes one that does not exist when it is first called.
        """
        parts = urlsplit(self.url)
        return Endpoint(f"{parts.scheme}://{parts.netloc}/{name}", self._token)

    @property
    def now(self) -> datetime:
        """The current instant of its clock, in UTC."""
        return datetime.fromisoformat(self.ask("GET", "/clock")["now"])

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; what falls due on the way happens, each at its own instant.

        Args:
            seconds: how much, in simulated seconds.

        Raises:
            EndpointError: `seconds` is not a number of at least 0, or the clock is real.
        """
        self.ask("POST", "/clock/advance", {"seconds": seconds})

    def jump(self) -> bool:
        """Let time pass until the next thing happens; return whether anything has.

        Raises:
            EndpointError: the clock is real.
        """
        return bool(self.ask("POST", "/clock/jump")["jumped"])

    def set_clock(self, mode: str) -> None:
        """Set the mode of its clock.

        Args:
            mode: ``real``, ``virtual``, ``paused``, or a factor as in ``x60``.

        Raises:
            EndpointError: there is no such mode, or the clock is ahead of real time.
        """
        self.ask("PUT", "/clock", {"mode": mode})

    def after(self, seconds: float, operation: str, **parameters: Any) -> None:
        """Make a call when some simulated time has passed.

        Args:
            seconds: how much.
            operation: one that changes something, such as ``SignalWorkflowExecution``.
            parameters: its members, as JSON can carry them.

        Raises:
            EndpointError: `seconds`, the operation or its members are wrong.

        Example:
            ``endpoint.after(3600, "TerminateWorkflowExecution", domain="shop", workflowId="1")``
        """
        asked = {"seconds": seconds, "operation": operation, "parameters": parameters}
        self.ask("POST", "/after", asked)

    def stub(self, **definition: Any) -> None:
        """Add a stub of an activity, a workflow or a Lambda function, or replace it.

        Args:
            definition: what is stubbed, and the answer: the members of ``POST /_flowy/stubs``.

        Raises:
            EndpointError: the definition is wrong.

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
            name: ``activity`` or ``workflow`` with its ``version``, or ``lambda``; nothing for all.

        Raises:
            EndpointError: there is no such stub.
        """
        self.ask("DELETE", "/stubs", name)

    def stub_calls(self, **name: str) -> list[dict[str, Any]]:
        """Return the calls of stubs with their input, the oldest first.

        Args:
            name: which stub, as for `remove_stubs`; nothing for all.
        """
        calls: list[dict[str, Any]] = self.ask("GET", "/stubs/calls", name)["calls"]
        return calls

    def settle(self, seconds: float = 30) -> bool:
        """Wait until no client works and nothing more will happen; return whether that is so.

        Args:
            seconds: for how many real seconds to wait at most.
        """
        asked = {"seconds": seconds}
        return bool(self.ask("POST", "/settle", asked, seconds=_SECONDS + seconds)["still"])

    def reset(self, **settings: Any) -> None:
        """Reset it to a new simulation with nothing registered.

        Args:
            settings: the settings to change, such as ``clock="virtual"`` or ``patience=0.5``: the
                members of ``POST /_flowy/reset``.

        Raises:
            EndpointError: a setting is wrong.
        """
        self.ask("POST", "/reset", settings)

    def remove(self) -> None:
        """Remove it from its server."""
        self.ask("DELETE", "")

    def describe(self) -> dict[str, Any]:
        """Return its settings and its status: time, polls that wait, tasks held."""
        return self.ask("GET", "")

    def snapshot(self) -> bytes:
        """Return a snapshot of everything in it: a database file for ``flowy-sim import``.

        Raises:
            EndpointError: it has never been called.
        """
        return self._request("GET", "/snapshot", None, _SNAPSHOT_SECONDS)

    def snapshot_of_all(self) -> bytes:
        """Return a snapshot of all simulations of the server, of all accounts."""
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
            method: such as ``GET``.
            path: after ``/_flowy``, such as ``/clock``.
            members: of the request.
            seconds: for how many real seconds to wait for the answer.

        Raises:
            EndpointError: it is refused.
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
            connection.request(method, target, json.dumps(members or {}), headers)
            response = connection.getresponse()
            body = response.read()
        if response.status != 200:
            answer = json.loads(body)
            raise EndpointError(answer.get("error") or answer.get("message") or str(answer))
        return body
