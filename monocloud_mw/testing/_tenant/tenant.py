"""A MonoCloud tenant on this machine: the public object, and what belongs to it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from ...jose import SigningKey
from ..faults import Fault
from .active_faults import FaultBoard
from .certificates import CertificateAuthority, ClientCertificate
from .clients import Client
from .endpoints import Addresses, EndpointName, Listener
from .keys import DEFAULT_ALGORITHMS, KeyRing, Signer
from .listeners import Listeners
from .request_log import RequestLog
from .tenant_state import DEFAULT_CLIENT_ID, Site, create_site
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

    Tenants share nothing: as many as you like run at once. All methods may be called from any thread.
    Making a pair of RSA keys takes a tenth of a second, so a test suite shares one tenant among its tests,
    or signs with ``algorithms=["ES256"]``, which starts at once.

    Args:
        audience: the API whose tokens it issues by default.
        algorithms: what it signs with; one key for each, the first is the default.
        path: the path of the tenant domain, ``"/acme"`` for example.
        port: of the server; 0 takes a free one, and keeps it over restarts.
        tls: serve ``https`` under an authority of its own (:attr:`ca_bundle`), with endpoints for mutual
            TLS on another port. Without it the tenant speaks plain ``http``.
        trust_stores: ids of additional trust stores (``mtls_additional_endpoint_aliases``), each with an
            authority and a port of its own; needs ``tls``.
        introspects_jwts: whether introspection knows JWTs, or only opaque tokens.
        clock: returns Unix seconds; tokens are issued and judged by it.

    Raises:
        ValueError: an argument makes no sense.
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
        self._faults = FaultBoard()
        self._tls = TlsSetup(trust_stores) if tls else None
        self._listeners = Listeners(port, path, self._tls)
        self._known: Site | None = None

    def start(self) -> None:
        """Listen; a tenant that was stopped comes back on the same port, as it was.

        Raises:
            OSError: the port is taken.
            RuntimeError: it runs already.
        """
        self._listeners.open(self._application)

    def stop(self) -> None:
        """Stop listening and cut every connection, as if the machine were gone; keys and tokens remain."""
        self._listeners.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Be down for the duration of a ``with`` block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    # What it is called, and how an API gets to know it

    @property
    def domain(self) -> str:
        """The tenant domain, which is also the issuer of its tokens."""
        return self._site.addresses.issuer

    @property
    def token_endpoint(self) -> str:
        """Where clients get access tokens; :mod:`.token_request` lists the parameters."""
        return self._site.addresses.url("token")

    @property
    def ca_bundle(self) -> str:
        """Path of the PEM bundle that verifies its servers; only with ``tls``."""
        return self.authority().bundle

    @property
    def client(self) -> Client:
        """The client that is registered from the start; it sends its secret as Basic or in the form."""
        client = self._site.clients.find(DEFAULT_CLIENT_ID)
        assert client is not None
        return client

    def settings(self, client: Client | None = None) -> dict[str, Any]:
        """Return the options with which a ``BackendClient`` trusts this tenant.

        Args:
            client: the API's own account, for introspection.
        """
        settings: dict[str, Any] = {"tenant_domain": self.domain, "audience": self.audience}
        if self._tls is not None:
            settings["ca_bundle"] = self.ca_bundle
        return settings if client is None else settings | client.settings

    def environment(self, client: Client | None = None) -> dict[str, str]:
        """Return the same as environment variables, for an API in another process.

        Raises:
            ValueError: the client's credential is no text.
        """
        variables = self.settings(client)
        paths = variables.pop("mtls_certificate", None)
        if paths is not None:
            variables |= {"mtls_certificate": paths[0], "mtls_certificate_key": paths[1]}
        if not all(isinstance(value, str) for value in variables.values()):
            raise ValueError("the credential of this client does not fit into an environment variable")
        return {f"MONOCLOUD_BACKEND_{name.upper()}": value for name, value in variables.items()}

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        return self._site.application.metadata()

    # Tokens

    def mint(
        self,
        *,
        algorithm: str | None = None,
        signed_by: Signer | SigningKey = "tenant",
        header: Mapping[str, Any] | None = None,
        **parameters: Unpack[AccessTokenParameters],
    ) -> str:
        """Return an access token as a JWT; without arguments a good one.

        Whatever can be wrong with a token can be asked for::

            tenant.mint(lifetime_seconds=-300)          # expired
            tenant.mint(starts_in_seconds=300)          # not valid yet
            tenant.mint(audience="https://other.test")  # for another API
            tenant.mint(claims={"iss": "https://other.test", "exp": None})  # wrong, or missing
            tenant.mint(signed_by="stranger")           # by a key that nobody knows
            tenant.mint(signed_by="impostor")           # by a wrong key under the id of the right one
            tenant.mint(header={"typ": "dpop+jwt", "kid": None})

        Args:
            algorithm: which of the tenant's keys signs.
            signed_by: who signs; a :class:`~monocloud_mw.jose.SigningKey` brings its own algorithm.
            header: parameters to add or replace; ``None`` takes one out.
            parameters: see :class:`AccessTokenParameters`.

        Raises:
            ValueError: the tenant has no key for the algorithm, or a parameter makes no sense.
        """
        return self._site.issuer.mint(parameters, algorithm=algorithm, signed_by=signed_by, header=header)

    def mint_opaque(self, **parameters: Unpack[AccessTokenParameters]) -> str:
        """Return an access token that only introspection understands.

        Args:
            parameters: see :class:`AccessTokenParameters`.

        Raises:
            ValueError: a parameter makes no sense.
        """
        return self._site.issuer.mint_opaque(parameters)

    def revoke(self, token: str) -> None:
        """Let introspection call a token inactive; a JWT stays valid to those who only verify it."""
        self._site.issuer.revoke(token)

    def rotate_keys(self, algorithms: Iterable[str] | None = None, *, withdraw: bool = False) -> None:
        """Sign with new keys from now on.

        Args:
            algorithms: whose keys are replaced; by default all.
            withdraw: take all older keys out of the key set, instead of leaving them beside the new ones.

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
        """Register a client, or another way for it to authenticate; what is not given is made.

        Args:
            client_id: its identifier; a client of that name is replaced.
            method: how it authenticates, one of the eight of the option ``client_auth_method``, or ``none``
                for a public client (a browser, an app), which can only redeem authorization codes.
            secret: for the methods with ``client_secret`` in their name.
            jwks: the public keys for ``private_key_jwt``, or of the trust domain for ``spiffe_jwt``.
            certificate: for the methods in TLS; from :meth:`authority`, unless it is self-signed.
            spiffe_id: for the SPIFFE methods.
            trust_store: where its certificate belongs.
            redirect_uris: where it may have authorization codes sent; compared exactly.

        Returns:
            The client; ``client.settings`` are the options of a ``BackendClient`` that acts as it.

        Raises:
            ValueError: the method is unknown, or needs TLS or a trust store that this tenant does not have.
        """
        client = self._site.clients.register(
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
        """Return who issues certificates: ``tenant.authority().issue_client("somebody")``.

        Raises:
            ValueError: there is no such trust store, or no TLS.
        """
        if self._tls is None or trust_store not in self._tls.authorities:
            raise ValueError("there is no such trust store" if self._tls else "certificates need tls=True")
        return self._tls.authorities[trust_store]

    # What goes wrong

    def fail(self, fault: Fault, *, endpoint: EndpointName | None = None, times: int | None = None) -> None:
        """Do something wrong from now on: ``tenant.fail(faults.status(503), endpoint="jwks")``.

        Args:
            fault: from :mod:`monocloud_mw.testing.faults`, or a function of your own.
            endpoint: where; by default everywhere.
            times: for how many requests; by default until :meth:`recover`.
        """
        self._faults.add(fault, endpoint, times)

    def recover(self) -> None:
        """Do everything right again."""
        self._faults.clear()

    @contextlib.contextmanager
    def failing(
        self, fault: Fault, *, endpoint: EndpointName | None = None, times: int | None = None
    ) -> Iterator[None]:
        """Do something wrong for the duration of a ``with`` block, as :meth:`fail`."""
        remove = self._faults.add(fault, endpoint, times)
        try:
            yield
        finally:
            remove()

    # How it is put together

    @property
    def _site(self) -> Site:
        if self._known is None:
            raise RuntimeError("the local tenant has no address before it is started")
        return self._known

    def _application(self, addresses: Addresses) -> Callable[[Listener], WSGIApplication]:
        if self._known is None:
            self._known = create_site(
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
        return self._known.application.at
