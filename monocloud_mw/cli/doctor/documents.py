"""``doctor``: check discovery document, issuer and key set, and compare the clock with the tenant's."""

from __future__ import annotations

from typing import Final

from ...core.tenant.http_json import fetch_document
from ...core.tenant.metadata import ADVICE, PATH, parse_metadata
from ...core.tenant.retry_after import parse_http_date
from ...durations import describe_duration
from ...errors import HttpError
from ...jose import SIGNATURE_ALGORITHMS, Jwk, KeySet
from ...options import VARIABLE_PREFIX, Options
from ...quoting import quoted
from .check import Check, failed, failed_by, passed, skipped
from .diagnosis import Diagnosis

__all__ = ["check_clock", "check_discovery", "check_issuer", "check_keys"]

NOTICEABLE_SECONDS: Final = 5.0
_PRECISION_SECONDS: Final = 2.0  # Date has whole seconds, and responses take time


def check_discovery(diagnosis: Diagnosis) -> Check:
    """Fetch the discovery document."""
    url = diagnosis.options.tenant_domain + PATH
    try:
        diagnosis.document = diagnosis.run(
            fetch_document(url, timeout_seconds=diagnosis.timeout_seconds, advice=ADVICE, body_advice=ADVICE)
        )
    except HttpError as error:
        return failed_by("discovery", error, _advice(error, diagnosis.options))
    return passed("discovery", f"{quoted(url)} is a JSON document")


def _advice(error: HttpError, options: Options) -> str:
    if error.status is not None:
        return "the tenant or a gateway in front of it fails: try again later, and check its status page"
    if options.tenant_domain.startswith("http://"):
        return (
            f"check that an HTTP server runs there; if it uses TLS, write https:// in"
            f" {VARIABLE_PREFIX}TENANT_DOMAIN"
        )
    return (
        f"check the network connection to the tenant; if it is only slow, increase {VARIABLE_PREFIX}"
        "RESPONSE_TIMEOUT (milliseconds)"
    )


def check_issuer(diagnosis: Diagnosis) -> Check:
    """Compare the document's ``issuer`` with the tenant domain."""
    try:
        diagnosis.metadata = parse_metadata(diagnosis.document, diagnosis.options.tenant_domain)
    except HttpError as error:
        return failed_by("issuer", error, ADVICE)
    return passed("issuer", f"tokens must have iss {quoted(diagnosis.metadata.issuer)}")


def check_keys(diagnosis: Diagnosis) -> Check:
    """Fetch the key set and list whether each key is usable."""
    try:
        url = diagnosis.metadata.jwks_uri
        document = diagnosis.run(
            fetch_document(url, timeout_seconds=diagnosis.timeout_seconds, advice=_WRONG_ADDRESS)
        )
    except HttpError as error:
        return failed_by("keys", error, _advice(error, diagnosis.options))
    try:
        keys = KeySet.from_dict(document)
    except ValueError as error:
        return failed("keys", f"{quoted(url)} is not a key set: {error}", _WRONG_ADDRESS)
    accepted = diagnosis.options.algorithms
    items = [_describe(key, accepted) for key in keys] + [f"not usable: {reason}" for reason in keys.skipped]
    usable = sum(bool(_algorithms(key, accepted)) for key in keys)
    if not usable:
        advice = (
            f"allow an algorithm of these keys with {VARIABLE_PREFIX}ALGORITHMS"
            if keys
            else "configure a supported signing key at the tenant: RSA of at least 2048 bits, EC or Ed25519"
        )
        return failed("keys", f"none of the {len(items)} keys can be used", advice, items)
    return passed("keys", f"{usable} of {len(items)} keys can be used", items=items)


_WRONG_ADDRESS: Final = "correct the jwks_uri at the tenant"


def _describe(key: Jwk, accepted: tuple[str, ...]) -> str:
    name = "without a kid" if key.key_id is None else f"kid {quoted(key.key_id)}"
    algorithms = _algorithms(key, accepted)
    if algorithms:
        return f"{name}: usable for {', '.join(algorithms)}"
    return f"{name}: not usable, because {VARIABLE_PREFIX}ALGORITHMS lists none of its algorithms"


def _algorithms(key: Jwk, accepted: tuple[str, ...]) -> list[str]:
    return [name for name, row in SIGNATURE_ALGORITHMS.items() if name in accepted and key.supports(row)]


def check_clock(diagnosis: Diagnosis) -> Check:
    """Compare the clock of this machine with the ``Date`` of the tenant's last response."""
    if diagnosis.last_response is None:
        return skipped("clock", "there is no response of the tenant to compare with")
    response, received_at = diagnosis.last_response
    date = parse_http_date(response.headers.get("date", ""))
    if date is None:
        return skipped("clock", "the tenant's response has no Date header")
    age = response.headers.get("age", "")  # set by HTTP caches (RFC 9111 section 5.1)
    date += int(age) if age.isascii() and age.isdigit() and len(age) < 9 else 0
    ahead = received_at + diagnosis.options.clock_skew - date
    detail = f"{describe_duration(round(abs(ahead)))} {'ahead of' if ahead > 0 else 'behind'} the tenant's"
    tolerance = diagnosis.options.clock_tolerance
    if abs(ahead) > tolerance + _PRECISION_SECONDS:
        effect = "[expired] too early" if ahead > 0 else "[not_yet_valid]"
        return failed(
            "clock",
            f"the clock of this machine is {detail}",
            f"synchronise it with NTP; until then tokens are refused {effect}: clock_tolerance is"
            f" {tolerance:g} s",
        )
    advice = "synchronise the clock with NTP" if abs(ahead) > NOTICEABLE_SECONDS else None
    if abs(ahead) < _PRECISION_SECONDS:
        detail = "the same as the tenant's, within the precision of its Date header"
    return passed("clock", f"the clock of this machine is {detail}", advice=advice)
