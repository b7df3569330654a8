"""The parts of a local tenant that need its address, created at its first start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from .active_faults import ActiveFaults
from .application import Application
from .authorization import AuthorizationEndpoint
from .authorization_codes import AuthorizationCodes
from .certificates import CertificateAuthority
from .client_authentication import ClientAuthenticator
from .clients import Client, ClientRegistry
from .endpoints import Addresses
from .keys import KeyRing
from .request_log import RequestLog
from .tokens import Issuer

__all__ = ["DEFAULT_CLIENT_ID", "TenantState", "create_state"]

DEFAULT_CLIENT_ID: Final = "local-client"
DEFAULT_CLIENT_SECRET: Final = "local-secret"  # noqa: S105  # fixed, for curl commands in documentation


@attrs.frozen(kw_only=True)
class TenantState:
    """The parts of a tenant that depend on its address."""

    addresses: Addresses
    issuer: Issuer
    clients: ClientRegistry
    application: Application


def create_state(
    addresses: Addresses,
    *,
    path: str,
    audience: str,
    clock: Callable[[], float],
    introspects_jwts: bool,
    keys: KeyRing,
    authorities: Mapping[str | None, CertificateAuthority],
    faults: ActiveFaults,
    requests: RequestLog,
) -> TenantState:
    """Create the parts and register the default client."""
    issuer = Issuer(
        url=addresses.issuer,
        audience=audience,
        client_id=DEFAULT_CLIENT_ID,
        keys=keys,
        clock=clock,
        introspects_jwts=introspects_jwts,
    )
    clients = ClientRegistry(authorities, addresses.issuer, clock)
    clients.register(
        Client(
            client_id=DEFAULT_CLIENT_ID,
            methods=("client_secret_post", "client_secret_basic"),
            secret=DEFAULT_CLIENT_SECRET,
        )
    )
    application = Application(
        path=path,
        addresses=addresses,
        issuer=issuer,
        authenticator=ClientAuthenticator(clients, addresses.assertion_audiences),
        authorization=AuthorizationEndpoint(addresses.issuer, clients, AuthorizationCodes(clock)),
        faults=faults,
        requests=requests,
    )
    return TenantState(addresses=addresses, issuer=issuer, clients=clients, application=application)
