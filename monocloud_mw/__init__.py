"""Lets only valid MonoCloud access tokens through to your API.

The adapters are in :mod:`monocloud_mw.adapters`, the local tenant for tests in :mod:`monocloud_mw.testing`.
"""

from __future__ import annotations

from .claims import AccessTokenClaims
from .client import AsyncBackendClient, BackendClient
from .core.token.presented import Presented
from .core.token.requirements import Requirements
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
from .options import Options, Settings
from .protect.guard import Guard, Refused
from .protect.responses import ErrorResponse, error_response
from .protect.rules import Rule

__all__ = [
    "AccessTokenClaims",
    "AsyncBackendClient",
    "AuthorizationServerError",
    "BackendClient",
    "ConfigurationError",
    "CredentialsError",
    "ErrorResponse",
    "Guard",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "MonoCloudError",
    "OAuthResponseError",
    "Options",
    "Presented",
    "Problem",
    "Reason",
    "Refused",
    "Requirements",
    "Rule",
    "Settings",
    "TokenError",
    "error_response",
]
