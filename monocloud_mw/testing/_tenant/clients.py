"""The registered clients of a local tenant, their authentication methods and credentials.

:meth:`ClientRegistry.register` generates missing credentials (a secret, a key pair, a certificate, an SVID),
so that one line registers a client with any of the eight methods.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlsplit

import attrs

from ...jose import KeySet, SigningKey, sign_compact
from .certificates import CertificateAuthority, ClientCertificate

__all__ = ["Client", "ClientRegistry"]

SECRET_BYTES: Final = 48  # 64 characters: enough for HS512, the longest digest of client_secret_jwt
SVID_LIFETIME_SECONDS: Final = 300
TRUST_DOMAIN: Final = "spiffe://local.test"


@attrs.frozen(kw_only=True)
class Client:
    """A registered client and its credentials.

    Args:
        client_id: its identifier.
        methods: the methods it may authenticate with; it uses the first. A public client has none.
        secret: the shared secret.
        jwks: the public keys that verify its assertions; for SPIFFE, those of its trust domain.
        credential: the value of the option ``client_secret``, if that is not the shared secret: the private
            key, or a callable that returns the current SVID.
        certificate: its certificate for TLS.
        spiffe_id: its SPIFFE id.
        trust_store: the id of the trust store of its certificate; ``None`` is the default one.
        redirect_uris: the redirect URIs for authorization codes; compared exactly.
    """

    client_id: str
    methods: tuple[str, ...]
    secret: str | None = attrs.field(default=None, repr=False)
    jwks: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    credential: SigningKey | Callable[[], str] | None = attrs.field(default=None, repr=False)
    certificate: ClientCertificate | None = None
    spiffe_id: str | None = None
    trust_store: str | None = None
    redirect_uris: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The options of a ``BackendClient`` that authenticates as this client."""
        settings = {
            "client_id": self.client_id,
            "client_auth_method": self.methods[0] if self.methods else None,
            "client_secret": self.secret if self.credential is None else self.credential,
            "mtls_certificate": self.certificate and self.certificate.paths,
            "trust_store_id": self.trust_store,
        }
        return {name: value for name, value in settings.items() if value is not None}


class ClientRegistry:
    """The registered clients; thread-safe.

    Args:
        authorities: the issuers of client certificates by trust store; ``None`` is the default one.
        issuer: the audience of SVIDs.
        clock: returns Unix seconds.
    """

    def __init__(
        self,
        authorities: Mapping[str | None, CertificateAuthority],
        issuer: str,
        clock: Callable[[], float],
    ) -> None:
        self.authorities = authorities
        self.issuer = issuer
        self.clock = clock
        self._clients: dict[str, Client] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> Client | None:
        """Return a client by ``client_id`` or SPIFFE id, or ``None``."""
        with self._lock:
            client = self._clients.get(name)
            if client is None:
                client = next((one for one in self._clients.values() if one.spiffe_id == name), None)
        return client

    def has_redirect_to(self, origin: str) -> bool:
        """Return whether a client has a redirect URI at an origin, from which scripts may call the tenant."""
        with self._lock:
            uris = [urlsplit(uri) for client in self._clients.values() for uri in client.redirect_uris]
        return any(f"{uri.scheme}://{uri.netloc}" == origin for uri in uris)

    def register(self, client: Client) -> Client:
        """Register a client and generate the credentials that its methods need.

        Raises:
            ValueError: a method is unknown, ``jwks`` is not a key set, or the method needs TLS, which this
                tenant does not have.
        """
        for method in client.methods:
            if method not in _PROVISIONS:
                raise ValueError(f"the method of a client must be one of {', '.join(_PROVISIONS)}")
            client = _PROVISIONS[method](self, client)
        with self._lock:
            self._clients[client.client_id] = client
        return client

    def authority(self, trust_store: str | None) -> CertificateAuthority:
        """Return the authority of a trust store.

        Raises:
            ValueError: unknown trust store, or the tenant has no TLS.
        """
        if trust_store not in self.authorities:
            raise ValueError(
                f"this tenant has no trust store {trust_store!r}" if trust_store else "this needs tls=True"
            )
        return self.authorities[trust_store]


def _with_secret(_registry: ClientRegistry, client: Client) -> Client:
    return client if client.secret else attrs.evolve(client, secret=secrets.token_urlsafe(SECRET_BYTES))


def _with_key(_registry: ClientRegistry, client: Client) -> Client:
    if client.jwks is not None:
        KeySet.from_dict(client.jwks)
        return client
    key = _new_key(client)
    return attrs.evolve(client, credential=key, jwks={"keys": [key.public_jwk()]})


def _with_issued_certificate(registry: ClientRegistry, client: Client) -> Client:
    authority = registry.authority(client.trust_store)
    if client.certificate is not None:
        return client
    return attrs.evolve(
        client, certificate=authority.issue_client(client.client_id, spiffe_id=client.spiffe_id)
    )


def _with_own_certificate(registry: ClientRegistry, client: Client) -> Client:
    authority = registry.authority(client.trust_store)
    if client.certificate is not None:
        return client
    return attrs.evolve(client, certificate=authority.self_sign_client(client.client_id))


def _with_x509_svid(registry: ClientRegistry, client: Client) -> Client:
    return _with_issued_certificate(registry, _with_spiffe_id(client))


def _with_jwt_svid(registry: ClientRegistry, client: Client) -> Client:
    client = _with_spiffe_id(client)
    if client.jwks is not None:
        KeySet.from_dict(client.jwks)
        return client
    key = _new_key(client)

    def current_svid() -> str:
        """Return a new JWT-SVID, as a SPIFFE workload API does."""
        claims = {
            "sub": client.spiffe_id,
            "aud": [registry.issuer],
            "exp": int(registry.clock()) + SVID_LIFETIME_SECONDS,
        }
        return sign_compact(claims, key, {"typ": "JWT"})

    return attrs.evolve(client, credential=current_svid, jwks={"keys": [key.public_jwk()]})


def _with_spiffe_id(client: Client) -> Client:
    if client.spiffe_id is not None:
        return client
    return attrs.evolve(client, spiffe_id=f"{TRUST_DOMAIN}/{quote(client.client_id, safe='')}")


def _new_key(client: Client) -> SigningKey:
    return SigningKey.generate("ES256", key_id=f"{client.client_id}-{secrets.token_hex(4)}")


_PROVISIONS: Final[Mapping[str, Callable[[ClientRegistry, Client], Client]]] = MappingProxyType(
    {
        "client_secret_basic": _with_secret,
        "client_secret_post": _with_secret,
        "client_secret_jwt": _with_secret,
        "private_key_jwt": _with_key,
        "tls_client_auth": _with_issued_certificate,
        "self_signed_tls_client_auth": _with_own_certificate,
        "spiffe_jwt": _with_jwt_svid,
        "spiffe_x509": _with_x509_svid,
    }
)
