from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.request_guard import CONTENT_SECURITY_POLICY
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from tests.support.console_pages import VIRTUAL, Browser, console_server
from tests.support.console_shop import Shop
from tests.support.hostile_text import WORST, problems_of

PAGES = ["", "_console/task-lists", "_console/execution?workflow=order-1"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_policy_and_loads_only_files_of_the_server(
    endpoint: Endpoint, browser: Browser, path: str
) -> None:
    Shop(endpoint.client()).start("order-1")
    page = browser.open(path)
    assert page.status == 200
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    loaded = page.values("script", "src") + page.values("link", "href")
    assert loaded
    for target in loaded:
        status, _, _ = browser.ask(
            "GET", f"{path.partition('?')[0]}/../{target}" if path else target
        )
        assert status == 200, target
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]


def test_all_scripts_of_a_page_take_sixty_kilobytes_at_most(browser: Browser) -> None:
    loaded: dict[str, bytes] = {}
    missing = {"console.js"}
    while missing:
        for name in missing:
            status, _, loaded[name] = browser.ask("GET", f"_console/assets/{name}")
            assert status == 200, name
        found = re.findall(rb'from "\./(.*)";', b"".join(loaded.values()))
        missing = {name.decode() for name in found} - set(loaded)
    assert "timeline.js" in loaded
    assert sum(map(len, loaded.values())) <= 60_000


@pytest.mark.parametrize("path", PAGES)
def test_all_links_are_relative_so_that_a_prefix_does_not_break_them(
    endpoint: Endpoint, browser: Browser, path: str
) -> None:
    Shop(endpoint.client()).start("order-1")
    page = browser.open(path)
    targets = [value for _, name, value in page.attributes if name in ("href", "src", "action")]
    assert all(target.startswith((".", "?", "#")) for target in targets), targets


def test_programs_that_do_not_accept_html_see_no_page(endpoint: Endpoint) -> None:
    status, headers, _ = Browser(endpoint).ask("GET", "", Accept="application/json")
    assert (status, headers["content-type"]) == (404, "application/json")


def test_a_server_without_a_console_shows_no_page() -> None:
    with serving() as endpoint:
        assert Browser(endpoint).ask("GET", "")[0] == 404
        assert Browser(endpoint).ask("GET", "_console/task-lists")[0] == 404


def test_a_page_lets_no_simulation_begin(endpoint: Endpoint) -> None:
    unknown = endpoint.named("never-begun")
    page = Browser(unknown).open()
    assert page.status == 404
    assert "There is no simulation 'never-begun' yet" in page.text
    _, _, listed = Browser(endpoint).ask("GET", "/_flowy/simulations")
    assert b"never-begun" not in listed


def test_the_name_of_a_simulation_without_a_slash_leads_to_its_page(endpoint: Endpoint) -> None:
    status, headers, _ = Browser(endpoint).ask("GET", endpoint.url)
    name = endpoint.url.rpartition("/")[2]
    assert (status, headers["location"]) == (307, f"{name}/")


def test_pages_switch_between_the_domains_of_all_simulations(
    served_console: Endpoint, browser: Browser, endpoint: Endpoint
) -> None:
    Shop(endpoint.client()).start("order-1")
    other = served_console.named("other-suite")
    other.client().register_domain(name="books", workflowExecutionRetentionPeriodInDays="7")
    try:
        target = browser.open().links["other-suite / books"]
        page = browser.open(target)
    finally:
        other.remove()
    assert page.status == 200
    assert "Executions of books" in page.source


def test_an_unknown_domain_is_an_error_in_the_words_of_the_service(browser: Browser) -> None:
    page = browser.open(domain="nowhere")
    assert page.status == 404
    assert "UnknownResourceFault" in page.text
    assert "Unknown domain: nowhere" in page.text


@pytest.mark.parametrize("hostile", [WORST, "x" * 256, "<script>alert(1)</script>", "\"'>&"])
def test_hostile_ids_are_shown_harmlessly_and_their_links_lead_back(
    endpoint: Endpoint, browser: Browser, hostile: str
) -> None:
    Shop(endpoint.client()).start(hostile, tagList=[hostile])
    page = browser.open()
    assert problems_of(page.source) == []
    assert "<script>alert" not in page.source
    target = next(value for value in page.links.values() if "/execution?" in value)
    found = browser.open(target)
    assert found.status == 200
    assert problems_of(found.source) == []
    assert len(browser.open(domain="shop", tag=hostile).values("tr", "data-run")) == 1


