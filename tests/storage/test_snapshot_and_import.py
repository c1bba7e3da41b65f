"""``flowy-sim snapshot`` and ``flowy-sim import``, as they are used in a terminal."""

from __future__ import annotations

import asyncio
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from inspect import signature
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flowy_sim._cli import cli
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import serving
from tests.support.engine_driver import DOMAIN, ORDER
from tests.support.served_file import Served, crash, rows

# Before click 8.2 standard error is mixed with the output unless this is said.
APART: dict[str, Any] = (
    {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str, given: bytes | None = None) -> Result:
    """The result of a command."""
    result = CliRunner(**APART).invoke(cli, words, input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


def complaint(*words: str, given: bytes | None = None) -> str:
    """The message of a command that fails, in one line."""
    result = typed(*words, given=given)
    assert result.exit_code > 0
    assert not result.stdout_bytes
    *_, said = result.stderr.splitlines()
    return said


@pytest.fixture
def kept(folder: Path) -> str:
    """A file with an execution that is open and has a task."""

    async def story() -> None:
        async with Served(folder / "kept.db") as served:
            served.register()
            served.start()
            served.simulation = "other"
            served.register()
            await served.durable()

    asyncio.run(story())
    return "kept.db"


@pytest.fixture
def endpoint() -> Any:
    with serving() as endpoint:
        client = endpoint.client()
        client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="7")
        client.close()
        yield endpoint


def test_a_file_is_moved_by_two_commands(kept: str) -> None:
    exported = typed("snapshot", "--db", kept)
    assert exported.exit_code == 0

    imported = typed("import", "-", "--db", "moved.db", given=exported.stdout_bytes)

    assert imported.stdout == "Imported into moved.db: 2 simulations, 1 execution, 2 events.\n"
    assert typed("snapshot", "--db", "moved.db").stdout_bytes == exported.stdout_bytes


def test_a_server_is_moved_to_a_file(endpoint: Endpoint, folder: Path) -> None:
    typed("snapshot", "--endpoint-url", endpoint.url, "--output", "now.db")
    typed("import", "now.db", "--db", "moved.db", "--as", "later")
    typed("snapshot", "--db", "moved.db", "--output", "again.db")
    (folder / "server.db").write_bytes(endpoint.snapshot())

    moved, served = rows(folder / "again.db"), rows(folder / "server.db")
    served["simulations"][0][1][0] = "later"
    assert moved == served


def test_an_execution_moves_from_a_server_without_a_file_with_its_open_task(
    endpoint: Endpoint, folder: Path
) -> None:
    client = endpoint.client()
    task_list = {"name": "decisions"}
    client.register_workflow_type(domain=DOMAIN, **ORDER)
    for workflow_id in ("order-1", "order-2"):
        client.start_workflow_execution(
            domain=DOMAIN,
            workflowId=workflow_id,
            workflowType=ORDER,
            taskList=task_list,
            executionStartToCloseTimeout="60",
            taskStartToCloseTimeout="60",
            childPolicy="TERMINATE",
        )
    token = client.poll_for_decision_task(domain=DOMAIN, taskList=task_list)["taskToken"]
    client.close()

    of_order_1 = ("--domain", DOMAIN, "--workflow-id", "order-1")
    typed("snapshot", "--endpoint-url", endpoint.url, *of_order_1, "--output", "order-1.db")
    imported = typed("import", "order-1.db", "--db", "moved.db")

    assert imported.stdout == "Imported into moved.db: 1 simulation, 1 execution, 3 events.\n"

    async def story() -> None:
        async with Served(folder / "moved.db") as served:
            served.call("RespondDecisionTaskCompleted", taskToken=token)
            (execution,) = served.engine.executions.values()
            assert execution.workflow_id == "order-1"
            assert served.types(execution.run_id)[-1] == "DecisionTaskCompleted"
            await served.durable()

    asyncio.run(story())


def test_a_server_has_simulations_at_paths(endpoint: Endpoint) -> None:
    url = f"{endpoint.url}/other"

    said = complaint("snapshot", "--endpoint-url", url)

    assert said == f"Error: {url}: There is no such simulation."


def test_one_simulation_of_a_file_is_enough(kept: str) -> None:
    typed("snapshot", "--db", kept, "--simulation", "other", "-o", "other.db")

    assert [state[0] for _, state, _ in rows(Path("other.db"))["simulations"]] == ["other"]


def test_no_other_file_is_touched_when_a_snapshot_is_written(kept: str, folder: Path) -> None:
    Path("copy.db.new").write_text("the user's")
    Path("target.db").write_bytes(b"an older one")
    Path("link.db").symlink_to("target.db")
    before = {*folder.iterdir()}

    typed("snapshot", "--db", kept, "-o", "copy.db")
    typed("snapshot", "--db", kept, "-o", "link.db")

    assert {*folder.iterdir()} == before | {folder / "copy.db"}
    assert Path("copy.db.new").read_text() == "the user's"
    assert Path("link.db").is_symlink()
    assert rows(Path("target.db")) == rows(Path("copy.db"))


def test_no_snapshot_replaces_a_file_that_is_served_or_was_not_closed(
    kept: str, folder: Path
) -> None:
    async def story() -> None:
        async with Served(folder / "served.db") as served:
            served.register()
            await served.durable()
            crash(folder / "served.db", folder / "crashed.db")
            for output in ("served.db", "crashed.db"):
                said = complaint("snapshot", "--db", kept, "-o", output)
                assert said == (
                    f"Error: {output} is in use, or was not closed by the server that used it, and "
                    "would lose its changes; give another file."
                )
            served.start()
            await served.durable()

    asyncio.run(story())

    assert len(rows(folder / "served.db")["executions"]) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_snapshot_is_written_to_a_pipe(kept: str) -> None:
    os.mkfifo("pipe")
    read: list[bytes] = []
    thread = Thread(target=lambda: read.append(Path("pipe").read_bytes()))
    thread.start()

    typed("snapshot", "--db", kept, "-o", "pipe")

    thread.join()
    assert Path("pipe").is_fifo()
    assert read[0].startswith(b"SQLite")


def test_a_snapshot_is_not_written_to_a_terminal(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)

    said = complaint("snapshot", "--db", kept)

    assert said == (
        "Error: A snapshot is not text for a terminal; give --output, or redirect stdout."
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Error: Give what to copy: either --db or --endpoint-url."),
        (("--db", "a.db", "--endpoint-url", "http://x"), "Error: Give what to copy: either"),
        (("--db", "kept.db", "--workflow-id", "a"), "Error: --workflow-id requires --domain."),
        (("--db", "a.db"), "Error: a.db cannot be read: No such file or directory."),
        (("--db", "."), "Error: . cannot be read: Is a directory."),
        (("--db", "kept.db", "--simulation", "b"), "Error: There is no simulation 'b'; there are "),
        (("--db", "kept.db", "--domain", "b"), "Error: There is no domain 'b'."),
        (
            ("--db", "kept.db", "--domain", DOMAIN, "--workflow-id", "b"),
            f"Error: There is no execution of 'b' in the domain '{DOMAIN}'.",
        ),
        (("--db", "kept.db", "-o", "no/a.db"), "Error: no/a.db cannot be written: No such"),
        (("--endpoint-url", "kept.db"), "Error: 'kept.db' is not the URL of a server; one looks"),
        (("--endpoint-url", "http://127.0.0.1:1"), "Error: http://127.0.0.1:1 cannot be reached"),
        (("--endpoint-url", "http://127.0.0.1:x"), "Error: http://127.0.0.1:x is not a flowy-sim "),
    ],
)
def test_a_failed_snapshot_is_reported_in_a_sentence(
    kept: str, words: tuple[str, ...], said: str
) -> None:
    assert complaint("snapshot", *words).startswith(said)


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (("no.db", "--db", "kept.db"), b"", "Error: Invalid value for 'FILE': File 'no.db' does "),
        (("-",), b"", "Error: Missing option '--db'."),
        (("-", "--db", "a.db"), b"", "Error: <stdin> is not a file of flowy-sim; give another"),
        (("-", "--db", "a.db"), b"[" * 100_000, "Error: <stdin> is not a file of flowy-sim; "),
        (("-", "--db", "a.db", "--as", "b"), b"[]", "Error: <stdin> is not a file of flowy-sim"),
        (
            ("kept.db", "--db", "a.db", "--as", "b"),
            b"",
            "Error: kept.db cannot be imported: it has 2 simulations, and only one can be renamed.",
        ),
        (
            ("-", "--db", "a.db"),
            b'{"format": "flowy-sim export"}',
            "Error: <stdin> is an export in JSON, in format 1. A development version from before "
            "0.1.0 can import it.",
        ),
    ],
)
def test_a_failed_import_is_reported_in_a_sentence(
    kept: str, folder: Path, words: tuple[str, ...], given: bytes, said: str
) -> None:
    before = (folder / kept).read_bytes()

    assert complaint("import", *words, given=given).startswith(said)
    assert (folder / kept).read_bytes() == before
    assert not (folder / "a.db").exists()


def test_a_file_of_another_program_is_left_alone(kept: str, folder: Path) -> None:
    exported = typed("snapshot", "--db", kept).stdout_bytes
    (folder / "mine.txt").write_text("mine")

    said = complaint("import", "-", "--db", "mine.txt", given=exported)

    assert said == "Error: mine.txt is not a file of flowy-sim; give another one."
    assert (folder / "mine.txt").read_text() == "mine"


class Stranger(BaseHTTPRequestHandler):
    """A web server that is not a simulation: it answers with the requested path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode()[len("/") : -len("/_flowy/snapshot")])

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def stranger() -> Any:
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("answer", ["<html>", "{}", "[]", "3"])
def test_a_server_of_another_program_is_recognized(stranger: str, answer: str) -> None:
    said = complaint("snapshot", "--endpoint-url", f"{stranger}/{answer}")

    assert said.startswith(f"Error: {stranger}/{answer} is not a flowy-sim server (")
