"""The access tokens of a local tenant: JWTs (RFC 9068) or opaque strings (RFC 6750).

All parameters have defaults that give a valid token. For invalid tokens, claims and header parameters can be
replaced or (``None``) removed, and the token can be signed by another key.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypedDict

from ...errors import TokenError
from ...jose import KeySet, SigningKey, parse_json_object, sign_compact, verify_compact
from .certificates import certificate_thumbprint
from .keys import KeyRing, Signer

__all__ = ["DEFAULT_LIFETIME_SECONDS", "DEFAULT_SUBJECT", "AccessTokenParameters", "Issuer"]

DEFAULT_LIFETIME_SECONDS: Final = 3600
DEFAULT_SUBJECT: Final = "local-user"
TOKEN_BYTES: Final = 32


class AccessTokenParameters(TypedDict, total=False):
    """The parameters of an access token; all are optional.

    - ``scopes``: a space-separated string, or a list (``scope``).
    - ``groups``: names, or objects with ``id`` and ``name`` (``groups``).
    - ``audience``: one or more APIs (``aud``); default: the tenant's audience.
    - ``subject``: the user (``sub``).
    - ``client_id``: the client that it is issued to (``client_id``).
    - ``lifetime_seconds``: seconds from now until it expires (``exp``); default: one hour. A negative value
      gives an expired token.
    - ``starts_in_seconds``: seconds from now until it becomes valid (``nbf``).
    - ``certificate``: PEM or DER of the client certificate that it is bound to (``cnf``, RFC 8705).
    - ``claims``: further claims, which replace those above; ``None`` removes a claim.
    """

    scopes: str | Iterable[str]
    groups: Iterable[str | Mapping[str, str]]
    audience: str | Iterable[str]
    subject: str
    client_id: str
    lifetime_seconds: float
    starts_in_seconds: float
    certificate: str | bytes
    claims: Mapping[str, Any]


class Issuer:
    """Mints, introspects and revokes tokens; thread-safe.

    Args:
        url: the value of ``iss``.
        audience: the default of ``aud``.
        client_id: the default of ``client_id``.
        keys: the signing keys.
        clock: returns Unix seconds.
        introspects_jwts: whether JWTs can be introspected too, or only opaque tokens.
    """

    def __init__(
        self,
        *,
        url: str,
        audience: str,
        client_id: str,
        keys: KeyRing,
        clock: Callable[[], float],
        introspects_jwts: bool = True,
    ) -> None:
        self.url = url
        self.keys = keys
        self._audience = audience
        self._client_id = client_id
        self._clock = clock
        self._introspects_jwts = introspects_jwts
        self._opaque: dict[str, dict[str, Any]] = {}
        self._revoked: set[str] = set()
        self._lock = threading.Lock()

    def mint(
        self,
        parameters: AccessTokenParameters,
        *,
        algorithm: str | None = None,
        signed_by: Signer | SigningKey = "tenant",
        header: Mapping[str, Any] | None = None,
    ) -> str:
        """Return an access token as a compact JWS.

        Raises:
            ValueError: the tenant has no key for the algorithm, or a parameter is invalid.
        """
        key = signed_by if isinstance(signed_by, SigningKey) else self.keys.key(algorithm, signed_by)
        return sign_compact(self._claims(**parameters), key, {"typ": "at+jwt", **(header or {})})

    def mint_opaque(self, parameters: AccessTokenParameters) -> str:
        """Return an opaque access token: 43 characters of base64url.

        Raises:
            ValueError: a parameter is invalid.
        """
        claims = self._claims(**parameters)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._lock:
            self._opaque[token] = claims
        return token

    def revoke(self, token: str) -> None:
        """Revoke a token of either kind (RFC 7009)."""
        with self._lock:
            self._revoked.add(token)

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the introspection response for a token (RFC 7662 section 2.2)."""
        with self._lock:
            claims: Mapping[str, Any] | None = None if token in self._revoked else self._opaque.get(token)
            revoked = token in self._revoked
        if claims is None and not revoked and self._introspects_jwts:
            claims = self._claims_of_jwt(token)
        if claims is None or not self._is_valid_now(claims):
            return {"active": False}
        return {"active": True, "token_type": "Bearer", **claims}

    def _claims_of_jwt(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a JWT of this issuer that is signed by a published key, or ``None``."""
        try:
            verified = verify_compact(token, KeySet.from_dict(self.keys.published()))
            claims = parse_json_object(verified.payload)
        except TokenError:
            return None
        return claims if claims.get("iss") == self.url else None

    def _is_valid_now(self, claims: Mapping[str, Any]) -> bool:
        """Return whether now is between ``nbf`` and ``exp``; a missing or non-numeric one is ignored."""
        now = self._clock()
        expires_at, not_before = claims.get("exp"), claims.get("nbf")
        return not (
            (isinstance(expires_at, (int, float)) and expires_at <= now)
            or (isinstance(not_before, (int, float)) and not_before > now)
        )

    def _claims(
        self,
        *,
        scopes: str | Iterable[str] = (),
        groups: Iterable[str | Mapping[str, str]] = (),
        audience: str | Iterable[str] | None = None,
        subject: str = DEFAULT_SUBJECT,
        client_id: str | None = None,
        lifetime_seconds: float = DEFAULT_LIFETIME_SECONDS,
        starts_in_seconds: float = 0,
        certificate: str | bytes | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        if isinstance(groups, str):
            raise ValueError("groups must be a list of strings or objects, not one string")
        now = int(self._clock())
        expires_at = now + starts_in_seconds + lifetime_seconds
        audience = self._audience if audience is None else audience
        standard = {
            "iss": self.url,
            "sub": subject,
            "aud": audience if isinstance(audience, str) else list(audience),
            "client_id": self._client_id if client_id is None else client_id,
            "scope": scopes if isinstance(scopes, str) else " ".join(scopes),
            "groups": list(groups),
            "iat": min(now, expires_at),
            "nbf": min(now + starts_in_seconds, expires_at),
            "exp": expires_at,
            "jti": secrets.token_urlsafe(TOKEN_BYTES),
            "cnf": None if certificate is None else {"x5t#S256": certificate_thumbprint(certificate)},
        }
        given = {name: value for name, value in standard.items() if value not in (None, "", [])}
        return {name: value for name, value in {**given, **(claims or {})}.items() if value is not None}
