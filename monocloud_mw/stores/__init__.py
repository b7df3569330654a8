"""Claims caches, which store introspection results between requests.

:class:`MemoryCache` is for one process. All processes and machines of an API can share the caches in
:mod:`monocloud_mw.stores.redis`, which need the extra ``monocloud-mw[redis]`` and are imported from there.
"""

from __future__ import annotations

from ..claims_cache import AsyncClaimsCache, ClaimsCache
from .memory import MemoryCache

__all__ = ["AsyncClaimsCache", "ClaimsCache", "MemoryCache"]
