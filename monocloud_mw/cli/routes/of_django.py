"""The routes of a Django project: its URL patterns, with the requirements of middleware and views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
from django.conf import settings
from django.contrib.admindocs.views import simplify_regex
from django.urls import get_resolver
from django.urls.resolvers import RegexPattern

from ...adapters.django.config import get_protection
from ...adapters.django.declarations import enforced_on
from .django_views import list_view
from .route import Need, Route

__all__ = ["list_django"]

_MIDDLEWARE: Final = "monocloud_mw.adapters.django.ProtectApiMiddleware"


def list_django() -> Iterator[Route]:
    """Yield the routes of the configured project."""
    patterns: Any = get_resolver().url_patterns  # a cached_property of Django, which pyright does not know
    # dict.fromkeys removes duplicates: Ninja has a URL pattern for each name of an operation.
    yield from dict.fromkeys(_list(patterns, "/", ()))


def _list(patterns: Iterable[Any], prefix: str, apps: tuple[str, ...]) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + _text_of(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            names = (*apps, *filter(None, [pattern.app_name]))
            yield from _list(pattern.url_patterns, path, names)
            continue
        needs, public = _declared(pattern.callback, apps)
        for route in list_view(pattern.callback, path):
            yield attrs.evolve(route.with_needs(needs), public=public)


def _text_of(pattern: Any) -> str:
    text = str(pattern)
    return simplify_regex(text).removeprefix("/") if isinstance(pattern, RegexPattern) else text


def _declared(view: Any, apps: tuple[str, ...]) -> tuple[tuple[Need, ...], bool]:
    """Return the requirements of a view or of the middleware, and whether the view is declared public."""
    declaration = enforced_on(view)
    if declaration is not None:
        if declaration.public:
            return (), True
        requirements = get_protection().needed_for(declaration.requirements)
        return (Need(requirements, declaration.optional),), False
    if _MIDDLEWARE not in settings.MIDDLEWARE:
        return (), False
    protection = get_protection()
    if protection.denies(view, apps):
        return (Need(protection.requirements),), False
    # Views in public_apps may have their own checks, as the admin site does.
    return (), protection.deny_by_default and not protection.denies(view, ())
