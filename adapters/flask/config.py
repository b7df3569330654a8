"""The default client of a Flask application, created from the application's configuration.

- There is one per application, in ``app.extensions["monocloud_mw"]``.
- The keys ``MONOCLOUD_BACKEND_...`` of ``app.config`` are read like the environment variables of the same
  names and take precedence over them. As with variables, a blank value counts as unset and an unknown name
  is an error.
- Values that a variable cannot express (a cache, a resolver, a key object) are rejected; pass a client
  instead.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from flask import current_app
from flask.app import Flask  # OpenTelemetry replaces flask.Flask with a subclass

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.client import BackendClient
from monocloud_mw.core.token.presented import Presented
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.options import VARIABLE_PREFIX, Options
from monocloud_mw.protect.adapter_checks import Authenticator

__all__ = ["ApplicationClient", "get_client"]

EXTENSION: Final = "monocloud_mw"

_making_a_client: Final = threading.Lock()


def get_client(app: Flask) -> Authenticator:
    """Return the default client of an application.

    Raises:
        ConfigurationError: with every problem found; the next call tries again.
    """
    client = app.extensions.get(EXTENSION)
    if client is None:
        with _making_a_client:
            client = app.extensions.get(EXTENSION)
            if client is None:
                client = app.extensions[EXTENSION] = BackendClient(_read_options(app.config))
    return cast(Authenticator, client)


class ApplicationClient:
    """Validates each request with the default client of the application that serves it."""

    @property
    def options(self) -> Options | None:
        """The options of the application's client, or ``None`` if it cannot be created."""
        return cast("Options | None", _attribute_of_client("options"))

    @property
    def notify(self) -> Any:
        """The function that passes events to the observer of the application's client, or ``None``."""
        return _attribute_of_client("notify")

    def authenticate(self, presented: Presented, requirements: Requirements) -> AccessTokenClaims:
        """Validate the token of a request.

        Raises:
            MonoCloudError: as :meth:`monocloud_mw.BackendClient.authenticate`; also if the application's
                configuration is invalid.
        """
        return get_client(current_app).authenticate(presented, requirements)


def _attribute_of_client(name: str) -> Any:
    try:
        return getattr(get_client(current_app), name, None)
    except ConfigurationError:
        return None  # authenticate() raises it


def _read_options(config: Mapping[str, Any]) -> Options:
    variables, problems = dict(os.environ), []
    for name, value in config.items():
        if value is None:
            continue
        if name == VARIABLE_PREFIX.rstrip("_"):  # the form of Django's settings
            message = f"is not read; write one key for each option, such as {VARIABLE_PREFIX}AUDIENCE"
            problems.append(Problem(name, None, message))
            continue
        if not name.startswith(VARIABLE_PREFIX):
            variables.setdefault(name, "set")  # the name is enough to report a misspelt prefix
            continue
        try:
            text = _as_text(value)
        except ValueError as error:
            problems.append(Problem(name.removeprefix(VARIABLE_PREFIX).lower(), name, str(error)))
        else:
            if text.strip():
                variables[name] = text
    if problems:
        raise ConfigurationError(problems)
    return Options.from_environment(variables)


def _as_text(value: Any) -> str:
    """Return a configured value in the form of an environment variable."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        entries = [str(entry) for entry in value]
        if any(entry.split() != [entry] for entry in entries):  # white space would split it
            raise ValueError("must be a list of strings without white space")
        return " ".join(entries)
    if not isinstance(value, (str, int, float, Path)):
        kind = type(value).__name__
        raise ValueError(f"cannot be read from a {kind}; pass a client instead")
    return str(value)
