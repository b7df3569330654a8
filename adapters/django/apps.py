"""The app for ``INSTALLED_APPS``: registers the system checks and the drf-spectacular extension."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core.checks import Tags, register

__all__ = ["MonoCloudConfig"]


class MonoCloudConfig(AppConfig):
    """``"monocloud_mw.adapters.django"`` in ``INSTALLED_APPS``."""

    name = "monocloud_mw.adapters.django"
    label = "monocloud_mw"
    verbose_name = "MonoCloud access tokens"

    def ready(self) -> None:
        """Register the system checks, and the drf-spectacular extension if drf-spectacular is installed."""
        from .checks import check_protection

        register(check_protection, Tags.security)
        if apps.is_installed("drf_spectacular"):
            from . import spectacular  # noqa: F401  registers itself
