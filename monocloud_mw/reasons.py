"""The reasons for which a token is refused, with the code and the sentence that callers get for each."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["REFUSALS", "Reason", "Refusal"]


class Reason(enum.StrEnum):
    """The reason why a token is refused: stable, machine-readable, one per check."""

    MALFORMED = "malformed"
    UNSUPPORTED_ALGORITHM = "unsupported_algorithm"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    INVALID_CLAIM = "invalid_claim"
    CERTIFICATE_MISSING = "certificate_missing"
    CERTIFICATE_MALFORMED = "certificate_malformed"
    CERTIFICATE_MISMATCH = "certificate_mismatch"
    NOT_BOUND = "not_bound"
    DPOP_REQUIRED = "dpop_required"
    UNSUPPORTED_CONFIRMATION = "unsupported_confirmation"
    INACTIVE = "inactive"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    INSUFFICIENT_GROUPS = "insufficient_groups"


class Refusal(NamedTuple):
    """What callers get for a reason: the code of the error, and a fixed sentence."""

    code: str
    description: str


REFUSALS: Final[Mapping[Reason, Refusal]] = MappingProxyType(
    {
        Reason.MALFORMED: Refusal("invalid_token", "The access token is malformed"),
        Reason.UNSUPPORTED_ALGORITHM: Refusal(
            "invalid_token", "The access token is signed with an algorithm that is not accepted"
        ),
        Reason.WRONG_TYPE: Refusal("invalid_token", "The token is not an access token"),
        Reason.UNKNOWN_KEY: Refusal("invalid_token", "The access token is signed with an unknown key"),
        Reason.BAD_SIGNATURE: Refusal("invalid_token", "The signature of the access token is invalid"),
        Reason.WRONG_ISSUER: Refusal("invalid_token", "The access token is from another issuer"),
        Reason.WRONG_AUDIENCE: Refusal("invalid_token", "The access token is for another audience"),
        Reason.EXPIRED: Refusal("invalid_token", "The access token has expired"),
        Reason.NOT_YET_VALID: Refusal("invalid_token", "The access token is not valid yet"),
        Reason.INVALID_CLAIM: Refusal("invalid_token", "The access token has a missing or invalid claim"),
        Reason.CERTIFICATE_MISSING: Refusal(
            "invalid_token", "The access token requires a client certificate"
        ),
        Reason.CERTIFICATE_MALFORMED: Refusal("invalid_token", "The client certificate is malformed"),
        Reason.CERTIFICATE_MISMATCH: Refusal(
            "invalid_token", "The access token is bound to another client certificate"
        ),
        Reason.NOT_BOUND: Refusal("invalid_token", "The access token is not bound to a client certificate"),
        Reason.DPOP_REQUIRED: Refusal("invalid_token", "The access token requires a DPoP proof"),
        Reason.UNSUPPORTED_CONFIRMATION: Refusal(
            "invalid_token", "The access token is bound in a way that is not supported"
        ),
        Reason.INACTIVE: Refusal("inactive_token", "The access token is not active"),
        Reason.INSUFFICIENT_SCOPE: Refusal("insufficient_scope", "The access token lacks a required scope"),
        Reason.INSUFFICIENT_GROUPS: Refusal("insufficient_groups", "The access token lacks a required group"),
    }
)
