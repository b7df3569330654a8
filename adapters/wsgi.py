"""Protects any WSGI application (PEP 3333).

::

    app = ProtectApiMiddleware(app, rules=[Rule("/healthz", public=True)])

The application finds the claims in ``environ["monocloud.claims"]``: always ours, or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from monocloud_mw.client import BackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import MonoCloudError
from monocloud_mw.protect.adapter_checks import (
    CLAIMS_KEY,
    Authenticator,
    check_callable,
    collect_problems,
    require_claims,
    select_client,
)
from monocloud_mw.protect.paths import UNREADABLE
from monocloud_mw.protect.resolvers import Resolver, Resolvers
from monocloud_mw.protect.responses import ErrorResponse, error_response, log_refusal
from monocloud_mw.protect.rules import Policy, Rule

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["ProtectApiMiddleware", "list_authorization"]

OnError: TypeAlias = "Callable[[MonoCloudError, WSGIEnvironment], WSGIApplication | None]"


class ProtectApiMiddleware:
    """Lets requests with a valid access token through, and those to public paths.

    Args:
        app: the application to protect.
        client: a :class:`~monocloud_mw.BackendClient`; without one, one is made from the environment.
        scopes: scopes that every request needs that is not public.
        groups: groups of which every such request needs one.
        rules: what paths need (:mod:`monocloud_mw.protect.rules`).
        token_resolver: ``environ`` to the access token, instead of the ``Authorization`` header.
        certificate_resolver: ``environ`` to the caller's certificate (:mod:`monocloud_mw.protect.resolvers`).
        on_error: ``(error, environ)`` to the WSGI application that answers a refused request, or to
            ``None`` for the default response. What it raises reaches the server; the request never passes.

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
        rules: Sequence[Rule] = (),
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self._app = app
        self._resolvers = Resolvers(token_resolver, certificate_resolver)
        self._on_error = on_error
        self._policy: Policy
        self.client: Authenticator
        self._policy, self.client, *_ = collect_problems(
            lambda: Policy(rules, scopes=scopes, groups=groups),
            lambda: select_client(client, BackendClient),
            lambda: check_callable("token_resolver", token_resolver, may_be_async=False),
            lambda: check_callable("certificate_resolver", certificate_resolver, may_be_async=False),
            lambda: check_callable("on_error", on_error, may_be_async=False),
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(CLAIMS_KEY, None)
        requirements = self._policy.for_all or self._requirements_for(environ)
        if requirements is not None:
            try:
                credentials = self._resolvers.read(list_authorization(environ), environ)
                claims = self.client.authenticate(credentials, requirements)
                environ[CLAIMS_KEY] = require_claims(claims)
            except MonoCloudError as error:
                log_refusal(error)
                answer = self._on_error(error, environ) if self._on_error else None
                answer = _Response(error_response(error)) if answer is None else answer
                return answer(environ, start_response)
        return self._app(environ, start_response)

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


def _decode(text: str) -> str:
    """Undo what PEP 3333 does to paths: their bytes stand in a string as Latin-1."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return UNREADABLE


class _Response:
    """A refusal as a WSGI application."""

    def __init__(self, refusal: ErrorResponse) -> None:
        self._refusal = refusal

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        status = self._refusal.status
        start_response(f"{status} {HTTPStatus(status).phrase}", list(self._refusal.headers))
        return [] if environ["REQUEST_METHOD"].upper() == "HEAD" else [self._refusal.body]
