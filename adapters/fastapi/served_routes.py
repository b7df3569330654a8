"""Lists what a FastAPI router serves: its routes, those of included routers, frontends, and its ``default``.

FastAPI adds the dependencies of a router to the views that are declared with the router, and those of
``include_router`` to the views of the included router. It does not add them to mounts and plain Starlette
routes, nor to routes that are put into ``router.routes`` directly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fastapi.params import Depends
from starlette.routing import Mount

__all__ = ["Frontend", "ServedRoute", "routers_of", "served_routes"]


class ServedRoute(NamedTuple):
    """One route.

    Args:
        route: the route as served, with the prefixes and dependencies of its routers.
        around: the dependencies of its routers, whether or not they apply to it.
    """

    route: Any
    around: Sequence[Depends]


class Frontend(NamedTuple):
    """Files that ``frontend()`` of an application or router serves.

    Args:
        path: the path below which they are served.
        dependencies: the dependencies that FastAPI runs before it serves them.
    """

    path: str
    dependencies: Sequence[Depends]
    methods: Sequence[str] = ("GET",)
    endpoint: Any = None


class RouterDefault(Mount):
    """The application that a router calls for all paths that no route has."""


def served_routes(router: Any) -> Iterator[ServedRoute]:
    """Yield everything that a router serves."""
    for route in router.routes:
        if _is_included(route):
            yield from _served_by(route, router.dependencies)
        else:
            yield ServedRoute(route, router.dependencies)
    for group in getattr(router, "_iter_low_priority_routes", tuple)():
        prefix = getattr(group, "frontend_prefix", "")
        for files in getattr(getattr(group, "original_route", group), "routes", ()):
            dependencies = getattr(group, "dependencies", ())  # none up to FastAPI 0.138
            yield ServedRoute(Frontend(f"{prefix}{files.path}", dependencies), router.dependencies)
    if router.default != router.not_found:
        yield ServedRoute(RouterDefault("", router.default), router.dependencies)


def _served_by(included: Any, above: Sequence[Depends]) -> Iterator[ServedRoute]:
    around = (*above, *included.include_context.dependencies, *included.original_router.dependencies)
    for candidate in included.effective_candidates():
        if _is_included(candidate):
            yield from _served_by(candidate, around)
        else:
            yield ServedRoute(candidate.starlette_route or candidate, around)


def _is_included(route: Any) -> bool:
    return hasattr(route, "effective_candidates")


def routers_of(router: Any) -> Iterator[Any]:
    """Yield a router and all routers that it includes."""
    yield router
    for route in router.routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from routers_of(included)
