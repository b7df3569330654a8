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

__all__ = ["NO_REQUIREMENTS", "Requirements", "check_groups", "check_scopes"]


@attrs.frozen
class Requirements:
    """Scopes that must all be there, and sets of groups of which each must be met.

    Args:
        scopes: every one is required; case-sensitive (RFC 6749 section 3.3).
        groups: alternatives: of each set any one group is enough, or all with ``groups_match_all``.
    """

    scopes: frozenset[str] = frozenset()
    groups: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(cls, scopes: str | Iterable[str] = (), groups: str | Iterable[str] = ()) -> Requirements:
        """Read what a developer wrote.

        Raises:
            ConfigurationError: a value is not a string or a collection of non-empty strings.
        """
        try:
            return _remembered(scopes, groups)
        except TypeError:  # a list, say, which no memory can be asked for
            return _read(scopes, groups)

    def merge(self, other: Requirements) -> Requirements:
        """Return what meets both."""
        groups = self.groups + tuple(group for group in other.groups if group not in self.groups)
        return Requirements(self.scopes | other.scopes, groups)


NO_REQUIREMENTS: Final = Requirements()


def _read(scopes: Any, groups: Any) -> Requirements:
    problems: list[Problem] = []
    # Blank text is refused like any blank entry: read as no scope at all it would let everybody pass.
    listed = (scopes.split() or [scopes]) if isinstance(scopes, str) else scopes
    wanted_scopes = _values("scopes", listed, problems)
    wanted_groups = _values("groups", (groups,) if isinstance(groups, str) else groups, problems)
    if any(scope.split() != [scope] for scope in wanted_scopes):
        problems.append(Problem("scopes", None, "a scope holds no white space"))
    if problems:
        raise ConfigurationError(problems)
    return Requirements(wanted_scopes, (wanted_groups,) if wanted_groups else ())


# Whoever calls a client directly states the same few requirements with every token.
_remembered: Final[Callable[[Any, Any], Requirements]] = lru_cache(maxsize=1024)(_read)


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


def check_scopes(claims: AccessTokenClaims, requirements: Requirements) -> None:
    """Refuse a token that lacks a required scope (RFC 6750 section 3.1) [insufficient_scope]."""
    if not requirements.scopes <= claims.scopes:
        raise TokenError(Reason.INSUFFICIENT_SCOPE, scopes=sorted(requirements.scopes))


def check_groups(claims: AccessTokenClaims, requirements: Requirements, *, match_all: bool) -> None:
    """Refuse a token whose user is not in the required groups [insufficient_groups]."""
    for wanted in requirements.groups:
        groups = claims.group_set
        if not (wanted <= groups if match_all else wanted & groups):
            raise TokenError(
                Reason.INSUFFICIENT_GROUPS,
                f"{'not all' if match_all else 'none'} of {quoted(sorted(wanted))}",
                scopes=sorted(requirements.scopes),  # the challenge tells them, whatever is missing
            )
