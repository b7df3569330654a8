"""Adds the name of the view to errors about invalid requirements, even if the view is not defined yet.

``dependencies=[Security(protect.needing(groups=5))]``, ``auth=AccessTokenAuth(scopes=5)`` and
``permission_classes = [HasScopes(5)]`` fail before their view or class is defined. Its name is found from the
calling frame: the class whose body runs, or the function that the calling source line decorates.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.protect.adapter_checks import check_boolean, collect_problems

__all__ = ["caller_name", "naming", "read_declared"]

_SKIPPED: Final = ("monocloud_mw.", "django.utils.", "contextlib")


@contextmanager
def naming(name: str | None = None) -> Iterator[None]:
    """Add the name of a view to a ``ConfigurationError`` about its requirements.

    Args:
        name: the name of the view; default: that of the view that the calling code declares.

    Raises:
        ConfigurationError: the original problems with the name of the view.
    """
    try:
        yield
    except ConfigurationError as error:
        wrong = f"{name or caller_name()} has an invalid requirement"
        raise ConfigurationError(
            [Problem(f"{wrong}: {each.option}", each.variable, each.message) for each in error.problems]
        ) from error


def read_declared(
    scopes: str | Iterable[str],
    any_scopes: str | Iterable[str],
    groups: str | Iterable[str],
    optional: bool,
    name: str | None = None,
) -> Requirements:
    """Return the requirements in the arguments of a declaration, and check that ``optional`` is a boolean.

    Raises:
        ConfigurationError: an argument has a wrong type; the error names the view, as :func:`naming` does.
    """
    requirements: Requirements
    with naming(name):
        requirements, _ = collect_problems(
            lambda: Requirements.of(scopes, groups, any_scopes),
            lambda: check_boolean("optional", optional),
        )
    return requirements


def caller_name() -> str:
    """Return the dotted name of the view that the calling application code declares."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_SKIPPED):
        frame = frame.f_back
    if frame is None:
        return "a view"
    code, module = frame.f_code, frame.f_globals.get("__name__", "")
    if "__qualname__" in frame.f_locals and "__module__" in frame.f_locals:  # the body of a class
        return f"{module}.{frame.f_locals['__qualname__']}"
    name = _declared_at("".join(linecache.getlines(code.co_filename, frame.f_globals)), frame.f_lineno)
    return f"{module}.{name}" if name else f"the view at {code.co_filename}:{frame.f_lineno}"


def _declared_at(source: str, line: int) -> str | None:
    """Return the name of the function or class with a decorator, default or annotation on a line."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    defined: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                parts = [*node.decorator_list, *_expressions(node.args)]
                name = node.name
            case ast.ClassDef():
                parts, name = node.decorator_list, node.name
            case ast.Call(func=ast.Call(), args=[(ast.Name() | ast.Attribute()) as view]):
                parts, name = [node], ast.unparse(view)  # protect(...)(view)
            case _:
                continue
        if any(part.lineno <= line <= (part.end_lineno or part.lineno) for part in parts):
            defined.append((node.lineno, name))
    return max(defined)[1] if defined else None


def _expressions(node: ast.AST) -> list[ast.expr]:
    return [part for part in ast.walk(node) if isinstance(part, ast.expr)]
