"""Requests as bytes, most of which make sense, and some of which no client would send."""

from __future__ import annotations

import json
from collections import deque
from copy import deepcopy
from random import Random
from typing import Any

from flowy_sim._engine.model import operation_names
from tests.support.random_requests import JUNK, Requests

OPERATIONS = sorted(operation_names())
#: Operations that are tried more often: they open, hand out and end what other operations need.
OFTEN = (
    "StartWorkflowExecution",
    "PollForDecisionTask",
    "PollForActivityTask",
    "RespondDecisionTaskCompleted",
    "RespondActivityTaskCompleted",
    "SignalWorkflowExecution",
)
CONTROL = (
    ("GET", "/_flowy"),
    ("GET", "/_flowy/clock"),
    ("POST", "/_flowy/clock/advance"),
    ("POST", "/_flowy/clock/jump"),
    ("PUT", "/_flowy/clock"),
    ("POST", "/_flowy/after"),
    ("GET", "/_flowy/simulations"),
    ("GET", "/_flowy/metrics"),
    ("POST", "/_flowy/stubs"),
    ("GET", "/_flowy/stubs/calls"),
    ("DELETE", "/_flowy/stubs"),
    ("OPTIONS", "/"),
    ("HEAD", "/_flowy/health"),
    ("PATCH", "/x"),
)
PATHS = ("/", "/", "/", "/", "/suite-a", "/suite-a/", "/%2e%2e", "//", "/x/y", "/?a=b", "/é", "*")
HEADERS = (
    ("Content-Type", ("application/x-amz-json-1.0", "application/json", "text/html", "")),
    ("Host", ("127.0.0.1", "localhost:80", "[::1]", "evil.example", "", "a" * 300)),
    ("Origin", ("null", "http://evil.example", "http://127.0.0.1")),
    ("Sec-Fetch-Site", ("none", "same-origin", "cross-site", "")),
    ("Accept", ("text/html", "*/*")),
    ("Connection", ("keep-alive", "Upgrade", "x")),
    ("Expect", ("100-continue", "200-ok")),
    ("Content-Encoding", ("gzip", "identity", "amz-1.0")),
    ("User-Agent", ("aws-cli/2", "curl/8", "\x1b[31m", "")),
    ("Cookie", ("flowy=1", "=;=;")),
    (
        "Authorization",
        (
            "AWS4-HMAC-SHA256 Credential=K/20240101/us-east-1/swf/aws4_request, "
            "SignedHeaders=host, Signature=0",
            "AWS4-HMAC-SHA256 Credential=111122223333/2/eu-west-1/swf/aws4_request,"
            "SignedHeaders=host,Signature=0",
            "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=;, Signature=",
            "AWS4-HMAC-SHA256",
            "Bearer x",
        ),
    ),
)
MARKS = ("\0", "\ud800", "\u202e", "é", "😀", "'; DROP TABLE", "../..", "\x1b[2J", "%s", "{0}")


class Bytes:
    """Requests as bytes that follow from one seed.

    Attributes:
        tokens: those of the latest replies; see `learn`.
    """

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.tokens: deque[str] = deque(maxlen=20)
        self._requests = Requests(seed)

    def learn(self, body: bytes) -> None:
        """Take tokens and run IDs from a reply."""
        if b"oken" not in body and b"runId" not in body:
            return
        reply = json.loads(body)
        self.tokens += [
            reply[name] for name in ("taskToken", "nextPageToken", "runId") if reply.get(name)
        ]

    def request(self) -> tuple[bytes, bool]:
        """Return a request, and whether it is valid HTTP that is complete."""
        random = self.random
        method, path = "POST", "/"
        operation = random.choice(OFTEN if random.random() < 0.5 else OPERATIONS)
        body = self._body(operation)
        headers = {
            "Host": "127.0.0.1",
            "X-Amz-Target": f"SimpleWorkflowService.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
        }
        if random.random() < 0.05:
            method, path = random.choice(CONTROL)
        elif random.random() < 0.1:
            path = random.choice(PATHS)
        while random.random() < 0.15:
            name, values = random.choice(HEADERS)
            headers[name] = random.choice(values)
        if random.random() < 0.02:
            headers["X-Amz-Target"] = random.choice((operation, "x.y", "", f"DynamoDB.{operation}"))
        if random.random() < 0.1:
            headers["Transfer-Encoding"], body = "chunked", self._chunked(body)
        else:
            headers["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        whole = "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + body
        if random.random() < 0.05:
            return self._damaged(whole), False
        return whole, path != "*" and "Upgrade" not in headers.values()

    def _body(self, operation: str) -> bytes:
        random = self.random
        if operation == "RespondDecisionTaskCompleted":
            request = self._requests.answer()
        elif random.random() < 0.15:
            request = self._requests.nonsense(operation)
        else:
            request = self._requests.request(operation)
        for name in ("taskToken", "nextPageToken"):
            if self.tokens and random.random() < (0.9 if name == "taskToken" else 0.1):
                request[name] = random.choice(self.tokens)
        while random.random() < 0.1:
            self._spoil(request)
        text = json.dumps(request, ensure_ascii=random.random() < 0.5)
        if random.random() < 0.03:
            at = random.randrange(len(text) + 1)
            text = text[:at] + random.choice(('"', "{", "]", "NaN", "[" * 2_000, "\0")) + text[at:]
        encoding = "utf-16" if random.random() < 0.01 else "utf-8"
        return text.encode(encoding, "surrogatepass")

    def _spoil(self, structure: Any) -> None:
        """Put something else in a place anywhere in a structure."""
        while True:
            places = list(structure) if isinstance(structure, dict) else list(range(len(structure)))
            if not places:
                return
            place = self.random.choice(places)
            value = structure[place]
            if isinstance(value, dict | list) and value and self.random.random() < 0.7:
                structure = value
                continue
            if isinstance(value, str) and self.random.random() < 0.5:
                structure[place] = value + self.random.choice(MARKS)
            else:
                structure[place] = deepcopy(self.random.choice(JUNK))
            return

    def _chunked(self, body: bytes) -> bytes:
        parts = []
        while body:
            length = self.random.randrange(1, len(body) + 1)
            parts.append(b"%x\r\n%b\r\n" % (length, body[:length]))
            body = body[length:]
        return b"".join([*parts, b"0\r\n\r\n"])

    def _damaged(self, whole: bytes) -> bytes:
        damaged, random = bytearray(whole), self.random
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(damaged))
            if random.random() < 0.5:
                damaged[at] = random.randrange(256)
            else:
                del damaged[at : at + random.randrange(1, 30)]
            if not damaged:
                break
        return bytes(damaged)
