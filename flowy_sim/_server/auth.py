"""Authentication: the region, account and access key of a request, its signature, and key files.

Signatures (Signature Version 4) are checked only if secret keys are configured. The expected
signature is computed by botocore's own signer.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from flowy_sim._engine.faults import Fault
from flowy_sim._server.http import Scope
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import ACCOUNT, REGION

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "swf"


#: How far a caller's clock may be from the machine's, as documented for Signature Version 4.
MAX_SKEW = timedelta(minutes=15)


_NAMED_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


_DATE = "%Y%m%dT%H%M%SZ"


#: Headers that have to be signed if a request has them.
_SIGNED = ("x-amz-target",)


_NEEDED = ("Credential", "SignedHeaders", "Signature")


class MissingAuthenticationTokenException(Fault):
    """The request is not signed."""

    namespace = "com.amazon.coral.service"


class IncompleteSignatureException(Fault):
    """The Authorization header cannot be parsed."""

    namespace = "com.amazon.coral.service"


class UnrecognizedClientException(Fault):
    """The access key is unknown."""

    namespace = "com.amazon.coral.service"


class InvalidSignatureException(Fault):
    """The signature is wrong, or too old."""

    namespace = "com.amazon.coral.service"


class Signed(Protocol):
    """What of a request is signed; see `SignedRequest`."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class SignedRequest(NamedTuple):
    """The parts of a request that are signed.

    Attributes:
        method: such as ``POST``.
        target: path and query, as received.
        headers: by their names in lower case.
        body: its body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, scope: Scope, headers: Mapping[str, str], body: bytes) -> SignedRequest:
        """Return what is signed of a request.

        Args:
            scope: its ASGI scope.
            headers: by their names in lower case.
            body: its body.
        """
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        return cls(scope["method"], target.decode("latin-1"), headers, body)


class Identity(NamedTuple):
    """The identity of a caller.

    Attributes:
        account: twelve digits.
        region: whose service is called.
        access_key: empty if there is none.
    """

    account: str
    region: str
    access_key: str


class Authorization(NamedTuple):
    """A parsed Authorization header.

    Attributes:
        access_key, date, region, service, terminator: the parts of the credential.
        signed: the names of the signed headers.
        signature: in hexadecimal digits.
    """

    access_key: str
    date: str
    region: str
    service: str
    terminator: str
    signed: list[str]
    signature: str


class Authenticator:
    """Determines the identity of callers.

    Args:
        settings: the defaults for clients that send no credentials, and the keys.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        # Clients send one credential many times, and sign the same headers.
        self._identities: dict[str, Identity] = {}

    def judge(self, headers: Mapping[str, str]) -> None:
        """Check what the head of a request says about its signature: all but the signature itself.

        Raises:
            Fault: keys are configured, and the request is not signed with one of them, for this
                service and at this time; or what names the operation is not signed.
        """
        if self._settings.secrets:
            self._judged(headers)

    def identify(self, request: Signed) -> Identity:
        """Return the identity of the caller.

        Raises:
            Fault: the Authorization header cannot be parsed; or keys are configured, and the
                request is not signed with one of them.
        """
        settings = self._settings
        header = request.headers.get("authorization", "")
        if settings.secrets:
            found = self._judged(request.headers)
            self._verify(request, found)
        elif header.startswith(ALGORITHM):
            unsigned, _, given = header.rpartition(", Signature=")
            known = self._identities.get(unsigned)
            if known is not None and given.isalnum():
                return known
            found = read_authorization(header)
        else:
            return Identity(settings.account, settings.region, "")
        # boto 2 takes the region from the host name, such as "localhost" or "0" of 127.0.0.1.
        region = found.region if _NAMED_REGION.fullmatch(found.region) else settings.region
        identity = Identity(self._account(found.access_key), region, found.access_key)
        if not settings.secrets and unsigned and _USUAL.fullmatch(header):
            if len(self._identities) >= _MANY:
                self._identities.clear()
            self._identities[unsigned] = identity
        return identity

    def _account(self, access_key: str) -> str:
        account = self._settings.accounts.get(access_key)
        if account is not None:
            return account
        return access_key if ACCOUNT.fullmatch(access_key) else self._settings.account

    def _judged(self, headers: Mapping[str, str]) -> Authorization:
        """Return the parsed Authorization header, if all that needs no body is right."""
        header = headers.get("authorization", "")
        if not header.startswith(ALGORITHM):
            # Assumption: missing-token: as sister services of the same framework answer.
            raise MissingAuthenticationTokenException("Request is missing Authentication Token")
        found = read_authorization(header)
        if found.access_key not in self._settings.secrets:
            raise UnrecognizedClientException(
                "The security token included in the request is invalid."
            )
        _check_scope(found)
        _check_date(headers.get("x-amz-date", ""), found)
        for name in _SIGNED:
            if name in headers and name not in found.signed:
                # Otherwise anyone who sees a request could send it again as another operation.
                # Assumption: unsigned-target: as sister services of the same framework answer.
                raise InvalidSignatureException(
                    f"'{name}' must be a 'SignedHeader' in the AWS Authorization."
                )
        return found

    def _verify(self, request: Signed, found: Authorization) -> None:
        claimed = request.headers.get("x-amz-content-sha256")
        if claimed not in (None, hashlib.sha256(request.body).hexdigest()):
            raise _mismatch()  # Also for UNSIGNED-PAYLOAD, with which anyone could change the body.
        expected = signature(request, found, self._settings.secrets[found.access_key])
        if "host" not in found.signed or not hmac.compare_digest(
            expected, found.signature.encode("latin-1")
        ):
            raise _mismatch()


