"""Faults: what the service answers when it refuses a call.

Every fault is an HTTP 400 whose body names its type; the last part of the type is the error code
that SDKs show. The tree::

    Fault
    ├── UnknownResourceFault            ├── DefaultUndefinedFault
    ├── DomainAlreadyExistsFault        ├── LimitExceededFault
    ├── DomainDeprecatedFault           ├── OperationNotPermittedFault
    ├── TypeAlreadyExistsFault          ├── TooManyTagsFault
    ├── TypeDeprecatedFault             ├── ValidationException
    ├── TypeNotDeprecatedFault          ├── SerializationException
    ├── WorkflowExecutionAlreadyStartedFault
    ├── ThrottlingException             └── UnknownOperationException
"""

from __future__ import annotations

from typing import ClassVar


class Fault(Exception):
    """A call was refused and changed nothing.

    Args:
        message: the service's message, or None where its answer carries none.
    """

    namespace: ClassVar[str] = "com.amazonaws.swf.base.model"
    message_key: ClassVar[str] = "message"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        """The error code an SDK shows, such as ``UnknownResourceFault``."""
        return type(self).__name__

    @property
    def type(self) -> str:
        """The value of ``__type`` on the wire, as recorded."""
        return f"{self.namespace}#{self.code}"


class UnknownResourceFault(Fault):
    """There is no such domain, type, execution or task."""


class DomainAlreadyExistsFault(Fault):
    """A domain of that name exists, registered or deprecated."""


class DomainDeprecatedFault(Fault):
    """The domain is deprecated."""


class TypeAlreadyExistsFault(Fault):
    """A type of that name and version exists."""


class TypeDeprecatedFault(Fault):
    """The type is deprecated."""


class TypeNotDeprecatedFault(Fault):
    """Only a deprecated type can be deleted."""


class WorkflowExecutionAlreadyStartedFault(Fault):
    """An execution with that workflow ID is open."""


class DefaultUndefinedFault(Fault):
    """A setting was not given, and the type has no default for it."""


class LimitExceededFault(Fault):
    """A quota of the account, the domain or the task list is exhausted."""


class OperationNotPermittedFault(Fault):
    """The caller may not do this."""


class TooManyTagsFault(Fault):
    """A domain would have more tags than allowed."""


class ValidationException(Fault):
    """The request breaks a constraint of the service model, or a rule between members."""

    namespace = "com.amazon.coral.validate"


class SerializationException(Fault):
    """The request is not JSON of the right types."""

    namespace = "com.amazon.coral.service"
    message_key = "Message"


class ThrottlingException(Fault):
    """Too many calls."""

    namespace = "com.amazon.coral.availability"


class UnknownOperationException(Fault):
    """There is no such operation."""

    # Assumption: unknown-operation: an HTTP 400 without a message, as of other services of the
    # same framework.
    namespace = "com.amazon.coral.service"
