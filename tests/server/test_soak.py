"""A server that is kept in a file, killed, stopped and started again, while 50 clients call it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any

import pytest

from flowy_sim._clients import wire
from flowy_sim._engine import Engine
from flowy_sim._events.invariants import check
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations
from flowy_sim._storage.file_journal import open_file
from tests.support import server_load as soaking
from tests.support.http_clients import Program, wait_until
from tests.support.server_load import DOMAIN, Client, Event, Told

SECONDS = 30.0 if "FLOWY_SOAK" in os.environ else 2.0
CLIENTS = 50
#: How the server ends, in turn.
ENDS = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL] * (4 if "FLOWY_SOAK" in os.environ else 1)
#: The statuses that a server may answer with.
STATUSES = {200, 400, 403, 404, 413, 503}


class Kept:
    """A server in a process of its own, in the same place each time."""

    def __init__(self, folder: Path, port: int) -> None:
        self.path = folder / "soak.db"
        self.log = folder / "soak.log"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        options = ["--port", str(self.port), "--db", str(self.path)]
        # Time-outs and empty polls happen while the test still runs.
        options += ["--clock", "x20", "--poll-seconds", "5", "--max-polls", "30", "--grace", "5"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flowy_sim", "serve", *options], stdout=log, stderr=log
            )
        wait_until(self._answers)

    def end(self, number: signal.Signals) -> None:
        assert self.process.poll() is None, self.log.read_text()
        self.process.send_signal(number)
        assert self.process.wait(60) == (0 if number == signal.SIGTERM else -number)

    def _answers(self) -> bool:
        # It listens before it serves, and a signal ends it at once until then.
        connection = HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", "/_flowy/health")
            return connection.getresponse().status == 200
        except OSError:
            assert self.process.poll() is None, self.log.read_text()
            return False
        finally:
            connection.close()

    def engines(self) -> list[Engine]:
        """What is in the file."""

        async def read() -> list[Engine]:
            simulations = Simulations(ServerSettings())
            journal = open_file(self.path, simulations, {})
            found = [engine for world in simulations for engine in world.engines]
            await journal.close()
            return found

        return asyncio.run(read())


@pytest.mark.slow
def test_nothing_answered_is_lost_when_a_server_with_50_clients_is_killed_repeatedly(
    tmp_path: Path, port: int
) -> None:
    server, told, over = Kept(tmp_path, port), Told(), threading.Event()
    random = Random(0)
    clients = [Client(f"client-{number}", told) for number in range(CLIENTS)]
    threads = [threading.Thread(target=each.run, args=(server.url, over)) for each in clients]
    server.start()
    try:
        soaking.prepare(program := Program(server.url))
        program.hang_up()
        for thread in threads:
            thread.start()
        for number in ENDS:
            over.wait(SECONDS / len(ENDS) * random.uniform(0.5, 1.5))
            server.end(number)
            server.start()
        # However slow the machine is, they do enough.
        wait_until(lambda: told.answers[200] > 20 * SECONDS and told.answers[400] > 5 * SECONDS)
        server.end(signal.SIGKILL)
    finally:
        over.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        server.process.kill()
        server.process.wait()

    assert "Traceback" not in server.log.read_text()
    assert told.answers.keys() <= STATUSES
    engines = server.engines()
    for engine in engines:
        check(engine)
    assert set(told.events) - set(events(engines)) == set()
    for run, history in told.histories.items():
        assert read(engines, *run)[: len(history)] == history


def events(engines: Iterable[Engine]) -> Iterator[Event]:
    """All events of all histories: each as such, and with each member that is text."""
    for engine in engines:
        for run_id, execution in engine.executions.items():
            for event_id in range(1, len(execution) + 1):
                kind = execution.event_type(event_id)
                yield Event(run_id, kind)
                for member, value in execution.attributes(event_id).items():
                    if isinstance(value, str):
                        yield Event(run_id, kind, member, value)


def read(engines: Iterable[Engine], workflow_id: str, run_id: str) -> list[dict[str, Any]]:
    """The events of a history, as a client reads them."""
    (engine,) = (engine for engine in engines if run_id in engine.executions)
    execution = {"workflowId": workflow_id, "runId": run_id}
    request = {"domain": DOMAIN, "execution": execution}
    reply = engine.call("GetWorkflowExecutionHistory", request, engine.now)
    found: list[dict[str, Any]] = json.loads(wire.spelled(reply))["events"]
    return found
