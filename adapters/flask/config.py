"""The client of a Flask application that was given none, made from the application's configuration.

- There is one per application, in ``app.extensions["monocloud_mw"]``, for all that protects it.
- The keys ``MONOCLOUD_BACKEND_...`` of ``app.config`` are read like the environment variables of the same
  names, and stand before them; a blank one counts as unset, a misspelt one is an error, as a variable.
- What has no form in a variable (a cache, a resolver, a key object) is refused: its ``repr`` must not pass
  for a setting.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from flask import Flask, current_app

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
    """Return the client that all of an application share which have none of their own.

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
    """Checks each request with the client of the application that serves it."""

    @property
    def options(self) -> Options | None:
        """The options of the application's client, where it can be made."""
        return cast("Options | None", _attribute_of_client("options"))

    @property
    def notify(self) -> Any:
        """What tells the observer of the application's client of an event, where there is one."""
        return _attribute_of_client("notify")

    def authenticate(self, presented: Presented, requirements: Requirements) -> AccessTokenClaims:
        """Validate what a request presents.

        Raises:
            MonoCloudError: as :meth:`monocloud_mw.BackendClient.authenticate`, and where the application's
                configuration cannot work.
        """
        return get_client(current_app).authenticate(presented, requirements)


def _attribute_of_client(name: str) -> Any:
    try:
        return getattr(get_client(current_app), name, None)
    except ConfigurationError:
        return None  # authenticate() says what is wrong


def _read_options(config: Mapping[str, Any]) -> Options:
    variables, problems = dict(os.environ), []
    for name, value in config.items():
        if value is None:
            continue
        if not name.startswith(VARIABLE_PREFIX):
            variables.setdefault(name, "set")  # its name alone: the prefix may be misspelt
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
    """Write a configured value as it would stand in an environment variable."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        entries = [str(entry) for entry in value]
        if any(entry.split() != [entry] for entry in entries):  # one that is no word would become several
            raise ValueError("must be a list of words without white space")
        return " ".join(entries)
    if not isinstance(value, (str, int, float, Path)):
        kind = type(value).__name__
        raise ValueError(f"cannot be read from a {kind}; pass a client instead")
    return str(value)
