"""The public class of the local tenant."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from ...jose import SigningKey
from ..faults import Fault
from .active_faults import ActiveFaults
from .certificates import CertificateAuthority, ClientCertificate
from .clients import Client
from .endpoints import Addresses, EndpointName, Listener
from .keys import DEFAULT_ALGORITHMS, KeyRing, Signer
from .listeners import Listeners
from .request_log import RequestLog
from .tenant_state import DEFAULT_CLIENT_ID, TenantState, create_state
from .tls import TlsSetup
from .tokens import AccessTokenParameters

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["LocalTenant"]

DEFAULT_AUDIENCE: Final = "https://api.example.com"


class LocalTenant:
    """A MonoCloud tenant with a real HTTP server on a free port of the loopback interface.

    >>> from monocloud_mw import BackendClient
    >>> with LocalTenant() as tenant, BackendClient(**tenant.settings()) as client:
    ...     token = tenant.mint(scopes="orders:read", groups=["admin"])
    ...     claims = client.validate_access_token(token, scopes=["orders:read"])
    ...     claims.subject
    'local-user'

    Several tenants can run at the same time. All methods are thread-safe. Generating an RSA key takes about
    0.1 s, so share one tenant among the tests of a suite, or use ``algorithms=["ES256"]``, which is faster.

    Args:
        audience: the default audience of tokens.
        algorithms: the signature algorithms, with one key each; the first is the default.
        path: the path of the tenant domain, such as ``"/acme"``.
        port: the port of the server; 0 selects a free one, which is kept over restarts.
        tls: serve ``https`` with a certificate of its own authority (:attr:`ca_bundle`), and endpoints for
            mutual TLS on another port. Without it, the tenant serves ``http``.
        trust_stores: ids of additional trust stores (``mtls_additional_endpoint_aliases``), each with its
            own authority and port; needs ``tls``.
        introspects_jwts: whether JWTs can be introspected, or only opaque tokens.
        clock: returns Unix seconds, for issuing and introspecting tokens.

    Raises:
        ValueError: an argument is invalid.
    """

    def __init__(
        self,
        *,
        audience: str = DEFAULT_AUDIENCE,
        algorithms: Iterable[str] = DEFAULT_ALGORITHMS,
        path: str = "",
        port: int = 0,
        tls: bool = False,
        trust_stores: Iterable[str] = (),
        introspects_jwts: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        path = path.rstrip("/")
        if path and not path.startswith("/"):
            raise ValueError("path must begin with a slash")
        trust_stores = tuple(trust_stores)
        if trust_stores and not tls:
            raise ValueError("trust_stores need tls=True")
        self.audience = audience
        self.requests = RequestLog()
        """The requests that arrived so far: ``tenant.requests.count("jwks")``."""
        self._path = path
        self._clock = clock
        self._introspects_jwts = introspects_jwts
        self._keys = KeyRing(algorithms)
        self._faults = ActiveFaults()
        self._tls = TlsSetup(trust_stores) if tls else None
        self._listeners = Listeners(port, path, self._tls)
        self._created_state: TenantState | None = None

    def start(self) -> None:
        """Start the server; after :meth:`stop`, on the same port, with the same keys and tokens.

        Raises:
            OSError: the port is in use.
            RuntimeError: the tenant is already running.
        """
        self._listeners.open(self._application)

    def stop(self) -> None:
        """Stop the server and cut all connections; keys and tokens are kept."""
        self._listeners.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Stop the tenant for the duration of a ``with`` block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    # Addresses and settings

    @property
    def domain(self) -> str:
        """The tenant domain, which is also the issuer of its tokens."""
        return self._state.addresses.issuer

    @property
    def token_endpoint(self) -> str:
        """The URL of the token endpoint; :mod:`.token_request` lists its parameters."""
        return self._state.addresses.url("token")

    @property
    def ca_bundle(self) -> str:
        """Path of the PEM bundle that verifies the tenant's servers; only with ``tls``."""
        return self.authority().bundle

    @property
    def client(self) -> Client:
        """The default client; it authenticates with its secret, as Basic or in the form."""
        client = self._state.clients.find(DEFAULT_CLIENT_ID)
        assert client is not None
        return client

    def settings(self, client: Client | None = None) -> dict[str, Any]:
        """Return the options of a ``BackendClient`` for this tenant.

        Args:
            client: the API's client, for introspection.
        """
        settings: dict[str, Any] = {"tenant_domain": self.domain, "audience": self.audience}
        if self._tls is not None:
            settings["ca_bundle"] = self.ca_bundle
        return settings if client is None else settings | client.settings

    def environment(self, client: Client | None = None) -> dict[str, str]:
        """Return the options as environment variables, for an API in another process.

        Args:
            client: the API's client, for introspection.

        Raises:
            ValueError: the client's credential is not a string.
        """
        variables = self.settings(client)
        paths = variables.pop("mtls_certificate", None)
        if paths is not None:
            variables |= {"mtls_certificate": paths[0], "mtls_certificate_key": paths[1]}
        if not all(isinstance(value, str) for value in variables.values()):
            raise ValueError("the credential of this client cannot be an environment variable")
        return {f"MONOCLOUD_BACKEND_{name.upper()}": value for name, value in variables.items()}

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        return self._state.application.metadata()

    # Tokens

    def mint(
        self,
        *,
        algorithm: str | None = None,
        signed_by: Signer | SigningKey = "tenant",
        header: Mapping[str, Any] | None = None,
        **parameters: Unpack[AccessTokenParameters],
    ) -> str:
        """Return an access token as a JWT; without arguments, a valid one.

        Arguments can make it invalid in any way::

            tenant.mint(lifetime_seconds=-300)          # expired
            tenant.mint(starts_in_seconds=300)          # not valid yet
            tenant.mint(audience="https://other.test")  # for another API
            tenant.mint(claims={"iss": "https://other.test"})  # wrong issuer
            tenant.mint(claims={"exp": None})           # no expiry
            tenant.mint(signed_by="stranger")           # by an unknown key
            tenant.mint(signed_by="impostor")           # by a wrong key with the right key ID
            tenant.mint(header={"typ": "dpop+jwt", "kid": None})

        Args:
            algorithm: the algorithm of the tenant's key that signs.
            signed_by: the signer; a :class:`~monocloud_mw.jose.SigningKey` has its own algorithm.
            header: header parameters to add or replace; ``None`` removes one.
            parameters: see :class:`AccessTokenParameters`.

        Raises:
            ValueError: the tenant has no key for the algorithm, or a parameter is invalid.
        """
        return self._state.issuer.mint(parameters, algorithm=algorithm, signed_by=signed_by, header=header)

    def mint_opaque(self, **parameters: Unpack[AccessTokenParameters]) -> str:
        """Return an opaque access token.

        Args:
            parameters: see :class:`AccessTokenParameters`.

        Raises:
            ValueError: a parameter is invalid.
        """
        return self._state.issuer.mint_opaque(parameters)

    def revoke(self, token: str) -> None:
        """Revoke a token: introspection returns it as inactive. The signature of a JWT remains valid."""
        self._state.issuer.revoke(token)

    def rotate_keys(self, algorithms: Iterable[str] | None = None, *, withdraw: bool = False) -> None:
        """Sign with new keys from now on.

        Args:
            algorithms: the algorithms whose keys are replaced; default: all.
            withdraw: remove all older keys from the key set instead of keeping them published.

        Raises:
            ValueError: the tenant has no key for an algorithm.
        """
        self._keys.rotate(algorithms, withdraw=withdraw)

    def jwks(self) -> dict[str, Any]:
        """Return the published key set (RFC 7517 section 5)."""
        return self._keys.published()

    # Clients

    def register_client(
        self,
        client_id: str,
        method: str = "client_secret_post",
        *,
        secret: str | None = None,
        jwks: Mapping[str, Any] | None = None,
        certificate: ClientCertificate | None = None,
        spiffe_id: str | None = None,
        trust_store: str | None = None,
        redirect_uris: Iterable[str] = (),
    ) -> Client:
        """Register a client; missing credentials are generated.

        Args:
            client_id: its identifier; an existing client with this id is replaced.
            method: its authentication method: a value of the option ``client_auth_method``, or ``none`` for a
                public client (a browser, an app), which can only redeem authorization codes.
            secret: the secret for the ``client_secret_...`` methods.
            jwks: the public keys for ``private_key_jwt``, or those of the trust domain for ``spiffe_jwt``.
            certificate: the certificate for the TLS methods; from :meth:`authority`, unless self-signed.
            spiffe_id: the SPIFFE id for the SPIFFE methods.
            trust_store: the id of the trust store of its certificate.
            redirect_uris: the redirect URIs for authorization codes; compared exactly.

        Returns:
            The client; ``client.settings`` has the options of a ``BackendClient`` that authenticates as it.

        Raises:
            ValueError: the method is unknown, or needs TLS or a trust store that this tenant does not have.
        """
        client = self._state.clients.register(
            Client(
                client_id=client_id,
                methods=() if method == "none" else (method,),
                secret=secret,
                jwks=jwks,
                certificate=certificate,
                spiffe_id=spiffe_id,
                trust_store=trust_store,
                redirect_uris=tuple(redirect_uris),
            )
        )
        if (
            method == "self_signed_tls_client_auth"
            and self._tls is not None
            and client.certificate is not None
        ):
            self._tls.trust(client.certificate.pem, trust_store)
        return client

    def authority(self, trust_store: str | None = None) -> CertificateAuthority:
        """Return the certificate authority of a trust store: ``tenant.authority().issue_client("caller")``.

        Raises:
            ValueError: unknown trust store, or the tenant has no TLS.
        """
        if self._tls is None or trust_store not in self._tls.authorities:
            raise ValueError("unknown trust store" if self._tls else "certificates need tls=True")
        return self._tls.authorities[trust_store]

    # Faults

    def fail(self, fault: Fault, *, endpoint: EndpointName | None = None, times: int | None = None) -> None:
        """Activate a fault: ``tenant.fail(faults.status(503), endpoint="jwks")``.

        Args:
            fault: from :mod:`monocloud_mw.testing.faults`, or your own function.
            endpoint: the affected endpoint; default: all.
            times: the number of affected requests; default: until :meth:`recover`.
        """
        self._faults.add(fault, endpoint, times)

    def recover(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    @contextlib.contextmanager
    def failing(
        self, fault: Fault, *, endpoint: EndpointName | None = None, times: int | None = None
    ) -> Iterator[None]:
        """Activate a fault for the duration of a ``with`` block.

        Args:
            fault: from :mod:`monocloud_mw.testing.faults`, or your own function.
            endpoint: the affected endpoint; default: all.
            times: the number of affected requests; default: all in the block.
        """
        remove = self._faults.add(fault, endpoint, times)
        try:
            yield
        finally:
            remove()

    # Internal parts

    @property
    def _state(self) -> TenantState:
        if self._created_state is None:
            raise RuntimeError("the local tenant has no address before it is started")
        return self._created_state

    def _application(self, addresses: Addresses) -> Callable[[Listener], WSGIApplication]:
        if self._created_state is None:
            self._created_state = create_state(
                addresses,
                path=self._path,
                audience=self.audience,
                clock=self._clock,
                introspects_jwts=self._introspects_jwts,
                keys=self._keys,
                authorities=self._tls.authorities if self._tls else {},
                faults=self._faults,
                requests=self.requests,
            )
        return self._created_state.application.at
