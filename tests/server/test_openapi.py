"""The OpenAPI document of the control API describes what the server does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from flowy_sim._server.control import DOCUMENT, PREFIX, Control
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.metrics import Metrics
from flowy_sim._server.request_guard import Guard
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.settings import Settings

jsonschema = pytest.importorskip("jsonschema")
openapi_spec_validator = pytest.importorskip("openapi_spec_validator")

READ: dict[str, Any] = json.loads(DOCUMENT.read_text())
OPERATIONS = [
    (path, method, operation)
    for path, methods in READ["paths"].items()
    for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
OF_THE_SERVER = [
    operation["operationId"] for _, _, operation in OPERATIONS if "servers" in operation
]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as served:
        yield served


def ask(url: str, method: str, path: str, members: Any = None) -> tuple[int, str, bytes]:
    """Return the status, the media type and the body of a response."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=60)) as connection:
        body = b"" if members is None else json.dumps(members).encode()
        connection.request(method.upper(), parts.path + path, body)
        response = connection.getresponse()
        media_type = response.headers["Content-Type"].partition(";")[0]
        return response.status, media_type, response.read()


def check(value: Any, schema: dict[str, Any]) -> None:
    """Compare a value with a schema of the document."""
    whole = {**schema, "components": READ["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def example(operation: dict[str, Any]) -> Any:
    """Return the example of a request, if it has a body."""
    if "requestBody" not in operation:
        return None
    content = operation["requestBody"]["content"]["application/json"]
    check(content["example"], content["schema"])
    return content["example"]


def test_the_document_is_valid() -> None:
    openapi_spec_validator.validate(READ)


def test_the_document_has_every_request_and_no_other() -> None:
    settings = ServerSettings()
    simulations = Simulations(settings)
    metrics = Metrics(simulations, lambda: 0)
    control = Control(simulations, settings, Guard(settings), metrics, lambda: True)
    served = {
        (route.path, method.lower())
        for route in control.routes()
        for method in (route.methods or ()) - {"HEAD"}
    }
    unnamed = {(path, method) for path, method in served if path.startswith(PREFIX)}
    assert unnamed == {(path, method) for path, method, _ in OPERATIONS}
    named = {(f"/{{simulation}}{path}", method) for path, method in unnamed}
    whole = {(path, method) for path, method, operation in OPERATIONS if "servers" in operation}
    assert served - unnamed == named - {
        (f"/{{simulation}}{path}", method) for path, method in whole
    }


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_the_reply_to_each_example_is_as_described(
    endpoint: Endpoint, path: str, method: str, operation: dict[str, Any]
) -> None:
    endpoint.reset()
    endpoint.stub(workflow="Shipping", version="1", result="shipped", takes=3)
    swf = endpoint.client()
    swf.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
    shipping = {"name": "Shipping", "version": "1"}
    swf.register_workflow_type(domain="shop", **shipping)
    swf.start_workflow_execution(
        domain="shop",
        workflowId="shipping-1",
        workflowType=shipping,
        taskList={"name": "none"},
        executionStartToCloseTimeout="60",
        taskStartToCloseTimeout="60",
        childPolicy="TERMINATE",
    )
    status, media_type, body = ask(endpoint.url, method, path, example(operation))
    assert status == 200
    [(described, content)] = operation["responses"]["200"]["content"].items()
    assert media_type == described
    if media_type == "application/json":
        check(json.loads(body), content["schema"])


def test_a_refusal_is_as_described(endpoint: Endpoint) -> None:
    for path, members in (("/clock/advance", {}), ("/stubs", {}), ("/after", {"seconds": 1})):
        status, _, body = ask(endpoint.url, "POST", f"{PREFIX}{path}", members)
        assert status == 400
        check(
            json.loads(body),
            READ["components"]["responses"]["Refused"]["content"]["application/json"]["schema"],
        )


def test_the_document_names_every_setting() -> None:
    schemas = READ["components"]["schemas"]
    assert list(schemas["Settings"]["properties"]) == [each.name for each in fields(Settings)]


@pytest.mark.parametrize("member", READ["components"]["schemas"]["Answer"]["properties"])
def test_every_member_of_an_answer_is_accepted(endpoint: Endpoint, member: str) -> None:
    values = {"result": [1], "error": "x", "timeout": "START_TO_CLOSE", "takes": "never"}
    values |= {"heartbeat": 5, "url": "http://127.0.0.1:9000"}
    named = {"lambda": "f"} if member == "url" else {"activity": "resize", "version": "1"}
    definition = {**named, member: values[member]}
    check(definition, READ["components"]["schemas"]["Stub"])
    status, _, _ = ask(endpoint.url, "POST", f"{PREFIX}/stubs", definition)
    assert status == 200


def test_the_clocks_are_those_of_the_server(endpoint: Endpoint) -> None:
    pattern = READ["components"]["schemas"]["ClockMode"]["pattern"]
    for mode in ("real", "virtual", "paused", "x60", "x0.5", "fast", "x", "y60", ""):
        status, _, _ = ask(endpoint.url, "PUT", f"{PREFIX}/clock", {"mode": mode})
        assert (status == 200) == bool(re.search(pattern, mode)), mode
        endpoint.reset()


def test_the_server_serves_the_document(endpoint: Endpoint) -> None:
    status, _, body = ask(endpoint.url, "GET", f"{PREFIX}/openapi.json")
    assert (status, body) == (200, DOCUMENT.read_bytes())
