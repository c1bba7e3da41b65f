"""Files of keys: who may call a server that checks signatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple


class Keys(NamedTuple):
    """Keys, by access key id.

    Attributes:
        secrets: the secret keys.
        accounts: the accounts that keys belong to; a key without one belongs to the server's.
    """

    secrets: dict[str, str]
    accounts: dict[str, str]


def read_keys(path: Path) -> Keys:
    """Return what a file of keys holds.

    Args:
        path: a JSON file: ``{"ACCESS KEY ID": "SECRET KEY"}``, or with an account
            ``{"ACCESS KEY ID": {"secret": "SECRET KEY", "account": "111122223333"}}``.

    Raises:
        ValueError: it holds no keys.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if written == {}:
        raise ValueError(f"{path} holds no key, so nobody could call")
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
