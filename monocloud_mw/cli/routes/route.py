"""The requirements of one route, and their description.

A route is called public only if it is declared public. If no check was found, the view may still have its own
check, so its requirements are called unknown.
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
    """The requirements of one check of a route; ``optional`` lets requests without a token pass."""

    requirements: Requirements = NO_REQUIREMENTS
    optional: bool = False


@attrs.frozen(kw_only=True)
class Route:
    """A route: its path in the framework's syntax, and the requirements of all its checks.

    Args:
        methods: the methods that it serves; :data:`ANY_METHOD` for all.
        path: the path, relative to the application.
        needs: the requirements of each check that requires a token.
        public: whether it is declared public.
        others: checks of the framework, as text.
        unknown: possible further requirements that cannot be determined, as text.
    """

    methods: tuple[str, ...]
    path: str
    needs: tuple[Need, ...] = ()
    public: bool = False
    others: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def with_needs(self, more: Iterable[Need]) -> Route:
        """Return a copy of the route with further checks."""
        return attrs.evolve(self, needs=(*self.needs, *more))

    def below(self, prefix: str) -> Route:
        """Return a copy of the route below the path of a mount."""
        return attrs.evolve(self, path=prefix + self.path)

    @property
    def method_names(self) -> list[str]:
        """The methods, for output."""
        return list(self.methods) or ["ANY"]

    @property
    def text(self) -> str:
        """The requirements as text."""
        parts = [*_words(self.needs), *self.others]
        unknown = self.unknown
        if not parts and not unknown:
            if self.public:
                return "public"
            unknown = (NOTHING_FOUND,)
        return "; ".join([*parts, *(f"unknown: {each}" for each in unknown)])

    def to_dict(self) -> dict[str, Any]:
        """Return the route as a JSON object."""
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
    """Return an example path of a route, with values for its variables."""
    return _VARIABLE.sub(lambda found: _SAMPLES.get(_type_of(found[0]), "any-value"), path)


def is_served_by(path: str, route: str) -> bool:
    """Return whether a route serves a path, with any values of its variables."""
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(route):
        parts += [re.escape(route[end : found.start()]), _VALUES.get(_type_of(found[0]), "[^/]+")]
        end = found.end()
    return re.fullmatch("".join([*parts, re.escape(route[end:])]), path) is not None


def _type_of(variable: str) -> str:
    found = _TYPE.search(variable)
    return (found[1] or found[2]) if found else ""
