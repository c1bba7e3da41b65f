from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from flowy_sim._server.control import CHANGING, READING
from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.http import PREFIX
from flowy_sim._server.request_guard import PAGE_HEADERS, ActionTokens, ForbiddenError, Guard
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings

ACCOUNT = "111122223333"
KEYED = ServerSettings(
    secrets={"mine": "secret", "theirs": "other"},
    accounts={"theirs": ACCOUNT},
    control_token="open sesame",
)
TOKEN = {"Authorization": "Bearer open sesame"}
CONTROL = sorted(
    [
        *READING,
        *CHANGING,
        ("DELETE", ""),
        ("POST", "/reset"),
        ("GET", "/snapshot"),
        ("GET", "/metrics"),
        ("GET", "/simulations"),
        ("GET", "/simulations/snapshot"),
    ]
)


class Answer:
    """The answer to a request.

    Attributes:
        status: its status.
        headers: its headers by their names in lower case.
        members: its body, read as JSON if it is JSON.
    """

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        body = response.read()
        is_json = self.headers.get("content-type") == "application/json"
        self.members: Any = json.loads(body) if is_json else body


def ask(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    host = url.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def signed(url: str, method: str, path: str, key: str, secret: str, body: bytes = b"") -> Answer:
    """Ask with a signature."""
    request = AWSRequest(method, url + path, data=body)
    SigV4Auth(Credentials(key, secret), "swf", "us-east-1").add_auth(request)
    return ask(url, method, path, body, **dict(request.headers.items()))


def simulations(url: str, **headers: str) -> list[str]:
    found = ask(url, "GET", f"{PREFIX}/simulations", **headers).members["simulations"]
    return [each["simulation"] for each in found]


@pytest.fixture
def url() -> Iterator[str]:
    with serving() as endpoint:
        yield endpoint.url


@pytest.fixture(scope="module")
def keyed() -> Iterator[str]:
    """A server with keys and a token."""
    with serving(KEYED) as endpoint:
        yield endpoint.url


# What begins


@pytest.mark.parametrize(("method", "path"), sorted(READING))
def test_a_request_that_only_reads_lets_no_simulation_begin(
    url: str, method: str, path: str
) -> None:
    body = json.dumps({"seconds": 0}).encode() if method == "POST" else b""
    for name in ("", "/made-up"):
        assert ask(url, method, f"{name}{PREFIX}{path}", body).status == 200
    assert simulations(url) == []


def test_a_get_lets_no_simulation_begin_whatever_its_path(url: str) -> None:
    for _, path in CONTROL:
        ask(url, "GET", f"/image{PREFIX}{path}")
    assert simulations(url) == []


@pytest.mark.parametrize(
    ("method", "path", "members"),
    [
        ("PUT", "/clock", {"mode": "paused"}),
        ("POST", "/clock/advance", {"seconds": 1}),
        ("POST", "/reset", {}),
    ],
)
def test_a_clock_that_is_set_and_a_reset_let_a_simulation_begin(
    url: str, method: str, path: str, members: dict[str, Any]
) -> None:
    assert ask(url, method, f"/new{PREFIX}{path}", json.dumps(members).encode()).status == 200
    assert simulations(url) == ["new"]


def test_a_simulation_that_has_not_begun_is_described_as_it_would_begin(url: str) -> None:
    before = ask(url, "GET", f"/new{PREFIX}").members
    ask(url, "POST", f"/new{PREFIX}/reset")
    after = ask(url, "GET", f"/new{PREFIX}").members
    for each in (before, after):
        each.pop("changes")
    assert before == after


def test_a_name_that_cannot_be_one_is_refused_by_reading_requests_too(url: str) -> None:
    assert ask(url, "GET", f"{PREFIX}/clock?account=<script>").status == 400


# Pages


@pytest.mark.parametrize("path", ["/", f"{PREFIX}/clock", f"/x{PREFIX}", f"{PREFIX}/health"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin"])
def test_a_page_of_another_site_is_refused_like_a_foreign_origin(
    url: str, path: str, site: str
) -> None:
    answer = ask(url, "GET", path, Sec_Fetch_Site=site)
    foreign = ask(url, "GET", path, Origin="http://evil.example")
    assert answer.status == foreign.status == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_pages_of_the_server_and_addresses_that_a_user_types_are_answered(
    url: str, site: str
) -> None:
    assert ask(url, "GET", f"{PREFIX}/clock", Sec_Fetch_Site=site, Origin=url).status == 200


def test_another_port_of_the_same_machine_is_another_origin() -> None:
    guard = Guard(ServerSettings())
    guard.check("127.0.0.1", {"host": "localhost:4567", "origin": "http://localhost:4567"})
    for origin in (
        "http://localhost:3000",
        "null",
        "file://localhost:4567",
        "http://127.0.0.1:4567",
    ):
        with pytest.raises(ForbiddenError, match="may not call"):
            guard.check("127.0.0.1", {"host": "localhost:4567", "origin": origin})


def test_a_page_that_is_allowed_may_call_from_its_own_site() -> None:
    page = "http://localhost:3000"
    guard = Guard(ServerSettings(origins=(page,)))
    here = {"host": "localhost:4567", "sec-fetch-site": "same-site"}
    guard.check("127.0.0.1", {**here, "origin": page})
    with pytest.raises(ForbiddenError, match="Sec-Fetch-Site"):
        guard.check("127.0.0.1", here)
    Guard(ServerSettings(origins=("*",))).check("127.0.0.1", here)


def test_what_is_refused_is_named_without_its_control_characters() -> None:
    with pytest.raises(ForbiddenError) as refused:
        Guard(ServerSettings()).check("127.0.0.1", {"host": "localhost", "origin": "\x9b2J\u202e"})
    assert str(refused.value).isprintable()


def test_responses_that_a_browser_could_show_forbid_it_everything_else(url: str) -> None:
    for path in (PREFIX, f"{PREFIX}/health", "/nothing"):
        headers = ask(url, "GET", path).headers
        assert {name.lower(): value for name, value in PAGE_HEADERS.items()}.items() <= (
            headers.items()
        )
        assert headers["cache-control"] == "no-store"
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_client_whose_name_cannot_be_encoded_hides_nothing(url: str) -> None:
    order, lists = {"name": "order", "version": "1"}, {"taskList": {"name": "decisions"}}
    retention = {"workflowExecutionRetentionPeriodInDays": "1"}
    times = {"executionStartToCloseTimeout": "60", "taskStartToCloseTimeout": "60"}
    of_it = {"workflowId": "order-1", "workflowType": order, "childPolicy": "TERMINATE"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("RegisterDomain", {"name": "shop", **retention}),
        ("RegisterWorkflowType", {"domain": "shop", **order}),
        ("StartWorkflowExecution", {"domain": "shop", **of_it, **lists, **times}),
        ("PollForDecisionTask", {"domain": "shop", **lists, "identity": "a\ud800b"}),
    ]
    for operation, members in calls:
        named = {"X_Amz_Target": f"SimpleWorkflowService.{operation}"}
        named["Content_Type"] = "application/x-amz-json-1.0"
        assert ask(url, "POST", "/", json.dumps(members).encode(), **named).status == 200
    held = ask(url, "GET", PREFIX).members["heldTasks"]
    assert held[0].startswith("a\ud800b at ")
    assert ask(url, "GET", f"{PREFIX}/simulations").members["simulations"][0]["heldTasks"] == held


def test_a_token_of_an_action_is_valid_for_its_session_and_server_only() -> None:
    tokens = ActionTokens()
    sent = {"x-flowy-action": tokens.issue("a")}
    assert tokens.is_valid("a", sent)
    assert not tokens.is_valid("b", sent)
    assert not tokens.is_valid("a", {})
    assert not tokens.is_valid("a", {"x-flowy-action": "\xe9"})
    assert not ActionTokens().is_valid("a", sent)


# Keys


@pytest.mark.parametrize(("method", "path"), CONTROL)
def test_with_keys_no_control_request_is_answered_without_signature_or_token(
    keyed: str, method: str, path: str
) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer guess"},
        {"Authorization": "Bearer "},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=mine"},
        {"X_Forwarded_For": "127.0.0.1"},
    ):
        assert ask(keyed, method, f"{PREFIX}{path}", **headers).status == 403, headers
    assert signed(keyed, method, f"{PREFIX}{path}", "mine", "guess").status == 403
    assert signed(keyed, method, f"{PREFIX}{path}", "none", "secret").status == 403
    assert simulations(keyed, **TOKEN) == []


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_with_keys_health_and_readiness_stay_open(keyed: str, path: str) -> None:
    assert ask(keyed, "GET", f"{PREFIX}{path}").status == 200


def test_a_signature_opens_the_simulations_of_its_account(keyed: str) -> None:
    assert signed(keyed, "GET", f"{PREFIX}/clock", "mine", "secret").status == 200
    theirs = f"{PREFIX}/clock?account={ACCOUNT}"
    assert signed(keyed, "GET", theirs, "theirs", "other").status == 200
    refused = signed(keyed, "GET", theirs, "mine", "secret")
    assert refused.status == 403
    assert "the request is about account 111122223333" in refused.members["error"]


@pytest.mark.parametrize("path", ["/metrics", "/simulations"])
def test_what_concerns_all_accounts_needs_the_token(keyed: str, path: str) -> None:
    assert signed(keyed, "GET", f"{PREFIX}{path}", "mine", "secret").status == 403
    assert ask(keyed, "GET", f"{PREFIX}{path}", **TOKEN).status == 200


def test_a_signature_covers_the_body(keyed: str) -> None:
    path = f"{PREFIX}/clock"
    request = AWSRequest("PUT", keyed + path, data=b'{"mode": "paused"}')
    SigV4Auth(Credentials("mine", "secret"), "swf", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    assert ask(keyed, "PUT", path, b'{"mode": "virtual"}', **headers).status == 403


def test_a_token_alone_protects_control_requests_too() -> None:
    with serving(ServerSettings(control_token="open sesame")) as endpoint:
        endpoint.reset()
        with pytest.raises(EndpointError, match="Bearer TOKEN"):
            Endpoint(endpoint.url, token="").reset()
        with pytest.raises(EndpointError, match="The token is wrong"):
            Endpoint(endpoint.url, token="guess").named("other").reset()


def test_from_another_machine_a_signature_or_the_token_is_needed_too() -> None:
    from flowy_sim._server.auth import SignedRequest

    guard = Guard(KEYED)
    request = SignedRequest("GET", f"{PREFIX}/clock", {}, b"")
    with pytest.raises(ForbiddenError, match="need a signature"):
        guard.check_control("192.0.2.1", request, KEYED.account)
    with_token = request._replace(headers={"authorization": "Bearer open sesame"})
    guard.check_control("192.0.2.1", with_token, KEYED.account)
    with pytest.raises(ForbiddenError, match="comes from another machine"):
        Guard(ServerSettings()).check_control("192.0.2.1", request, KEYED.account)


def test_an_endpoint_takes_the_token_from_the_environment(
    keyed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWY_SIM_CONTROL_TOKEN", "open sesame")
    assert Endpoint(keyed).named("x").describe()["simulation"] == "x"
