"""What a shell completes, by the protocol that click's scripts for bash, zsh and fish use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flowy_sim._server.endpoint import Endpoint

pytestmark = pytest.mark.slow


def completed(package: str, words: str, **environment: str) -> list[str]:
    """What bash is offered for the last of some words."""
    variable = f"_{package.upper()}_COMPLETE"
    settings = {
        variable: "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        **environment,
    }
    script = f"from {package}.__main__ import main; import sys; sys.argv[0] = {package!r}; main()"
    name = package.replace("_", "-")
    ran = subprocess.run(
        [sys.executable, "-c", script.replace(repr(package), repr(name))],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
    )
    assert ran.stderr == ""
    return [line.partition(",")[2] for line in ran.stdout.splitlines() if line]


def test_commands_and_options_are_completed() -> None:
    assert completed("flowy_sim", "flowy-sim s") == ["serve", "snapshot"]
    assert completed("flowy", "flowy start --dom") == ["--domain"]


def test_the_names_of_faults_are_completed() -> None:
    assert completed("flowy_sim", "flowy-sim explore --fault worker") == [
        "worker-dies",
        "worker-dies-midway",
        "worker-dies-late",
    ]
    assert completed("flowy_sim", "flowy-sim explore --fault no") == ["none"]


def test_clocks_are_completed() -> None:
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
def test_registered_domains_are_completed(swf_endpoint: Endpoint, package: str, words: str) -> None:
    client = swf_endpoint.client()
    for name in ("photos", "phones", "shop"):
        client.register_domain(name=name, workflowExecutionRetentionPeriodInDays="7")
    client.deprecate_domain(name="phones")
    assert completed(package, words, **swf_endpoint.environment) == ["photos"]


def test_without_a_service_no_domain_is_offered_and_nothing_is_printed() -> None:
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
def test_a_script_for_each_shell_can_be_printed(package: str, shell: str) -> None:
    name = package.replace("_", "-")
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.argv[0] = {name!r}; from {package}.__main__ import main; main()",
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, f"_{package.upper()}_COMPLETE": f"{shell}_source"},
    )
    assert ran.returncode == 0
    assert f"{shell}_complete" in ran.stdout
    assert name in ran.stdout
