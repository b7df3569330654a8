"""The name under which a token is remembered: never the token itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ...options import Options

__all__ = ["token_cache_key"]


def token_cache_key(kind: str, options: Options) -> Callable[[str], bytes]:
    """Return the function that names tokens.

    A name is the SHA-256 of the token after a digest of ``kind``, the tenant, our client and our audiences:
    what was found out about a token for one API does not count for another that shares the memory. Each of
    these has its length before it and the digest has a fixed length, so that no two sets of them, with
    whatever tokens, have one name.
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
