"""The two clients, which combine the validator, a driver and a transport.

:class:`BackendClient` serves threads and :class:`AsyncBackendClient` event loops, with the same methods
and the same logic (:class:`~monocloud_mw.core.token.validator.Validator`). Make one client and share it: it
keeps the tenant's keys and the tokens it has verified.
"""

from __future__ import annotations

from .async_backend_client import AsyncBackendClient
from .backend_client import BackendClient

__all__ = ["AsyncBackendClient", "BackendClient"]
