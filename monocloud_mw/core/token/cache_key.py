"""Cache keys for tokens: a digest, so that caches never contain the token itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ...options import Options

__all__ = ["token_cache_key"]


def token_cache_key(kind: str, options: Options) -> Callable[[str], bytes]:
    """Return the function that computes the cache key of a token.

    The key is the SHA-256 of a prefix and the token. The prefix is a digest of ``kind``, the tenant, the
    client ID and the audiences, so that APIs that share a cache never read each other's entries. Each field
    is preceded by its length and the prefix has a fixed length, so that different inputs never give the same
    key.
    """
    scope = (kind, options.tenant_domain, options.client_id or "", *sorted(set(options.audience)))
    fields = [field.encode() for field in scope]
    lengths_and_fields = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    prefix = hashlib.sha256(hashlib.sha256(lengths_and_fields).digest())

    def digest(token: str) -> bytes:
        sha256 = prefix.copy()
        sha256.update(token.encode("utf-8", "surrogatepass"))
        return sha256.digest()

    return digest
