"""The fixture ``swf_endpoint``, as tests use it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from flowy_sim import Latency, Limits
from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.server import serving
from tests.support.http_clients import DECISIONS, Program

DOMAIN = {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"}


@pytest.mark.parametrize("time", [1, 2])
def test_each_test_has_a_simulation_of_its_own(swf_endpoint: Endpoint, time: int) -> None:
    client = swf_endpoint.client()
    assert client.list_domains(registrationStatus="REGISTERED")["domainInfos"] == []
    client.register_domain(**DOMAIN)
    swf_endpoint.advance(60)
    assert swf_endpoint.now.replace(microsecond=0) == datetime(2024, 1, 1, 0, 1, tzinfo=UTC)


@pytest.mark.swf(
    seed=7,
    start=datetime(2030, 1, 1, tzinfo=UTC),
    latency=Latency.RECORDED,
    limits=Limits(domains=1, throttling=True),
)
def test_a_marker_configures_the_simulation(swf_endpoint: Endpoint) -> None:
    assert swf_endpoint.now.year == 2030
    settings = swf_endpoint.describe()["settings"]
    assert (settings["seed"], settings["latency"]) == (7, "recorded")
    client = swf_endpoint.client()
    client.register_domain(**DOMAIN)
    with pytest.raises(client.exceptions.LimitExceededFault):
        client.register_domain(**DOMAIN | {"name": "other"})


def test_a_custom_latency_cannot_be_served(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from flowy_sim import Latency

        @pytest.mark.swf(latency=Latency({"timer": (7,)}))
        def test_it(swf_endpoint):
            pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*a served simulation takes Latency.DEFAULT,*"])


def test_other_processes_call_it(swf_endpoint: Endpoint) -> None:
    script = (
        "import boto3; boto3.client('swf').register_domain("
        "name='shop', workflowExecutionRetentionPeriodInDays='7')"
    )
    environment = {**os.environ, **swf_endpoint.environment}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=300)
    found = swf_endpoint.client().list_domains(registrationStatus="REGISTERED")
    assert [each["name"] for each in found["domainInfos"]] == ["shop"]


def test_the_same_seed_gives_the_same_run_ids(swf_endpoint: Endpoint) -> None:
    run_ids = []
    for seed in (3, 3, 4):
        swf_endpoint.reset(seed=seed)
        program = Program(swf_endpoint.url)
        program.prepare()
        run_ids.append(program.start())
        assert program.call("PollForDecisionTask", **DECISIONS)["taskToken"]
        program.hang_up()
    assert run_ids[0] == run_ids[1] != run_ids[2]


def test_invalid_settings_are_refused_with_the_server_s_message(swf_endpoint: Endpoint) -> None:
    with pytest.raises(EndpointError, match="There is no setting 'sed'"):
        swf_endpoint.reset(sed=3)
    with pytest.raises(EndpointError, match="There is no such simulation"):
        swf_endpoint.named("nothing").remove()


def test_a_server_in_a_thread_stops_though_time_was_frozen_meanwhile() -> None:
    others = set(threading.enumerate())
    with serving() as endpoint:
        client = endpoint.client()
        until = time.clock_gettime(time.CLOCK_MONOTONIC) + 0.3  # a few rounds of the server
        with freeze_time("2030-01-01"):
            while time.clock_gettime(time.CLOCK_MONOTONIC) < until:
                client.list_domains(registrationStatus="REGISTERED")
    assert set(threading.enumerate()) <= others  # Some of earlier tests may have ended.


def test_without_the_extra_the_error_names_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy_sim.pytest_plugin._fixtures.find_spec", lambda name: None)
    pytester.makepyfile("def test_it(swf_endpoint): pass")
    report = pytester.runpytest_inprocess()
    report.assert_outcomes(errors=1)
    sentence = "swf_endpoint needs starlette and uvicorn; install it: pip install *"
    report.stdout.fnmatch_lines([sentence])
    report.stdout.no_fnmatch_line("*pytest_plugin/*")
