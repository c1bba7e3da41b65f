"""Commands that run with a server: ``flowy-sim serve -- COMMAND``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowy_sim._cli import cli

SERVE = [sys.executable, "-m", "flowy_sim", "serve", "--clock", "virtual"]
SECONDS = 200

REGISTER = """
import sys, boto3
swf = boto3.client("swf")
swf.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
found = swf.list_domains(registrationStatus="REGISTERED")["domainInfos"]
print(len(found), swf.meta.endpoint_url, swf.meta.region_name)
sys.exit(7)
"""

OBEY = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture(autouse=True)
def _modules_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_a_command_finds_the_server_and_its_status_is_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody-else")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    command = [*SERVE, "--region", "eu-west-1", "--", sys.executable, "-c", REGISTER]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == 7, ended.stderr
    found, url, region = ended.stdout.split()
    assert (found, region) == ("1", "eu-west-1")
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith(":4567")


@pytest.mark.slow
def test_a_command_signs_with_the_first_of_the_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"ours": "secret", "theirs": "other"}))
    command = [*SERVE, "--keys", str(keys), "--", sys.executable, "-c", REGISTER]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == 7, ended.stderr


def test_a_termination_signal_is_passed_on() -> None:
    command = [*SERVE, sys.executable, "-c", OBEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(SECONDS) == 5


@pytest.mark.slow
def test_a_command_killed_by_a_signal_has_the_exit_status_of_a_shell() -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    ended = subprocess.run([*SERVE, sys.executable, "-c", kill], timeout=SECONDS)
    assert ended.returncode == 128 + 9


def test_a_missing_command_is_reported_in_one_sentence() -> None:
    result = CliRunner().invoke(cli, ["serve", "no-such-command"])
    assert result.exit_code == 1
    assert result.stderr == "Error: cannot run no-such-command: No such file or directory\n"


def test_a_file_that_cannot_be_served_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "swf.db").write_text("no database")
    result = CliRunner().invoke(cli, ["serve", "--db", str(tmp_path / "swf.db"), "true"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "effect"),
    [
        ((), "their requests are refused unless you give --keys or --allow-remote."),
        (("--allow-remote",), "all their requests are accepted."),
        (
            ("--allow-remote", "--control-token", "secret"),
            "all their calls are accepted, and requests under /_flowy need the token.",
        ),
    ],
)
def test_a_server_for_other_machines_says_what_it_accepts_from_them(
    options: tuple[str, ...], effect: str
) -> None:
    result = CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0", *options, "true"])
    assert result.exit_code == 0, result.output
    assert result.stderr == f"Warning: other machines can reach this server; {effect}\n"
