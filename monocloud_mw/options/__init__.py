"""The settings of a client: what each is named, what it accepts, and where it comes from."""

from __future__ import annotations

from .options import VARIABLE_PREFIX, Options
from .settings import Settings

__all__ = ["VARIABLE_PREFIX", "Options", "Settings"]
