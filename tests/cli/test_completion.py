"""What a shell completes, by the protocol that click's scripts for bash, zsh and fish use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

import pytest

from flowy_sim._server.endpoint import Endpoint

pytestmark = pytest.mark.slow


Run = Callable[..., str]
"""Runs a command with an instruction of click in the environment; returns what it prints."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(package: str, instruction: str, **environment: str) -> str:
        main = import_module(f"{package}.__main__").main
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [package.replace("_", "-")])
            patch.setenv(f"_{package.upper()}_COMPLETE", instruction)
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        assert ended.value.code == 0
        written, problems = capsys.readouterr()
        assert problems == ""
        return written

    return run


Completed = Callable[..., list[str]]


@pytest.fixture
def completed(run: Run) -> Completed:
    """Return what bash is offered for the last of some words."""

    def completed(package: str, words: str, **environment: str) -> list[str]:
        cursor = str(len(words.split(" ")) - 1)
        said = {"COMP_WORDS": words, "COMP_CWORD": cursor, **environment}
        lines = run(package, "bash_complete", **said).splitlines()
        return [line.partition(",")[2] for line in lines if line]

    return completed


def test_a_process_completes_and_ends() -> None:
    said = {"_FLOWY_COMPLETE": "bash_complete", "COMP_WORDS": "flowy sta", "COMP_CWORD": "1"}
    program = "import sys; sys.argv[0] = 'flowy'; from flowy.__main__ import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **said},
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("plain,start\n", "", 0)


def test_commands_and_options_are_completed(completed: Completed) -> None:
    assert completed("flowy_sim", "flowy-sim s") == ["serve", "snapshot"]
    assert completed("flowy", "flowy start --dom") == ["--domain"]


def test_the_names_of_faults_are_completed(completed: Completed) -> None:
    assert completed("flowy_sim", "flowy-sim explore --fault worker") == [
        "worker-dies",
        "worker-dies-midway",
        "worker-dies-late",
    ]
    assert completed("flowy_sim", "flowy-sim explore --fault no") == ["none"]


def test_clocks_are_completed(completed: Completed) -> None:
    assert completed("flowy_sim", "flowy-sim serve --clock ") == [
        "real",
        "virtual",
        "paused",
        "x10",
        "x60",
        "x3600",
    ]


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("flowy", "flowy list --domain ph"),
        ("flowy_sim", "flowy-sim history --domain ph"),
    ],
)
def test_registered_domains_are_completed(
    swf_endpoint: Endpoint, completed: Completed, package: str, words: str
) -> None:
    client = swf_endpoint.client()
    for name in ("photos", "phones", "shop"):
        client.register_domain(name=name, workflowExecutionRetentionPeriodInDays="7")
    client.deprecate_domain(name="phones")
    assert completed(package, words, **swf_endpoint.environment) == ["photos"]


def test_without_a_service_no_domain_is_offered_and_nothing_is_printed(
    completed: Completed,
) -> None:
    away = {
        "AWS_ENDPOINT_URL_SWF": "http://127.0.0.1:1",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "simulated",
    }
    assert completed("flowy", "flowy list --domain ", **away) == []
    assert completed("flowy", "flowy list --domain ", AWS_ENDPOINT_URL_SWF="no URL") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("package", ["flowy", "flowy_sim"])
def test_a_script_for_each_shell_can_be_printed(run: Run, package: str, shell: str) -> None:
    printed = run(package, f"{shell}_source")
    assert f"{shell}_complete" in printed
    assert package.replace("_", "-") in printed