#: An Authorization header as all common SDKs write it.
_USUAL = re.compile(
    rf"{ALGORITHM} Credential=([^/,=]+)/([^/,=]+)/([a-z0-9-]{{1,32}})/([^/,=]+)/([^/,=]+)"
    r", ?SignedHeaders=([^,=]+), ?Signature=([^,= ]+)"
)
#: Number of credentials whose identities are remembered.
_MANY = 1_000


def read_authorization(header: str) -> Authorization:
    """Parse an Authorization header.

    Raises:
        IncompleteSignatureException: it cannot be parsed.
    """
    usual = _USUAL.fullmatch(header)
    if usual is not None:
        key, day, place, whose, end, names, given = usual.groups()
        return Authorization(key, day, place, whose, end, names.split(";"), given)
    parameters = {}
    for part in header.removeprefix(ALGORITHM).split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            # As recorded.
            raise IncompleteSignatureException(
                f"'{part.strip()}' not a valid key=value pair (missing equal-sign) in "
                f"Authorization header: '{header}'."
            )
        parameters[name] = value
    missing = [name for name in _NEEDED if name not in parameters]
    if missing:
        # Assumption: missing-parameters: as sister services of the same framework answer.
        problems = " ".join(
            f"Authorization header requires '{name}' parameter." for name in missing
        )
        raise IncompleteSignatureException(f"{problems} Authorization={header}")
    credential = parameters["Credential"].split("/")
    if len(credential) != 5:
        raise IncompleteSignatureException(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{parameters['Credential']}'"
        )
    access_key, date, region, service, terminator = credential
    if not REGION.fullmatch(region):
        raise IncompleteSignatureException(
            f"Credential should be scoped to a valid region, not '{region}'."
        )
    signed = parameters["SignedHeaders"].split(";")
    return Authorization(
        access_key, date, region, service, terminator, signed, parameters["Signature"]
    )


def scope_service(header: str) -> str:
    """Return the service in the credential scope of an Authorization header; empty if none is.

    >>> scope_service("AWS4-HMAC-SHA256 Credential=KEY/20240101/us-east-1/s3/aws4_request, ...")
    's3'
    """
    parts = header.partition("Credential=")[2].partition(",")[0].split("/")
    return parts[-2] if len(parts) >= 5 else ""


def signature(request: Signed, found: Authorization, secret: str) -> bytes:
    """Return the expected signature of a request."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {name: request.headers.get(name, "") for name in found.signed}
    signed = AWSRequest(
        request.method, f"http://{headers.get('host', '')}{request.target}", headers, request.body
    )
    signed.context["timestamp"] = request.headers.get("x-amz-date", "")
    signer = SigV4Auth(Credentials(found.access_key, secret), SERVICE, found.region)
    text = signer.string_to_sign(signed, signer.canonical_request(signed))
    computed: Any = signer.signature(text, signed)
    return str(computed).encode()


def _check_scope(found: Authorization) -> None:
    if (found.service, found.terminator) != (SERVICE, "aws4_request"):
        # Assumption: scope-text: as sister services of the same framework answer.
        raise InvalidSignatureException(
            f"Credential should be scoped to correct service: '{SERVICE}'."
        )


def _check_date(text: str, found: Authorization) -> None:
    try:
        signed_at = datetime.strptime(text, _DATE).replace(tzinfo=UTC)
    except ValueError:
        raise IncompleteSignatureException(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        ) from None
    if not text.startswith(found.date):
        raise _mismatch()
    # Assumption: skew-text: as sister services of the same framework answer.
    now = datetime.now(UTC)
    if signed_at < now - MAX_SKEW:
        limit = (now - MAX_SKEW).strftime(_DATE)
        raise InvalidSignatureException(
            f"Signature expired: {text} is now earlier than {limit} "
            f"({now.strftime(_DATE)} - 15 min.)"
        )
    if signed_at > now + MAX_SKEW:
        limit = (now + MAX_SKEW).strftime(_DATE)
        raise InvalidSignatureException(
            f"Signature not yet current: {text} is still later than {limit} "
            f"({now.strftime(_DATE)} + 15 min.)"
        )


def _mismatch() -> InvalidSignatureException:
    return InvalidSignatureException(
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details."
    )


class Keys(NamedTuple):
    """Keys, by access key ID.

    Attributes:
        secrets: the secret keys.
        accounts: the accounts that keys belong to; a key without one belongs to the server's.
    """

    secrets: dict[str, str]
    accounts: dict[str, str]


def read_keys(path: Path) -> Keys:
    """Read a file of keys.

    Args:
        path: a JSON file: ``{"ACCESS KEY ID": "SECRET KEY"}``, or with an account
            ``{"ACCESS KEY ID": {"secret": "SECRET KEY", "account": "111122223333"}}``.

    Raises:
        ValueError: the file is malformed, or holds no keys.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if written == {}:
        raise ValueError(f"{path} holds no key, so no client could call")
    keys = Keys({}, {})
    for access_key, key in written.items() if isinstance(written, dict) else [("", None)]:
        _add(keys, path, access_key, {"secret": key} if isinstance(key, str) else key)
    return keys


def _add(keys: Keys, path: Path, access_key: str, key: Any) -> None:
    if not isinstance(key, dict) or not all(isinstance(value, str) for value in key.values()):
        key = {}
    if not {"secret"} <= key.keys() <= {"secret", "account"}:
        raise ValueError(
            f'{path} holds no keys; write them as {{"ACCESS KEY ID": "SECRET KEY", …}}, or with '
            'an account as {"ACCESS KEY ID": {"secret": "…", "account": "…"}, …}'
        )
    keys.secrets[access_key] = key["secret"]
    if "account" in key:
        keys.accounts[access_key] = key["account"]
