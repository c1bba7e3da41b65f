"""Completion of values in a shell."""

from __future__ import annotations

import click

_SECONDS = 2
"""How long a shell may wait for the service."""


def domains(context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the registered domains that begin with what was typed.

    A shell has no place for messages: without credentials, or if the service does not answer soon,
    there are no suggestions.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(
        connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 1}
    )
    try:
        client = boto3.client(
            "swf",
            endpoint_url=context.params.get("endpoint_url"),
            region_name=context.params.get("region"),
            config=config,
        )
        reply = client.list_domains(registrationStatus="REGISTERED")
    except (BotoCoreError, ClientError, ValueError):
        return []
    names = (info["name"] for info in reply["domainInfos"])
    return [name for name in names if name.startswith(incomplete)]
