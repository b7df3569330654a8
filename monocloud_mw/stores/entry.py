"""The format of claims cache entries outside the process, and its validation.

An entry is a JSON object in UTF-8, preceded by an authentication code if an integrity key is set::

    [HMAC-SHA256 of the JSON in hexadecimal] {"key": ..., "expires_at": ..., "claims": {...}}

Rules:

- an entry contains its own key. An entry that was copied to another key is rejected, and so is the response
  to another command on a connection that is out of step: claims are never returned for another token;
- an entry contains its own expiry, because that of the storage may be lost, for example by restoring a
  snapshot;
- with an integrity key, only entries that were written with the same key (RFC 2104) are accepted;
- parsing is strict, and the size is checked before decoding. An invalid entry raises :class:`EntryError`,
  whose message contains no part of the entry.
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
"""Longer entries are neither written nor read; the claims of a token typically have one or two kilobytes."""

MIN_INTEGRITY_KEY_BYTES: Final = hashlib.sha256().digest_size  # RFC 2104 section 3 discourages shorter keys
_CODE_CHARACTERS: Final = 2 * hashlib.sha256().digest_size


class EntryError(ValueError):
    """The value is not an entry that this cache wrote under this key."""


@attrs.frozen
class Entry:
    """Claims, and their expiry in Unix seconds."""

    claims: FrozenDict = attrs.field(repr=False)
    expires_at: float


def _key_bytes(key: bytes | str | None) -> bytes | None:
    secret = key.encode() if isinstance(key, str) else key
    if secret is not None and (not isinstance(secret, bytes) or len(secret) < MIN_INTEGRITY_KEY_BYTES):
        message = (
            f"must have at least {MIN_INTEGRITY_KEY_BYTES} bytes; secrets.token_urlsafe(32) generates one"
        )
        raise ConfigurationError([Problem("integrity_key", None, message)])
    return secret


@attrs.frozen
class EntryFormat:
    """Writes and parses entries.

    Args:
        integrity_key: a secret of at least 32 bytes that all processes with this storage share, or ``None``.

    Raises:
        ConfigurationError: the integrity key is too short.
    """

    integrity_key: bytes | None = attrs.field(default=None, converter=_key_bytes, repr=False)

    def render(self, key: str, claims: Mapping[str, Any], expires_at: float) -> bytes | None:
        """Return the entry as bytes, or ``None`` if it is longer than ``MAX_ENTRY_BYTES``."""
        fields = {"key": key, "expires_at": expires_at, "claims": claims}
        payload = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        entry = self._code(payload) + payload
        return entry if len(entry) <= MAX_ENTRY_BYTES else None

    def parse(self, key: str, entry: bytes) -> Entry:
        """Parse the value stored under ``key``.

        Raises:
            EntryError: it is not a valid entry for ``key``.
        """
        if len(entry) > MAX_ENTRY_BYTES:
            raise EntryError("it is too long")
        code_length = 0 if self.integrity_key is None else _CODE_CHARACTERS
        code, payload = entry[:code_length], entry[code_length:]
        if not hmac.compare_digest(code, self._code(payload)):
            raise EntryError("it was not written with the configured integrity key")
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
            raise EntryError("it does not have the members of an entry")
        if found != key:
            raise EntryError("it belongs to another key")
        return Entry(claims, expires_at)

    def _code(self, payload: bytes) -> bytes:
        if self.integrity_key is None:
            return b""
        return hmac.digest(self.integrity_key, payload, "sha256").hex().encode()
