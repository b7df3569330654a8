"""Validates MonoCloud access tokens in Python APIs.

The adapters are in :mod:`monocloud_mw.adapters`; a local tenant for tests is in :mod:`monocloud_mw.testing`.
"""

from __future__ import annotations

from .claims import AccessTokenClaims
from .claims_cache import AsyncClaimsCache, ClaimsCache
from .client import AsyncBackendClient, BackendClient
from .core.tenant.metadata import Metadata
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
from .http import AsyncTransport, HttpRequest, HttpResponse, Transport
from .jose import KeySet, SigningKey
from .options import Options, Settings
from .protect.guard import Guard, Refused, run_check, run_check_async
from .protect.responses import ErrorResponse, error_response
from .protect.rules import Rule
from .stores import MemoryCache
from .version import __version__

__all__ = [
    "AccessTokenClaims",
    "AsyncBackendClient",
    "AsyncClaimsCache",
    "AsyncTransport",
    "AuthorizationServerError",
    "BackendClient",
    "ClaimsCache",
    "ConfigurationError",
    "CredentialsError",
    "ErrorResponse",
    "Guard",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "KeySet",
    "MemoryCache",
    "Metadata",
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
    "SigningKey",
    "TokenError",
    "Transport",
    "__version__",
    "error_response",
    "run_check",
    "run_check_async",
]
