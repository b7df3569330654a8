"""The accepted types of the setting ``MONOCLOUD_BACKEND``, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from django.http import HttpRequest, HttpResponse

from monocloud_mw.errors import MonoCloudError
from monocloud_mw.options import Settings

__all__ = ["DjangoSettings"]

Resolver: TypeAlias = str | Callable[[HttpRequest], Any]
OnError: TypeAlias = str | Callable[[MonoCloudError, HttpResponse, HttpRequest], Any]


class DjangoSettings(Settings, total=False):
    """The setting ``MONOCLOUD_BACKEND``: the options of a client, and those of the adapter.

    ::

        MONOCLOUD_BACKEND: DjangoSettings = {
            "tenant_domain": "https://acme.us.monocloud.com",
            "audience": "https://api.acme.com",
            "public_apps": ["admin"],
        }

    Django also accepts the names in upper case, which type checkers do not know.
    """

    scopes: str | Iterable[str] | None
    """Required of every request that is not public."""

    any_scopes: str | Iterable[str] | None
    """The token must have at least one, for every request that is not public."""

    groups: str | Iterable[str] | None
    """The caller must be in at least one, for every request that is not public."""

    deny_by_default: bool | None
    """Whether the middleware requires a token for views without a declaration; default: true."""

    public_views: str | Iterable[str] | None
    """Dotted names of views, modules or packages that need no token, unless their views are decorated."""

    public_apps: str | Iterable[str] | None
    """Application namespaces of URLconfs (``app_name``) that need no token, unless views are decorated."""

    allow_cors_preflight: bool | None
    """Whether CORS preflights pass to the view, which answers them; default: false."""

    token_resolver: Resolver | None
    """Called with the request, sync or async; returns the access token. A callable or its dotted name."""

    certificate_resolver: Resolver | None
    """Called with the request, sync or async; returns the caller's certificate. A callable or its name."""

    on_error: OnError | None
    """Called with the error, the default response and the request, sync or async; changes the response, or
    returns the one to send instead. Its exceptions reach Django; the request is refused in any case."""
