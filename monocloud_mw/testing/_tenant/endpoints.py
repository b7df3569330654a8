"""The endpoints of a local tenant and its discovery document.

OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2, RFC 8705 section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import attrs

__all__ = ["ENDPOINTS", "Addresses", "Endpoint", "EndpointName", "Listener", "render_metadata"]

EndpointName: TypeAlias = Literal[
    "discovery", "jwks", "authorization", "token", "introspection", "revocation"
]
"""The name of an endpoint."""


@attrs.frozen(kw_only=True)
class Endpoint:
    """One endpoint.

    Args:
        path: the path below the tenant domain.
        methods: the HTTP methods it accepts.
        member: its name in the discovery document; ``None`` for the document itself.
        authenticates: whether clients authenticate there; then it has aliases for mutual TLS.
    """

    path: str
    methods: tuple[str, ...] = ("GET",)
    member: str | None = None
    authenticates: bool = False


ENDPOINTS: Final[Mapping[EndpointName, Endpoint]] = MappingProxyType(
    {
        "discovery": Endpoint(path="/.well-known/openid-configuration"),
        "jwks": Endpoint(path="/.well-known/openid-configuration/jwks", member="jwks_uri"),
        "authorization": Endpoint(
            path="/connect/authorize", methods=("GET", "POST"), member="authorization_endpoint"
        ),
        "token": Endpoint(
            path="/connect/token", methods=("POST",), member="token_endpoint", authenticates=True
        ),
        "introspection": Endpoint(
            path="/connect/introspect", methods=("POST",), member="introspection_endpoint", authenticates=True
        ),
        "revocation": Endpoint(
            path="/connect/revocation", methods=("POST",), member="revocation_endpoint", authenticates=True
        ),
    }
)


@attrs.frozen(kw_only=True)
class Listener:
    """A listener: for the tenant domain, or for mutual TLS.

    Args:
        mutual_tls: whether it requests client certificates.
        trust_store: the trust store of these certificates; ``None`` is the default one.
    """

    mutual_tls: bool = False
    trust_store: str | None = None


@attrs.frozen(kw_only=True)
class Addresses:
    """The addresses of the tenant: origins with the tenant's path, without a trailing slash.

    Args:
        issuer: the tenant domain.
        mutual_tls: the address for mutual TLS; ``None`` without TLS.
        trust_stores: the addresses for mutual TLS of additional trust stores, by id.
    """

    issuer: str
    mutual_tls: str | None = None
    trust_stores: Mapping[str, str] = attrs.field(factory=dict)

    def url(self, endpoint: EndpointName) -> str:
        """Return the address of an endpoint at the tenant domain."""
        return self.issuer + ENDPOINTS[endpoint].path

    @property
    def assertion_audiences(self) -> frozenset[str]:
        """The accepted values of ``aud`` in client assertions: the issuer and the endpoints."""
        places = (self.issuer, self.mutual_tls, *self.trust_stores.values())
        paths = [row.path for row in ENDPOINTS.values() if row.authenticates]
        return frozenset({self.issuer, *(place + path for place in places if place for path in paths)})


def render_metadata(addresses: Addresses, methods: tuple[str, ...]) -> dict[str, Any]:
    """Return the discovery document.

    Args:
        addresses: the addresses of the tenant.
        methods: the supported client authentication methods.
    """
    document: dict[str, Any] = {
        "issuer": addresses.issuer,
        **{row.member: addresses.issuer + row.path for row in ENDPOINTS.values() if row.member},
        "grant_types_supported": ["client_credentials", "authorization_code"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        **{
            f"{row.member}_auth_methods_supported": list(methods)
            for row in ENDPOINTS.values()
            if row.authenticates
        },
    }
    document["token_endpoint_auth_methods_supported"].append("none")  # public clients redeem codes
    if addresses.mutual_tls is not None:
        document["tls_client_certificate_bound_access_tokens"] = True
        document["mtls_endpoint_aliases"] = _aliases(addresses.mutual_tls)
    if addresses.trust_stores:
        document["mtls_additional_endpoint_aliases"] = {
            trust_store: _aliases(address) for trust_store, address in addresses.trust_stores.items()
        }
    return document


def _aliases(address: str) -> dict[str, str]:
    return {row.member: address + row.path for row in ENDPOINTS.values() if row.authenticates and row.member}
