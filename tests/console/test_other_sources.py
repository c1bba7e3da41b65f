"""The console for Amazon SWF itself, and for a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore import xform_name
from click.testing import CliRunner

from flowy_sim._cli import cli
from flowy_sim._console import aws
from flowy_sim._console.application import Console, console
from flowy_sim._console.aws import AwsSources, Requests
from flowy_sim._console.source import SourceError
from flowy_sim._engine.model import operation_names
from flowy_sim._server.endpoint import Endpoint
from flowy_sim._server.server import Server, listen, serving, serving_in_thread, url_of
from flowy_sim._server.settings import ServerSettings
from flowy_sim._storage.file_journal import journal_in, reading_only
from tests.support.console_pages import VIRTUAL, Browser, console_server
from tests.support.console_shop import DOMAIN, Shop, charge, decision


class Watched:
    """An SWF client that notes what it is asked."""

    def __init__(self, client: Any) -> None:
        self.asked: list[str] = []
        self.meta = client.meta
        self._client = client

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._client, name)


@pytest.fixture
def client(shop: Shop) -> Watched:
    return Watched(shop.client)


@pytest.fixture
def shown(client: Watched, endpoint: Endpoint) -> Iterator[Browser]:
    """A browser that shows the domain as that of Amazon SWF."""

    def pages(simulations: Any, settings: ServerSettings) -> Console:
        return Console(AwsSources(client, DOMAIN, 1000, endpoint.url), settings)

    with serving(ServerSettings(), pages) as served:
        yield Browser(served)


class TestAmazonSwf:
    def test_it_lists_open_and_closed_executions_together(
        self, shop: Shop, endpoint: Endpoint, shown: Browser
    ) -> None:
        for number in range(3):
            shop.start(f"order-{number}", tagList=["eu"])
            endpoint.advance(1)
        shop.decide(decision("CompleteWorkflowExecution"))
        page = shown.open()
        assert [text for text in page.links if text.startswith("order")] == [
            "order-2", "order-1", "order-0",
        ]  # fmt: skip
        assert "▸ open 2" in page.links
        assert "✓ completed" in page.links

    def test_pages_of_both_lists_miss_no_execution(
        self, shop: Shop, endpoint: Endpoint, shown: Browser
    ) -> None:
        for number in range(240):
            shop.start(f"order-{number}")
            if number % 2:
                shop.client.terminate_workflow_execution(
                    domain=DOMAIN, workflowId=f"order-{number}"
                )
            endpoint.advance(1)
        page, found = shown.open(), []
        while True:
            found += [text for text in page.links if text.startswith("order-")]
            if "Older" not in page.links:
                break
            page = shown.open(page.links["Older"])
        assert found == [f"order-{number}" for number in reversed(range(240))]

    def test_an_execution_has_everything_that_its_history_tells(
        self, shop: Shop, shown: Browser
    ) -> None:
        run_id = shop.start("order-1", input='{"a": 1}')
        shop.decide(charge("charge-1"))
        page = shown.open("_console/execution", workflow="order-1", run=run_id)
        assert "activity charge 1 (charge-1) has been on the list 'cards'" in page.text
        assert "no worker has taken it" in page.text
        assert "ActivityTaskScheduled" in page.text
        lists = shown.open("_console/task-lists").text
        assert "cards activity tasks 1 waiting" in lists
        assert "no pollers" not in lists

    def test_of_a_history_only_what_is_new_is_asked_for(
        self, shop: Shop, shown: Browser, client: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aws, "_KEPT_SECONDS", 0.0)
        run_id = shop.start("order-1")
        for number in range(3):
            shop.client.signal_workflow_execution(
                domain=DOMAIN, workflowId="order-1", signalName=f"hurry-{number}"
            )
            page = shown.open("_console/execution", workflow="order-1", run=run_id)
            assert f"hurry-{number}" in page.text
        shop.client.terminate_workflow_execution(domain=DOMAIN, workflowId="order-1")
        assert "terminated" in shown.open("_console/execution", workflow="order-1").text
        client.asked.clear()
        shown.open("_console/execution", workflow="order-1", run=run_id)
        assert "get_workflow_execution_history" not in client.asked

    def test_it_uses_queries_only_and_names_what_cannot_be_known(
        self, shop: Shop, shown: Browser, client: Watched
    ) -> None:
        run_id = shop.start("order-1")
        execution = f"_console/execution?{urlencode({'workflow': 'order-1', 'run': run_id})}"
        for path in ("", "?q=order-1", "_console/task-lists", execution):
            page = shown.open(path)
            assert page.status == 200
            assert "Amazon SWF does not report" in page.text
            assert "default" not in page.text
            assert "Terminate" not in page.text
            assert "Jump" not in page.text
        queries = {
            xform_name(name)
            for name in operation_names()
            if name.startswith(("Count", "Describe", "Get", "List"))
        }
        assert set(client.asked) <= queries

    def test_no_page_means_no_request(self, shown: Browser, client: Watched) -> None:
        assert client.asked == []
        shown.open()
        asked = len(client.asked)
        # Looking again within a moment costs nothing.
        shown.open()
        assert len(client.asked) == asked

    def test_actions_are_refused(self, shop: Shop, shown: Browser) -> None:
        shop.start("order-1")
        shown.open()
        status, _, body = shown.ask(
            "POST",
            "_console/act/terminate",
            b'{"workflow": "order-1"}',
            **{"X-Flowy-Action": shown.token},
        )
        assert status == 400
        assert b"read-only" in body

    def test_an_error_of_the_service_is_shown_verbatim(
        self, shop: Shop, shown: Browser, endpoint: Endpoint
    ) -> None:
        shop.client.deprecate_domain(name=DOMAIN)
        endpoint.reset()
        page = shown.open()
        assert page.status == 404
        assert "UnknownResourceFault" in page.text
        assert "Unknown domain: shop" in page.text
        assert "No execution" not in page.text


class TestRate:
    def test_requests_wait_for_their_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 100.0
        asked: list[float] = []

        async def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds

        class Client:
            def list_domains(self, **request: Any) -> dict[str, Any]:
                asked.append(now)
                return {"domainInfos": []}

        # Servers of other tests may sleep meanwhile, in threads of their own.
        of_asyncio = SimpleNamespace(sleep=sleep, Lock=asyncio.Lock, to_thread=asyncio.to_thread)
        monkeypatch.setattr(aws, "asyncio", of_asyncio)
        monkeypatch.setattr(aws, "time", SimpleNamespace(monotonic=lambda: now))

        async def several() -> None:
            requests = Requests(Client())
            await asyncio.gather(
                *(requests.ask(_waits, "ListDomains", number=number) for number in range(5))
            )

        asyncio.run(several())
        assert asked == [100.0, 101.0, 102.0, 103.0, 104.0]

    def test_a_page_that_was_closed_asks_nothing_more(self) -> None:
        requests = Requests(object())
        with pytest.raises(SourceError, match="closed"):
            asyncio.run(requests.ask(_has_gone, "ListDomains"))
        assert requests.count == 0


async def _waits() -> bool:
    return False


async def _has_gone() -> bool:
    return True


@contextmanager
def served(path: Path, make_journal: Callable[[Path], Any], **options: Any) -> Iterator[Endpoint]:
    listener = listen("127.0.0.1", 0)
    settings = ServerSettings(simulation=VIRTUAL)
    server = Server(listener, settings, make_journal(path), grace_seconds=1, **options)
    if make_journal is reading_only:
        server.simulations.close()
    with serving_in_thread(server):
        yield Endpoint(url_of(listener))
    listener.close()


class TestFile:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "swf.db"
        with served(path, journal_in) as endpoint:
            endpoint.set_clock("paused")
            shop = Shop(endpoint.client())
            shop.start("order-1")
            shop.decide(charge("charge-1"))
            shop.start("order-2")
            shop.decide(decision("CompleteWorkflowExecution"))
            endpoint.advance(60)
        return path

    def open(self, path: Path) -> AbstractContextManager[Endpoint]:
        return served(
            path,
            reading_only,
            make_pages=lambda *arguments: console(*arguments, can_act=False),
        )

    def test_a_file_is_shown_as_it_was_left_and_stays_as_it_is(self, file: Path) -> None:
        before = file.read_bytes()
        with self.open(file) as endpoint:
            browser = Browser(endpoint)
            page = browser.open()
            assert "▸ open 1" in page.links
            assert "2024-01-01 00:01:00 UTC paused" in page.text
            assert "Start…" not in page.text
            assert "A file does not record which workers poll." in page.text
            shown = browser.open("_console/execution", workflow="order-1")
            assert "activity charge 1 (charge-1) has been on the list 'cards'" in shown.text
            assert "order-2" in browser.open("_console/execution", workflow="order-2").text
        assert file.read_bytes() == before
        assert list(file.parent.iterdir()) == [file]

    def test_nothing_can_be_changed(self, file: Path) -> None:
        with self.open(file) as endpoint:
            browser = Browser(endpoint)
            browser.open()
            status, _, body = browser.ask(
                "POST", "_console/act/jump", b"{}", **{"X-Flowy-Action": browser.token}
            )
            assert status == 400
            assert b"read-only" in body
            status, _, _ = browser.ask(
                "POST", "", b"{}", X_Amz_Target="SimpleWorkflowService.RegisterDomain"
            )
            assert status >= 400

    def test_a_file_in_use_is_refused_with_the_address_of_the_server(self, tmp_path: Path) -> None:
        path = tmp_path / "swf.db"
        listener = listen("127.0.0.1", 0)
        url = url_of(listener)
        server = Server(
            listener, ServerSettings(simulation=VIRTUAL), journal_in(path, url=url), (), 1
        )
        with serving_in_thread(server):
            outcome = CliRunner().invoke(cli, ["console", "--db", str(path), "--port", "0"])
        listener.close()
        assert outcome.exit_code == 1
        assert "in use" in outcome.output
        assert f"open {url}/ in a browser" in outcome.output


def test_a_domain_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "us-east-1")
    with console_server() as endpoint:
        Shop(endpoint.client())
        arguments = ["--aws", "--domain", "nowhere", "--endpoint-url", endpoint.url]
        outcome = CliRunner().invoke(cli, ["console", *arguments])
    assert outcome.exit_code == 1
    assert f"there is no domain 'nowhere' at {endpoint.url}" in outcome.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--db", "swf.db", "--region", "eu-west-1"], "--endpoint-url are for --aws"),
        (["--db", "swf.db", "--domain", "shop"], "--endpoint-url are for --aws"),
        (
            ["--aws", "--domain", "shop", "--endpoint-url", "http://127.0.0.1:1"],
            "is a service running there?",
        ),
    ],
)
def test_a_service_that_is_not_shown_is_refused(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    outcome = CliRunner().invoke(cli, ["console", *words])
    assert outcome.exit_code in (1, 2)
    assert sentence in outcome.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "either --db or --aws"),
        (["--db", "x.db", "--aws"], "either --db or --aws"),
        (["--aws"], "--aws requires --domain"),
        (["--db", "missing.db"], "missing.db does not exist"),
        (["--db", "x.db", "--code", "nothing_here"], "there is no package 'nothing_here'"),
        (["--aws", "--domain", "d", "--endpoint-url", "nowhere"], "nowhere"),
        (["--aws", "--domain", "d", "--endpoint-url", "http://127.0.0.1:1"], "127.0.0.1:1"),
    ],
)
def test_wrong_options_are_explained(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    outcome = CliRunner().invoke(cli, ["console", *arguments])
    assert outcome.exit_code != 0
    assert expected in outcome.output
