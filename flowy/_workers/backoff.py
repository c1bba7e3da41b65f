"""Patience: which errors pass by themselves, and how long to wait before the next try."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from flowy._client import fault_code

Wait = Callable[[threading.Event, float], bool]
"""Waits until an event is set or seconds have passed, and tells whether the event is set."""

_PASSING_FAULTS = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ExpiredToken",
        "ExpiredTokenException",
    }
)
"""Faults that a later try may not meet; temporary credentials are renewed meanwhile."""


def is_transient(error: Exception) -> bool:
    """Tell whether a call that raised this may well succeed if it is tried again later.

    Args:
        error: what a call of an SWF client raised.

    Returns:
        True for throttling, a service that has trouble of its own, and a broken connection.
    """
    code = fault_code(error)
    if code is not None:
        return code in _PASSING_FAULTS or _status(error) >= 500
    if isinstance(error, OSError):
        return True
    from botocore.exceptions import ConnectionError as Unreachable
    from botocore.exceptions import CredentialRetrievalError, HTTPClientError

    return isinstance(error, Unreachable | HTTPClientError | CredentialRetrievalError)


def _status(error: Exception) -> int:
    response = getattr(error, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0


class Backoff:
    """How long to wait after each failure in a row: twice as long each time, and never the same.

    Between half of it and the whole is left to chance, so that workers which failed together do
    not come back together.

    Args:
        first: the longest wait after the first failure, in seconds.
        longest: the longest of all, in seconds.
        chance: returns a number from 0 to 1.
    """

    def __init__(
        self,
        first: float = 1.0,
        longest: float = 60.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._chance = chance
        self.failures = 0

    def next(self) -> float:
        """Count a failure, and say how many seconds to wait."""
        # Beyond 2 ** 30 the longest is reached in any case.
        wait = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return wait * (1 + self._chance()) / 2

    def reset(self) -> None:
        """Forget all failures, as a try has succeeded."""
        self.failures = 0
