"""What the package shows to the world: the lists below are a promise, so a change to them is a decision."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable

import pytest

from .sources import package_modules

PUBLIC_NAMES = [
    "AccessTokenClaims",
    "AsyncBackendClient",
    "AuthorizationServerError",
    "BackendClient",
    "ConfigurationError",
    "CredentialsError",
    "ErrorResponse",
    "Guard",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "MonoCloudError",
    "OAuthResponseError",
    "Options",
    "Presented",
    "Problem",
    "Reason",
    "Refused",
    "Requirements",
    "Rule",
    "Settings",
    "TokenError",
    "error_response",
]


def _in_order(names: Iterable[str]) -> list[str]:
    """Sort as ruff does (RUF022): constants, then classes, then the rest."""
    return sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))


PACKAGES = [module for module, path in package_modules().items() if path.name == "__init__.py"]


def test_the_public_names() -> None:
    """The package exports exactly these names."""
    assert importlib.import_module("monocloud_mw").__all__ == PUBLIC_NAMES


@pytest.mark.parametrize("module", package_modules())
def test_listed_names_are_sorted_and_resolve(module: str) -> None:
    """``__all__`` is sorted, names nothing twice, and every name in it exists."""
    imported = importlib.import_module(module)
    names = getattr(imported, "__all__", [])
    assert list(names) == _in_order(names)
    assert [name for name in names if not hasattr(imported, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_list_what_they_import(package: str) -> None:
    """An ``__init__`` lists in ``__all__`` exactly the names that it imports."""
    source = package_modules()[package].read_text(encoding="utf-8")
    imported = {
        alias.asname or alias.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    assert _in_order(imported) == list(getattr(importlib.import_module(package), "__all__", []))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_only_import_and_list(package: str) -> None:
    """An ``__init__`` holds a docstring, imports and ``__all__``, and no code of its own."""
    body = ast.parse(package_modules()[package].read_text(encoding="utf-8")).body
    others = [
        node.lineno
        for node in body
        if not isinstance(node, ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]
    assert others == []
