"""How an entry of a claims cache is written down outside the process, and what is believed of one.

An entry is a JSON object in UTF-8, after its authentication code where an integrity key is set::

    [HMAC-SHA256 of the JSON in hexadecimal] {"key": ..., "expires_at": ..., "claims": {...}}

Rules:

- the entry names its own key. One that was copied to another key is refused, and so is an answer to
  another question on a connection that lost count: nobody gets the claims of somebody else's token;
- the entry names its own expiry, since the storage's may be lost: a restored snapshot revives nothing;
- with an integrity key, only entries that were written with the same key (RFC 2104) are believed;
- parsing is strict, and bounded in size before anything is decoded. Whatever breaks a rule is an
  :class:`EntryError`, whose message quotes nothing of the entry.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ..errors import ConfigurationError, Problem, TokenError
from ..frozen import FrozenDict
from ..jose.strict_json import parse_json_object

__all__ = ["MAX_ENTRY_BYTES", "Entry", "EntryError", "EntryFormat"]

MAX_ENTRY_BYTES: Final = 256 * 1024
"""Longer entries are neither written nor read; the claims of a token take one or two kilobytes."""

MIN_INTEGRITY_KEY_BYTES: Final = hashlib.sha256().digest_size  # RFC 2104 section 3 discourages shorter keys
_CODE_CHARACTERS: Final = 2 * hashlib.sha256().digest_size


class EntryError(ValueError):
    """What was found is not an entry that this cache wrote under this key."""


@attrs.frozen
class Entry:
    """Claims and until when (Unix seconds) they may be served."""

    claims: FrozenDict = attrs.field(repr=False)
    expires_at: float


def _key_bytes(key: bytes | str | None) -> bytes | None:
    secret = key.encode() if isinstance(key, str) else key
    if secret is not None and len(secret) < MIN_INTEGRITY_KEY_BYTES:
        message = (
            f"must have at least {MIN_INTEGRITY_KEY_BYTES} bytes, such as secrets.token_urlsafe(32) makes"
        )
        raise ConfigurationError([Problem("integrity_key", None, message)])
    return secret


@attrs.frozen
class EntryFormat:
    """Writes and reads entries.

    Args:
        integrity_key: a secret of at least 32 bytes that all who share the storage know, or ``None``.

    Raises:
        ConfigurationError: the integrity key is too short to protect anything.
    """

    integrity_key: bytes | None = attrs.field(default=None, converter=_key_bytes, repr=False)

    def render(self, key: str, claims: Mapping[str, Any], expires_at: float) -> bytes | None:
        """Return the entry as bytes, or ``None`` where it would be too long to be read again."""
        fields = {"key": key, "expires_at": expires_at, "claims": claims}
        payload = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        entry = self._code(payload) + payload
        return entry if len(entry) <= MAX_ENTRY_BYTES else None

    def parse(self, key: str, entry: bytes) -> Entry:
        """Read the entry found under ``key``.

        Raises:
            EntryError: it breaks a rule of this module.
        """
        if len(entry) > MAX_ENTRY_BYTES:
            raise EntryError("it is too long")
        code_length = 0 if self.integrity_key is None else _CODE_CHARACTERS
        code, payload = entry[:code_length], entry[code_length:]
        if not hmac.compare_digest(code, self._code(payload)):
            raise EntryError("it was not written with our integrity key")
        try:
            fields = parse_json_object(payload)
        except TokenError as error:
            raise EntryError("it is not a JSON object") from error
        found, expires_at, claims = (fields.get(name) for name in ("key", "expires_at", "claims"))
        if (
            not isinstance(expires_at, (int, float))
            or isinstance(expires_at, bool)
            or not isinstance(claims, FrozenDict)
        ):
            raise EntryError("it is not made up like an entry")
        if found != key:
            raise EntryError("it belongs to another key")
        return Entry(claims, expires_at)

    def _code(self, payload: bytes) -> bytes:
        if self.integrity_key is None:
            return b""
        return hmac.digest(self.integrity_key, payload, "sha256").hex().encode()
