"""All failures that ``doctor`` finds, each reproduced: the set-up, the failing check, and its advice."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Final

import attrs
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug import Response

from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing.faults import Fault

from ..free_port import free_port
from .conftest import Command
from .servers import blocked_port, proxy, relay_to, tls_server

__all__ = ["FAILURES", "Environment", "Failure"]

P: Final = "MONOCLOUD_BACKEND_"


@attrs.frozen
class Environment:
    """A tenant without faults whose settings are in the environment."""

    tenant: LocalTenant
    command: Command
    directory: Path

    def set(self, **variables: str) -> None:
        """Set ``MONOCLOUD_BACKEND_`` variables."""
        self.command.set_variables({P + name: value for name, value in variables.items()})

    def use_proxy(self, port: int, user: str = "") -> None:
        """Move the tenant to another host, behind a proxy."""
        self.set(TENANT_DOMAIN="https://acme.example.com")
        self.command.set_variables({"HTTPS_PROXY": f"http://{user}127.0.0.1:{port}"})


SetUp = Callable[[Environment], Iterator[None]]
Prepare = Callable[[Environment], contextlib.AbstractContextManager[None]]


@attrs.frozen
class Failure:
    """A failure: its set-up, the check that fails, and parts of the output."""

    prepare: Prepare
    check: str
    detail: str
    advice: str


FAILURES: Final[dict[str, Failure]] = {}


def _failure(
    check: str, detail: str, advice: str
) -> Callable[[Callable[[Environment], Iterator[None]]], None]:
    def add(prepare: SetUp) -> None:
        name = prepare.__name__.strip("_")
        FAILURES[name] = Failure(contextlib.contextmanager(prepare), check, detail, advice)

    return add


# Settings


@_failure(
    "options", "invalid settings", f"set or correct {P}TENANT_DOMAIN and {P}AUDIENCE, and run this again"
)
def _no_variables(environment: Environment) -> Iterator[None]:
    environment.set(**dict.fromkeys(("TENANT_DOMAIN", "AUDIENCE", "CLIENT_ID", "CLIENT_SECRET"), ""))
    yield


@_failure("options", "invalid settings", f"set or correct {P}AUDIENC, and run this again")
def _misspelt_variable(environment: Environment) -> Iterator[None]:
    environment.set(AUDIENC="https://api.example.com")
    yield


@_failure("options", "invalid settings", f"set or correct {P}TENANT_DOMAIN, and run this again")
def _http_for_another_machine(environment: Environment) -> Iterator[None]:
    environment.set(TENANT_DOMAIN="http://acme.example.com")
    yield


@_failure("options", "invalid settings", f"set or correct {P}RESPONSE_TIMEOUT, and run this again")
def _wrong_timeout(environment: Environment) -> Iterator[None]:
    environment.set(RESPONSE_TIMEOUT="soon")
    yield


# Connections


@_failure("dns", "'no-such-tenant.invalid' cannot be looked up", f"check the host in {P}TENANT_DOMAIN")
def _unknown_host(environment: Environment) -> Iterator[None]:
    environment.set(TENANT_DOMAIN="https://no-such-tenant.invalid")
    yield


@_failure("tcp", "cannot connect to port", "check host and port, that a server runs there")
def _refused_port(environment: Environment) -> Iterator[None]:
    environment.set(TENANT_DOMAIN=f"https://127.0.0.1:{free_port()}")
    yield


@_failure("tcp", "does not respond within 0.5 seconds", "allow outgoing connections to it (firewall")
def _blocked_port(environment: Environment) -> Iterator[None]:
    with blocked_port() as port:
        environment.set(TENANT_DOMAIN=f"https://127.0.0.1:{port}")
        yield


@_failure("tls", "the server's certificate was rejected", f"set ca_bundle ({P}CA_BUNDLE) to a PEM file")
def _another_authority(environment: Environment) -> Iterator[None]:
    environment.set(CA_BUNDLE="")
    yield


@_failure(
    "tls", "the server's certificate was rejected", f"check the host in tenant_domain ({P}TENANT_DOMAIN)"
)
def _wrong_host_name(environment: Environment) -> Iterator[None]:
    authority = _authority(environment)
    with tls_server(authority, "acme.example.com", {}) as port:
        environment.set(TENANT_DOMAIN=f"https://127.0.0.1:{port}")
        yield


@_failure("tls", "certificate has expired", "renew the server's certificate, or check the clock")
def _expired_certificate(environment: Environment) -> Iterator[None]:
    authority = _authority(environment)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with tls_server(authority, "127.0.0.1", {}, not_after=yesterday) as port:
        environment.set(TENANT_DOMAIN=f"https://127.0.0.1:{port}")
        yield


@_failure(
    "tls",
    "must be a file or directory with PEM certificates",
    f"set {P}CA_BUNDLE to a file with PEM certificates",
)
def _no_authorities(environment: Environment) -> Iterator[None]:
    path = environment.directory / "ca.pem"
    path.write_text("not a certificate")
    environment.set(CA_BUNDLE=str(path))
    yield


@_failure("tls", "SSLError", "the server does not use TLS on this port: check tenant_domain")
def _https_for_http(environment: Environment) -> Iterator[None]:
    with LocalTenant(algorithms=["ES256"]) as plain:
        environment.set(TENANT_DOMAIN=plain.domain.replace("http://", "https://"))
        yield


@_failure("discovery", "cannot be reached", f"if it uses TLS, write https:// in {P}TENANT_DOMAIN")
def _http_for_https(environment: Environment) -> Iterator[None]:
    environment.set(TENANT_DOMAIN=environment.tenant.domain.replace("https://", "http://"))
    yield


@_failure("tls", "responded with status 407", "add user and password to HTTPS_PROXY")
def _proxy_asks_for_a_password(environment: Environment) -> Iterator[None]:
    with proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as port:
        environment.use_proxy(port)
        yield


@_failure("tls", "responded with status 403", "allow the tenant's host at the proxy")
def _proxy_forbids_the_host(environment: Environment) -> Iterator[None]:
    with proxy(b"HTTP/1.1 403 Forbidden\r\n\r\n") as port:
        environment.command.secrets.append("password-of-the-proxy")
        environment.use_proxy(port, "user:password-of-the-proxy@")
        yield


@_failure("tls", "its response is not HTTP", "exclude the host with NO_PROXY")
def _proxy_is_none(environment: Environment) -> Iterator[None]:
    with proxy(b"220 mail.example.com ESMTP\r\n\r\n") as port:
        environment.use_proxy(port)
        yield


@_failure("tls", "it closed the connection", "exclude the host with NO_PROXY")
def _proxy_closes(environment: Environment) -> Iterator[None]:
    with proxy(b"") as port:
        environment.use_proxy(port)
        yield


@_failure("tls", "(through the proxy)", "a proxy that intercepts TLS has its own certificate authority")
def _proxy_opens_tls(environment: Environment) -> Iterator[None]:
    other = trustme.CA()
    with tls_server(other, "acme.example.com", {}) as port, proxy(relay_to(port)) as relay:
        environment.use_proxy(relay)
        yield


@_failure("proxy", "SOCKS", "set HTTPS_PROXY to an HTTP proxy")
def _socks_proxy(environment: Environment) -> Iterator[None]:
    environment.use_proxy(1)
    environment.command.set_variables({"HTTPS_PROXY": "socks5://127.0.0.1:1080"})
    yield


@_failure("dns", "'no-such-proxy.invalid' cannot be looked up", "check the proxy in HTTPS_PROXY")
def _unknown_proxy(environment: Environment) -> Iterator[None]:
    environment.use_proxy(1)
    environment.command.set_variables({"HTTPS_PROXY": "http://no-such-proxy.invalid:3128"})
    yield


# The tenant's documents, and its clock


@_failure("discovery", "answered with status 404", f"check tenant_domain ({P}TENANT_DOMAIN)")
def _wrong_path_of_the_tenant(environment: Environment) -> Iterator[None]:
    environment.set(TENANT_DOMAIN=f"{environment.tenant.domain}/another")
    yield


@_failure("issuer", "the issuer of the discovery document is", f"check tenant_domain ({P}TENANT_DOMAIN)")
def _wrong_tenant(environment: Environment) -> Iterator[None]:
    environment.set(TENANT_DOMAIN=environment.tenant.domain.replace("127.0.0.1", "localhost"))
    yield


def _at(endpoint: str, fault: Callable[[], Fault]) -> SetUp:
    def prepare(environment: Environment) -> Iterator[None]:
        with environment.tenant.failing(fault(), endpoint=endpoint):  # type: ignore[arg-type]
            yield

    return prepare


def _add(name: str, failure: tuple[str, str, str], prepare: SetUp) -> None:
    prepare.__name__ = name
    _failure(*failure)(prepare)


_add("outage", ("discovery", "status 503", "try again later"), _at("discovery", faults.status))
_add(
    "web_page",
    ("discovery", "not answer with a JSON object", "check tenant_domain"),
    _at("discovery", faults.html),
)
_add("redirect", ("discovery", "a redirect", "check tenant_domain"), _at("discovery", faults.redirect))
_add(
    "silence",
    ("discovery", "no complete response within 0.5 seconds", f"increase {P}RESPONSE_TIMEOUT"),
    _at("discovery", faults.hang),
)
_add(
    "reset",
    ("discovery", "cannot be reached", "check the network connection"),
    _at("discovery", faults.reset),
)
_add(
    "no_keys",
    ("keys", "none of the 0 keys", "configure a supported signing key"),
    _at("jwks", faults.empty_key_set),
)
_add(
    "no_key_set",
    ("keys", "is not a key set", "correct the jwks_uri at the tenant"),
    _at("jwks", faults.document),
)
_add(
    "no_such_key_set",
    ("keys", "status 404", "correct the jwks_uri at the tenant"),
    _at("jwks", lambda: faults.status(404)),
)


@_failure("keys", "none of the 1 keys can be used", f"allow an algorithm of these keys with {P}ALGORITHMS")
def _other_algorithms(environment: Environment) -> Iterator[None]:
    environment.set(ALGORITHMS="RS256 PS256")
    yield


def _dated(offset_seconds: float) -> SetUp:
    """Serve a tenant's documents with another time of day."""

    def prepare(environment: Environment) -> Iterator[None]:
        def respond(connection: socket.socket, head: bytes) -> None:
            issuer = f"http://127.0.0.1:{connection.getsockname()[1]}"
            is_jwks = head.startswith(b"GET /jwks")
            document = (
                environment.tenant.jwks() if is_jwks else {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"}
            )
            date = formatdate(time.time() + offset_seconds, usegmt=True)
            body = json.dumps(document).encode()
            lines = "HTTP/1.1 200 OK", f"Date: {date}", f"Content-Length: {len(body)}", "", ""
            connection.sendall("\r\n".join(lines).encode() + body)

        with proxy(respond) as port:
            environment.set(TENANT_DOMAIN=f"http://127.0.0.1:{port}", CLIENT_ID="", CLIENT_SECRET="")
            yield

    return prepare


_add("clock_behind", ("clock", "5 minutes behind the tenant's", "[not_yet_valid]"), _dated(300))
_add("clock_ahead", ("clock", "5 minutes ahead of the tenant's", "[expired] too early"), _dated(-300))


# Introspection


@_failure("introspection", "invalid_client (status 401)", f"check {P}CLIENT_ID and {P}CLIENT_SECRET")
def _wrong_secret(environment: Environment) -> Iterator[None]:
    environment.command.secrets.append("a-secret-that-is-wrong")
    environment.set(CLIENT_SECRET="a-secret-that-is-wrong")
    yield


@_failure("introspection", "invalid_client", f"check {P}CLIENT_ID and {P}CLIENT_SECRET")
def _unknown_client(environment: Environment) -> Iterator[None]:
    environment.set(CLIENT_ID="nobody")
    yield


def _refusal(status: int, error: str | None) -> Fault:
    body = "" if error is None else json.dumps({"error": error})
    return lambda _exchange: Response(body, status=status, content_type="application/json")


RIGHTS: Final = "at the tenant, allow this client to introspect tokens of the API"
_add(
    "missing_scope",
    ("introspection", "insufficient_scope (status 403)", RIGHTS),
    _at("introspection", lambda: _refusal(403, "insufficient_scope")),
)
_add(
    "forbidden",
    ("introspection", "no error code (status 403)", RIGHTS),
    _at("introspection", lambda: _refusal(403, None)),
)
_add(
    "client_may_not",
    ("introspection", "unauthorized_client (status 400)", RIGHTS),
    _at("introspection", lambda: _refusal(400, "unauthorized_client")),
)
_add(
    "introspection_away",
    ("introspection", "status 500", "check the introspection endpoint"),
    _at("introspection", lambda: faults.status(500)),
)
_add(
    "everything_active",
    ("introspection", "returns a made-up token as active", "do not use this tenant"),
    _at("introspection", lambda: faults.document({"active": True})),
)


@_failure("introspection", "invalid settings", f"{P}CLIENT_AUTH_METHOD")
def _method_without_endpoint(environment: Environment) -> Iterator[None]:
    certificate = environment.tenant.authority().issue_client("api")
    _use_files(environment, *map(Path, certificate.paths))
    metadata = {**environment.tenant.metadata(), "mtls_endpoint_aliases": {}}
    with environment.tenant.failing(faults.document(metadata), endpoint="discovery"):
        yield


# The files of the API's own certificate


def _use_files(environment: Environment, certificate: Path, key: Path) -> None:
    environment.set(
        CLIENT_SECRET="",
        CLIENT_AUTH_METHOD="tls_client_auth",
        MTLS_CERTIFICATE=str(certificate),
        MTLS_CERTIFICATE_KEY=str(key),
    )


def _own_files(environment: Environment) -> tuple[Path, Path]:
    certificate, key = environment.tenant.authority().issue_client("api").paths
    return Path(certificate), Path(key)


@_failure("options", "invalid settings", f"set or correct {P}MTLS_CERTIFICATE and {P}MTLS_CERTIFICATE_KEY")
def _missing_certificate(environment: Environment) -> Iterator[None]:
    _use_files(environment, environment.directory / "missing.pem", _own_files(environment)[1])
    yield


@_failure(
    "mtls",
    f"the file in {P}MTLS_CERTIFICATE cannot be read",
    "make it readable for the user",
)
def _unreadable_certificate(environment: Environment) -> Iterator[None]:
    # A file that exists and that not even root can read.
    _use_files(environment, Path("/proc/self/mem"), _own_files(environment)[1])
    yield


@_failure(
    "mtls", f"the file in {P}MTLS_CERTIFICATE contains no PEM certificate", "-----BEGIN CERTIFICATE-----"
)
def _no_certificate(environment: Environment) -> Iterator[None]:
    _use_files(environment, _own_files(environment)[1], _own_files(environment)[1])
    yield


@_failure(
    "mtls", f"the file in {P}MTLS_CERTIFICATE_KEY contains no PEM private key", "-----BEGIN PRIVATE KEY-----"
)
def _no_private_key(environment: Environment) -> Iterator[None]:
    _use_files(environment, _own_files(environment)[0], _own_files(environment)[0])
    yield


@_failure("mtls", "is encrypted", "provide a key without a password")
def _encrypted_key(environment: Environment) -> Iterator[None]:
    certificate, key = _own_files(environment)
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    encrypted = environment.directory / "encrypted.pem"
    encrypted.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    _use_files(environment, certificate, encrypted)
    yield


@_failure("mtls", "the key does not match the certificate", "a matching pair")
def _key_of_another_certificate(environment: Environment) -> Iterator[None]:
    _use_files(environment, _own_files(environment)[0], _own_files(environment)[1])
    yield


def _self_signed(environment: Environment, begins_days: int, ends_days: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now + timedelta(days=begins_days))
        .not_valid_after(now + timedelta(days=ends_days))
        .sign(key, hashes.SHA256())
    )
    paths = environment.directory / "own.pem", environment.directory / "own-key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    _use_files(environment, *paths)


@_failure("mtls", "has expired", "renew it")
def _expired_own_certificate(environment: Environment) -> Iterator[None]:
    _self_signed(environment, -30, -1)
    yield


@_failure("mtls", "is not valid yet", "check the clock of this machine")
def _future_own_certificate(environment: Environment) -> Iterator[None]:
    _self_signed(environment, 1, 30)
    yield


def _authority(environment: Environment) -> trustme.CA:
    """Make an authority that the API trusts."""
    authority = trustme.CA()
    path = environment.directory / "authority.pem"
    authority.cert_pem.write_to_path(path)
    environment.set(CA_BUNDLE=str(path))
    return authority
