"""The image, the services of compose.yaml and the examples for CI.

Images are not built here: the steps that they describe run in this environment.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowy_sim._cli.serve import serve
from flowy_sim.testing import Endpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVER, WORKER = COMPOSE["services"]["swf"], COMPOSE["services"]["worker"]
TEAMS = (ROOT / "docs" / "teams.md").read_text(encoding="utf-8").replace("\\\n", " ")
STEPS = re.findall(r"^docker compose exec worker (.*)$", TEAMS, re.MULTILINE)
EXAMPLES = sorted((ROOT / "examples" / "ci").glob("*.yml"))
SCRIPTS = Path(sys.executable).parent


def instruction(name: str) -> str:
    """The last instruction of a name in the Dockerfile, without the name."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)[-1].strip()


def image_variables() -> dict[str, str]:
    return dict(each.split("=", 1) for each in shlex.split(instruction("ENV")))


def environment(*variables: Mapping[str, str], port: int) -> dict[str, str]:
    """The variables of a container, with the scripts of this environment and a free port."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    merged = {**kept, **{k: v for each in variables for k, v in each.items()}, "PATH": path}
    return {**merged, "FLOWY_SIM_PORT": str(port)}


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process in its own process group, which is killed with all its children."""
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def healthy(variables: dict[str, str]) -> bool:
    command = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    return subprocess.run(command, env=variables, check=False, capture_output=True).returncode == 0


def test_the_services_of_compose_work_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    assert len(STEPS) == 2
    assert SERVER["environment"]["FLOWY_SIM_CONTROL_TOKEN"].startswith(
        "${FLOWY_SIM_CONTROL_TOKEN:?"
    )
    token = {"FLOWY_SIM_CONTROL_TOKEN": "secret"}
    variables = environment(image_variables(), SERVER["environment"], token, port=port)
    command = [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]
    assert not healthy(variables)
    with running(command, env=variables, cwd=tmp_path, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert f":{port};" in server.stdout.readline()
        assert healthy(variables)
        url = f"http://127.0.0.1:{port}"
        assert WORKER["environment"]["AWS_ENDPOINT_URL_SWF"] == "http://swf:4567"
        there = {"AWS_ENDPOINT_URL_SWF": url, "FLOWY_TUTORIAL_RESULTS": str(tmp_path)}
        variables = environment(WORKER["environment"], there, port=port)
        command = [*WORKER["entrypoint"], *WORKER["command"]]
        with running(command, env=variables, cwd=tmp_path, stderr=subprocess.PIPE) as worker:
            assert worker.stderr is not None
            polling = [worker.stderr.readline() for _ in range(2)]
            assert all("INFO" in line for line in polling), polling
            for step in STEPS:
                subprocess.run(shlex.split(step), env=variables, check=True)
            with pytest.raises(Exception, match="need the server's token"):
                Endpoint(url).settle(30)
            monkeypatch.setenv("FLOWY_SIM_CONTROL_TOKEN", "secret")
            endpoint = Endpoint(url)
            endpoint.settle(30)
            closed = endpoint.client().list_closed_workflow_executions(
                domain="photos", startTimeFilter={"oldestDate": 0}
            )
    assert [each["closeStatus"] for each in closed["executionInfos"]] == ["COMPLETED"]


def test_the_worker_waits_until_the_server_is_healthy() -> None:
    assert WORKER["depends_on"] == {"swf": {"condition": "service_healthy"}}


def test_ports_are_published_on_this_machine_only() -> None:
    assert SERVER["ports"] == ["127.0.0.1:4567:4567"]
    assert "ports" not in WORKER


def test_the_image_does_not_run_as_root() -> None:
    assert int(instruction("USER")) > 0


def variables_in(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield str(name)
            yield from variables_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from variables_in(value)


@pytest.mark.parametrize("file", [ROOT / "compose.yaml", *EXAMPLES], ids=lambda file: file.name)
def test_all_variables_of_the_server_exist(file: Path) -> None:
    used = {name for name in variables_in(yaml.safe_load(file.read_text())) if "FLOWY_SIM" in name}
    assert used
    assert used <= {option.envvar for option in serve.params}


def test_all_variables_of_the_image_exist() -> None:
    used = {name for name in image_variables() if name.startswith("FLOWY_SIM")}
    assert used <= {option.envvar for option in serve.params}


def test_all_that_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in ignored
