"""``explain``: what to do about each reason, and hints about common mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...errors import AuthorizationServerError, MonoCloudError, OAuthResponseError, Reason, TokenError
from ...options import VARIABLE_PREFIX
from .step import Step

__all__ = ["ADVICE", "advice_for", "hints_for"]

ADVICE: Final[Mapping[Reason, str]] = {
    Reason.MALFORMED: "pass the complete access token, as the tenant issued it; for opaque tokens set "
    f"{VARIABLE_PREFIX}CLIENT_ID and {VARIABLE_PREFIX}CLIENT_SECRET",
    Reason.UNSUPPORTED_ALGORITHM: "configure an asymmetric signature algorithm at the tenant, and add it to "
    f"{VARIABLE_PREFIX}ALGORITHMS if that is set",
    Reason.WRONG_TYPE: "send the access token; an ID token or a refresh token is not accepted",
    Reason.UNKNOWN_KEY: f"compare iss with {VARIABLE_PREFIX}TENANT_DOMAIN: if they differ, the token is from"
    " another tenant or environment; if not, request a new token, since the tenant has replaced its key",
    Reason.BAD_SIGNATURE: "request a new token; if it fails too, find out where the token is modified",
    Reason.WRONG_ISSUER: f"set {VARIABLE_PREFIX}TENANT_DOMAIN to the tenant that issues the tokens, or"
    " request the token from this one",
    Reason.WRONG_AUDIENCE: "request the token for this API (resource=...), or correct"
    f" {VARIABLE_PREFIX}AUDIENCE",
    Reason.EXPIRED: "request a new token; if it is new, check the clock of the API (monocloud-mw doctor)",
    Reason.NOT_YET_VALID: "check the clock of the API (monocloud-mw doctor), or wait",
    Reason.INVALID_CLAIM: "correct the claims in the token settings of the tenant",
    Reason.CERTIFICATE_MISSING: "send the client certificate (here: --certificate); behind a proxy, set"
    " certificate_resolver",
    Reason.CERTIFICATE_MALFORMED: "make certificate_resolver return one certificate in PEM or DER",
    Reason.CERTIFICATE_MISMATCH: "use the certificate that the token was requested with",
    Reason.NOT_BOUND: "request the token over mutual TLS, or relax"
    f" {VARIABLE_PREFIX}VALIDATE_CERTIFICATE_BINDING",
    Reason.DPOP_REQUIRED: "request a token without DPoP: proofs are not supported",
    Reason.UNSUPPORTED_CONFIRMATION: "request a token without cnf, or with x5t#S256 in it",
    Reason.INACTIVE: "request a new token: it has expired, was revoked, or is from another tenant or client",
    Reason.INSUFFICIENT_SCOPE: "request the scope, and allow it for the client at the tenant",
    Reason.INSUFFICIENT_GROUPS: "add the user to the group, and include groups in tokens at the tenant",
}

_CLIENT_REFUSED: Final = (
    f"compare {VARIABLE_PREFIX}CLIENT_ID, {VARIABLE_PREFIX}CLIENT_SECRET and"
    f" {VARIABLE_PREFIX}CLIENT_AUTH_METHOD with the client at the tenant"
)
_UNREACHABLE: Final = "run monocloud-mw doctor, which checks the connection to the tenant step by step"


def advice_for(error: MonoCloudError) -> str:
    """Return what to do about an error, in one line."""
    if isinstance(error, TokenError):
        return ADVICE[error.reason]
    if isinstance(error, OAuthResponseError):
        return _CLIENT_REFUSED
    if isinstance(error, AuthorizationServerError):
        return _UNREACHABLE
    return "correct the settings"


def hints_for(token: str, steps: tuple[Step, ...]) -> list[str]:
    """Return hints about common mistakes, without parts of the token."""
    hints = []
    if not token:
        hints.append("the input is empty: check the file, or the variable that was meant to have the token")
    if token[:7].lower() in ("bearer ", "bearer"):
        hints.append("it begins with Bearer: pass the token without the scheme")
    if token[:1] in ("'", '"'):
        hints.append("it begins with a quotation mark: pass the token without quotes")
    if token and token.split() != [token]:
        hints.append("it contains white space, perhaps from line breaks when it was copied")
    if any(step.name in ("key", "signature") and step.state == "failed" for step in steps):
        hints.append("the claims are those in the token; its signature is not verified")
    hints += [f"{step.name}: {step.hint}" for step in steps if step.hint is not None]
    return hints
