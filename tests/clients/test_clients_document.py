"""What docs/clients.md shows works: its examples run, or are part of programs that do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from flowy_sim._server.endpoint import Endpoint
from tests.support.client_programs import (
    AWS,
    SIMPLEFLOW,
    Programs,
    needs_aws,
    needs_javascript,
    needs_javascript_v2,
    needs_simpleflow,
)

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
EXCERPTS: list[tuple[str, str]] = re.findall(
    r"<!-- from: (\S+) -->\n```\w+\n(.*?)```", DOCUMENT, re.S
)
PATH = f"{AWS.parent}:{SIMPLEFLOW.parent}:/usr/bin:/bin"


def example(name: str) -> str:
    """Return an example of the page."""
    found: list[str] = re.findall(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", DOCUMENT, re.S)
    (code,) = found
    return code


def without_indentation(code: str) -> str:
    return "\n".join(line.strip() for line in code.splitlines())


def domains(endpoint: Endpoint) -> list[str]:
    reply = endpoint.client().list_domains(registrationStatus="REGISTERED")
    return [each["name"] for each in reply["domainInfos"]]


@pytest.mark.parametrize(("name", "excerpt"), EXCERPTS)
def test_excerpts_are_in_the_programs_that_run(name: str, excerpt: str) -> None:
    program = (ROOT / name).read_text(encoding="utf-8")
    assert without_indentation(excerpt) in without_indentation(program)


def test_boto3_connects(at_real: Programs, real: Endpoint) -> None:
    at_real.run(sys.executable, "-c", example("boto3"))
    assert domains(real) == ["shop"]


@needs_aws
def test_the_aws_cli_connects(at_real: Programs) -> None:
    assert at_real.run("bash", "-ec", example("aws"), PATH=PATH) == "shop\n"


@needs_javascript
def test_the_sdk_for_javascript_connects(at_real: Programs) -> None:
    assert at_real.run("node", "-e", example("javascript")) == "no task\n"


@needs_javascript_v2
def test_the_older_sdk_for_javascript_connects(at_real: Programs) -> None:
    assert at_real.run("node", "-e", example("javascript v2")) == "no task\n"


@needs_javascript_v2
def test_the_older_sdk_for_javascript_ignores_the_address(at_real: Programs) -> None:
    code = 'console.log(new (require("aws-sdk").SWF)({ region: "us-east-1" }).endpoint.href)'
    assert at_real.run("node", "-e", code) == "https://swf.us-east-1.amazonaws.com/\n"


@needs_simpleflow
def test_simpleflow_connects(at_real: Programs, real: Endpoint, tmp_path: Path) -> None:
    client = real.client()
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="90")
    (tmp_path / "shop.py").write_text(example("simpleflow module"), encoding="utf-8")
    at_real.run("bash", "-ec", example("simpleflow command"), PATH=PATH)
    (closed,) = client.list_closed_workflow_executions(
        domain="shop", startTimeFilter={"oldestDate": 0}
    )["executionInfos"]
    assert closed["closeStatus"] == "COMPLETED"
