"""What a local tenant issues: access tokens as JWTs (RFC 9068) or as opaque strings (RFC 6750).

Everything about a token has a sensible default, and everything can be wrong on request: any claim and any
header parameter can be replaced or, with ``None``, left out, and somebody else can sign.
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
    """What an access token says; every member may be left out.

    - ``scopes``: one string with spaces in it, or several (``scope``).
    - ``groups``: names, or objects with ``id`` and ``name`` (``groups``).
    - ``audience``: the APIs it is for (``aud``); by default the tenant's audience.
    - ``subject``: the user (``sub``).
    - ``client_id``: whom it was issued to (``client_id``).
    - ``lifetime_seconds``: how long it is valid (``exp``), by default an hour; a negative one has ended.
    - ``starts_in_seconds``: when it becomes valid, counted from now (``nbf``).
    - ``certificate``: PEM or DER of the client certificate that it is bound to (``cnf``, RFC 8705).
    - ``claims``: more claims; they replace those above, and ``None`` takes a claim out.
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
    """Mints tokens, knows which are good, and forgets none that it revoked; may be shared by threads.

    Args:
        url: the value of ``iss``.
        audience: the default of ``aud``.
        client_id: the default of ``client_id``.
        keys: sign the JWTs.
        clock: returns Unix seconds.
        introspects_jwts: whether introspection knows JWTs too, or opaque tokens only.
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
            ValueError: the tenant has no key for the algorithm, or a parameter makes no sense.
        """
        key = signed_by if isinstance(signed_by, SigningKey) else self.keys.key(algorithm, signed_by)
        return sign_compact(self._claims(**parameters), key, {"typ": "at+jwt", **(header or {})})

    def mint_opaque(self, parameters: AccessTokenParameters) -> str:
        """Return an access token that says nothing by itself: 43 characters of base64url.

        Raises:
            ValueError: a parameter makes no sense.
        """
        claims = self._claims(**parameters)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._lock:
            self._opaque[token] = claims
        return token

    def revoke(self, token: str) -> None:
        """Let a token be inactive from now on, whatever kind it is (RFC 7009)."""
        with self._lock:
            self._revoked.add(token)

    def introspect(self, token: str) -> dict[str, Any]:
        """Return what introspection says of a token (RFC 7662 section 2.2)."""
        with self._lock:
            claims: Mapping[str, Any] | None = None if token in self._revoked else self._opaque.get(token)
            revoked = token in self._revoked
        if claims is None and not revoked and self._introspects_jwts:
            claims = self._claims_of_jwt(token)
        if claims is None or not self._is_valid_now(claims):
            return {"active": False}
        return {"active": True, "token_type": "Bearer", **claims}

    def _claims_of_jwt(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a JWT that one of the published keys has signed for this issuer."""
        try:
            verified = verify_compact(token, KeySet.from_dict(self.keys.published()))
            claims = parse_json_object(verified.payload)
        except TokenError:
            return None
        return claims if claims.get("iss") == self.url else None

    def _is_valid_now(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether now is between ``nbf`` and ``exp``; one that is missing or no number sets no limit."""
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
            raise ValueError("groups must be several strings or objects")
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
