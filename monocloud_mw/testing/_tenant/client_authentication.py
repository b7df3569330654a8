"""Authenticates clients, with all checks of each method.

RFC 6749 section 2.3.1 (secrets), RFC 7523 section 3 (signed assertions), RFC 8705 section 2 (certificates),
draft-ietf-oauth-spiffe-client-auth (SPIFFE identities). For debugging, the error description says exactly
what is wrong; a real tenant does not.
"""

from __future__ import annotations

import hmac
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from werkzeug import Request

from ...errors import TokenError
from ...jose import KeySet, base64url, parse_json_object, verify_compact
from .certificates import load_certificate
from .client_credentials import Kind, PresentedCredentials, read_credentials
from .clients import Client, ClientRegistry
from .endpoints import Listener
from .oauth_errors import OAuthError

__all__ = ["METHODS", "ClientAuthenticator"]

MAX_ASSERTION_LIFETIME_SECONDS: Final = 3600
CLOCK_TOLERANCE_SECONDS: Final = 5

_DIGESTS: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


class ClientAuthenticator:
    """Authenticates the clients of one tenant; thread-safe.

    Args:
        clients: the registered clients.
        audiences: accepted values of ``aud`` in assertions: the issuer and the endpoints.
    """

    def __init__(self, clients: ClientRegistry, audiences: Iterable[str]) -> None:
        self.clients = clients
        self._audiences = frozenset(audiences)
        self._used: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def authenticate(self, request: Request, listener: Listener) -> Client:
        """Return the authenticated client of a request.

        Raises:
            OAuthError: authentication failed [invalid_client], or the request has more than one
                authentication [invalid_request].
        """
        presented = read_credentials(request, mutual_tls=listener.mutual_tls)
        client = self.clients.find(presented.client_id)
        if client is None:
            raise _refused("unknown client_id")
        method = next(
            (METHODS[name] for name in client.methods if METHODS[name].kind == presented.kind), None
        )
        if method is None:
            raise _refused(f"this client must use {' or '.join(client.methods) or 'no authentication'}")
        if method.mutual_tls and client.trust_store != listener.trust_store:
            raise _refused("this client belongs to another trust store")
        method.check(self, client, presented)
        return client

    def identify(self, request: Request, listener: Listener) -> Client:
        """Return the client that redeems a code: authenticated, or a public client by its ``client_id``.

        Raises:
            OAuthError: authentication failed [invalid_client], or the request has more than one
                authentication [invalid_request].
        """
        client = self.clients.find(request.form.get("client_id", ""))
        is_public = client is not None and not client.methods
        if client is None or not is_public or "client_secret" in request.form or request.authorization:
            return self.authenticate(request, listener)
        return client

    def check_lifetime_and_audience(self, claims: Mapping[str, Any]) -> float:
        """Check the time claims and ``aud`` of an assertion (RFC 7523 section 3).

        Returns:
            The time when it expires, in Unix seconds.
        """
        audience = claims.get("aud")
        values = (audience,) if isinstance(audience, str) else audience if isinstance(audience, list) else ()
        if not any(value in self._audiences for value in values if isinstance(value, str)):
            raise _refused("aud of the assertion is not this tenant")
        now = self.clients.clock()
        expires_at = _time(claims, "exp")
        if expires_at <= now - CLOCK_TOLERANCE_SECONDS:
            raise _refused("the assertion has expired, or has no exp")
        if expires_at > now + MAX_ASSERTION_LIFETIME_SECONDS:
            raise _refused("exp of the assertion is too far in the future")
        for name in ("nbf", "iat"):
            if _time(claims, name) > now + CLOCK_TOLERANCE_SECONDS:
                raise _refused(f"{name} of the assertion is in the future")
        return expires_at

    def use_once(self, client: Client, token_id: Any, expires_at: float) -> None:
        """Raise an error for an assertion that has been used before (RFC 7523 section 3, rule 7)."""
        if not isinstance(token_id, str) or not token_id:
            raise _refused("the assertion has no jti")
        now = self.clients.clock() - CLOCK_TOLERANCE_SECONDS
        with self._lock:
            self._used = {used: until for used, until in self._used.items() if until > now}
            if (client.client_id, token_id) in self._used:
                raise _refused("the assertion has been used before")
            self._used[client.client_id, token_id] = expires_at


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client", description)


