"""``routes``: its arguments and output."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ...errors import ConfigurationError
from ...quoting import quoted
from ..console import print_error, print_json, print_line
from .frameworks import list_routes
from .middleware import unwrap

__all__ = ["add_to"]

DEFAULT_NAMES: Final = ("app", "application")

DESCRIPTION = (
    "List the requirements of each route of an application, and the rules of its middlewares that match no"
    " route. 'public' means declared public; 'unknown' means that the requirements cannot be determined. The"
    " application is imported but not started. Exit status 1 if a rule matches no route."
)


def add_to(subcommands: Any) -> None:
    """Add this command to the command line."""
    parser = subcommands.add_parser(
        "routes", help="list the requirements of each route", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("app", metavar="MODULE:NAME", help="the application, such as main:app")
    parser.add_argument("--factory", action="store_true", help="call it; what it returns is the application")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, _log: list[str]) -> int:
    """List the routes and return the exit status."""
    try:
        with _importing_from_here():
            routes, unused = list_routes(_load(arguments.app, is_factory=arguments.factory))
    except ValueError as error:
        print_error(f"error: the application {error}")
        return 1
    if arguments.json:
        print_json({"ok": not unused, "routes": [each.to_dict() for each in routes], "unused_rules": unused})
        return 1 if unused else 0
    width = max((len(route.path) for route in routes), default=0)
    for route in routes:
        print_line(f"{','.join(route.method_names):<8} {route.path:<{width}}  {route.text}")
    for name in unused:
        print_line(f"matches no route: {name}")
    return 1 if unused else 0


def _load(name: str, *, is_factory: bool) -> Any:
    """Import an application, as ``uvicorn main:app`` does.

    Raises:
        ValueError: it cannot be imported or does not exist.
    """
    module, _, attribute = name.partition(":")
    with _naming_failures(module):
        found: Any = importlib.import_module(module)
    default = next((each for each in DEFAULT_NAMES if hasattr(found, each)), "app")
    for part in (attribute or default).split("."):
        if not hasattr(found, part):
            raise ValueError("is not in that module; name it as module:name")
        found = getattr(found, part)
    if is_factory:
        with _naming_failures(module, "created by its factory"):
            found = found()
    if type(unwrap(found)[0]).__module__.startswith("django."):
        from django.conf import settings

        with _naming_failures(module):
            importlib.import_module(settings.ROOT_URLCONF)  # Django imports it with the first request
    return found


@contextlib.contextmanager
def _naming_failures(module: str, what: str = "imported") -> Iterator[None]:
    """Raise ``ValueError`` with the reason if an import, or a call of what was imported, fails.

    Args:
        module: the name of the module.
        what: what cannot be done with the application, for the message.
    """
    try:
        yield
    except Exception as error:
        raise ValueError(f"cannot be {what}: {_reason(error, module)}") from error


@contextlib.contextmanager
def _importing_from_here() -> Iterator[None]:
    """Import modules of the current directory, also those that are imported while routes are listed."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the application removed it
            sys.path.remove(here)


def _reason(error: Exception, module: str) -> str:
    """Return why an import failed, without repeating the argument, which may be a token."""
    if isinstance(error, ConfigurationError):
        return str(error)
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and not f"{module}.".startswith(f"{missing}."):
        return f"it imports {missing}, which is not installed"
    where = error if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1]
    file = Path(where.filename or "")
    if missing or file == Path(importlib.__file__) or "<frozen importlib" in file.name:  # a wrong name
        return f"{type(error).__name__}; name it as module:name"
    if file == Path(__file__):
        return "it cannot be called without arguments; name a function, or leave out --factory"
    return f"{type(error).__name__} in {quoted(file.name)}, line {where.lineno}"
