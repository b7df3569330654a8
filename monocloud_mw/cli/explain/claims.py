"""``explain``: the checks of claims, for JWTs and introspected tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ...claims import AccessTokenClaims
from ...core.effects import Instant
from ...core.token.claim_checks import (
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)
from ...core.token.presented import Presented
from ...core.token.requirements import Requirements, check_groups, check_scopes
from ...core.token.sender_constraint import check_confirmation
from ...durations import describe_duration
from ...options import Options
from ...quoting import quoted
from .step import StepRecorder

__all__ = ["CLAIM_STEPS", "explain_claims"]

CLAIM_STEPS: Final = ("issuer", "audience", "dates", "lifetime", "subject", "binding", "scopes", "groups")

MAX_NAMES: Final = 20


def explain_claims(
    recorder: StepRecorder,
    claims: AccessTokenClaims,
    issuer: str | None,
    presented: Presented,
    requirements: Requirements,
    options: Options,
    now: Instant,
    *,
    is_jwt: bool,
) -> None:
    """Run the checks of :mod:`monocloud_mw.core.token.verified`, in the same order.

    Args:
        recorder: records the steps.
        claims: the claims of the token, verified or not.
        issuer: the required ``iss``; ``None`` if the tenant could not be reached.
        presented: the token and the certificate of the caller.
        requirements: the requirements of the route.
        options: the options of the API.
        now: the time to check at.
        is_jwt: whether ``iss`` and ``exp`` are required.
    """
    if issuer is None:
        recorder.miss("issuer")
    else:
        recorder.check(
            "issuer",
            lambda: check_issuer(claims, issuer, required=is_jwt),
            f"iss {quoted(issuer)}",
            _value(claims, "iss"),
        )
    recorder.check(
        "audience",
        lambda: check_audience(claims, options.audience),
        f"aud names {_listed(options.audience, 'or')}",
        _audience(claims),
    )
    lifetime = recorder.check(
        "dates",
        lambda: parse_lifetime(
            claims,
            skew_seconds=options.clock_skew,
            tolerance_seconds=options.clock_tolerance,
            expiry_required=is_jwt,
        ),
        "exp and nbf are numbers" if is_jwt else "exp and nbf are numbers, if present",
        f"exp {_date(claims.get('exp'), now)}, nbf {_date(claims.get('nbf'), now)}",
    )
    if lifetime.value is None:
        recorder.miss("lifetime")
    else:
        begins_and_ends = lifetime.value
        recorder.check(
            "lifetime",
            lambda: check_lifetime(begins_and_ends, now),
            f"nbf - {options.clock_tolerance:g} s <= now < exp + {options.clock_tolerance:g} s,"
            f" now {_date(now.unix + options.clock_skew, None)}",
            f"exp {_date(claims.get('exp'), now)}, nbf {_date(claims.get('nbf'), now)}",
        )
    recorder.check(
        "subject", lambda: check_subject(claims), "sub is a string or absent", _kind(claims, "sub")
    )
    _explain_binding(recorder, claims, presented, options)
    _explain_requirements(recorder, claims, requirements, options)


def _explain_binding(
    recorder: StepRecorder, claims: AccessTokenClaims, presented: Presented, options: Options
) -> None:
    mode, certificate = options.validate_certificate_binding, presented.client_certificate
    if "cnf" not in claims and mode != "required":
        recorder.skip("binding", "the token is not bound to a certificate (no cnf)")
        return
    confirmation = claims.get("cnf")
    members = quoted(", ".join(confirmation)) if isinstance(confirmation, Mapping) else "no object"
    recorder.check(
        "binding",
        lambda: check_confirmation(claims, certificate, mode),
        f"validate_certificate_binding is {mode}; the caller's certificate matches cnf",
        f"cnf {members if 'cnf' in claims else 'is absent'}, {'a' if certificate else 'no'} certificate",
    )


def _explain_requirements(
    recorder: StepRecorder, claims: AccessTokenClaims, requirements: Requirements, options: Options
) -> None:
    if requirements.scopes or requirements.any_scopes:
        wanted = [_listed(sorted(requirements.scopes), "and")]
        wanted += [f"any of {_listed(sorted(names), 'or')}" for names in requirements.any_scopes]
        recorder.check(
            "scopes",
            lambda: check_scopes(claims, requirements),
            f"{options.scopes_claim} has {', and '.join(filter(None, wanted))}",
            _listed(sorted(claims.scopes), "and") or "no scopes",
        )
    else:
        recorder.skip("scopes", "none is required (--scope, --any-scope)")
    if requirements.groups:
        word = "and" if options.groups_match_all else "or"
        groups = [_listed(sorted(names), word) for names in requirements.groups]
        recorder.check(
            "groups",
            lambda: check_groups(claims, requirements, match_all=options.groups_match_all),
            f"{options.groups_claim} has {', and '.join(groups)}",
            _listed(sorted(claims.groups), "and") or "no groups",
        )
    else:
        recorder.skip("groups", "none is required (--group)")


def _listed(names: Iterable[str], word: str) -> str:
    listed = [quoted(name) for name in names]
    more = len(listed) - MAX_NAMES
    if more > 0:
        listed = [*listed[:MAX_NAMES], f"{more} more"]
    return f" {word} ".join(listed)


def _value(claims: Mapping[str, Any], name: str) -> str:
    return f"{name} {quoted(claims[name])}" if name in claims else f"no {name}"


def _audience(claims: Mapping[str, Any]) -> str:
    found = claims.get("aud")
    if isinstance(found, (list, tuple)):
        return f"aud {_listed(map(str, found), 'and') or 'is empty'}"
    return _value(claims, "aud")


def _kind(claims: Mapping[str, Any], name: str) -> str:
    if name not in claims:
        return "absent"
    return "a string" if isinstance(claims[name], str) else f"a {type(claims[name]).__name__}"


def _date(value: Any, now: Instant | None) -> str:
    """Return a date of a token as text, with its distance to now."""
    if value is None:
        return "is absent"
    try:
        text = datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError, OSError):
        return f"is {quoted(value)}"
    return text if now is None else f"{text} ({_distance(value - now.unix)})"


def _distance(seconds: float) -> str:
    amount = describe_duration(abs(seconds))
    return f"in {amount}" if seconds > 0 else f"{amount} ago"
