"""Lets only valid MonoCloud access tokens through to your API.

The adapters are in :mod:`monocloud_mw.adapters`, the local tenant for tests in :mod:`monocloud_mw.testing`.
"""

from __future__ import annotations

from .claims import AccessTokenClaims
from .client import AsyncBackendClient, BackendClient
from .errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    OAuthResponseError,
    Problem,
    Reason,
    TokenError,
)
from .http import HttpRequest, HttpResponse
from .options import Options
from .protect.credentials import Credentials
from .protect.rules import Rule

__all__ = [
    "AccessTokenClaims",
    "AsyncBackendClient",
    "AuthorizationServerError",
    "BackendClient",
    "ConfigurationError",
    "Credentials",
    "CredentialsError",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "MonoCloudError",
    "OAuthResponseError",
    "Options",
    "Problem",
    "Reason",
    "Rule",
    "TokenError",
]
