"""drf-spectacular: the OpenAPI security scheme of :class:`~.rest_framework.AccessTokenAuthentication`.

Add ``"monocloud_mw.adapters.django"`` to ``INSTALLED_APPS`` to register it, or import this module.
"""

from __future__ import annotations

from typing import Any

try:
    from drf_spectacular.extensions import OpenApiAuthenticationExtension
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.django.spectacular needs drf-spectacular in addition to monocloud-mw[django]: "
        "pip install drf-spectacular"
    ) from error

__all__ = ["AccessTokenScheme"]


class AccessTokenScheme(OpenApiAuthenticationExtension):
    """Bearer tokens (RFC 6750)."""

    target_class = "monocloud_mw.adapters.django.rest_framework.AccessTokenAuthentication"
    match_subclasses = True
    name = "accessToken"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, Any]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "description": "An access token from MonoCloud"}
