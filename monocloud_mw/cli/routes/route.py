"""What one route needs, and the words for it.

Only what somebody has declared is called public. Where no check was found, a view may still have one of its
own: that is unknown, and said as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import attrs

from ...core.token.requirements import NO_REQUIREMENTS, Requirements

__all__ = ["ANY_METHOD", "Need", "Route", "is_served_by", "sample_path"]

ANY_METHOD: Final[tuple[str, ...]] = ()
"""The methods of a route that does not restrict them."""

NOTHING_FOUND: Final = "no check by monocloud_mw was found"

_VARIABLE: Final = re.compile(r"<[^<>]*>|\{[^{}]*\}")
_TYPE: Final = re.compile(r"[<{](int|float|uuid|path)\b|:(int|float|uuid|path)\}")
_VALUES: Final = {"int": r"\d+", "float": r"[\d.]+", "uuid": "[0-9a-fA-F-]+", "path": ".+"}
_SAMPLES: Final = {"int": "7", "float": "7.5", "uuid": "6f1c1d8e-5a43-4c0e-9d3f-2b7a90c1e4d2"}


@attrs.frozen
class Need:
    """What a request needs at one place that checks it; ``optional`` lets requests without a token pass."""

    requirements: Requirements = NO_REQUIREMENTS
    optional: bool = False


@attrs.frozen(kw_only=True)
class Route:
    """A route: its path as the framework writes it, and what its requests need at all places together.

    Args:
        methods: that it serves; :data:`ANY_METHOD` for all.
        path: below the application.
        needs: what is asked for at each place that asks for a token.
        public: whether a place declares that no token is needed.
        others: checks that are the framework's own, in words.
        unknown: what may ask for more and cannot be read, in words.
    """

    methods: tuple[str, ...]
    path: str
    needs: tuple[Need, ...] = ()
    public: bool = False
    others: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def with_needs(self, more: Iterable[Need]) -> Route:
        """Return the same route with further places that check it."""
        return attrs.evolve(self, needs=(*self.needs, *more))

    def below(self, prefix: str) -> Route:
        """Return the same route of an application that is mounted."""
        return attrs.evolve(self, path=prefix + self.path)

    @property
    def method_names(self) -> list[str]:
        """The methods, for output."""
        return list(self.methods) or ["ANY"]

    @property
    def text(self) -> str:
        """What is needed, in words."""
        parts = [*_words(self.needs), *self.others]
        unknown = self.unknown
        if not parts and not unknown:
            if self.public:
                return "public"
            unknown = (NOTHING_FOUND,)
        return "; ".join([*parts, *(f"unknown: {each}" for each in unknown)])

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"methods": self.method_names, "path": self.path, "needs": self.text}


def _words(needs: tuple[Need, ...]) -> Iterable[str]:
    if not needs:
        return
    merged = NO_REQUIREMENTS
    for need in needs:
        merged = merged.merge(need.requirements)
    yield "token, optional" if all(need.optional for need in needs) else "token"
    if merged.scopes:
        yield f"scopes {' '.join(sorted(merged.scopes))}"
    for names in merged.any_scopes:
        yield f"any scope of {' '.join(sorted(names))}"
    for names in merged.groups:
        yield f"groups {', '.join(sorted(names))}"


def sample_path(path: str) -> str:
    """Return a path that a route serves: its variables have a value."""
    return _VARIABLE.sub(lambda found: _SAMPLES.get(_type_of(found[0]), "any-value"), path)


def is_served_by(path: str, route: str) -> bool:
    """Tell whether a route serves a path, its variables having any value."""
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(route):
        parts += [re.escape(route[end : found.start()]), _VALUES.get(_type_of(found[0]), "[^/]+")]
        end = found.end()
    return re.fullmatch("".join([*parts, re.escape(route[end:])]), path) is not None


def _type_of(variable: str) -> str:
    found = _TYPE.search(variable)
    return (found[1] or found[2]) if found else ""