def asked_of_scripts(hostile: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield what scripts ask for, with a text in one place of each request."""
    for path in ("data", "history", "stamp"):
        for member in ("account", "domain", "region", "workflow", "run"):
            query = {"domain": "shop", "workflow": "order-1", member: hostile}
            yield "GET", f"{path}?{urlencode(query, errors='surrogatepass')}", {}
    fields = ("workflow", "run", "signal", "input", "reason", "seconds", "activity", "type_name")
    for action in ("start", "signal", "terminate", "complete", "advance", "nothing"):
        for kind in ("act", "copy"):
            for field in fields:
                given = {"workflow": "order-1", "type_version": "1", "type_name": "x"}
                yield "POST", f"{kind}/{action}?domain=shop", {**given, field: hostile}


@pytest.mark.parametrize("hostile", [WORST, "a\ud800b", "1e400", "\x00", "x" * 300])
def test_whatever_a_script_asks_for_is_answered_or_refused_in_json(
    endpoint: Endpoint, browser: Browser, hostile: str
) -> None:
    Shop(endpoint.client()).start("order-1")
    browser.open()
    for method, path, fields in asked_of_scripts(hostile):
        body = json.dumps(fields).encode() if method == "POST" else None
        sent = {"X_Flowy_Action": browser.token} if method == "POST" else {}
        status, headers, answer = browser.ask(method, f"_console/{path}", body, **sent)
        assert status in (200, 400, 404), (path, fields)
        assert headers["content-type"] == "application/json"
        assert json.loads(answer) is not None


@pytest.mark.parametrize("account", ["1", "shop", "\ud800", "1" * 5_000])
@pytest.mark.parametrize("path", PAGES)
def test_an_account_that_cannot_be_is_refused_with_a_page(
    served_console: Endpoint, path: str, account: str
) -> None:
    page = Browser(served_console).open(path.partition("?")[0], account=account)
    assert page.status == 404
    assert "is not an account" in page.text


class TestCredentials:
    SETTINGS = ServerSettings(
        simulation=VIRTUAL,
        secrets={"mine": "secret", "theirs": "other"},
        accounts={"theirs": "111122223333"},
        control_token="open sesame",
    )

    @pytest.fixture
    def locked(self) -> Iterator[Browser]:
        with console_server(self.SETTINGS) as endpoint:
            yield Browser(endpoint)

    def test_pages_need_a_login_and_assets_do_not(self, locked: Browser) -> None:
        page = locked.open("_console/task-lists")
        assert page.status == 401
        assert "Control token" in page.text
        assert locked.ask("GET", "_console/assets/console.css")[0] == 200

    @pytest.mark.parametrize("form", ["token=open+sesame", "key=mine&secret=secret"])
    def test_credentials_are_exchanged_for_a_strict_cookie(
        self, locked: Browser, form: str
    ) -> None:
        action = locked.open("_console/task-lists").values("form", "action")[0]
        status, headers, _ = locked.ask("POST", f"_console/{action}", form.encode())
        assert status == 303
        cookie = headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        page = locked.open(f"_console/{headers['location']}")
        assert page.status == 200
        assert "Task lists" in page.source

    @pytest.mark.parametrize("form", ["token=no", "key=mine&secret=no", "key=no&secret=secret", ""])
    def test_wrong_credentials_are_refused(self, locked: Browser, form: str) -> None:
        status, headers, _ = locked.ask("POST", "_console/login", form.encode())
        assert status == 403
        assert "set-cookie" not in headers
        assert locked.open().status == 401

    @pytest.mark.parametrize("hostile", [WORST, "a\ud800b"])
    def test_a_login_leads_back_to_a_page_of_the_server_whatever_its_url_says(
        self, locked: Browser, hostile: str
    ) -> None:
        for back in (
            {"page": hostile, "query": hostile},
            {"page": "//evil.example/", "query": "domain=shop"},
            {"page": "execution", "query": "domain=a+b&workflow=%2Bx:1"},
        ):
            where = urlencode(back, errors="surrogatepass")
            answer = locked.ask("POST", f"_console/login?{where}", b"token=open+sesame")
            assert answer[0] == 303
            to, _, query = answer[1]["location"].partition("?")
            assert to == ("../_console/execution" if back["page"] == "execution" else "../")
            assert query.isascii()
            assert query.isprintable()
        assert query == back["query"]

    def test_a_stream_of_another_account_is_refused_with_a_sentence(self, locked: Browser) -> None:
        locked.ask("POST", "_console/login", b"key=theirs&secret=other")
        status, _, body = locked.ask("GET", "_console/stream?account=%ed%a0%80")
        assert status == 403
        assert b"The key belongs to account 111122223333" in body

    def test_a_key_opens_its_own_account_only(self, locked: Browser) -> None:
        locked.ask("POST", "_console/login", b"key=theirs&secret=other")
        assert locked.open().status == 200
        assert locked.open(account="111122223333").status == 200
        assert locked.open(account="123456789012").status == 403
