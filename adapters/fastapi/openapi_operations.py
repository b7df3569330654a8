"""Makes the security of an operation in the OpenAPI document match what is enforced.

FastAPI writes the scheme of every dependency into an operation, whether or not it applies. The document then
differs from what is enforced, and is corrected here, operation by operation:

- a ``@public`` operation does not have the schemes that ``@public`` exempts it from, and does not list the
  refusals of ``RESPONSES``;
- an operation whose token is optional may be called without a scheme (``{}``);
- if two routes have the same path and method, the first one is described, which answers the requests;
- the scopes of ``ProtectApi(scopes=)`` and ``needing(scopes=, any_scopes=)`` are listed; the sets of
  ``any_scopes`` are alternatives. Groups cannot be expressed in OpenAPI.

FastAPI has no hook for the security of an operation, so ``fastapi.openapi.utils.get_openapi_path`` is wrapped
when this module is imported. No object of the application has to be known or started: ``app.openapi()`` in a
script, the document of a mounted application, and an ``app.openapi`` that the application replaces are right
too. Operations without a :class:`.Protection` are not changed.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import fastapi
from fastapi.openapi import utils

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError

from .declarations import Declared, declared_on
from .public import is_public
from .refusals import RESPONSES

__all__ = ["install"]

_LOGGER: Final = logging.getLogger("monocloud_mw")

MAX_ALTERNATIVES: Final = 16  # combinations of any_scopes; with more, only the required scopes are listed

_BUSY: Final = object()
"""In the operation IDs of a document while a route is described: then FastAPI describes its callbacks."""

Operation = dict[str, Any]


def install() -> None:
    """Correct each operation that FastAPI describes from now on."""
    describe = getattr(utils, "get_openapi_path", None)
    if describe is None:  # only the document is affected, so the application starts
        _LOGGER.warning(
            "FastAPI %s has no get_openapi_path: the OpenAPI document may show the lock on public operations",
            fastapi.__version__,
        )
        return
    utils.get_openapi_path = _correcting(describe)


def _correcting(describe: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(describe)
    def get_openapi_path(*, route: Any, operation_ids: Any, **more: Any) -> Any:
        declared = list(declared_on(route)) if route.include_in_schema else []
        for each in declared:
            each.protection.describe(_requirements_of([each]).named_scopes)  # before FastAPI reads the scheme
        is_callback = _BUSY in operation_ids
        operation_ids.add(_BUSY)
        described = describe(route=route, operation_ids=operation_ids, **more)
        if not is_callback:
            operation_ids.discard(_BUSY)
            _keep_first(described[0], route, operation_ids, is_declared=bool(declared))
        if declared:
            for operation in described[0].values():
                _correct(operation, route, declared)
        return described

    return get_openapi_path


def _keep_first(operations: Operation, route: Any, seen: set[Any], *, is_declared: bool) -> None:
    """Remove operations that an earlier route of the document serves, if one of the two is protected.

    FastAPI would replace the operation of the earlier route. ``seen`` is its set of the operation IDs of a
    document, which has the operations as well.
    """
    for method in list(operations):
        key = route.path_format, method
        if (*key, True) in seen or (is_declared and (*key, False) in seen):
            del operations[method]
        else:
            seen.add((*key, is_declared))


def _correct(operation: Operation, route: Any, declared: list[Declared]) -> None:
    entries = operation.get("security", ())
    listed = {name: scopes for entry in entries for name, scopes in entry.items()}
    declared = [each for each in declared if each.protection.scheme_name in listed]
    names = {each.protection.scheme_name for each in declared}
    theirs = [entry for entry in entries if not set(entry) <= names]
    active = [each for each in declared if each.protection.optional or not is_public(route.endpoint)]
    security = [*_alternatives(active, listed), *theirs]
    if active and not theirs and all(each.protection.optional for each in active):
        security.append({})
    if security:
        operation["security"] = security
    else:
        operation.pop("security", None)
    if not active:
        for status, response in RESPONSES.items():
            if route.responses.get(status) == response:
                operation["responses"].pop(str(status), None)


def _alternatives(active: list[Declared], listed: dict[str, list[str]]) -> list[dict[str, list[str]]]:
    """Return the requirements of the protections that apply: each entry alone is sufficient."""
    by_scheme: dict[str, list[Declared]] = {}
    for each in active:
        by_scheme.setdefault(each.protection.scheme_name, []).append(each)
    choices = [
        [{name: scopes} for scopes in _scopes(_requirements_of(group), listed.get(name, ()))]
        for name, group in by_scheme.items()
    ]
    return [
        {name: scopes for part in parts for name, scopes in part.items()}
        for parts in (itertools.product(*choices) if choices else ())
    ]


def _scopes(requirements: Requirements, order: Iterable[str]) -> list[list[str]]:
    """Return the lists of scopes of which a token needs one; ``order`` is that of their declaration."""
    first = [scope for scope in order if scope in requirements.scopes]
    required = [*first, *sorted(requirements.scopes.difference(first))]
    if math.prod(map(len, requirements.any_scopes)) > MAX_ALTERNATIVES:
        return [required]
    chosen = itertools.product(*map(sorted, requirements.any_scopes))
    return [list(dict.fromkeys([*required, *choice])) for choice in chosen]


def _requirements_of(declared: Iterable[Declared]) -> Requirements:
    found = Requirements()
    for each in declared:
        try:
            found = found.merge(each.protection.requirements_with(each.scopes))
        except ConfigurationError:  # reported at start, and by each request
            continue
    return found
