"""Claims caches: where introspection results are kept between requests.

:class:`MemoryCache` serves one process. The caches in :mod:`monocloud_mw.stores.redis` are shared by all
processes and machines of an API; they need the extra ``monocloud-mw[redis]`` and are imported from there.
"""

from __future__ import annotations

from ..claims_cache import AsyncClaimsCache, ClaimsCache
from .memory import MemoryCache

__all__ = ["AsyncClaimsCache", "ClaimsCache", "MemoryCache"]
