"""Measures the parts of validating a new token, each alone and all together."""

from __future__ import annotations

from collections.abc import Iterator

from monocloud_mw import AccessTokenClaims
from monocloud_mw.core.effects import Instant
from monocloud_mw.core.token.cache_key import token_cache_key
from monocloud_mw.core.token.claim_checks import (
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)
from monocloud_mw.drivers.clock import system_clock
from monocloud_mw.jose import base64url, parse_json_object, split_compact

from .bare import BARE, bare_verify
from .contenders import OURS, enter, new_client
from .harness import Measurement, compare, repeat
from .report import Effort, Section
from .tokens import AUDIENCE, ISSUER, LEEWAY_SECONDS, SCOPE, Workload

__all__ = ["measure_parts"]

DIGEST = "its digest, to be remembered by"
APART = "taken apart: base64url, strict"
JSON = "its JSON: strict, read-only"
CLAIMS = "its claims, checked"
REQUEST = "client, flow, driver, request checks"
ALL = "all in one piece"


def measure_parts(effort: Effort) -> Iterator[Section]:
    """A new RS256 token, part by part."""
    workload = Workload.create("RS256")
    token = workload.tokens[0]
    client, next_token = new_client(workload), workload.next_token()
    validate = enter(workload, (OURS,))[OURS]
    digest = token_cache_key("jwt", client.options)
    payload, _, _ = _take_apart(token)
    claims = parse_json_object(payload)
    now = system_clock()()

    found = compare(
        {
            ALL: repeat(lambda: validate(next_token())),
            BARE: repeat(bare_verify(token, workload.key.key.public_key())),
            DIGEST: repeat(lambda: digest(token)),
            APART: repeat(lambda: _take_apart(token)),
            JSON: repeat(lambda: parse_json_object(payload)),
            CLAIMS: repeat(lambda: _check(AccessTokenClaims(claims), now)),
            REQUEST: repeat(lambda: client.validate_access_token(token, scopes=(SCOPE,))),
        },
        rounds=effort.rounds,
    )
    found[REQUEST] = found[REQUEST].less(found[DIGEST], REQUEST)
    whole, *parts = found.values()
    alone = Measurement(
        "together, each alone", tuple(map(sum, zip(*(part.samples for part in parts), strict=True)))
    )
    yield Section(
        name="parts",
        title="RS256, the parts of a new token",
        measurements=(whole, *parts, alone),
        notes=("the processor runs the same few lines over and over here; in one piece it does not",),
    )


def _take_apart(token: str) -> tuple[bytes, bytes, bytes]:
    parts = split_compact(token)
    assert parts is not None
    _, payload, signature, signing_input = parts
    return base64url.decode(payload), base64url.decode(signature), signing_input.encode()


def _check(claims: AccessTokenClaims, now: Instant) -> None:
    check_issuer(claims, ISSUER)
    check_audience(claims, (AUDIENCE,))
    check_lifetime(parse_lifetime(claims, skew_seconds=0, tolerance_seconds=LEEWAY_SECONDS), now)
    check_subject(claims)
