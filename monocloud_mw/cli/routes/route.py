"""What one route needs, and the words for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import attrs

from ...core.token.requirements import NO_REQUIREMENTS, Requirements

__all__ = ["Need", "Route", "sample_path"]

_VARIABLE: Final = re.compile(r"<[^<>]*>|\{[^{}]*\}")
_IS_INTEGER: Final = re.compile(r"[<{](int|float)\b|:(int|float)\}")


@attrs.frozen
class Need:
    """What a request needs at one place that checks it; ``optional`` lets requests without a token pass."""

    requirements: Requirements = NO_REQUIREMENTS
    optional: bool = False


@attrs.frozen(kw_only=True)
class Route:
    """A route: its path as the framework writes it, and what its requests need at all places together.

    ``needs`` is empty where no place asks for a token.
    """

    methods: tuple[str, ...]
    path: str
    needs: tuple[Need, ...] = ()

    def with_needs(self, more: Iterable[Need]) -> Route:
        """Return the same route with further places that check it."""
        return attrs.evolve(self, needs=(*self.needs, *more))

    @property
    def text(self) -> str:
        """What is needed, in words."""
        if not self.needs:
            return "public"
        merged = NO_REQUIREMENTS
        for need in self.needs:
            merged = merged.merge(need.requirements)
        parts = ["token, optional" if all(need.optional for need in self.needs) else "token"]
        if merged.scopes:
            parts.append(f"scopes {' '.join(sorted(merged.scopes))}")
        parts += [f"any scope of {' '.join(sorted(names))}" for names in merged.any_scopes]
        parts += [f"groups {', '.join(sorted(names))}" for names in merged.groups]
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"methods": list(self.methods), "path": self.path, "needs": self.text}


def sample_path(path: str) -> str:
    """Return a path that a route serves: its variables have a value."""
    return _VARIABLE.sub(lambda found: "1" if _IS_INTEGER.search(found[0]) else "x", path)
