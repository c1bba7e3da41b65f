"""Where workflows run in real time: at a service, or in a simulation on a real clock."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import click

from flowy._client import POLL_SECONDS, SwfClient, connect, fault_code, no_domain
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.testing import DOMAIN

RETENTION_DAYS = "7"
AMAZON_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SwfService:
    """A service and how to treat it.

    Attributes:
        client: an SWF client; threads may share it.
        domain: the domain's name.
        look_seconds: how often it is looked what has happened.
        patient: whether this is Amazon SWF: polls are not given up, since a task that comes would
            be lost, and no domain is registered without asking.
        simulation: the simulation behind the client, if it is in this process.
    """

    client: SwfClient
    domain: str
    look_seconds: float
    patient: bool = False
    simulation: Simulation | None = None


def amazon(region: str | None, domain: str) -> SwfService:
    """Find Amazon SWF, with the credentials and the region that boto3 finds."""
    return SwfService(connect(None, region), domain, look_seconds=AMAZON_LOOK_SECONDS, patient=True)


def service_at(endpoint_url: str, region: str | None, domain: str) -> SwfService:
    """Find the service at a URL, most likely a simulator or an emulator.

    Where neither credentials nor a region are configured, any will do.

    Raises:
        click.ClickException: that is no URL.
    """
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name=region)
    stand_ins: dict[str, Any] = {}
    if session.get_credentials() is None:
        stand_ins = {"aws_access_key_id": "simulated", "aws_secret_access_key": "simulated"}
    try:
        client = session.client(
            "swf",
            endpoint_url=endpoint_url,
            region_name=session.region_name or "us-east-1",
            config=Config(read_timeout=POLL_SECONDS + 10),
            **stand_ins,
        )
    except ValueError as error:
        raise click.ClickException(
            f"{endpoint_url!r} is no URL of a service, such as http://127.0.0.1:4567"
        ) from error
    host = urlsplit(endpoint_url).hostname or ""
    return SwfService(client, domain, look_seconds=0.1, patient=host.endswith(".amazonaws.com"))


def in_real_time(simulation: Simulation) -> SwfService:
    """Find a simulation on a real clock."""
    client = simulation.client(poll_seconds=1)
    return SwfService(client, DOMAIN, look_seconds=0.05, simulation=simulation)


def prepare_domain(service: SwfService) -> None:
    """See to it that the domain is there.

    Raises:
        click.ClickException: it is not, or it is deprecated.
    """
    name = service.domain
    try:
        reply = service.client.describe_domain(name=name)
    except Exception as error:
        if fault_code(error) != "UnknownResourceFault":
            raise
        if service.patient and not _may_register(name):
            raise click.ClickException(no_domain(name)) from error
        service.client.register_domain(
            name=name, workflowExecutionRetentionPeriodInDays=RETENTION_DAYS
        )
    else:
        if reply["domainInfo"]["status"] != "REGISTERED":
            raise click.ClickException(
                f"the domain {name!r} is deprecated, and nothing can be started in it; "
                "give another one: --domain"
            )


def _may_register(name: str) -> bool:
    question = (
        f"There is no domain {name!r}. Register it, to keep closed executions for "
        f"{RETENTION_DAYS} days? A domain can be deprecated later, but never deleted"
    )
    return sys.stdin.isatty() and click.confirm(question, err=True)
