from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flowy_sim._console.application import console
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import Server, listen, serving_in_thread, url_of
from flowy_sim._server.settings import ServerSettings
from tests.support.console_pages import VIRTUAL, console_server
from tests.support.console_shop import DOMAIN, Shop


class Stream:
    """An open stream of server-sent events."""

    def __init__(self, endpoint: Endpoint, path: str = "/_console/stream", **headers: str) -> None:
        host, _, name = endpoint.url.removeprefix("http://").partition("/")
        self._connection = http.client.HTTPConnection(host, timeout=60)
        sent = {each.replace("_", "-"): value for each, value in headers.items()}
        self._connection.request("GET", f"/{name}{path}" if name else path, headers=sent)
        self.response = self._connection.getresponse()

    def next(self) -> dict[str, Any]:
        """Return the next message with its ID and event; ``{}`` at the end of the stream."""
        found: dict[str, Any] = {}
        while line := self.response.readline().decode():
            if line == "\n":
                return found
            name, _, value = line.rstrip("\n").partition(": ")
            found[name] = json.loads(value) if name == "data" else value
        return found

    def close(self) -> None:
        self.response.close()
        self._connection.close()


@contextmanager
def following(endpoint: Endpoint, **headers: str) -> Iterator[Stream]:
    stream = Stream(endpoint, **headers)
    try:
        assert stream.next()["event"] == "hello"
        yield stream
    finally:
        stream.close()


def test_a_change_is_sent_with_the_execution_and_the_number_of_its_events(
    endpoint: Endpoint,
) -> None:
    endpoint.set_clock("paused")
    shop = Shop(endpoint.client())
    run_id = shop.start("order-1")
    with following(endpoint) as stream:
        shop.client.signal_workflow_execution(
            domain=DOMAIN, workflowId="order-1", signalName="hurry"
        )
        message = stream.next()["data"]
    assert message["simulation"] == endpoint.url.rpartition("/")[2]
    assert message["changed"]
    assert message["domains"] == {DOMAIN: {run_id: 3}}


def test_time_that_passes_is_a_change(endpoint: Endpoint) -> None:
    endpoint.set_clock("paused")
    with following(endpoint) as stream:
        endpoint.advance(60)
        assert stream.next()["data"]["changed"]


def test_one_stream_tells_of_all_simulations_of_a_server(
    endpoint: Endpoint, served_console: Endpoint
) -> None:
    other = served_console.named("another")
    try:
        with following(endpoint) as stream:
            other.client().register_domain(name="x", workflowExecutionRetentionPeriodInDays="7")
            assert stream.next()["data"]["simulation"] == "another"
    finally:
        other.remove()


def test_very_many_changes_are_sent_as_all(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy_sim._console.stream.MANY", 3)
    monkeypatch.setattr("flowy_sim._console.stream.TICK", 0.5)
    endpoint.set_clock("paused")
    shop = Shop(endpoint.client())
    with following(endpoint) as stream:
        for number in range(5):
            shop.start(f"order-{number}")
        found: list[Any] = []
        while None not in found:
            found.append(stream.next()["data"]["domains"].get(DOMAIN, {}))


def test_a_browser_that_reconnects_is_told_whether_it_has_missed_anything(
    endpoint: Endpoint,
) -> None:
    with following(endpoint) as stream:
        endpoint.set_clock("paused")
        last = stream.next()["id"]
        same = Stream(endpoint, Last_Event_ID=last)
        other = Stream(endpoint, Last_Event_ID="before-1")
        assert same.next()["data"] == {"missed": False}
        assert other.next()["data"] == {"missed": True}
        same.close()
        other.close()


def test_a_quiet_stream_sends_comments(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowy_sim._console.stream.COMMENT_SECONDS", 0.01)
    with following(endpoint) as stream:
        assert stream.response.readline() == b":\n"


def test_streams_end_first_when_the_server_stops() -> None:
    listener = listen("127.0.0.1", 0)
    server = Server(
        listener, ServerSettings(simulation=VIRTUAL), grace_seconds=600, make_pages=console
    )
    with serving_in_thread(server):
        stream = Stream(Endpoint(url_of(listener)))
        assert stream.next()["event"] == "hello"
    # The server has stopped, long before its grace was over.
    assert stream.next() == {}
    stream.close()
    listener.close()


def test_a_key_sees_changes_of_its_own_account_only() -> None:
    settings = ServerSettings(simulation=VIRTUAL, control_token="open sesame")
    with console_server(settings) as endpoint:
        refused = Stream(endpoint)
        assert refused.response.status == 403
        refused.close()
        with following(endpoint, Authorization="Bearer open sesame"):
            pass
