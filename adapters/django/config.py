"""The setting ``MONOCLOUD_BACKEND`` of a project, and the clients created from it.

::

    MONOCLOUD_BACKEND = {
        "tenant_domain": "https://acme.us.monocloud.com",
        "audience": "https://api.acme.com",
        "public_apps": ["admin"],
    }

- Keys are the names of :class:`.DjangoSettings`, in lower or upper case.
  Missing options are read from the environment, then from the defaults.
- A process has one client for threads and one for event loops, each created on first use. The first is closed
  when the process exits; the connections of the second are closed with their event loop.
- All problems are reported together. The system checks report them too, without contacting the tenant.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from monocloud_mw.client import AsyncBackendClient, BackendClient
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.options import Options, Settings
from monocloud_mw.options.names import describe_unknown
from monocloud_mw.protect.adapter_checks import check_boolean, check_callable, collect_problems
from monocloud_mw.protect.guard import Guard

from .callbacks import in_djangos_form, noting_origin, synchronous
from .declarations import has_own_name, name_of
from .project_settings import DjangoSettings

__all__ = ["SETTING", "Protection", "get_protection"]

SETTING: Final = "MONOCLOUD_BACKEND"


class Protection:
    """The settings of one project.

    Args:
        content: ``MONOCLOUD_BACKEND``; its names may be in lower or upper case.

    Raises:
        ConfigurationError: with every problem found.
    """

    requirements: Requirements

    def __init__(self, content: Any) -> None:
        named = _read_names(content)
        of_client = {name: value for name, value in named.items() if name in Settings.__annotations__}
        (
            self.options,
            self.requirements,
            self.deny_by_default,
            self.allow_cors_preflight,
            self.public_views,
            self.public_apps,
            self._token_resolver,
            self._certificate_resolver,
            self._on_error,
        ) = collect_problems(
            lambda: Options.from_environment(os.environ, **of_client),
            lambda: Requirements.of(*(named.get(name, ()) for name in ("scopes", "groups", "any_scopes"))),
            lambda: check_boolean("deny_by_default", named.get("deny_by_default", True)),
            lambda: check_boolean("allow_cors_preflight", named.get("allow_cors_preflight", False)),
            lambda: _read_strings(named, "public_views"),
            lambda: frozenset(_read_strings(named, "public_apps")),
            lambda: _read_callable(named, "token_resolver", "request"),
            lambda: _read_callable(named, "certificate_resolver", "request"),
            lambda: _read_callable(named, "on_error", "error", "response", "request"),
        )
        self.checks_csrf = any(map(_is_csrf_middleware, settings.MIDDLEWARE))
        self._adds_requirements = self.requirements != NO_REQUIREMENTS
        self._needed: dict[Requirements, Requirements] = {}
        self._guards: dict[tuple[bool, bool], Guard] = {}

    def guard_for(self, *, is_async: bool, needs_client: bool = True) -> Guard:
        """Return the guard that checks requests.

        Args:
            is_async: whether the caller runs on an event loop.
            needs_client: whether tokens have to be validated; a guard without a client only compares
                requirements with claims from an earlier check.
        """
        return self._guards.get((is_async, needs_client)) or self._make_guard(is_async, needs_client)

    def needed_for(self, requirements: Requirements) -> Requirements:
        """Return the requirements of a view combined with those of the settings."""
        if requirements is NO_REQUIREMENTS:
            return self.requirements
        if not self._adds_requirements:
            return requirements
        needed = self._needed.get(requirements)
        if needed is None:
            needed = self._needed[requirements] = self.requirements.merge(requirements)
        return needed

    def denies(self, view: Any, app_names: Iterable[str]) -> bool:
        """Return whether a view without a declaration needs a token.

        Args:
            view: the view that Django is going to call.
            app_names: the application namespaces of its URLconfs.
        """
        if not self.deny_by_default or not self.public_apps.isdisjoint(app_names):
            return False
        if not self.public_views:
            return True
        name = f"{name_of(view)}."
        is_listed = any(name.startswith(f"{public}.") for public in self.public_views)
        return not (is_listed and has_own_name(view))

    def close(self) -> None:
        """Close the connections of the client for threads."""
        guard = self._guards.get((False, True))
        if guard is not None:
            cast(BackendClient, guard.client).close()

    def _notifier(self) -> Any:
        """Return the ``notify`` of a client that exists, or ``None``: both pass events to one observer."""
        clients = [guard.client for (_, has_client), guard in self._guards.items() if has_client]
        return cast(Any, clients[0]).notify if clients else None

    def _make_guard(self, is_async: bool, needs_client: bool) -> Guard:
        adapt = (lambda function: function) if is_async else synchronous
        resolver, on_error = self._token_resolver, self._on_error
        with _making_a_guard:
            if (is_async, needs_client) not in self._guards:
                client: Any = SimpleNamespace(options=self.options, notify=self._notifier())
                if needs_client:
                    client = AsyncBackendClient(self.options) if is_async else BackendClient(self.options)
                self._guards[is_async, needs_client] = Guard(
                    client,
                    token_resolver=None if resolver is None else noting_origin(adapt(resolver)),
                    certificate_resolver=adapt(self._certificate_resolver),
                    on_error=None if on_error is None else in_djangos_form(adapt(on_error)),
                )
        return self._guards[is_async, needs_client]


_making_a_guard: Final = threading.Lock()

_protection: Protection | None = None


def get_protection() -> Protection:
    """Return the protection of this project.

    Raises:
        ConfigurationError: with every problem found; the next call tries again.
    """
    global _protection
    if _protection is None:
        _protection = Protection(getattr(settings, SETTING, {}))
    return _protection


def _forget(*, setting: str, **_: Any) -> None:
    """Discard the cached protection when a test overrides the settings."""
    global _protection
    if setting in (SETTING, "MIDDLEWARE"):
        _close()
        _protection = None


setting_changed.connect(_forget)


@atexit.register
def _close() -> None:
    if _protection is not None:
        _protection.close()


def _is_csrf_middleware(path: str) -> bool:
    middleware = import_string(path)
    return isinstance(middleware, type) and issubclass(middleware, CsrfViewMiddleware)


def _read_names(content: Any) -> dict[str, Any]:
    """Return the settings keyed by lower-case name; ``None`` counts as not set."""
    if not isinstance(content, Mapping):
        message = f"must be a dictionary of options, not {type(content).__name__}"
        raise ConfigurationError([Problem(SETTING, None, message)])
    known = DjangoSettings.__annotations__
    named: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in content.items():
        name = str(key).lower()
        if name not in known:
            problems.append(Problem(name, None, describe_unknown(name, known)))
        elif name in named:
            problems.append(Problem(name, None, "is set twice, in lower and in upper case; remove one"))
        elif value is not None:
            named[name] = value
    if problems:
        raise ConfigurationError(problems)
    return named


def _read_strings(named: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value: Any = named.get(name, ())
    values: Iterable[Any] = (value,) if isinstance(value, str) else value
    if not isinstance(values, (list, tuple, set, frozenset)) or not all(
        isinstance(entry, str) and entry.strip() == entry != "" for entry in values
    ):
        raise ConfigurationError(
            [Problem(name, None, "must be a list of names without surrounding white space")]
        )
    return tuple(values)


def _read_callable(named: Mapping[str, Any], name: str, *arguments: str) -> Callable[..., Any] | None:
    value = named.get(name)
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise ConfigurationError([Problem(name, None, f"cannot be imported: {error}")]) from error
    if value is not None and not callable(value):
        message = f"must be a callable or its dotted name, not {type(value).__name__}"
        raise ConfigurationError([Problem(name, None, message)])
    check_callable(name, value, *arguments, may_be_async=True)
    return value
