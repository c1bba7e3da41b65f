"""What is wrong with a request, in the service's words."""

from __future__ import annotations

from dataclasses import dataclass, replace

NOT_NULL = "Member must not be null"
TOO_LONG = "Member must have length less than or equal to {}"
TOO_SHORT = "Member must have length greater than or equal to {}"
TOO_LARGE = "Member must have value less than or equal to {}"
TOO_SMALL = "Member must have value greater than or equal to {}"


@dataclass(frozen=True)
class Problem:
    """One broken constraint.

    Attributes:
        path: where, from the place of the check; empty for the value itself.
        value: the value as the service prints it, or None for null.
        constraint: the rule it breaks, in the service's words.
    """

    path: str
    value: str | None
    constraint: str

    def __str__(self) -> str:
        """Return the sentence of the service (as reported)."""
        value = "null" if self.value is None else f"'{self.value}'"
        return f"Value {value} at '{self.path}' failed to satisfy constraint: {self.constraint}"

    def under(self, step: str) -> Problem:
        """Return the problem as seen from the enclosing structure or list."""
        return replace(self, path=f"{step}.{self.path}" if self.path else step)


class Refused(Exception):
    """A value breaks constraints.

    Args:
        problems: all of them, in the model's order.
    """

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems."""
        super().__init__(problems)
        self.problems = problems

    @property
    def message(self) -> str:
        """The service's one message for all problems (as reported)."""
        noun = "error" if len(self.problems) == 1 else "errors"
        listed = "; ".join(map(str, self.problems))
        return f"{len(self.problems)} validation {noun} detected: {listed}"


def refused(value: object, constraint: str) -> Refused:
    """Return the refusal of a single value."""
    return Refused([Problem("", str(value), constraint)])
