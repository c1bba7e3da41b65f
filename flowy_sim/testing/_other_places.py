"""Domains and regions in which a runner runs nothing, and which the code under test yet calls."""

from __future__ import annotations

from typing import NamedTuple

from flowy_sim._clients.in_process import Reply
from flowy_sim.testing._worker_pool import PolledList


class OtherPlace(NamedTuple):
    """A domain other than the runner's, or one of another region.

    Attributes:
        region: the region; empty for that of the runner.
        domain: the name of the domain.
    """

    region: str
    domain: str

    def named(self, name: str) -> str:
        """Return what a task list of that name is called."""
        where = f" in {self.region}" if self.region else ""
        return f"{name} of the domain {self.domain}{where}"


class OtherPlaces:
    """The other places that poll loops have polled.

    Args:
        region: the region of the runner.
        domain: its domain.

    Attributes:
        places: the places, in the order in which they were first polled.
    """

    def __init__(self, region: str, domain: str) -> None:
        self._region = region
        self._domain = domain
        self.places: dict[OtherPlace, None] = {}

    def polled_list(self, operation: str, arguments: Reply, region: str) -> PolledList:
        """Return the list that a poll is for; those elsewhere are named after their place."""
        if region == self._region and arguments["domain"] == self._domain:
            return operation, arguments["taskList"]["name"]
        other = "" if region == self._region else region
        place, name = OtherPlace(other, arguments["domain"]), arguments["taskList"]["name"]
        self.places[place] = None
        return operation, place.named(name)

    def advice(self) -> str:
        """Return what to do about loops that poll there; may be empty."""
        domains = sorted({place.domain for place in self.places if not place.region})
        regions = sorted({place.region for place in self.places if place.region})
        if regions:
            return advice_on_region(self._region, regions[0])
        return advice_on_domain(self._domain, domains[0]) if domains else ""


def advice_on_region(own: str, other: str) -> str:
    """Return how to run everything in the region that the code calls."""
    return (
        f"everything else runs in the region {own!r}; to run it in that of the code, use "
        f"@pytest.mark.swf(region={other!r}), Simulation(region={other!r}) or --region {other}, or "
        f"set AWS_DEFAULT_REGION={other}"
    )


def advice_on_domain(own: str, other: str) -> str:
    """Return how to run everything in the domain that the code names."""
    return (
        f"everything else runs in the domain {own!r}; to run it in that of the code, use "
        f"@pytest.mark.swf(domain={other!r}), Runner(domain={other!r}), explore(…, "
        f"domain={other!r}) or --domain {other}"
    )
