"""The command ``monocloud-mw``: ``doctor`` checks a setup, ``explain`` a token, ``routes`` an application."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
