"""Who takes part, each as its documentation says, and each doing the same: signature, ``iss``, ``aud``,
``exp`` (required), ``nbf``, sixty seconds of leeway, and one required scope.

A contender is a function that takes a token and returns its claims or raises. A contender that leaves
out a check stops the run: :mod:`.fairness`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import joserfc.errors
import joserfc.jwk
import joserfc.jwt
import jwt
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

from monocloud_mw import AsyncBackendClient, BackendClient

from .fairness import Validate, check_fairness
from .least import LEAST, least_validation
from .one_piece import ONE_PIECE, one_piece_validation
from .tokens import AUDIENCE, ISSUER, LEEWAY_SECONDS, SCOPE, Workload

__all__ = [
    "CONTENDERS",
    "OURS",
    "enter",
    "new_async_client",
    "new_client",
    "settings_of",
]

warnings.simplefilter("ignore", joserfc.errors.SecurityWarning)  # it would rather call EdDSA Ed25519


class ScopeMissingError(Exception):
    """The error that users of another library would raise for a missing scope."""


def new_client(workload: Workload) -> BackendClient:
    """Return a client of this package with its keys in memory, so that only validation is measured."""
    return BackendClient(**settings_of(workload))


def new_async_client(workload: Workload) -> AsyncBackendClient:
    """Return the same as an asynchronous client."""
    return AsyncBackendClient(**settings_of(workload))


def settings_of(workload: Workload) -> dict[str, Any]:
    """Return the options of that client."""
    return {
        "tenant_domain": ISSUER,
        "audience": AUDIENCE,
        "jwks_resolver": lambda: workload.jwks,
        "metadata_resolver": lambda: workload.metadata,
    }


def _ours(workload: Workload) -> Validate:
    client = new_client(workload)
    return lambda token: client.validate_access_token(token, scopes=(SCOPE,))


def _pyjwt(workload: Workload) -> Validate:
    """PyJWT with its PyJWKClient, whose key set is in its cache as after the first request."""
    keys = jwt.PyJWKClient("https://tenant.example.com/jwks", cache_keys=True, lifespan=10**9)
    assert keys.jwk_set_cache is not None
    keys.jwk_set_cache.put(workload.jwks)

    def validate(token: str) -> Any:
        claims = jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=[workload.algorithm],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp"]},
        )
        return _require_scope(claims)

    return validate


def _joserfc(workload: Workload) -> Validate:
    keys = joserfc.jwk.KeySet.import_key_set(workload.jwks)  # type: ignore[arg-type]
    registry = joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
        leeway=LEEWAY_SECONDS,
    )

    def validate(token: str) -> Any:
        claims = joserfc.jwt.decode(token, keys, algorithms=[workload.algorithm]).claims
        registry.validate(claims)
        return _require_scope(claims)

    return validate


def _authlib(workload: Workload) -> Validate:
    """Authlib's validator for its resource protector (RFC 9068)."""
    keys = joserfc.jwk.KeySet.import_key_set(workload.jwks)  # type: ignore[arg-type]

    class Validator(JWTBearerTokenValidator):  # type: ignore[misc]
        def get_jwks(self) -> Any:
            return keys

    validator = Validator(issuer=ISSUER, resource_server=AUDIENCE)

    def validate(token: str) -> Any:
        claims = validator.authenticate_token(token)
        validator.validate_token(claims, [SCOPE], None)
        return claims

    return validate


def _require_scope(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    if SCOPE not in str(claims.get("scope", "")).split():
        raise ScopeMissingError
    return claims


OURS: Final = "monocloud_mw"
CONTENDERS: Final[Mapping[str, Callable[[Workload], Validate]]] = {
    LEAST: least_validation,
    ONE_PIECE: one_piece_validation,
    OURS: _ours,
    "PyJWT": _pyjwt,
    "joserfc": _joserfc,
    "Authlib": _authlib,
}
TAKES_NO_PART: Final = {("Authlib", "PS256"), ("Authlib", "EdDSA")}  # its validator refuses these algorithms


def enter(workload: Workload, names: Iterable[str] | None = None) -> dict[str, Validate]:
    """Return the contenders by name, after checking that each does all the work.

    Raises:
        SystemExit: one of them refuses a good token, or accepts a bad one.
    """
    entered = {}
    for name in names or CONTENDERS:
        if (name, workload.algorithm) not in TAKES_NO_PART:
            entered[name] = CONTENDERS[name](workload)
            check_fairness(name, entered[name], workload)
    return entered
