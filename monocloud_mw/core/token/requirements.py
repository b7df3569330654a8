"""The scopes and groups that a route requires.

Requirements are parsed once, when a route is declared, and a wrong type is rejected there. A string means one
group, or the scopes that it lists; it is never treated as a sequence of characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import attrs

from ...claims import AccessTokenClaims
from ...errors import ConfigurationError, Problem, Reason, TokenError
from ...quoting import quoted, quoted_list

__all__ = ["NO_REQUIREMENTS", "Requirements", "check_groups", "check_requirements", "check_scopes"]


@attrs.frozen
class Requirements:
    """The scopes and groups that a token must have.

    Args:
        scopes: all of them are required; case-sensitive (RFC 6749 section 3.3).
        groups: one group of each set is required, or all groups with ``groups_match_all``.
        any_scopes: one scope of each set is required.
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
        """Create requirements from the arguments of a decorator or client.

        Args:
            scopes: all of them are required; a string may list several, separated by spaces.
            groups: one of them is required, or all with ``groups_match_all``; a string is one group.
            any_scopes: one of them is required; a string may list several, separated by spaces.

        Raises:
            ConfigurationError: a value is not a string or a collection of non-empty strings, or a scope
                contains white space or control characters.
        """
        try:
            return _cached(scopes, groups, any_scopes)
        except TypeError:  # a list or a set, which is unhashable
            values = [_hashable(value) for value in (scopes, groups, any_scopes)]
        try:
            return _cached(*values)
        except TypeError:  # a value of a wrong type
            return _read(scopes, groups, any_scopes)

    def merge(self, other: Requirements) -> Requirements:
        """Return the combination of both requirements: a token must meet both."""
        return Requirements(
            self.scopes | other.scopes,
            _merged(self.groups, other.groups),
            _merged(self.any_scopes, other.any_scopes),
        )

    @property
    def named_scopes(self) -> list[str]:
        """All scopes that are named in the requirements, sorted, for the ``WWW-Authenticate`` header."""
        return sorted(self.scopes.union(*self.any_scopes))


NO_REQUIREMENTS: Final = Requirements()


def _merged(
    these: tuple[frozenset[str], ...], those: tuple[frozenset[str], ...]
) -> tuple[frozenset[str], ...]:
    return these + tuple(alternatives for alternatives in those if alternatives not in these)


def _read(scopes: object, groups: object, any_scopes: object) -> Requirements:
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


# Code that calls a client directly passes the same few requirements with every token.
_cached: Final[Callable[[Any, Any, Any], Requirements]] = lru_cache(maxsize=1024)(_read)


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return frozenset(value) if isinstance(value, set) else value


def _scopes(option: str, scopes: object, problems: list[Problem]) -> frozenset[str]:
    """Parse scopes; in a string only U+0020 separates them (RFC 6749 section 3.3)."""
    # Reject blank strings, like blank entries: treated as no scopes, they would accept every token.
    listed = (list(filter(None, scopes.split(" "))) or [scopes]) if isinstance(scopes, str) else scopes
    wanted = _values(option, listed, problems)
    if not all(scope.isprintable() and " " not in scope for scope in wanted):
        message = "a scope must not contain white space or control characters; write ['a', 'b'] or 'a b'"
        problems.append(Problem(option, None, message))
    return wanted


def _values(option: str, values: object, problems: list[Problem]) -> frozenset[str]:
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
    """Refuse a token without the required scopes and groups [insufficient_scope, insufficient_groups].

    The error has the issuer of the token, for the log.
    """
    try:
        check_scopes(claims, requirements)
        check_groups(claims, requirements, match_all=match_all)
    except TokenError as error:
        error.issuer = quoted(claims["iss"]) if "iss" in claims else None
        raise


def check_scopes(claims: AccessTokenClaims, requirements: Requirements) -> None:
    """Refuse a token without a required scope (RFC 6750 section 3.1) [insufficient_scope]."""
    scopes = claims.scopes
    if not requirements.scopes <= scopes:
        raise TokenError(
            Reason.INSUFFICIENT_SCOPE,
            scopes=requirements.named_scopes,
            subject=claims.subject,
            expected=f"all of the scopes {quoted_list(sorted(requirements.scopes))}",
            found=_found("scopes", scopes),
        )
    for wanted in requirements.any_scopes:
        if wanted.isdisjoint(scopes):
            raise TokenError(
                Reason.INSUFFICIENT_SCOPE,
                f"none of {quoted(sorted(wanted))}",
                scopes=requirements.named_scopes,
                subject=claims.subject,
                expected=f"any of the scopes {quoted_list(sorted(wanted))}",
                found=_found("scopes", scopes),
            )


def _found(what: str, values: frozenset[str]) -> str:
    return f"the {what} {quoted_list(sorted(values))}" if values else f"no {what}"


def check_groups(claims: AccessTokenClaims, requirements: Requirements, *, match_all: bool) -> None:
    """Refuse a token without the required groups [insufficient_groups]."""
    for wanted in requirements.groups:
        groups = claims.group_set
        if not (wanted <= groups if match_all else wanted & groups):
            raise TokenError(
                Reason.INSUFFICIENT_GROUPS,
                f"{'not all' if match_all else 'none'} of {quoted(sorted(wanted))}",
                scopes=requirements.named_scopes,  # named in WWW-Authenticate, whatever is missing
                subject=claims.subject,
                expected=f"{'all' if match_all else 'any'} of the groups {quoted_list(sorted(wanted))}",
                found=_found("groups", groups),
            )
