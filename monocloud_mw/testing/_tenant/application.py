"""The HTTP endpoints of the local tenant.

Discovery and key set are static documents. The token endpoint supports the client credentials grant (RFC 6749
section 4.4), with additional parameters for everything that
:meth:`~monocloud_mw.testing.LocalTenant.mint` can do, so that shell scripts can request invalid tokens too.
It also redeems the codes of the authorization endpoint (:mod:`.authorization`). Introspection is RFC 7662,
revocation RFC 7009. Scripts at the origin of a registered redirect URI may read the responses (CORS), which
Swagger UI needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from werkzeug import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from ..faults import Exchange
from .active_faults import ActiveFaults
from .authorization import AuthorizationEndpoint
from .client_authentication import METHODS, ClientAuthenticator
from .clients import Client
from .endpoints import ENDPOINTS, Addresses, EndpointName, Listener, render_metadata
from .oauth_errors import OAuthError
from .request_log import RecordedRequest, RequestLog
from .token_request import parse_token_request
from .tokens import DEFAULT_LIFETIME_SECONDS, AccessTokenParameters, Issuer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Application"]

MAX_FORM_BYTES: Final = 1024 * 1024


class Application:
    """The endpoints of one tenant.

    Args:
        path: the tenant's path below the origin; empty for none.
        addresses: the addresses in the discovery document.
        issuer: mints, introspects and revokes tokens.
        authenticator: authenticates clients.
        authorization: issues codes.
        faults: the active faults.
        requests: log of every request, written before the response, with or without a fault.
    """

    def __init__(
        self,
        *,
        path: str,
        addresses: Addresses,
        issuer: Issuer,
        authenticator: ClientAuthenticator,
        authorization: AuthorizationEndpoint,
        faults: ActiveFaults,
        requests: RequestLog,
    ) -> None:
        self._names: dict[str, EndpointName] = {path + row.path: name for name, row in ENDPOINTS.items()}
        self._addresses = addresses
        self._issuer = issuer
        self._authenticator = authenticator
        self._authorization = authorization
        self._faults = faults
        self._requests = requests
        self._answers: Mapping[EndpointName, Callable[[Request, Listener], Response]] = {
            "discovery": self._discovery,
            "jwks": self._jwks,
            "authorization": lambda request, _listener: self._authorization.respond(request),
            "token": self._token,
            "introspection": self._introspection,
            "revocation": self._revocation,
        }

    def at(self, listener: Listener) -> WSGIApplication:
        """Return the WSGI application for one listener."""

        def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            return self._respond(Request(environ), listener)(environ, start_response)

        return serve

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        has_tls = self._addresses.mutual_tls is not None
        methods = tuple(name for name, method in METHODS.items() if has_tls or not method.mutual_tls)
        return render_metadata(self._addresses, methods)

    def _respond(self, request: Request, listener: Listener) -> Response:
        request.max_content_length = request.max_form_memory_size = MAX_FORM_BYTES
        try:
            request.get_data(parse_form_data=True)  # read the whole request, even if a fault follows
        except RequestEntityTooLarge as error:
            return Response(status=error.code)
        name = self._names.get(request.path)
        if name is not None and listener.mutual_tls and not ENDPOINTS[name].authenticates:
            name = None
        self._requests.record(RecordedRequest(method=request.method, path=request.path, endpoint=name))
        if name is None:
            return Response(status=404)
        fault = self._faults.take(name)
        if fault is not None:
            return fault(Exchange(request, lambda: self._answer(name, request, listener)))
        origin = request.headers.get("origin")
        if (
            name == "authorization"
            or origin is None
            or not self._authenticator.clients.has_redirect_to(origin)
        ):
            return self._answer(name, request, listener)
        response = Response() if request.method == "OPTIONS" else self._answer(name, request, listener)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, X-Requested-With"
        response.headers.add("Vary", "Origin")
        return response

    def _answer(self, name: EndpointName, request: Request, listener: Listener) -> Response:
        if request.method not in ENDPOINTS[name].methods:
            return Response(status=405, headers={"Allow": ", ".join(ENDPOINTS[name].methods)})
        try:
            return self._answers[name](request, listener)
        except OAuthError as error:
            response = _json({"error": error.error, "error_description": error.description}, error.status)
            if error.status == 401 and "authorization" in request.headers:
                response.headers["WWW-Authenticate"] = 'Basic realm="local tenant"'  # RFC 6749 section 5.2
            return response

    def _discovery(self, _request: Request, _listener: Listener) -> Response:
        return _json(self.metadata())

    def _jwks(self, _request: Request, _listener: Listener) -> Response:
        return _json(self._issuer.keys.published())

    def _token(self, request: Request, listener: Listener) -> Response:
        if request.form.get("grant_type") == "authorization_code":
            return self._redeem(request, listener)
        client = self._authenticate(request, listener)
        certificate = request.environ.get("SSL_CLIENT_CERT")
        issued = parse_token_request(request.form, client.client_id, certificate)
        try:
            if issued.opaque:
                token = self._issuer.mint_opaque(issued.parameters)
            else:
                token = self._issuer.mint(
                    issued.parameters,
                    algorithm=issued.algorithm,
                    signed_by=issued.signed_by,
                    header=issued.header,
                )
        except ValueError as error:
            raise OAuthError("invalid_request", str(error)) from None
        return _json(
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": issued.parameters.get("lifetime_seconds"),
                "scope": issued.parameters.get("scopes"),
            }
        )

    def _redeem(self, request: Request, listener: Listener) -> Response:
        _check_form(request)
        client = self._authenticator.identify(request, listener)
        grant = self._authorization.codes.redeem(request.form, client.client_id)
        parameters: AccessTokenParameters = {
            "scopes": grant.scopes,
            "groups": grant.groups,
            "subject": grant.subject,
            "client_id": grant.client_id,
        }
        return _json(
            {
                "access_token": self._issuer.mint(parameters),
                "token_type": "Bearer",
                "expires_in": DEFAULT_LIFETIME_SECONDS,
                "scope": grant.scopes,
            }
        )

    def _introspection(self, request: Request, listener: Listener) -> Response:
        self._authenticate(request, listener)
        return _json(self._issuer.introspect(_required(request, "token")))

    def _revocation(self, request: Request, listener: Listener) -> Response:
        self._authenticate(request, listener)
        self._issuer.revoke(_required(request, "token"))
        return Response(status=200)

    def _authenticate(self, request: Request, listener: Listener) -> Client:
        _check_form(request)
        return self._authenticator.authenticate(request, listener)


def _check_form(request: Request) -> None:
    if request.mimetype != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "the content type must be application/x-www-form-urlencoded")
    repeated = [name for name, values in request.form.lists() if len(values) > 1 and name != "resource"]
    if repeated:
        raise OAuthError("invalid_request", "a parameter is repeated")


def _required(request: Request, name: str) -> str:
    value = request.form.get(name)
    if not value:
        raise OAuthError("invalid_request", f"{name} is missing")
    return value


def _json(document: Mapping[str, Any], status: int = 200) -> Response:
    return Response(
        json.dumps(document, ensure_ascii=False),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
