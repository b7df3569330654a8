"""System checks: invalid settings, middleware order, and names that match no view. They use no network.

=======================  ===================================================================================
``monocloud_mw.E001``    ``MONOCLOUD_BACKEND`` or an environment variable has an invalid setting
``monocloud_mw.E002``    a view is declared incorrectly (the message names it)
``monocloud_mw.E003``    the middleware comes after ``CsrfViewMiddleware``, which refuses requests first
``monocloud_mw.E004``    a setting needs the middleware, which is not installed
``monocloud_mw.W001``    an entry of ``public_views`` or ``public_apps`` matches no view
``monocloud_mw.W002``    nothing in the URLconf requires an access token, and the middleware is not installed
=======================  ===================================================================================
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from monocloud_mw.client import AsyncBackendClient, BackendClient
from monocloud_mw.errors import ConfigurationError

from .config import SETTING, Protection
from .contradictions import find_contradictions
from .declarations import class_of, declaration_of, name_of
from .middleware import ProtectApiMiddleware

__all__ = ["check_protection"]

_Listed = tuple[Any, tuple[str, ...]]  # a view, and the application namespaces of its URLconfs
_OF_MIDDLEWARE: Final = ("deny_by_default", "public_views", "public_apps")


def check_protection(**_: Any) -> list[CheckMessage]:
    """Return the problems found in the settings, the middleware and the views of a project."""
    content = getattr(settings, SETTING, {})
    try:
        protection = Protection(content)
        _make_a_client(protection)
    except ConfigurationError as error:
        problems = [str(problem) for problem in error.problems] or [str(error)]
        return [
            Error(
                problem,
                hint=f"Correct {SETTING}; options can also be set in the environment.",
                obj=SETTING,
                id="monocloud_mw.E001",
            )
            for problem in problems
        ]
    kinds = [import_string(path) for path in settings.MIDDLEWARE]
    has_middleware = any(_is(kind, ProtectApiMiddleware) for kind in kinds)
    return [*_check_middleware(content, kinds), *_check_views(protection, has_middleware=has_middleware)]


def _make_a_client(protection: Protection) -> None:
    """Raise ``ConfigurationError`` for options that neither client accepts."""
    try:
        BackendClient(protection.options).close()
    except ConfigurationError:
        AsyncBackendClient(protection.options)


def _check_middleware(content: Any, kinds: list[Any]) -> Iterator[CheckMessage]:
    places = [place for place, kind in enumerate(kinds) if _is(kind, ProtectApiMiddleware)]
    if not places:
        given = sorted({str(name).lower() for name in content}.intersection(_OF_MIDDLEWARE))
        if given:
            yield Error(
                f"{', '.join(given)}: has no effect because the middleware is not installed",
                hint='Add "monocloud_mw.adapters.django.ProtectApiMiddleware" to MIDDLEWARE.',
                obj=SETTING,
                id="monocloud_mw.E004",
            )
    elif any(_is(kind, CsrfViewMiddleware) for kind in kinds[: places[0]]):
        yield Error(
            "ProtectApiMiddleware comes after CsrfViewMiddleware, which refuses POST requests with a token",
            hint="Move ProtectApiMiddleware before CsrfViewMiddleware.",
            obj="MIDDLEWARE",
            id="monocloud_mw.E003",
        )


def _is(kind: Any, parent: type[Any]) -> bool:
    return isinstance(kind, type) and issubclass(kind, parent)


def _check_views(protection: Protection, *, has_middleware: bool) -> Iterator[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    try:
        listed = list(_list_views(get_resolver().url_patterns, ()))
    except ConfigurationError as error:
        yield Error(str(error), obj="ROOT_URLCONF", id="monocloud_mw.E002")
        return
    found = {
        message
        for view, apps in listed
        for message in find_contradictions(view, is_denied=has_middleware and protection.denies(view, apps))
    }
    for message in sorted(found):
        yield Error(message, obj="ROOT_URLCONF", id="monocloud_mw.E002")
    yield from _check_names(protection, listed)
    if listed and not has_middleware and not any(_reads_tokens(view, apps) for view, apps in listed):
        yield CheckWarning(
            "no view requires an access token: the middleware is not installed, and no view has @protect",
            hint='Add "monocloud_mw.adapters.django.ProtectApiMiddleware" to MIDDLEWARE, or use @protect.',
            obj="MIDDLEWARE",
            id="monocloud_mw.W002",
        )


def _check_names(protection: Protection, listed: list[_Listed]) -> Iterator[CheckMessage]:
    apps = sorted({app for _, apps in listed for app in apps})
    for app in sorted(protection.public_apps.difference(apps)):
        yield CheckWarning(
            f"public_apps: no URLconf has the app_name {app!r}",
            hint=f"Correct or remove it; the URLconfs have {', '.join(map(repr, apps)) or 'no app_name'}.",
            obj=SETTING,
            id="monocloud_mw.W001",
        )
    names = [f"{name_of(view)}." for view, _ in listed]
    for name in sorted(protection.public_views):
        if not any(view.startswith(f"{name}.") for view in names):
            yield CheckWarning(
                f"public_views: {name!r} matches no view and no module with a view",
                hint="Correct or remove it; write a dotted name, such as 'shop.views.ping' or 'shop.views'.",
                obj=SETTING,
                id="monocloud_mw.W001",
            )


def _reads_tokens(view: Any, apps: tuple[str, ...]) -> bool:
    """Return whether a view or a method has @protect, or REST framework or Ninja may read its tokens."""
    if "ninja" in apps and f"{__package__}.ninja" in sys.modules:
        return True
    kind = class_of(view)
    methods = (getattr(kind, name, None) for name in ("dispatch", *getattr(kind, "http_method_names", ())))
    declared = filter(None, map(declaration_of, (view, *methods)))
    if any(not declaration.public for declaration in declared):
        return True
    authenticators = getattr(kind, "get_authenticators", None)
    if authenticators is not None and not authenticators.__module__.startswith("rest_framework."):
        return True  # the view's own method decides with each request
    schemes = getattr(view, "initkwargs", {}).get(
        "authentication_classes", getattr(kind, "authentication_classes", ())
    )
    return not isinstance(schemes, (list, tuple)) or any(  # a property decides with each request, too
        parent.__module__ == f"{__package__}.rest_framework"
        for scheme in schemes
        for parent in getattr(scheme, "__mro__", ())
    )


def _list_views(patterns: Iterable[Any], apps: tuple[str, ...]) -> Iterator[_Listed]:
    """Yield every view and the application namespaces of its URLconfs."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _list_views(pattern.url_patterns, (*apps, *filter(None, [pattern.app_name])))
        elif isinstance(pattern, URLPattern):
            yield pattern.callback, apps
