"""Flask: protects views, blueprints and whole applications (:mod:`.protect_api`)."""

from __future__ import annotations

from .claims import current_claims
from .declarations import public
from .protect_api import ProtectApi, protect_api

__all__ = ["ProtectApi", "current_claims", "protect_api", "public"]
