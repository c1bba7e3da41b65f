"""How ``run`` is left other than by returning or failing; no `Exception`, so nobody handles it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Suspended(BaseException):
    """Leaves ``run`` until the history holds more."""


class Restarting(BaseException):
    """Leaves ``run`` for good, to begin anew in a new run of the execution.

    Args:
        args: the arguments of the new run.
        kwargs: its keyword arguments.
        members: what the new run is to have otherwise, as the service spells it.
    """

    def __init__(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], members: Mapping[str, Any]
    ) -> None:
        """Keep all three."""
        super().__init__()
        self.arguments = args
        self.keywords = dict(kwargs)
        self.members = members