def _time(claims: Mapping[str, Any], name: str) -> float:
    """Return a time claim in Unix seconds, or minus infinity if it is missing."""
    value = claims.get(name, -math.inf)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refused(f"{name} of the assertion is not a number")
    return value


def _check_secret(
    _authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> None:
    if not hmac.compare_digest(presented.proof.encode(), (client.secret or "").encode()):
        raise _refused("the client secret is wrong")


def _check_symmetric_assertion(
    authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> None:
    signing_input, _, signature = presented.proof.rpartition(".")
    try:
        header, payload = (base64url.decode(part) for part in signing_input.split("."))
        algorithm, claims = parse_json_object(header).get("alg"), parse_json_object(payload)
        given = base64url.decode(signature)
    except (TokenError, ValueError):
        raise _refused("the assertion is not a JWT") from None
    digest = _DIGESTS.get(str(algorithm))
    if digest is None:
        raise _refused(f"alg of the assertion must be one of {', '.join(_DIGESTS)}")
    right = hmac.digest((client.secret or "").encode(), signing_input.encode(), digest)
    if not hmac.compare_digest(given, right):
        raise _refused("the signature of the assertion is wrong")
    _check_assertion(authenticator, client, claims)


def _check_signed_assertion(
    authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> None:
    _check_assertion(authenticator, client, _verified_claims(client, presented.proof))


def _check_assertion(authenticator: ClientAuthenticator, client: Client, claims: Mapping[str, Any]) -> None:
    for name in ("iss", "sub"):
        if claims.get(name) != client.client_id:
            raise _refused(f"{name} of the assertion is not the client")
    authenticator.use_once(client, claims.get("jti"), authenticator.check_lifetime_and_audience(claims))


def _check_jwt_svid(
    authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> None:
    """Check an SVID, which may be used repeatedly until it expires."""
    claims = _verified_claims(client, presented.proof)
    if claims.get("sub") != client.spiffe_id:
        raise _refused("sub of the SVID is not the SPIFFE id of the client")
    authenticator.check_lifetime_and_audience(claims)


def _verified_claims(client: Client, assertion: str) -> Mapping[str, Any]:
    try:
        verified = verify_compact(assertion, KeySet.from_dict(client.jwks or {"keys": []}))
        return parse_json_object(verified.payload)
    except TokenError as error:
        raise _refused(f"the assertion was refused: {error.reason}") from None


def _check_issued_certificate(
    authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> x509.Certificate:
    """Check the issuer; the TLS check is not enough, because it also trusts registered self-signed ones."""
    certificate = load_certificate(presented.proof)
    try:
        certificate.verify_directly_issued_by(authenticator.clients.authority(client.trust_store).certificate)
    except (ValueError, TypeError, InvalidSignature):
        raise _refused("the certificate is not from the authority of this trust store") from None
    return certificate


def _check_subject(
    authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> None:
    subject = _check_issued_certificate(authenticator, client, presented).subject.rfc4514_string()
    if client.certificate is None or subject != client.certificate.subject:
        raise _refused("the subject of the certificate is not the client's")


def _check_own_certificate(
    _authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> None:
    registered = client.certificate and load_certificate(client.certificate.pem)
    if load_certificate(presented.proof) != registered:
        raise _refused("the certificate is not the one that is registered")


def _check_x509_svid(
    authenticator: ClientAuthenticator, client: Client, presented: PresentedCredentials
) -> None:
    extensions = _check_issued_certificate(authenticator, client, presented).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise _refused("the certificate is not an SVID") from None
    if names.get_values_for_type(x509.UniformResourceIdentifier) != [client.spiffe_id]:
        raise _refused("the SPIFFE id of the certificate is not the client's")


@attrs.frozen
class Method:
    """A client authentication method: the kind of proof, and a function that raises if it is wrong."""

    kind: Kind
    check: Callable[[ClientAuthenticator, Client, PresentedCredentials], None]
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
