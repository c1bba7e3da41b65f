"""The wire format: parses requests, and writes replies and faults exactly as the service does.

The protocol has two variants, the modern one of current SDKs and the legacy one of the first SDKs.
Each request is answered in its own variant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple, NoReturn

from flowy_sim._engine.faults import Fault, SerializationException, UnknownOperationException
from flowy_sim._engine.model import EPOCH, MILLISECOND

MODERN_TARGET = "SimpleWorkflowService"
LEGACY_TARGET = "com.amazonaws.swf.service.model.SimpleWorkflowService"
MODERN_CONTENT_TYPE = "application/x-amz-json-1.0"
LEGACY_CONTENT_TYPE = "application/json"
#: Values of ``Content-Encoding`` that leave a body as it is; the second is that of the first SDKs.
_UNCOMPRESSED = ("", "amz-1.0", "identity")

#: From this number of seconds on, Java prints numbers in scientific notation.
_SCIENTIFIC = 10**7


class Response(NamedTuple):
    """An HTTP response.

    Attributes:
        status: its status code.
        headers: its headers.
        body: its body.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def read_target(headers: Mapping[str, str]) -> str:
    """Return the operation that a request names.

    Args:
        headers: the request's headers, by their names in lower case.

    Raises:
        UnknownOperationException: it names no operation of this service.

    >>> read_target({"x-amz-target": "SimpleWorkflowService.ListDomains"})
    'ListDomains'
    """
    service, _, operation = headers.get("x-amz-target", "").rpartition(".")
    if service not in (MODERN_TARGET, LEGACY_TARGET):
        raise UnknownOperationException
    return operation


def read_body(body: bytes) -> dict[str, Any]:
    """Return the members of a request.

    Raises:
        SerializationException: the body is not a JSON object.

    >>> read_body(b'{"name": "shop"}')
    {'name': 'shop'}
    """
    try:
        try:
            text = body.decode("utf-8", "surrogatepass")
            # The method of the decoder in C, without what `decode` does around it.
            members, end = _DECODER.scan_once(text, 0)  # type: ignore[attr-defined]
            is_whole = end == len(text)
        except (ValueError, StopIteration):
            is_whole = False
        if not is_whole:
            # White space around it, another encoding than UTF-8, or a mistake.
            members = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise SerializationException from None
    if not isinstance(members, dict):
        # Assumption: no-object: JSON other than an object is answered like malformed JSON.
        raise SerializationException
    return members


def check_encoding(headers: Mapping[str, str]) -> None:
    """Check that the body of a request may be JSON.

    Args:
        headers: the request's headers, by their names in lower case.

    Raises:
        SerializationException: it is compressed, or in another format.
    """
    compression = headers.get("content-encoding", "")
    if compression not in _UNCOMPRESSED:
        raise SerializationException(
            f"The body is compressed with {compression}, which Amazon SWF does not support; turn "
            "request compression off, for example with AWS_DISABLE_REQUEST_COMPRESSION=true"
        )
    if "cbor" in headers.get("content-type", "") or "cbor" in headers.get("smithy-protocol", ""):
        raise SerializationException(
            "The body is CBOR, which Amazon SWF does not support; let the client use its JSON "
            "protocol, with the content type application/x-amz-json-1.0"
        )


def reply(members: Mapping[str, Any], request_id: str, headers: Mapping[str, str]) -> Response:
    """Return the response with a reply.

    Args:
        members: the reply; empty for an operation without a result, whose body is empty.
        request_id: a UUID.
        headers: the request's headers, by their names in lower case; they select the variant.
    """
    body = _spelled_members(members).encode() if members else b""
    return _response(200, body, request_id, headers)


def refusal(fault: Fault, request_id: str, headers: Mapping[str, str]) -> Response:
    """Return the response with a fault; arguments as for `reply`."""
    body = f'{{"__type":{quoted(fault.type)}'
    if fault.message is not None:
        body += f",{quoted(fault.message_key)}:{quoted(fault.message)}"
    return _response(400, f"{body}}}".encode(), request_id, headers)


def spelled(value: Any) -> str:
    """Return a value as the service writes it: sorted keys, no white space, no nulls.

    >>> spelled({"b": [True, 1], "a": "x", "c": None})
    '{"a":"x","b":[true,1]}'
    """
    return _SPELL.get(type(value), json.dumps)(value)


def _spelled_members(members: Mapping[str, Any]) -> str:
    spell, other = _SPELL.get, json.dumps
    items = sorted(members.items()) if len(members) > 1 else members.items()
    parts = [
        f"{quoted(name)}:{spell(type(value), other)(value)}"
        for name, value in items
        if value is not None
    ]
    return f"{{{','.join(parts)}}}"


def _spelled_list(values: list[Any]) -> str:
    return f"[{','.join(map(spelled, values))}]"


def spelled_instant(instant: datetime) -> str:
    """Return an instant as seconds since the epoch, in the notation of Java.

    >>> spelled_instant(EPOCH + 1_497_408_789_140 * MILLISECOND)
    '1.49740878914E9'
    """
    milliseconds = (instant - EPOCH) // MILLISECOND
    if abs(milliseconds) < _SCIENTIFIC * 1000:
        return repr(milliseconds / 1000)
    digits = str(abs(milliseconds))
    sign = "-" if milliseconds < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:].rstrip('0') or '0'}E{len(digits) - 4}"


_SPELL: dict[type, Callable[[Any], str]] = {
    str: quoted,
    dict: _spelled_members,
    list: _spelled_list,
    datetime: spelled_instant,
    bool: {True: "true", False: "false"}.__getitem__,
    int: str,
}


def _response(status: int, body: bytes, request_id: str, headers: Mapping[str, str]) -> Response:
    modern = headers.get("content-type", "").startswith(MODERN_CONTENT_TYPE)
    sent = {
        "x-amzn-RequestId": request_id,
        "Content-Type": MODERN_CONTENT_TYPE if modern else LEGACY_CONTENT_TYPE,
        "Content-Length": str(len(body)),
    }
    # Like `Response(…)`, in half the time.
    response: Response = tuple.__new__(Response, (status, sent, body))
    return response


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
