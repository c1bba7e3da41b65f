"""Code that polls with its own loop, as users write it: its kind, and its arguments.

It is a function, a coroutine function or a class, whose instances are then called. It receives an
SWF client, or makes one by ``boto3.client``, which a mock answers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from flowy._client import SwfClient
from flowy.errors import ConfigurationError

PollingCode = Callable[..., object]
"""Code that polls with an SWF client and works on the tasks, once or in a loop."""


def made(code: PollingCode, client: SwfClient) -> PollingCode:
    """Return the code of a new worker: an instance, if it is a class."""
    if not isinstance(code, type):
        return code
    instance: PollingCode = code(client) if takes_client(code) else code()
    return instance


def is_async(code: object) -> bool:
    """Return whether code is a coroutine function, or a class whose instances are."""
    called = getattr(code, "__call__", None)  # noqa: B004 - it may be a coroutine function.
    return inspect.iscoroutinefunction(code) or inspect.iscoroutinefunction(called)


def takes_client(code: PollingCode) -> bool:
    """Return whether code must be called with a client.

    A parameter with a default is an option of the code, such as ``main(argv=None)``; code with
    such a parameter makes its client itself if it gets none.

    Raises:
        ConfigurationError: it must be called with something else, too.
    """
    try:
        parameters = inspect.signature(code).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [each for each in parameters if each.default is each.empty and _is_single(each)]
    if len(required) > 1 or any(each.kind is each.KEYWORD_ONLY for each in required):
        raise ConfigurationError(
            f"code that polls with its own loop is called with a client or with nothing, but "
            f"{getattr(code, '__name__', code)!s} needs {' and '.join(map(str, required))}; give "
            "the other values, for example with functools.partial"
        )
    return bool(required)


def _is_single(parameter: inspect.Parameter) -> bool:
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
