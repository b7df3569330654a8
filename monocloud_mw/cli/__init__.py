"""The command ``monocloud-mw``: ``doctor`` checks a set-up, ``explain`` a token."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
