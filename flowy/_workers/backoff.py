"""Back-off: which errors are transient, and how long to wait before the next try."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from flowy._client import fault_code

Wait = Callable[[threading.Event, float], bool]
"""Waits until an event is set or a number of seconds has passed; returns whether it is set."""

# A worker ends only for something that waiting does not fix. These tables say what waiting fixes.

_TRANSIENT_FAULTS = frozenset(
    {
        # Too many polls wait on the task list; one of them ends within a minute.
        "LimitExceededFault",
        # Throttling, by all the names that AWS uses for it (those of botocore's retries).
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "SlowDown",
        # The service has trouble, or gave up.
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestAbortedException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        # Credentials are renewed, and a clock is set right.
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
    }
)
"""Faults that a later try may not meet."""

_TRANSIENT_STATUSES = frozenset({408, 425, 429})
"""Statuses below 500 by which a proxy refuses a request for now, whatever the code is."""

_FILE_ERRORS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""A file of the client's, such as that of the certificates, is missing or cannot be read."""


def is_transient(error: Exception) -> bool:
    """Return whether the same call may succeed later.

    Args:
        error: an exception raised by a method of an SWF client.

    Returns:
        True for throttling, limits on polls, errors within the service, broken connections, and
        replies that are cut off.
    """
    code = fault_code(error)
    if code is not None:
        status = _status(error)
        return code in _TRANSIENT_FAULTS or status in _TRANSIENT_STATUSES or status >= 500
    if isinstance(error, OSError):
        return not isinstance(error, _FILE_ERRORS)
    from botocore.exceptions import ConnectionError as Unreachable
    from botocore.exceptions import (
        CredentialRetrievalError,
        HTTPClientError,
        IncompleteReadError,
        MetadataRetrievalError,
    )
    from botocore.parsers import ResponseParserError

    return isinstance(
        error,
        Unreachable
        | HTTPClientError
        | IncompleteReadError
        | ResponseParserError
        | CredentialRetrievalError
        | MetadataRetrievalError,
    )


def _status(error: Exception) -> int:
    response = getattr(error, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status if isinstance(status, int) else 0


class Backoff:
    """How long to wait after each failure in a row: twice as long each time, with random jitter.

    A random amount between half the wait and all of it is used, so that workers that failed
    at the same time do not retry at the same time (AWS calls this "equal jitter").

    Args:
        first: the longest wait after the first failure, in seconds.
        longest: the longest wait of all, in seconds.
        uniform: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        first: float = 1.0,
        longest: float = 60.0,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._uniform = uniform
        self.failures = 0

    def next(self) -> float:
        """Count a failure, and return the number of seconds to wait."""
        # The exponent is bounded so that the power does not overflow.
        wait = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return wait * (1 + self._uniform()) / 2

    def reset(self) -> None:
        """Forget all failures, because a try has succeeded."""
        self.failures = 0
