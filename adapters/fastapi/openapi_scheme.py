"""The security scheme in the OpenAPI document, which the *Authorize* button of Swagger UI uses.

- Default: OpenID Connect with the URL of the tenant's discovery document.
- With ``authorization_code``: OAuth 2 with the authorization code flow; Swagger UI adds PKCE. The two URLs
  come from arguments, or from the discovery document once it is loaded (``lifespan``). Until then the OpenAPI
  document has OpenID Connect; it is regenerated afterwards.
- With a custom client, whose tenant is unknown: a bearer token.
- What an operation requires is written by :mod:`.openapi_operations`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

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
from monocloud_mw.protect.adapter_checks import check_boolean
from monocloud_mw.urls import parse_url

__all__ = ["Scheme", "tenant_domain_of"]


_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")  # OpenAPI 3.1.0 section 4.8.7


class Scheme:
    """The security scheme that a :class:`.ProtectApi` shares with those derived from it.

    Args:
        scheme_name: its name in the document.
        authorization_code: describe the authorization code flow.
        authorization_url: the authorization endpoint.
        token_url: the token endpoint.
        scope_descriptions: descriptions by scope.

    Attributes:
        tenant_domain: the tenant in the client's options; ``None`` if unknown.

    Raises:
        ConfigurationError: an argument is invalid, or is missing although another one requires it.
    """

    tenant_domain: str | None = None

    def __init__(
        self,
        scheme_name: str,
        *,
        authorization_code: bool,
        authorization_url: str | None,
        token_url: str | None,
        scope_descriptions: Mapping[str, str] | None,
    ) -> None:
        check_boolean("authorization_code", authorization_code)
        urls = {"authorization_url": authorization_url, "token_url": token_url}
        given = {name: url for name, url in urls.items() if url is not None}
        problems = [
            *_find_wrong_name(scheme_name),
            *_find_wrong_urls(given),
            *_find_wrong_scopes(scope_descriptions),
        ]
        if not authorization_code and (given or scope_descriptions):
            message = "must be True if URLs or scope descriptions are given"
            problems.append(Problem("authorization_code", None, message))
        if problems:
            raise ConfigurationError(problems)
        self.name = scheme_name
        self._authorization_code = authorization_code
        self._urls = tuple(given.values())
        self._scopes = dict(scope_descriptions or {})

    @property
    def needs_metadata(self) -> bool:
        """Whether the URLs of the flow still have to be read from the tenant's metadata."""
        return self._authorization_code and not self._urls

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
        if self._authorization_code and self._urls:
            authorize, token = self._urls
            flow = OAuthFlowAuthorizationCode(authorizationUrl=authorize, tokenUrl=token, scopes=self._scopes)
            return OAuth2(flows=OAuthFlows(authorizationCode=flow))
        if self.tenant_domain is None:
            return HTTPBearer()
        return OpenIdConnect(
            openIdConnectUrl=f"{self.tenant_domain}/.well-known/openid-configuration",
            description="An access token from MonoCloud",
        )


def tenant_domain_of(client: Any) -> str | None:
    """Return the tenant of a client, or ``None`` if unknown."""
    domain = getattr(getattr(client, "options", None), "tenant_domain", None)
    return domain if isinstance(domain, str) else None


def _find_wrong_name(name: Any) -> Iterator[Problem]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = "must be a string of letters, digits, dots, hyphens and underscores, such as 'MonoCloud'"
        yield Problem("scheme_name", None, message)


def _find_wrong_urls(urls: Mapping[str, Any]) -> Iterator[Problem]:
    if len(urls) == 1:
        missing = "token_url" if "authorization_url" in urls else "authorization_url"
        yield Problem(missing, None, "authorization_url and token_url must be given together")
    for name, url in urls.items():
        try:
            parse_url(url if isinstance(url, str) else "")
        except ValueError as error:
            yield Problem(name, None, str(error))


def _find_wrong_scopes(descriptions: Any) -> Iterator[Problem]:
    if descriptions is not None and not (
        isinstance(descriptions, Mapping)
        and all(isinstance(text, str) for pair in descriptions.items() for text in pair)
    ):
        message = "must be a dictionary with a description for each scope, both strings"
        yield Problem("scope_descriptions", None, message)
