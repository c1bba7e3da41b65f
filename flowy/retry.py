"""Retries: how often, and after which delay, a call that failed or timed out is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from flowy._checks import LONGEST, number, seconds, whole_number
from flowy.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after which delay, a call that failed or timed out is tried again.

    Args:
        attempts: the total number of attempts, at least 1.
        delay: seconds, or a timedelta, between the first two attempts, by a timer of Amazon SWF; 0
            for no delay.
        backoff: the factor by which each delay is longer than the previous one; 1 for equal delays.
        longest: the longest delay, in the same form; None for no limit.
        jitter: the random share of each delay, from 0 to 1: the delay is shortened by up to that
            share. The randomness is the workflow's own, so a replay repeats it.
        on: what is retried: exceptions by class or class name, time-outs by name, such as
            ``"HEARTBEAT"``. The history holds only the name of the class that was raised, so
            subclasses do not match. None for everything.
        unless: what is not retried, in the same form.

    Raises:
        ConfigurationError: an argument is wrong.

    Example:
        ``@activity("resize", 1, "image_processing", retry=Retry(attempts=3, delay=10, backoff=2,
        unless=[ValueError]))``
    """

    attempts: int = 3
    delay: int | float | timedelta = 0
    backoff: float = 1
    longest: int | float | timedelta | None = None
    jitter: float = 0
    on: Iterable[type[BaseException] | str] | None = None
    unless: Iterable[type[BaseException] | str] = ()

    def __post_init__(self) -> None:
        whole_number("attempts of a retry", self.attempts, least=1)
        object.__setattr__(self, "delay", seconds("delay of a retry", self.delay))
        number("backoff of a retry", self.backoff, least=1)
        if self.longest is not None:
            longest = seconds("longest delay of a retry", self.longest, least=1)
            object.__setattr__(self, "longest", longest)
        number("jitter of a retry", self.jitter, most=1)
        if self.on is not None:
            object.__setattr__(self, "on", _error_names("on", self.on))
        object.__setattr__(self, "unless", _error_names("unless", self.unless))

    def covers(self, reason: str) -> bool:
        """Return whether a call that ended for a reason may be retried.

        Args:
            reason: the reason of a failure, such as ``ValueError: too wide``, or a time-out's name.
        """
        name = reason.partition(":")[0]
        return (self.on is None or name in self.on) and name not in self.unless

    def seconds_after(self, attempt: int, random: Callable[[], Random]) -> int:
        """Return the delay after an attempt, in seconds.

        Args:
            attempt: the number of the attempt, from 1.
            random: returns the source of randomness; called only if there is a jitter.
        """
        longest = LONGEST if self.longest is None else seconds("longest", self.longest)
        try:
            delay = min(seconds("delay", self.delay) * self.backoff ** (attempt - 1), longest)
        except OverflowError:
            delay = longest
        if self.jitter and delay:
            delay *= 1 - self.jitter * random().random()
        return round(delay)


def _error_names(name: str, errors: object) -> frozenset[str]:
    """Return the names of exceptions given by class or name."""
    if not isinstance(errors, str) and isinstance(errors, Iterable):
        named = [each.__name__ if isinstance(each, type) else each for each in errors]
        if all(isinstance(each, str) and each for each in named):
            return frozenset(named)
    raise ConfigurationError(
        f"{name} of a retry must list exceptions or time-outs, such as [ValueError, 'HEARTBEAT'], "
        f"not {errors!r}"
    )


NO_RETRY = Retry(attempts=1)
"""One attempt only."""
