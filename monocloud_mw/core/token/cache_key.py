"""The name under which a token is remembered: never the token itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ...options import Options

__all__ = ["token_cache_key"]


def token_cache_key(kind: str, options: Options) -> Callable[[str], bytes]:
    """Return the function that names tokens.

    A name is the SHA-256 of the token, after ``kind``, the tenant, our client and our audiences: what was
    found out about a token for one API is not believed for another that shares the memory.
    """
    scope = (kind, options.tenant_domain, options.client_id or "", *sorted(options.audience), "")
    prefix = hashlib.sha256("\0".join(scope).encode())

    def digest(token: str) -> bytes:
        sha256 = prefix.copy()
        sha256.update(token.encode("utf-8", "surrogatepass"))
        return sha256.digest()

    return digest
