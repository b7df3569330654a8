"""FastAPI: ``Security(protect, scopes=[...])`` for applications, routers and views (:mod:`.protect_api`)."""

from __future__ import annotations

from .protect_api import ProtectApi
from .public import public
from .refusals import RESPONSES, AccessRefused, WebSocketRefused

__all__ = ["RESPONSES", "AccessRefused", "ProtectApi", "WebSocketRefused", "public"]
