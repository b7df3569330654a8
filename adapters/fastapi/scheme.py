"""The security scheme in the OpenAPI document: what the *Authorize* button of Swagger UI works with.

- By default OpenID Connect: the address of the tenant's discovery document.
- With ``authorization_code``, OAuth 2 with the authorization code flow; Swagger UI adds PKCE to it. Its two
  URLs come from arguments, or from the discovery document once it is loaded (``lifespan``). A document that
  is asked for before then has OpenID Connect, and is made again at the next request after.
- With a client that is not of this package, whose tenant is unknown, a bearer token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.openapi.models import (
    HTTPBearer,
    OAuth2,
    OAuthFlowAuthorizationCode,
    OAuthFlows,
    OpenIdConnect,
    SecurityBase,
)

from monocloud_mw.core.tenant.metadata import Metadata
from monocloud_mw.errors import ConfigurationError, Problem

__all__ = ["Scheme", "tenant_domain_of"]


class Scheme:
    """The scheme that a :class:`.ProtectApi` and all that is derived from it share.

    Args:
        name: its name in the document.
        tenant_domain: of the client's options; ``None`` where it has none.
        authorization_code: describe the authorization code flow.
        authorization_url: the authorization endpoint.
        token_url: the token endpoint.
        scopes: scopes and what they mean, for the reader of the document.

    Raises:
        ConfigurationError: arguments that need each other are not there together.
    """

    def __init__(
        self,
        name: str,
        tenant_domain: str | None,
        *,
        authorization_code: bool,
        authorization_url: str | None,
        token_url: str | None,
        scopes: Mapping[str, str] | None,
    ) -> None:
        if bool(authorization_url) is not bool(token_url):
            missing = "token_url" if authorization_url else "authorization_url"
            message = "authorization_url and token_url must be given together"
            raise ConfigurationError([Problem(missing, None, message)])
        if not authorization_code and (authorization_url or scopes):
            raise ConfigurationError(
                [Problem("authorization_code", None, "must be True to describe URLs and scopes of the flow")]
            )
        self.name = name
        self._tenant_domain = tenant_domain
        self._authorization_code = authorization_code
        self._urls = (
            None if authorization_url is None or token_url is None else (authorization_url, token_url)
        )
        self._scopes = dict(scopes or {})

    @property
    def needs_metadata(self) -> bool:
        """Whether the URLs of the flow are still to be read from the tenant's metadata."""
        return self._authorization_code and self._urls is None

    def read_metadata(self, metadata: Metadata) -> None:
        """Take the URLs of the flow from the tenant's metadata.

        Raises:
            HttpError: it has none that may be used.
        """
        self._urls = metadata.endpoint("authorization_endpoint"), metadata.endpoint("token_endpoint")

    def add_scopes(self, scopes: Iterable[str]) -> None:
        """List more scopes in the document."""
        for scope in scopes:
            self._scopes.setdefault(scope, "")

    @property
    def model(self) -> SecurityBase:
        """What FastAPI writes into the document."""
        if self._authorization_code and self._urls is not None:
            flow = OAuthFlowAuthorizationCode(
                authorizationUrl=self._urls[0], tokenUrl=self._urls[1], scopes=self._scopes
            )
            return OAuth2(flows=OAuthFlows(authorizationCode=flow))
        if self._tenant_domain is None:
            return HTTPBearer()
        return OpenIdConnect(
            openIdConnectUrl=f"{self._tenant_domain}/.well-known/openid-configuration",
            description="An access token of MonoCloud",
        )


def tenant_domain_of(client: Any) -> str | None:
    """Return the tenant of a client, where that is known."""
    domain = getattr(getattr(client, "options", None), "tenant_domain", None)
    return domain if isinstance(domain, str) else None
