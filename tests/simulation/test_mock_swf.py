from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread
from typing import Any
from unittest import TestCase
from weakref import WeakSet

import boto3
import pytest
from botocore.client import BaseClient
from botocore.session import Session
from botocore.stub import Stubber
from moto import mock_aws

from flowy_sim import Simulation, mock_swf
from flowy_sim._clients.boto3 import CREDENTIALS
from tests.support.shop import DOMAIN, decide_once, event_types, is_open, register, start, work_once

REGISTERED = {"registrationStatus": "REGISTERED"}


def names(client: Any) -> list[str]:
    return [info["name"] for info in client.list_domains(**REGISTERED)["domainInfos"]]


def run_order(client: Any) -> None:
    register(client)
    run_id = start(client, steps=2, pause=60)
    while is_open(client, run_id):
        decide_once(client)
        work_once(client)
    assert event_types(client, run_id)["WorkflowExecutionCompleted"] == 1


@pytest.fixture(params=[False, True], ids=["before the wire", "over the wire"])
def wire(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_clients_made_before_and_meanwhile_are_answered(wire: bool) -> None:
    before = boto3.client("swf")
    with mock_swf(wire=wire) as simulation:
        run_order(before)
        assert names(boto3.client("swf")) == [DOMAIN]
        assert names(boto3.session.Session().client("swf", region_name="eu-west-1")) == []
        assert names(simulation.client()) == [DOMAIN]


def test_a_client_calls_the_region_of_its_session() -> None:
    with mock_swf(Simulation(region="us-west-2")) as simulation:
        for session in boto3.Session(), boto3.Session(region_name="eu-west-1"):
            register_next(session.client("swf"))
        arns = [
            simulation.client(region).describe_domain(name="domain-0")["domainInfo"]["arn"]
            for region in (None, "eu-west-1")
        ]
    assert [arn.split(":")[3] for arn in arns] == ["us-west-2", "eu-west-1"]


def test_only_the_first_session_reads_the_data_files(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_swf():
        boto3.Session().client("swf")
        monkeypatch.setattr("botocore.loaders.JSONFileLoader.load_file", None)
        assert names(boto3.Session().client("swf")) == []


def register_next(client: Any) -> None:
    client.register_domain(
        name=f"domain-{len(names(client))}", workflowExecutionRetentionPeriodInDays="1"
    )


@mock_swf()
class TestClassOfPytest:
    def setup_method(self) -> None:
        self.client = boto3.client("swf")
        register_next(self.client)

    @pytest.mark.parametrize("again", [1, 2])
    def test_each_test_has_a_simulation_with_its_setup(self, again: int) -> None:
        register_next(self.client)
        assert names(boto3.client("swf")) == ["domain-0", "domain-1"]

    def teardown_method(self, method: Any) -> None:
        assert names(self.client) == ["domain-0", "domain-1"]


@mock_swf
class TestClassOfUnittest(TestCase):
    def setUp(self) -> None:
        self.client = boto3.client("swf")
        register_next(self.client)
        self.addCleanup(lambda: register_next(self.client))

    def test_each_test_has_a_simulation_with_its_setup(self) -> None:
        register_next(self.client)
        assert names(boto3.client("swf")) == ["domain-0", "domain-1"]

    test_that_it_is_so_again = test_each_test_has_a_simulation_with_its_setup


def test_a_class_that_is_not_one_of_tests_is_not_decorated() -> None:
    class Orders:
        pass

    with pytest.raises(TypeError, match="Orders has no method whose name begins with"):
        mock_swf()(Orders)


def test_a_setup_that_fails_ends_the_mock(no_other_thread: None) -> None:
    class TestOrders:
        def setup_method(self) -> None:
            raise KeyError

        def test_nothing(self) -> None: ...

    was = BaseClient._make_request
    with pytest.raises(KeyError):
        mock_swf(TestOrders)().setup_method(None)  # type: ignore[call-arg]
    assert BaseClient._make_request is was


@pytest.fixture
@mock_swf()
def client_of_fixture() -> Iterator[Any]:
    client = boto3.client("swf")
    register_next(client)
    yield client
    assert names(client) == ["domain-0", "domain-1"]


def test_a_fixture_with_yield_is_mocked_until_its_end(client_of_fixture: Any) -> None:
    register_next(client_of_fixture)


def test_coroutines_are_mocked_until_their_end() -> None:
    @mock_swf()
    async def register_two() -> list[str]:
        client = boto3.client("swf")
        register_next(client)
        await asyncio.sleep(0)
        register_next(client)
        return names(client)

    @mock_swf()
    async def registering() -> AsyncIterator[list[str]]:
        client = boto3.client("swf")
        register_next(client)
        yield names(client)
        await asyncio.sleep(0)
        register_next(client)
        yield names(client)

    async def all_of() -> list[list[str]]:
        return [each async for each in registering()]

    assert asyncio.run(register_two()) == ["domain-0", "domain-1"]
    assert asyncio.run(all_of()) == [["domain-0"], ["domain-0", "domain-1"]]


@pytest.fixture
def no_other_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the threads of earlier tests: while they live, a mock keeps them away from AWS."""
    monkeypatch.setattr("flowy_sim._clients.mock_swf.ADOPTED_BY", {})
    monkeypatch.setattr("flowy_sim._clients.mock_swf._mocks._answered", WeakSet())
    with mock_swf():
        pass


@pytest.mark.usefixtures("no_other_thread")
def test_everything_is_as_before_afterwards() -> None:
    was = BaseClient._make_request, Session.create_client
    with pytest.raises(KeyError), mock_swf():
        raise KeyError
    assert (BaseClient._make_request, Session.create_client) == was


@mock_swf
def test_it_is_a_decorator() -> None:
    run_order(boto3.client("swf"))


@pytest.mark.parametrize("time", [1, 2])
@mock_swf(wire=True)
def test_a_decorated_function_has_a_new_simulation_each_time(time: int) -> None:
    assert names(boto3.client("swf")) == []
    register(boto3.client("swf"))


def test_a_given_simulation_can_answer() -> None:
    simulation = Simulation()
    register(simulation.client())
    with mock_swf(simulation) as same:
        assert same is simulation
        assert names(boto3.client("swf")) == [DOMAIN]

    @mock_swf(simulation)
    def again() -> list[str]:
        return names(boto3.client("swf"))

    assert again() == [DOMAIN]


def test_of_two_the_inner_one_answers(wire: bool) -> None:
    client = boto3.client("swf")
    with mock_swf():
        register(client)
        with mock_swf(wire=wire):
            assert names(client) == []
        assert names(client) == [DOMAIN]


def test_the_client_of_a_simulation_stays_with_it(wire: bool) -> None:
    simulation = Simulation()
    own = simulation.boto3_client(wire=wire)
    register(own)
    with mock_swf():
        assert names(own) == [DOMAIN]
        assert names(simulation.boto3_client(wire=wire)) == [DOMAIN]
        assert names(boto3.client("swf")) == []


def test_it_takes_precedence_inside_moto_which_serves_the_rest(wire: bool) -> None:
    with mock_aws():
        early = boto3.client("swf")
        with mock_swf(wire=wire):
            run_order(early)
            run_order(boto3.client("swf", region_name="eu-west-1"))
            s3 = boto3.client("s3")
            s3.create_bucket(Bucket="photographs")
            assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["photographs"]
        assert names(early) == []


def test_it_takes_precedence_around_moto_which_serves_the_rest(wire: bool) -> None:
    with mock_swf(wire=wire), mock_aws():
        run_order(boto3.client("swf"))
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="photographs")
        assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["photographs"]


def test_the_client_of_a_simulation_works_inside_moto(wire: bool) -> None:
    with mock_aws():
        run_order(Simulation().boto3_client(wire=wire))
        assert names(boto3.client("swf")) == []


def test_a_stubbed_client_stays_stubbed() -> None:
    client = boto3.client("swf")
    with mock_swf(), Stubber(client) as stubber:
        stubber.add_response("list_domains", {"domainInfos": []})
        assert client.list_domains(**REGISTERED) == {"domainInfos": []}


@pytest.fixture
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no credentials and no region, and looking for them fails."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)

    def refuse(self: Any) -> None:
        raise AssertionError("credentials were looked for")

    monkeypatch.setattr("botocore.credentials.CredentialResolver.load_credentials", refuse)


@pytest.mark.usefixtures("_nobody")
def test_no_credentials_are_needed_or_read(wire: bool) -> None:
    simulation = Simulation(region="ap-south-1")
    client = simulation.boto3_client(wire=wire)
    assert client.meta.region_name == "ap-south-1"
    run_order(client)
    with mock_swf(wire=wire):
        run_order(boto3.session.Session().client("swf", region_name="us-east-1"))


def test_a_client_without_credentials_is_answered_too(wire: bool) -> None:
    session = Session()
    session.get_credentials = lambda: None  # type: ignore[method-assign]
    client = session.create_client("swf", region_name="us-east-1")
    with mock_swf(wire=wire):
        run_order(client)


def test_arguments_for_boto3_are_passed_on() -> None:
    simulation = Simulation()
    client = simulation.boto3_client(
        region_name="eu-west-1", endpoint_url="http://localhost:1", aws_access_key_id="mine"
    )
    register(client)
    assert client.meta.endpoint_url == "http://localhost:1"
    assert names(simulation.client("eu-west-1")) == [DOMAIN]


def test_over_the_wire_every_byte_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a handler of the response sees is what the service would have sent."""
    simulation = Simulation()
    client = simulation.boto3_client(wire=True)
    seen: list[Any] = []

    def see(response_dict: dict[str, Any], **others: Any) -> None:
        seen.append((response_dict["status_code"], response_dict["body"]))

    client.meta.events.register("before-parse.swf", see)
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
    client.describe_domain(name="shop")
    with pytest.raises(client.exceptions.UnknownResourceFault):
        client.describe_domain(name="none")
    arn = "arn:aws:swf:us-east-1:123456789012:/domain/shop"
    assert seen == [
        (200, b""),
        (
            200,
            b'{"configuration":{"workflowExecutionRetentionPeriodInDays":"7"},'
            b'"domainInfo":{"arn":"%s","name":"shop","status":"REGISTERED"}}' % arn.encode(),
        ),
        (
            400,
            b'{"__type":"com.amazonaws.swf.base.model#UnknownResourceFault",'
            b'"message":"Unknown domain: none"}',
        ),
    ]


def register_named(client: Any, name: str) -> None:
    client.register_domain(name=name, workflowExecutionRetentionPeriodInDays="7")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("made", ["before", "meanwhile", "again", "in a pool"])
def test_a_thread_that_goes_on_after_the_end_never_calls_aws(
    made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", None)
    given = {"region_name": "us-east-1", **CREDENTIALS}
    before, called, answered, ended = boto3.client("swf", **given), [], Barrier(2), Event()

    def worker(client: Any) -> None:
        names(client)
        answered.wait(60)
        ended.wait(60)
        called.append(names(boto3.client("swf", **given) if made == "again" else client))

    def pool_of_one(client: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(worker, client).result()

    with mock_swf():
        client = before if made == "before" else boto3.client("swf")
        thread = Thread(target=pool_of_one if made == "in a pool" else worker, args=[client])
        thread.start()
        answered.wait(60)
    ended.set()
    thread.join(60)
    assert called == []


@pytest.mark.usefixtures("no_other_thread")
def test_each_thread_has_its_own_whoever_leaves_first() -> None:
    before = BaseClient._make_request, Session.create_client
    together = Barrier(8)

    def domains(number: int) -> list[str]:
        with mock_swf():
            together.wait(60)
            client = boto3.Session().client("swf", region_name="us-east-1")
            register_named(client, f"domain-{number}")
            together.wait(60)
            return names(client)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(domains, range(8)))
    assert found == [[f"domain-{number}"] for number in range(8)]
    assert (BaseClient._make_request, Session.create_client) == before


def test_a_client_is_answered_in_other_threads_as_where_it_was_made() -> None:
    with ThreadPoolExecutor(1) as threads, ThreadPoolExecutor(1) as others, mock_swf() as first:
        client = boto3.client("swf", region_name="us-east-1")

        def with_another() -> list[str]:
            with mock_swf() as other:
                threads.submit(register_named, client, "shop").result(60)
                return names(other.client())

        assert others.submit(with_another).result(60) == []
        assert names(first.client()) == ["shop"]
