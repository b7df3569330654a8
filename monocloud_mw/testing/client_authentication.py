"""Whether a request really comes from the client it names: every method is checked in full.

RFC 6749 section 2.3.1 (secrets), RFC 7523 section 3 (signed assertions), RFC 8705 section 2 (certificates),
draft-ietf-oauth-spiffe-client-auth (SPIFFE identities). A request first *presents* something, which names
a client; then each of the methods that the client is registered for may accept it. Descriptions say
exactly what is wrong, which a real tenant would not: here it saves a developer an hour.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote_plus

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from werkzeug import Request

from ..errors import TokenError
from ..jose import KeySet, base64url, parse_json_object, verify_compact
from .certificates import parse_certificate
from .clients import Client, ClientRegistry
from .oauth_errors import OAuthError

__all__ = ["METHODS", "ClientAuthenticator"]

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_SPIFFE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
MAX_ASSERTION_LIFETIME_SECONDS: Final = 3600
CLOCK_TOLERANCE_SECONDS: Final = 5

_DIGESTS: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}

Kind: TypeAlias = Literal["basic", "post", "jwt-bearer", "jwt-spiffe", "certificate"]


@attrs.frozen(kw_only=True)
class Presentation:
    """What a request presents to prove which client it comes from.

    Args:
        kind: the form of the proof.
        client_id: the client that it names.
        proof: the secret, the assertion or the certificate in PEM.
        trust_store: of the listener that the request came to; ``None`` is the common one.
    """

    kind: Kind
    client_id: str
    proof: str = attrs.field(repr=False)
    trust_store: str | None = None


class ClientAuthenticator:
    """Authenticates the clients of one tenant; may be shared by threads.

    Args:
        clients: who is registered.
        audiences: what ``aud`` of an assertion may be: the issuer and the endpoints.
    """

    def __init__(self, clients: ClientRegistry, audiences: Iterable[str]) -> None:
        self.clients = clients
        self._audiences = frozenset(audiences)
        self._used: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def authenticate(self, request: Request, *, mutual_tls: bool, trust_store: str | None) -> Client:
        """Return the client that a request comes from.

        Args:
            request: its form fields may each be there once only.
            mutual_tls: whether it came to a listener that asks for certificates.
            trust_store: which one.

        Raises:
            OAuthError: it proves nothing [invalid_client], or too much [invalid_request].
        """
        presented = _read_presentation(request, mutual_tls, trust_store)
        client = self.clients.find(presented.client_id)
        if client is None:
            raise OAuthError("invalid_client", "there is no such client")
        methods = [METHODS[name] for name in client.methods if METHODS[name].kind == presented.kind]
        if not methods:
            raise OAuthError("invalid_client", f"this client must use {' or '.join(client.methods)}")
        for method in methods:
            method.check(self, client, presented)
        return client

    def check_claims(self, claims: Mapping[str, Any]) -> float:
        """Check ``aud`` and ``exp`` of an assertion (RFC 7523 section 3), and return ``exp``."""
        audience = claims.get("aud")
        if not self._audiences & set([audience] if isinstance(audience, str) else audience or ()):
            raise OAuthError("invalid_client", "aud of the assertion is not this tenant")
        now, expires_at = self.clients.clock(), claims.get("exp")
        if isinstance(expires_at, bool) or not isinstance(expires_at, (int, float)):
            raise OAuthError("invalid_client", "the assertion has no exp")
        if expires_at <= now - CLOCK_TOLERANCE_SECONDS:
            raise OAuthError("invalid_client", "the assertion has expired")
        if expires_at > now + MAX_ASSERTION_LIFETIME_SECONDS:
            raise OAuthError("invalid_client", "exp of the assertion is too far in the future")
        for name in ("nbf", "iat"):
            if claims.get(name, 0) > now + CLOCK_TOLERANCE_SECONDS:
                raise OAuthError("invalid_client", f"{name} of the assertion is in the future")
        return expires_at

    def use_once(self, client: Client, token_id: Any, expires_at: float) -> None:
        """Refuse an assertion that has been used before (RFC 7523 section 3, rule 7)."""
        if not isinstance(token_id, str) or not token_id:
            raise OAuthError("invalid_client", "the assertion has no jti")
        now = self.clients.clock() - CLOCK_TOLERANCE_SECONDS
        with self._lock:
            self._used = {used: until for used, until in self._used.items() if until > now}
            if (client.client_id, token_id) in self._used:
                raise OAuthError("invalid_client", "the assertion has been used before")
            self._used[client.client_id, token_id] = expires_at


def _read_presentation(request: Request, mutual_tls: bool, trust_store: str | None) -> Presentation:
    found = [
        proof
        for read in (_read_basic, _read_assertion, _read_post)
        if (proof := read(request, trust_store)) is not None
    ]
    if len(found) > 1:
        raise OAuthError("invalid_request", "there is more than one client authentication")
    client_id = request.form.get("client_id")
    if found:
        if client_id not in (None, found[0].client_id):
            raise OAuthError("invalid_client", "client_id is not the client that authenticates")
        return found[0]
    certificate = request.environ.get("SSL_CLIENT_CERT")
    if client_id and mutual_tls and certificate:
        return Presentation(
            kind="certificate", client_id=client_id, proof=certificate, trust_store=trust_store
        )
    raise OAuthError(
        "invalid_client", "no client certificate was presented" if mutual_tls else "no client authentication"
    )


def _read_basic(request: Request, trust_store: str | None) -> Presentation | None:
    if "authorization" not in request.headers:
        return None
    basic = request.authorization
    if basic is None or basic.type != "basic" or basic.username is None:
        raise OAuthError("invalid_client", "the Authorization header is not Basic")
    return Presentation(
        kind="basic",
        client_id=unquote_plus(basic.username),
        proof=unquote_plus(basic.password or ""),
        trust_store=trust_store,
    )


def _read_post(request: Request, trust_store: str | None) -> Presentation | None:
    if "client_secret" not in request.form:
        return None
    return Presentation(
        kind="post",
        client_id=request.form.get("client_id", ""),
        proof=request.form["client_secret"],
        trust_store=trust_store,
    )


def _read_assertion(request: Request, trust_store: str | None) -> Presentation | None:
    if "client_assertion" not in request.form and "client_assertion_type" not in request.form:
        return None
    kinds: dict[str | None, Kind] = {JWT_BEARER: "jwt-bearer", JWT_SPIFFE: "jwt-spiffe"}
    kind = kinds.get(request.form.get("client_assertion_type"))
    if kind is None:
        raise OAuthError("invalid_client", "the client_assertion_type is unknown")
    assertion = request.form.get("client_assertion", "")
    client_id = request.form.get("client_id") or _unverified_subject(assertion)
    return Presentation(kind=kind, client_id=client_id, proof=assertion, trust_store=trust_store)


def _unverified_subject(assertion: str) -> str:
    """Return whom an assertion is about, to find the keys that verify it."""
    try:
        return str(parse_json_object(base64url.decode(assertion.split(".")[1])).get("sub", ""))
    except (TokenError, IndexError):
        raise OAuthError("invalid_client", "the assertion is not a JWT") from None


def _check_secret(_self: ClientAuthenticator, client: Client, presented: Presentation) -> None:
    if not hmac.compare_digest(presented.proof.encode(), (client.secret or "").encode()):
        raise OAuthError("invalid_client", "the client secret is wrong")


def _check_symmetric_assertion(
    authenticator: ClientAuthenticator, client: Client, presented: Presentation
) -> None:
    signing_input, _, signature = presented.proof.rpartition(".")
    try:
        header, payload = (base64url.decode(part) for part in signing_input.split("."))
        algorithm = parse_json_object(header).get("alg")
        claims = parse_json_object(payload)
        given = base64url.decode(signature)
    except (TokenError, ValueError):
        raise OAuthError("invalid_client", "the assertion is not a JWT") from None
    if algorithm not in _DIGESTS:
        raise OAuthError("invalid_client", f"alg of the assertion must be one of {', '.join(_DIGESTS)}")
    right = hmac.digest((client.secret or "").encode(), signing_input.encode(), _DIGESTS[algorithm])
    if not hmac.compare_digest(given, right):
        raise OAuthError("invalid_client", "the signature of the assertion is wrong")
    _check_assertion_claims(authenticator, client, claims)


def _check_signed_assertion(
    authenticator: ClientAuthenticator, client: Client, presented: Presentation
) -> None:
    _check_assertion_claims(authenticator, client, _verified_claims(client, presented.proof))


def _check_jwt_svid(authenticator: ClientAuthenticator, client: Client, presented: Presentation) -> None:
    """An SVID is no single-use assertion: it comes from the trust domain, and serves until it expires."""
    claims = _verified_claims(client, presented.proof)
    if claims.get("sub") != client.spiffe_id:
        raise OAuthError("invalid_client", "sub of the SVID is not the client's SPIFFE id")
    authenticator.check_claims(claims)


def _check_assertion_claims(
    authenticator: ClientAuthenticator, client: Client, claims: Mapping[str, Any]
) -> None:
    for name in ("iss", "sub"):
        if claims.get(name) != client.client_id:
            raise OAuthError("invalid_client", f"{name} of the assertion is not the client")
    authenticator.use_once(client, claims.get("jti"), authenticator.check_claims(claims))


def _verified_claims(client: Client, assertion: str) -> Mapping[str, Any]:
    try:
        verified = verify_compact(assertion, KeySet.from_dict(client.jwks or {"keys": []}))
        return parse_json_object(verified.payload)
    except TokenError as error:
        raise OAuthError("invalid_client", f"the assertion was refused: {error.reason}") from None


def _check_issued_certificate(
    authenticator: ClientAuthenticator, client: Client, presented: Presentation
) -> x509.Certificate:
    """TLS has checked the chain, but for registered self-signed certificates too: those do not count here."""
    certificate = parse_certificate(presented.proof)
    authority = authenticator.clients.authority(presented.trust_store).certificate
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise OAuthError("invalid_client", "the certificate is not from this trust store") from None
    if client.trust_store != presented.trust_store:
        raise OAuthError("invalid_client", "the client belongs to another trust store")
    return certificate


def _check_subject(authenticator: ClientAuthenticator, client: Client, presented: Presentation) -> None:
    subject = _check_issued_certificate(authenticator, client, presented).subject.rfc4514_string()
    if client.certificate is None or subject != client.certificate.subject:
        raise OAuthError("invalid_client", "the subject of the certificate is not the client's")


def _check_own_certificate(_self: ClientAuthenticator, client: Client, presented: Presentation) -> None:
    registered = client.certificate and parse_certificate(client.certificate.pem)
    if parse_certificate(presented.proof) != registered:
        raise OAuthError("invalid_client", "the certificate is not the one that is registered")


def _check_x509_svid(authenticator: ClientAuthenticator, client: Client, presented: Presentation) -> None:
    certificate = _check_issued_certificate(authenticator, client, presented)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise OAuthError("invalid_client", "the certificate is no SVID") from None
    if names.get_values_for_type(x509.UniformResourceIdentifier) != [client.spiffe_id]:
        raise OAuthError("invalid_client", "the SPIFFE id of the certificate is not the client's")


@attrs.frozen
class Method:
    """A client authentication method: the kind of proof it takes, and what raises where that is wrong."""

    kind: Kind
    check: Callable[[ClientAuthenticator, Client, Presentation], None]
    mutual_tls: bool = False


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "client_secret_basic": Method("basic", _check_secret),
        "client_secret_post": Method("post", _check_secret),
        "client_secret_jwt": Method("jwt-bearer", _check_symmetric_assertion),
        "private_key_jwt": Method("jwt-bearer", _check_signed_assertion),
        "tls_client_auth": Method("certificate", _check_subject, mutual_tls=True),
        "self_signed_tls_client_auth": Method("certificate", _check_own_certificate, mutual_tls=True),
        "spiffe_jwt": Method("jwt-spiffe", _check_jwt_svid),
        "spiffe_x509": Method("certificate", _check_x509_svid, mutual_tls=True),
    }
)
