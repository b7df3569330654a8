"""The options of a client: their names, environment variables, defaults and accepted values."""

from __future__ import annotations

from .options import VARIABLE_PREFIX, Options
from .settings import Settings

__all__ = ["VARIABLE_PREFIX", "Options", "Settings"]
