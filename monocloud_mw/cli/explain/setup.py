"""``explain``: the options from the environment and the command line, with or without network."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, cast

from ...core.tenant.key_set import list_skipped
from ...errors import HttpError
from ...http import HttpRequest
from ...jose import KeySet
from ...options import Options
from .token_input import read_bytes

__all__ = ["parse_time", "read_options"]


def read_options(arguments: argparse.Namespace) -> Options:
    """Return the options of the API; arguments take precedence over variables.

    Raises:
        ConfigurationError: the options are invalid.
        ValueError: the key set file cannot be used.
    """
    settings: dict[str, Any] = {"response_timeout": arguments.timeout}
    if arguments.issuer is not None:
        settings["tenant_domain"] = arguments.issuer
    if arguments.audience:
        settings["audience"] = arguments.audience
    if arguments.at is not None:
        settings["clock"] = _fixed(arguments.at)
    if not arguments.offline:
        return Options.from_environment(os.environ, **settings)
    keys = _read_key_set(arguments.jwks)
    settings |= {
        "jwks_resolver": lambda: keys,
        "introspect_jwt_tokens": False,
        "fetcher": _no_network,
    }
    variables = {name: value for name, value in os.environ.items() if not name.endswith("_CLIENT_SECRET")}
    options = Options.from_environment(_without_client(variables), **settings)
    issuer = options.tenant_domain + ("/" if (arguments.issuer or "").endswith("/") else "")
    settings["metadata_resolver"] = lambda: {"issuer": issuer}
    return Options.from_environment(_without_client(variables), **settings)


def _without_client(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that only introspection needs, which is impossible offline."""
    parts = ("_CLIENT_", "_MTLS_", "_INTROSPECT_")
    return {name: value for name, value in variables.items() if not any(part in name for part in parts)}


def _read_key_set(path: str) -> Mapping[str, Any]:
    content = read_bytes(path, "--jwks")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("the file in --jwks is not JSON") from None
    try:
        keys = KeySet.from_dict(document)
    except ValueError as error:
        raise ValueError(f"the file in --jwks is not a key set: {error}") from None
    if not keys:
        raise ValueError(
            f"the key set in --jwks has no usable key: {list_skipped(keys.skipped) or 'it is empty'}"
        )
    return cast("Mapping[str, Any]", document)


def _no_network(_request: HttpRequest) -> NoReturn:
    raise HttpError("the network is not used (--offline)")


def _fixed(moment: float) -> Callable[[], float]:
    return lambda: moment


def parse_time(text: str) -> float:
    """Parse a time: Unix seconds or ISO 8601, in UTC if it has no time zone."""
    try:
        moment = float(text)
    except ValueError:
        try:
            date = datetime.fromisoformat(text)
            moment = date.replace(tzinfo=date.tzinfo or UTC).timestamp()
        except (ValueError, OverflowError):
            moment = math.nan
    if not 0 <= moment < 1e11:
        raise argparse.ArgumentTypeError("must be a time: Unix seconds, or 2026-01-31T12:00:00Z")
    return moment
