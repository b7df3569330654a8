"""The security scheme in the OpenAPI document, which the *Authorize* button of Swagger UI uses.

- Default: OpenID Connect with the URL of the tenant's discovery document.
- With ``authorization_code``: OAuth 2 with the authorization code flow; Swagger UI adds PKCE. The two URLs
  come from arguments, or from the discovery document once it is loaded (``lifespan``). Until then the OpenAPI
  document has OpenID Connect; it is regenerated afterwards.
- With a custom client, whose tenant is unknown: a bearer token.
- What an operation requires is written by :mod:`.document`.
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
    """The security scheme that a :class:`.ProtectApi` shares with those derived from it.

    Args:
        name: its name in the document.
        tenant_domain: the tenant in the client's options; ``None`` if unknown.
        authorization_code: describe the authorization code flow.
        authorization_url: the authorization endpoint.
        token_url: the token endpoint.
        scopes: descriptions by scope.

    Raises:
        ConfigurationError: an argument is missing that another one requires.
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
                [Problem("authorization_code", None, "must be True if URLs or scope descriptions are given")]
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
        """Whether the URLs of the flow still have to be read from the tenant's metadata."""
        return self._authorization_code and self._urls is None

    def read_metadata(self, metadata: Metadata) -> None:
        """Read the URLs of the flow from the tenant's metadata.

        Raises:
            HttpError: the metadata has no usable URLs.
        """
        self._urls = metadata.endpoint("authorization_endpoint"), metadata.endpoint("token_endpoint")

    def add_scopes(self, scopes: Iterable[str]) -> None:
        """List more scopes in the document."""
        for scope in scopes:
            self._scopes.setdefault(scope, "")

    @property
    def model(self) -> SecurityBase:
        """The security scheme for FastAPI to write into the document."""
        if self._authorization_code and self._urls is not None:
            flow = OAuthFlowAuthorizationCode(
                authorizationUrl=self._urls[0], tokenUrl=self._urls[1], scopes=self._scopes
            )
            return OAuth2(flows=OAuthFlows(authorizationCode=flow))
        if self._tenant_domain is None:
            return HTTPBearer()
        return OpenIdConnect(
            openIdConnectUrl=f"{self._tenant_domain}/.well-known/openid-configuration",
            description="An access token from MonoCloud",
        )


def tenant_domain_of(client: Any) -> str | None:
    """Return the tenant of a client, or ``None`` if unknown."""
    domain = getattr(getattr(client, "options", None), "tenant_domain", None)
    return domain if isinstance(domain, str) else None
