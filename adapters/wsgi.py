"""Protects WSGI applications (PEP 3333).

::

    app.wsgi_app = ProtectApiMiddleware(app.wsgi_app, rules=[Rule("/healthz", public=True)])

The claims of the validated token are in ``environ["monocloud.claims"]``; the key is absent without a token.
A command that serves the application by its name (``flask --app main run``) needs the middleware inside the
application, as above. A separate wrapper protects only servers that are started with the wrapper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from werkzeug.http import HTTP_STATUS_CODES

from monocloud_mw.client import BackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import MonoCloudError
from monocloud_mw.protect.adapter_checks import (
    CLAIMS_KEY,
    Authenticator,
    check_application,
    check_booleans,
    check_callable,
    check_resolvers,
    collect_problems,
    require_application,
    select_client,
)
from monocloud_mw.protect.cors import is_cors_preflight
from monocloud_mw.protect.guard import Guard, Refused, run_check
from monocloud_mw.protect.paths import UNREADABLE, list_known_prefixes
from monocloud_mw.protect.policy import Policy
from monocloud_mw.protect.resolvers import Resolver
from monocloud_mw.protect.responses import ErrorResponse
from monocloud_mw.protect.rules import Rule

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["ProtectApiMiddleware", "is_preflight", "list_authorization"]

OnError: TypeAlias = (
    "Callable[[MonoCloudError, ErrorResponse, WSGIEnvironment], WSGIApplication | ErrorResponse | None]"
)


class ProtectApiMiddleware:
    """Lets requests with a valid access token through, and those to public paths.

    Args:
        app: the application to protect; kept as ``.app``.
        client: a :class:`~monocloud_mw.BackendClient`; default: its ``shared()`` one.
        scopes: required of every request that is not public.
        groups: the caller must be in at least one, for every request that is not public.
        any_scopes: the token must have at least one, for every request that is not public.
        rules: requirements of paths (:mod:`monocloud_mw.protect.rules`).
        prefixes: prefixes that the application itself strips from paths, such as ``"/api"``.
        optional: let requests without a token pass, without claims, if no rule applies; a token that is sent
            is still checked.
        allow_cors_preflight: let CORS preflights pass to the application, which answers them.
        token_resolver: called with ``environ``; returns the access token, instead of the ``Authorization``
            header.
        certificate_resolver: called with ``environ``; returns the caller's certificate
            (:mod:`monocloud_mw.protect.resolvers`).
        on_error: called with the error, the default response and ``environ``; returns the response to send,
            as an :class:`~monocloud_mw.ErrorResponse` or a WSGI application, or ``None`` for the default.
            Its exceptions reach the server; the request is refused in any case.

    Raises:
        ConfigurationError: with every problem found.
    """

    def __init__(
        self,
        app: WSGIApplication,
        client: Authenticator | None = None,
        *,
        scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        rules: Sequence[Rule] = (),
        prefixes: str | Iterable[str] = (),
        optional: bool = False,
        allow_cors_preflight: bool = False,
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self.app = app
        self._optional = optional
        self._allow_cors_preflight = allow_cors_preflight
        self._policy: Policy
        self.client: Authenticator
        self._policy, self.client, *_ = collect_problems(
            lambda: Policy(
                rules,
                scopes=scopes,
                groups=groups,
                any_scopes=any_scopes,
                prefixes=prefixes,
                known_prefixes=list_known_prefixes(app),
            ),
            lambda: select_client(client, BackendClient),
            lambda: check_application(app, "a WSGI application", 2),
            lambda: check_booleans(optional=optional, allow_cors_preflight=allow_cors_preflight),
            lambda: check_resolvers(token_resolver, certificate_resolver, "environ", may_be_async=False),
            lambda: check_callable("on_error", on_error, "error", "response", "environ", may_be_async=False),
        )
        self._guard = Guard(
            self.client,
            token_resolver=token_resolver,
            certificate_resolver=certificate_resolver,
            on_error=on_error,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(CLAIMS_KEY, None)
        requirements = self._policy.fixed_requirements or self._requirements_for(environ)
        if requirements is not None and not (self._allow_cors_preflight and is_preflight(environ)):
            check = self._guard.check(
                environ,
                list_authorization(environ),
                requirements,
                method=environ["REQUEST_METHOD"],
                url=environ.get("PATH_INFO", ""),
                optional=self._optional and requirements is self._policy.defaults,
            )
            try:
                claims = run_check(check)
            except Refused as refused:
                answer = require_application(refused.answer, "a WSGI application", 2)
                return (answer or _render(refused.response))(environ, start_response)
            if claims is not None:
                environ[CLAIMS_KEY] = claims
        return self.app(environ, start_response)

    def _requirements_for(self, environ: WSGIEnvironment) -> Requirements | None:
        return self._policy.requirements_for(
            environ["REQUEST_METHOD"],
            _decode(environ.get("PATH_INFO", "")),
            prefix=_decode(environ.get("SCRIPT_NAME", "")),
            raw_path=(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "").partition("?")[0],
        )


def list_authorization(environ: WSGIEnvironment) -> tuple[str, ...]:
    """Return the ``Authorization`` headers; WSGI servers join repeated ones with commas."""
    value = environ.get("HTTP_AUTHORIZATION")
    return () if value is None else (value,)


def is_preflight(environ: WSGIEnvironment) -> bool:
    """Return whether a request is a CORS preflight."""
    return is_cors_preflight(
        environ["REQUEST_METHOD"],
        environ.get("HTTP_ORIGIN"),
        environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
    )


def _decode(text: str) -> str:
    """Decode a path as UTF-8; PEP 3333 passes its bytes decoded as Latin-1."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return UNREADABLE


def _render(response: ErrorResponse) -> WSGIApplication:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        headers = [*response.headers, ("Content-Length", str(len(response.body)))]
        start_response(f"{response.status} {HTTP_STATUS_CODES.get(response.status, 'Unknown')}", headers)
        return [] if environ["REQUEST_METHOD"].upper() == "HEAD" else [response.body]

    return app
