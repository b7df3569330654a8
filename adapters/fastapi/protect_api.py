"""A security dependency that protects FastAPI applications, routers and views.

::

    protect = ProtectApi()
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])

    @app.get("/orders")
    async def orders(claims: Annotated[AccessTokenClaims, Security(protect, scopes=["orders:read"])]):
        return {"caller": claims.subject}

- The check runs after routing and before the view, for HTTP and WebSocket. If the application, the router and
  the view each have one, all must pass; the token is validated once.
- FastAPI parses the request body before it runs dependencies. It runs them only for views of the application
  and of its included routers: **not for mounted applications**, plain Starlette routes or its own pages
  (``/docs``, ``/openapi.json``). A mount that does not protect itself stops the start, unless
  ``public_mounts`` names it.
- A refused request raises :class:`.AccessRefused` or :class:`.WebSocketRefused`.
- The dependency returns the claims; they are also in ``request.scope["monocloud.claims"]``.
- Invalid declarations raise an error at start (``lifespan``), or else at the first request (:mod:`.checks`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

try:
    from fastapi.applications import FastAPI
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.fastapi needs FastAPI: pip install 'monocloud-mw[fastapi]'"
    ) from error

from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.client import AsyncBackendClient
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.adapter_checks import (
    CLAIMS_KEY,
    AsyncAuthenticator,
    check_booleans,
    check_resolvers,
    collect_problems,
    select_client,
)
from monocloud_mw.protect.guard import Guard, Refused, refuse, run_check_async
from monocloud_mw.protect.resolvers import Resolver

from ..asgi import is_preflight, list_authorization
from ..view_names import read_declared
from .checks import check_mounts
from .declarations import Protection
from .misuse import NotADependency, only_a_dependency
from .openapi_operations import install
from .openapi_scheme import Scheme, tenant_domain_of
from .public import is_public
from .refusals import AccessRefused, WebSocketRefused
from .shared import Shared

__all__ = ["ProtectApi"]

_NOT_CREATED: Final = NotADependency(
    "Security(ProtectApi) checks nothing: create protect = ProtectApi(), and write Security(protect)"
)
_NOT_CALLED: Final = NotADependency(
    "Security(protect.needing) checks nothing: call it with the requirements, such as "
    'Security(protect.needing(groups=["admin"])), or write Security(protect)'
)
_NO_DEPENDENCY: Final = NotADependency(
    "this method of ProtectApi checks nothing and is not a dependency: write Security(protect, scopes=[...])"
)

# Attribute of a connection: the guard that checked it, and the claims. It is not in the scope, because an
# application may copy that to call itself with other headers.
_CHECKED: Final = "_monocloud_checked"


class ProtectApi(Protection):
    """A dependency for ``Security`` that lets only requests with a valid access token through.

    Args:
        client: an :class:`~monocloud_mw.AsyncBackendClient`; default: its ``shared()`` one.
        scopes: required of every request, in addition to those of ``Security``.
        any_scopes: the token must have at least one.
        groups: the caller must be in at least one.
        optional: let requests without a token pass, with ``None`` as claims; a token that is sent is still
            checked.
        public_mounts: paths of mounts and plain Starlette routes, and names of hosts, that need no token
            although the application is protected as a whole, such as ``["/static"]``.
        allow_cors_preflight: let CORS preflights pass to views for ``OPTIONS``. Not needed with
            ``CORSMiddleware``, which answers them before any view.
        token_resolver: called with the connection (``Request`` or ``WebSocket``), sync or async; returns the
            access token, instead of the ``Authorization`` header.
        certificate_resolver: called with the connection, sync or async; returns the caller's certificate
            (:mod:`monocloud_mw.protect.resolvers`).
        scheme_name: name of the security scheme in the OpenAPI document.
        authorization_code: describe the scheme as OAuth 2 with the authorization code flow instead of OpenID
            Connect.
        authorization_url: the authorization endpoint; default: read from the tenant's metadata at start.
        token_url: the token endpoint; default: read from the tenant's metadata at start.
        scope_descriptions: descriptions by scope; scopes that the routes require are added.

    Raises:
        ConfigurationError: with every problem found.
    """

    def __init__(
        self,
        client: Annotated[AsyncAuthenticator | None, _NOT_CREATED] = None,
        *,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        optional: bool = False,
        public_mounts: Iterable[str] = (),
        allow_cors_preflight: bool = False,
        token_resolver: Resolver | None = None,
        certificate_resolver: Resolver | None = None,
        scheme_name: str = "MonoCloud",
        authorization_code: bool = False,
        authorization_url: str | None = None,
        token_url: str | None = None,
        scope_descriptions: Mapping[str, str] | None = None,
    ) -> None:
        requirements, client_, mounts, scheme, *_ = collect_problems(
            lambda: Requirements.of(scopes, groups, any_scopes),
            lambda: select_client(client, AsyncBackendClient),
            lambda: check_mounts(public_mounts),
            lambda: Scheme(
                scheme_name,
                authorization_code=authorization_code,
                authorization_url=authorization_url,
                token_url=token_url,
                scope_descriptions=scope_descriptions,
            ),
            lambda: check_booleans(optional=optional, allow_cors_preflight=allow_cors_preflight),
            lambda: check_resolvers(token_resolver, certificate_resolver, "connection", may_be_async=True),
        )
        scheme.tenant_domain = tenant_domain_of(client_)
        self._shared = Shared(
            client_,
            Guard(client_, token_resolver=token_resolver, certificate_resolver=certificate_resolver),
            scheme,
            owns_client=client is None,
            allow_cors_preflight=allow_cors_preflight,
            public_mounts=mounts,
        )
        self._derived: dict[tuple[Requirements, bool], ProtectApi] = {}
        self._set_up(requirements, optional)

    def _set_up(self, requirements: Requirements, optional: bool) -> None:
        self.optional = optional
        self._requirements = requirements
        self._known: dict[tuple[str, ...], Requirements] = {}
        self._derived[requirements, optional] = self

    @property
    def client(self) -> AsyncAuthenticator:
        """The client that validates tokens."""
        return self._shared.client

    @property
    def scheme_name(self) -> str:  # type: ignore[override]
        """The name of the security scheme in the OpenAPI document."""
        return self._shared.scheme.name

    @property
    def model(self) -> SecurityModel:  # type: ignore[override]
        """The security scheme in the OpenAPI document."""
        return self._shared.scheme.model

    def needing(
        self,
        *,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        optional: Annotated[bool | None, _NOT_CALLED] = None,
    ) -> ProtectApi:
        """Return this protection with more requirements, including those that ``Security`` cannot express.

        The same arguments return the same object, so that it can be a key of ``app.dependency_overrides``.

        Args:
            scopes: required in addition.
            any_scopes: the token must have at least one, in addition.
            groups: the caller must be in at least one, in addition.
            optional: whether the token is optional; default: as in this object.

        Raises:
            ConfigurationError: an argument has a wrong type; it names the view that is being declared.
        """
        if optional is None:
            optional = self.optional
        requirements = self._requirements.merge(read_declared(scopes, any_scopes, groups, optional))
        derived = self._derived.get((requirements, optional))
        if derived is None:
            derived = ProtectApi.__new__(type(self))
            derived._shared, derived._derived = self._shared, self._derived  # noqa: SLF001
            derived._set_up(requirements, optional)  # noqa: SLF001
        return derived

    def requirements_with(self, scopes: Annotated[Iterable[str], _NO_DEPENDENCY]) -> Requirements:
        """Return the requirements with the scopes of ``Security`` added.

        Raises:
            ConfigurationError: the scopes have a wrong type.
        """
        return self._requirements.merge(Requirements.of(tuple(scopes)))

    def describe(self, scopes: Annotated[Iterable[str], _NO_DEPENDENCY]) -> None:
        """List scopes in the security scheme of the OpenAPI document."""
        self._shared.scheme.add_scopes(scopes)

    @only_a_dependency
    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> AccessTokenClaims | None:
        """Return the claims of the access token, or ``None`` if there is no token and it is optional.

        Raises:
            AccessRefused: the request is refused.
            WebSocketRefused: the WebSocket is refused.
        """
        scope, shared = connection.scope, self._shared
        claims: AccessTokenClaims | None
        guard, claims = connection.__dict__.get(_CHECKED, (None, None))
        if scope.get(CLAIMS_KEY) is not claims:
            scope.pop(CLAIMS_KEY, None)  # set by someone else
        method, url = scope.get("method", "GET"), scope["path"]  # a WebSocket handshake is a GET
        try:
            scopes = tuple(security_scopes.scopes)
            requirements = self._known.get(scopes) or self._learn(scopes, scope, method, url)
            if not self.optional and is_public(scope.get("endpoint")):
                return None
            if shared.allow_cors_preflight and is_preflight(scope):
                return None
            if guard is shared.guard and claims is not None:
                guard.check_again(claims, requirements, method=method, url=url)
                return claims
            check = shared.guard.check(
                connection,
                list_authorization(scope),
                requirements,
                method=method,
                url=url,
                optional=self.optional,
            )
            claims = await run_check_async(check)
        except Refused as refused:
            kind = WebSocketRefused if scope["type"] == "websocket" else AccessRefused
            raise kind(refused.error, refused.response) from refused.error
        if claims is not None:
            scope[CLAIMS_KEY] = claims
            connection.__dict__[_CHECKED] = shared.guard, claims
        return claims

    def _learn(self, scopes: tuple[str, ...], scope: Any, method: str, url: str) -> Requirements:
        """Return the requirements with scopes that no request has had before, and remember them.

        Raises:
            Refused: the declarations of the application or these scopes are invalid.
        """
        try:
            self._shared.check_once(scope.get("app"))
            requirements = self._known[scopes] = self.requirements_with(scopes)
        except ConfigurationError as error:
            raise refuse(error, method=method, url=url) from error
        return requirements

    def check_routes(self, app: FastAPI) -> None:
        """Check the declarations on the routes of an application.

        ``lifespan`` calls it at start. Call it yourself if you do not use ``lifespan``, such as in a test.

        Raises:
            ConfigurationError: names each invalid declaration, each mount that the dependencies of the
                application do not cover, and what to write instead.
        """
        self._shared.check_routes(app)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Start and stop with an application: ``FastAPI(lifespan=protect.lifespan)``, or inside your own.

        Checks the routes, prefetches the tenant's metadata and keys, and closes the client at the end, unless
        you passed the client. If the tenant cannot be reached, the application still starts: the failure is
        logged, and requests get 503 until the tenant is reachable.

        Raises:
            ConfigurationError: names each invalid declaration and what to write instead.
        """
        async with self._shared.running(app):
            yield


install()  # from now on, the OpenAPI document says what is enforced
