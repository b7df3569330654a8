"""What a route asks of a token: scopes and groups.

A requirement is read once, where a route is declared; a wrong type is refused there. One string means
exactly that one group, or the scopes it lists; it is never taken for a sequence of letters or ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import attrs

from ...claims import AccessTokenClaims
from ...errors import ConfigurationError, Problem, Reason, TokenError, quoted

__all__ = ["NO_REQUIREMENTS", "Requirements", "check_groups", "check_requirements", "check_scopes"]


@attrs.frozen
class Requirements:
    """Scopes that must all be there, and alternatives of which each must be met.

    Args:
        scopes: every one is required; case-sensitive (RFC 6749 section 3.3).
        groups: alternatives: of each set any one group is enough, or all with ``groups_match_all``.
        any_scopes: alternatives: of each set any one scope is enough.
    """

    scopes: frozenset[str] = frozenset()
    groups: tuple[frozenset[str], ...] = ()
    any_scopes: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(
        cls,
        scopes: str | Iterable[str] = (),
        groups: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] = (),
    ) -> Requirements:
        """Read what a developer wrote.

        Args:
            scopes: all of them are required; one string may list several, separated by spaces.
            groups: any of them is enough, or all are required with ``groups_match_all``.
            any_scopes: any of them is enough; one string may list several, likewise.

        Raises:
            ConfigurationError: a value is not a string or a collection of non-empty strings, or a scope has
                white space or control characters in it.
        """
        try:
            return _remembered(scopes, groups, any_scopes)
        except TypeError:  # a list cannot be hashed, so it cannot be remembered
            return _read(scopes, groups, any_scopes)

    def merge(self, other: Requirements) -> Requirements:
        """Return the combination of both: a token must meet each of the two."""
        return Requirements(
            self.scopes | other.scopes,
            _united(self.groups, other.groups),
            _united(self.any_scopes, other.any_scopes),
        )

    @property
    def named_scopes(self) -> list[str]:
        """Every scope that is asked for in any way, sorted: what a challenge names."""
        return sorted(self.scopes.union(*self.any_scopes))


NO_REQUIREMENTS: Final = Requirements()


def _united(
    these: tuple[frozenset[str], ...], those: tuple[frozenset[str], ...]
) -> tuple[frozenset[str], ...]:
    return these + tuple(alternatives for alternatives in those if alternatives not in these)


def _read(scopes: Any, groups: Any, any_scopes: Any) -> Requirements:
    problems: list[Problem] = []
    wanted_scopes = _scopes("scopes", scopes, problems)
    wanted_groups = _values("groups", (groups,) if isinstance(groups, str) else groups, problems)
    alternatives = _scopes("any_scopes", any_scopes, problems)
    if problems:
        raise ConfigurationError(problems)
    return Requirements(
        wanted_scopes,
        (wanted_groups,) if wanted_groups else (),
        (alternatives,) if alternatives else (),
    )


# Whoever calls a client directly states the same few requirements with every token.
_remembered: Final[Callable[[Any, Any, Any], Requirements]] = lru_cache(maxsize=1024)(_read)


def _scopes(option: str, scopes: Any, problems: list[Problem]) -> frozenset[str]:
    """Read scopes; in one string only U+0020 separates them (RFC 6749 section 3.3)."""
    # Blank text is refused like any blank entry: read as no scope at all it would let every token pass.
    listed = (list(filter(None, scopes.split(" "))) or [scopes]) if isinstance(scopes, str) else scopes
    wanted = _values(option, listed, problems)
    if not all(scope.isprintable() and " " not in scope for scope in wanted):
        message = "a scope must not have white space or control characters; only spaces separate scopes"
        problems.append(Problem(option, None, message))
    return wanted


def _values(option: str, values: Any, problems: list[Problem]) -> frozenset[str]:
    if not isinstance(values, (list, tuple, set, frozenset)):
        problems.append(
            Problem(option, None, f"must be a string or a list of strings, not {type(values).__name__}")
        )
    elif not all(isinstance(value, str) and value.strip() for value in values):
        problems.append(Problem(option, None, "every entry must be a non-empty string"))
    else:
        return frozenset(values)
    return frozenset()


def check_requirements(claims: AccessTokenClaims, requirements: Requirements, *, match_all: bool) -> None:
    """Check everything that a route asks of a valid token [insufficient_scope, insufficient_groups]."""
    check_scopes(claims, requirements)
    check_groups(claims, requirements, match_all=match_all)


def check_scopes(claims: AccessTokenClaims, requirements: Requirements) -> None:
    """Refuse a token that lacks a required scope (RFC 6750 section 3.1) [insufficient_scope]."""
    scopes = claims.scopes
    if not requirements.scopes <= scopes:
        raise TokenError(Reason.INSUFFICIENT_SCOPE, scopes=requirements.named_scopes, subject=claims.subject)
    for wanted in requirements.any_scopes:
        if wanted.isdisjoint(scopes):
            raise TokenError(
                Reason.INSUFFICIENT_SCOPE,
                f"none of {quoted(sorted(wanted))}",
                scopes=requirements.named_scopes,
                subject=claims.subject,
            )


def check_groups(claims: AccessTokenClaims, requirements: Requirements, *, match_all: bool) -> None:
    """Refuse a token whose user is not in the required groups [insufficient_groups]."""
    for wanted in requirements.groups:
        groups = claims.group_set
        if not (wanted <= groups if match_all else wanted & groups):
            raise TokenError(
                Reason.INSUFFICIENT_GROUPS,
                f"{'not all' if match_all else 'none'} of {quoted(sorted(wanted))}",
                scopes=requirements.named_scopes,  # the challenge names them, whatever is missing
                subject=claims.subject,
            )
