"""Amazon SWF's service model, as botocore ships it: operations, shapes, limits and enums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, cast


@cache
def service_model() -> Any:
    """Return botocore's ``ServiceModel`` of SWF (API 2012-01-25)."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("swf", "service-2"), "swf")


@cache
def operation_names() -> frozenset[str]:
    """Return the names of all operations, such as ``StartWorkflowExecution``."""
    return frozenset(service_model().operation_names)


@cache
def input_shape(operation: str) -> Any:
    """Return the structure shape of an operation's request."""
    return service_model().operation_model(operation).input_shape


@cache
def enum(shape_name: str) -> tuple[str, ...]:
    """Return the values of an enum shape, in the model's order."""
    return tuple(cast("list[str]", service_model().shape_for(shape_name).enum))


@lru_cache(maxsize=128)
def event_attributes_key(event_type: str) -> str:
    """Return the member of a wire event that holds the attributes of its type."""
    return f"{event_type[0].lower()}{event_type[1:]}EventAttributes"


@lru_cache(maxsize=128)
def decision_attributes_key(decision_type: str) -> str:
    """Return the member of a decision that holds the attributes of its type."""
    return f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"


@cache
def decision_members(decision_type: str) -> frozenset[str]:
    """Return the names of the attributes that a decision of some type can have."""
    return frozenset(service_model().shape_for(f"{decision_type}DecisionAttributes").members)


# History events, kept small.
#
# An event is a plain tuple: its time in milliseconds, the name of its type, then one value for each
# member that the service model gives that type, in alphabetical order, None where it is absent.
# Structures and lists inside are tuples as well. So an event is immutable, the garbage collector
# does not track it, and a reply made from it shares nothing with it.

Event = tuple[Any, ...]


TIME = 0
TYPE = 1
FIRST_MEMBER = 2

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
#: The first and the last instant that a datetime can hold, in milliseconds since the epoch.
_EARLIEST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND

#: From this instant on, in 2109, a float of seconds may not be exact to the millisecond.
_NOT_EXACT = 1 << 42

# While time is frozen in a test, `datetime` is another class, whose instances must not be kept.
_from_timestamp = datetime.fromtimestamp


@lru_cache(maxsize=4096)
def instant(milliseconds: int) -> datetime:
    """Return a time in milliseconds since 1970 as an aware datetime, exactly.

    A deadline may be later than a datetime can be, and a machine's clock may be wrong; such a time
    is shown as the last or first one that a datetime can hold.
    """
    # Histories repeat few instants, and a datetime takes as long as the rest of an event.
    if 0 <= milliseconds < _NOT_EXACT:  # Three times as fast as the sum below.
        return _from_timestamp(milliseconds / 1000, UTC)
    return EPOCH + min(max(milliseconds, _EARLIEST), LATEST) * MILLISECOND


class EventType:
    """One of the 54 types of event, as the service model describes it.

    Args:
        name: such as ``TimerFired``.

    Attributes:
        name: such as ``TimerFired``.
        attributes_key: such as ``timerFiredEventAttributes``.
        members: the names of its attributes, in alphabetical order.
        position: the index of each member in an event's tuple.
    """

    __slots__ = (
        "_count",
        "_key_first",
        "_members",
        "_nothing",
        "_structured",
        "attributes_key",
        "members",
        "name",
        "position",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes_key = event_attributes_key(name)
        shape = service_model().shape_for("HistoryEvent").members[self.attributes_key]
        self.members = tuple(sorted(shape.members))
        self.position = {member: FIRST_MEMBER + i for i, member in enumerate(self.members)}
        self._nothing = dict.fromkeys(self.members)
        self._count = len(self.members)
        self._structured = tuple(
            (m, freeze) for m in self.members if (freeze := _freezer(shape.members[m])) is not None
        )
        self._members = tuple(
            (m, self.position[m], _thawer(shape.members[m])) for m in self.members
        )
        self._key_first = self.attributes_key < "eventId"

    def freeze(self, now: int, attributes: Mapping[str, Any]) -> Event:
        """Make an event of this type at the given time in milliseconds.

        Args:
            now: milliseconds since 1970.
            attributes: the members by name, structures as dicts, as a request carries them, or
                as they are stored.
        """
        # Updating a dict keeps its order, and is faster than looking up each member.
        values: dict[str, Any] = {**self._nothing, **attributes}
        if len(values) > self._count:
            raise LookupError(f"{self.name} has no {[*values][len(self.members)]}")
        for member, freeze in self._structured:
            value = values[member]
            if value is not None and type(value) is not tuple:
                values[member] = freeze(value)
        return (now, self.name, *values.values())

    def load(self, now: int, members: Mapping[str, Any]) -> Event:
        """Make an event of this type from its members as they are stored, tuples as lists.

        Args:
            now: milliseconds since 1970.
            members: the members by name.
        """
        values: list[Any] = [now, self.name, *map(members.get, self.members)]
        for name, _ in self._structured:
            position = self.position[name]
            if values[position] is not None:
                values[position] = tuple(values[position])
        return tuple(values)

    def thaw(self, event: Event, event_id: int) -> dict[str, Any]:
        """Return the event as the service sends it, keys in alphabetical order, all of it fresh."""
        # The body of `attributes`, without the call: replies hold many events.
        attributes = {
            member: value if thaw is None else thaw(value)
            for member, position, thaw in self._members
            if (value := event[position]) is not None
        }
        time, key = instant(event[TIME]), self.attributes_key
        if self._key_first:
            return {
                key: attributes,
                "eventId": event_id,
                "eventTimestamp": time,
                "eventType": self.name,
            }
        return {
            "eventId": event_id,
            "eventTimestamp": time,
            "eventType": self.name,
            key: attributes,
        }

    def attributes(self, event: Event) -> dict[str, Any]:
        """Return the event's attributes as the service sends them, without absent ones."""
        return {
            member: value if thaw is None else thaw(value)
            for member, position, thaw in self._members
            if (value := event[position]) is not None
        }


def member(event: Event, name: str) -> Any:
    """Return a member of an event, as stored: structures are tuples, None is absent."""
    return event[event_types()[event[TYPE]].position[name]]


@cache
def event_types() -> dict[str, EventType]:
    """Return all event types by name, in the service model's order."""
    return {name: EventType(name) for name in enum("EventType")}


def _freezer(shape: Any) -> Callable[[Any], Any] | None:
    """Return a function that makes a request's value immutable; None if it already is.

    All members of the structures inside an event are required ones.
    """
    if shape.type_name == "structure":
        members = tuple(sorted(shape.members))
        # The structures inside events have one or two members; this is a hot path.
        if len(members) == 1:
            (only,) = members
            return lambda value: (value[only],)
        return itemgetter(*members)
    if shape.type_name == "list":
        return tuple
    return None


def _thawer(shape: Any) -> Callable[[Any], Any] | None:
    """Return the inverse of the freezer of the same shape."""
    if shape.type_name == "structure":
        members = tuple(sorted(shape.members))
        if len(members) == 1:
            (only,) = members
            return lambda value: {only: value[0]}
        first, second = members
        return lambda value: {first: value[0], second: value[1]}
    if shape.type_name == "list":
        return list
    return None
