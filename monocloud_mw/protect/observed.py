"""Emits an event for each token that a directly called client validates; adapters use the guard instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..claims import AccessTokenClaims
from ..core.effects import Emit, Flow, Instant
from ..core.token.presented import Presented
from ..core.token.requirements import Requirements
from ..core.token.validator import Validator
from ..errors import MonoCloudError
from .logs import describe_acceptance, describe_refusal
from .responses import error_response

__all__ = ["ObservedValidator"]

_Start: TypeAlias = Callable[[Presented, Requirements, Instant], Flow[AccessTokenClaims]]


class ObservedValidator:
    """The flows of a validator, each followed by an event."""

    def __init__(self, validator: Validator) -> None:
        self.authenticate: _Start = _observed(validator.authenticate)
        self.validate: _Start = _observed(validator.validate)
        self.validate_jwt: _Start = _observed(validator.validate_jwt)
        self.introspect: _Start = _observed(validator.introspect)


def _observed(start: _Start) -> _Start:
    def observed(presented: Presented, requirements: Requirements, now: Instant) -> Flow[AccessTokenClaims]:
        method, path = presented.method, presented.url
        try:
            claims = yield from start(presented, requirements, now)
        except MonoCloudError as error:
            status = error_response(error).status
            yield Emit(describe_refusal(error, method=method, path=path, status=status))
            raise
        yield Emit(describe_acceptance(claims, method, path))
        return claims

    return observed
