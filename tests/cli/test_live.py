from __future__ import annotations

import json
import threading

import boto3
import pytest
from moto import mock_aws

from flowy_sim import Simulation, mock_swf
from flowy_sim._cli import live
from flowy_sim._cli.live import WorkerThread, WorkerThreads, service_at
from flowy_sim._simulation.clock import RealClock

URL = "http://127.0.0.1:5055"


@pytest.fixture
def simulation() -> Simulation:
    """Answer all SWF clients of boto3, in real time."""
    simulation = Simulation(clock=RealClock())
    with mock_swf(simulation):
        yield simulation


def test_the_same_run_goes_to_a_service_at_a_url_and_registers_the_domain(invoke, simulation):
    result = invoke("run", "--endpoint-url", URL, "--domain", "pictures", "--json")

    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["status"] == "COMPLETED"
    assert f"Started {printed['workflowId']}" in result.stderr
    described = simulation.client().describe_workflow_execution(
        domain="pictures",
        execution={"workflowId": printed["workflowId"], "runId": printed["runId"]},
    )
    assert described["executionInfo"]["closeStatus"] == "COMPLETED"


def test_the_same_run_goes_to_amazon_swf(invoke, monkeypatch):
    monkeypatch.setattr(live, "AMAZON_UPDATE_SECONDS", 0.01)
    monkeypatch.setattr(live, "_PAUSE", 0.01)
    # What an empty poll waits for there: a second.
    monkeypatch.setattr("moto.swf.models.sleep", lambda seconds: threading.Event().wait(0.01))
    with mock_aws():
        client = boto3.client("swf")
        client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")

        result = invoke("run", "--aws", "--domain", "shop")

        assert result.exit_code == 0
        assert result.stdout.startswith("Filed as ")
        assert "It took " in result.stdout
        assert "simulated" not in result.stdout


def test_no_domain_is_registered_at_amazon_swf_without_asking(invoke, simulation):
    result = invoke("run", "--aws", "--domain", "shop")

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: there is no domain 'shop'; register it first: flowy register-domain shop\n"
    )
    assert not simulation.client().list_domains(registrationStatus="REGISTERED")["domainInfos"]


def test_on_a_terminal_the_user_is_asked_whether_to_register_the_domain(simulation, monkeypatch):
    client = boto3.client("swf")
    service = live.SwfService(client, "shop", update_seconds=1, is_amazon=True)
    monkeypatch.setattr(live.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(live.click, "confirm", lambda question, err: "'shop'" in question)

    live.prepare_domain(service)

    assert client.describe_domain(name="shop")["domainInfo"]["status"] == "REGISTERED"


def test_a_deprecated_domain_is_refused(invoke, simulation):
    client = simulation.client()
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
    client.deprecate_domain(name="shop")

    result = invoke("run", "--aws", "--domain", "shop")

    assert result.exit_code == 1
    assert "the domain 'shop' is deprecated" in result.stderr


def test_types_registered_with_other_defaults_are_refused_in_a_sentence(invoke, simulation):
    client = simulation.client()
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
    client.register_activity_type(domain="shop", name="resize", version="1")

    result = invoke("run", "--endpoint-url", URL, "--domain", "shop")

    assert result.exit_code == 1
    assert "Error: the domain 'shop' has other defaults than the code: " in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unreachable_url_is_reported_in_one_sentence(invoke, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    result = invoke("run", "--endpoint-url", "http://127.0.0.1:1")

    assert result.exit_code == 1
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:1/"' in result.stderr


def test_an_invalid_url_is_reported_in_one_sentence(invoke):
    result = invoke("run", "--endpoint-url", "here")

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: 'here' is not the URL of a service, such as http://127.0.0.1:4567\n"
    )


def test_without_a_region_amazon_swf_is_not_called(invoke, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    result = invoke("run", "--aws")

    assert result.exit_code == 1
    assert "Give --region or set AWS_DEFAULT_REGION." in result.stderr


def test_a_service_at_a_url_needs_neither_credentials_nor_a_region(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)

    service = service_at(URL, None, "shop")

    with mock_swf(Simulation()):
        assert service.client.list_domains(registrationStatus="REGISTERED")["domainInfos"] == []
    assert not service.is_amazon


def test_polls_of_amazon_swf_are_never_abandoned(monkeypatch):
    assert service_at("https://swf.eu-west-1.amazonaws.com", "eu-west-1", "shop").is_amazon


class FakeWorker:
    """Waits in a poll, or works on a task, until it is let go."""

    def __init__(self, client):
        self.client = client
        self.stopped = threading.Event()

    def loop(self):
        self.client.poll_for_activity_task()
        self.client.work()

    def stop(self):
        self.stopped.set()


class FakeClient:
    """Lets polls and work take as long as a test wants."""

    def __init__(self):
        self.called = threading.Event()
        self.poll_over = threading.Event()
        self.work_over = threading.Event()

    def poll_for_activity_task(self, **request):
        self.called.set()
        self.poll_over.wait()
        return {"taskToken": "token"}

    def work(self):
        self.called.set()
        self.work_over.wait()


def test_polls_that_can_be_abandoned_are_not_waited_for():
    client = FakeClient()
    member = WorkerThread(client, FakeWorker)

    with WorkerThreads([member], give_up_polls=True) as workers:
        client.called.wait()
        assert workers.idle

    assert member.alive
    assert member.worker.stopped.is_set()
    client.poll_over.set()
    client.work_over.set()


@pytest.mark.parametrize("give_up_polls", [True, False])
def test_tasks_in_progress_are_waited_for_with_a_message(give_up_polls, monkeypatch):
    client = FakeClient()
    client.poll_over.set()
    member = WorkerThread(client, FakeWorker)
    said = []

    def echo(text, err):
        said.append(text)
        client.work_over.set()

    monkeypatch.setattr(live.click, "echo", echo)

    with WorkerThreads([member], give_up_polls):
        client.called.wait()

    assert not member.alive
    assert "Waiting for a worker to finish a task" in said[0]


def test_ctrl_c_ends_the_wait_for_workers(monkeypatch):
    client = FakeClient()
    client.poll_over.set()
    member = WorkerThread(client, FakeWorker)

    def echo(text, err):
        raise KeyboardInterrupt

    monkeypatch.setattr(live.click, "echo", echo)

    with WorkerThreads([member], give_up_polls=False):
        client.called.wait()

    assert member.alive
    client.work_over.set()


def test_what_a_worker_ends_with_is_raised():
    class Broken(FakeWorker):
        def loop(self):
            raise OSError("no disk")

    member = WorkerThread(FakeClient(), Broken)

    with WorkerThreads([member], give_up_polls=True) as workers:
        member.join(60)
        with pytest.raises(OSError, match="no disk"):
            workers.check()
