"""Simulated time for user code, by freezegun: what `time` and `datetime` say inside a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flowy_sim.clock import Clock

#: Modules whose own time stays real.
LEFT_ALONE = ["flowy_sim", "asyncio"]


@contextmanager
def frozen_to(clock: Clock) -> Iterator[Callable[[], None]]:
    """Let everybody but the simulation and asyncio see a clock's time.

    Time stands still until it is asked to follow the clock. Like everything freezegun does this
    holds for the whole process, and a freeze around it holds again afterwards.

    Args:
        clock: whose time is seen.

    Yields:
        A function that lets the time seen follow the clock's.

    Raises:
        ImportError: freezegun is not installed.

    Example:
        >>> import datetime
        >>> from flowy_sim import VirtualClock
        >>> clock = VirtualClock("2024-02-29T12:00:00Z")
        >>> with frozen_to(clock) as follow:
        ...     clock.advance(90)
        ...     follow()
        ...     datetime.datetime.now().isoformat()
        '2024-02-29T12:01:30'
    """
    # Entering costs milliseconds, moving on microseconds: one freeze serves a whole run.
    with _freeze_time()(clock.now, ignore=LEFT_ALONE, real_asyncio=True) as frozen:
        seen = clock.milliseconds

        def follow() -> None:
            nonlocal seen
            if clock.milliseconds != seen:
                seen = clock.milliseconds
                frozen.move_to(clock.now)

        yield follow


def _freeze_time() -> Any:
    try:
        from freezegun import freeze_time
    except ImportError as error:
        raise ImportError(
            "user code sees simulated time by freezegun, which is not installed: "
            "pip install 'flowy-sim[pytest]'"
        ) from error
    return freeze_time
