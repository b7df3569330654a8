"""The public API: changing a list below is a deliberate decision."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable

import pytest

from ..frameworks.django_configuration import configure_django
from .pages import PAGES, list_fences
from .sources import ROOT, package_modules
from .test_packaging import VERSION

PUBLIC_NAMES = [
    "AccessTokenClaims",
    "AsyncBackendClient",
    "AsyncClaimsCache",
    "AsyncTransport",
    "AuthorizationServerError",
    "BackendClient",
    "ClaimsCache",
    "ConfigurationError",
    "CredentialsError",
    "ErrorResponse",
    "Guard",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "KeySet",
    "MemoryCache",
    "Metadata",
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
    "SigningKey",
    "TokenError",
    "Transport",
    "__version__",
    "error_response",
    "run_check",
    "run_check_async",
]

PUBLIC_MODULES = [
    "monocloud_mw",
    "monocloud_mw.adapters.asgi",
    "monocloud_mw.adapters.django",
    "monocloud_mw.adapters.django.ninja",
    "monocloud_mw.adapters.django.rest_framework",
    "monocloud_mw.adapters.fastapi",
    "monocloud_mw.adapters.flask",
    "monocloud_mw.adapters.mcp",
    "monocloud_mw.adapters.starlette",
    "monocloud_mw.adapters.wsgi",
    "monocloud_mw.events",
    "monocloud_mw.jose",
    "monocloud_mw.stores",
    "monocloud_mw.stores.redis",
    "monocloud_mw.telemetry",
    "monocloud_mw.testing",
    "monocloud_mw.transports.httpcore2",
    "monocloud_mw.transports.requests",
]
FOR_CONTRIBUTORS = ("docs/explanation/decisions/", "docs/explanation/how-a-token-flows.md")


def _in_order(names: Iterable[str]) -> list[str]:
    """Sort as ruff does (RUF022): constants, then classes, then the rest."""
    return sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))


PACKAGES = [module for module, path in package_modules().items() if path.name == "__init__.py"]


@pytest.fixture(autouse=True, scope="module")
def _settings_of_django() -> None:
    """Configure Django, since Ninja reads settings when imported."""
    configure_django()


def test_the_public_names() -> None:
    """The package exports exactly these names."""
    assert importlib.import_module("monocloud_mw").__all__ == PUBLIC_NAMES


def test_the_version() -> None:
    """It is the version of the distribution."""
    assert importlib.import_module("monocloud_mw").__version__ == VERSION


def test_the_public_modules() -> None:
    """The API page lists exactly these modules, and each has a page."""
    listed = re.findall(r"^- `(monocloud_mw[.\w]*)`", PAGES["docs/reference/api.md"], re.MULTILINE)
    assert listed == PUBLIC_MODULES
    pages = [path.stem for path in (ROOT / "docs" / "reference" / "api").glob("*.md")]
    assert sorted(pages) == sorted(PUBLIC_MODULES)
    assert [name for name in PUBLIC_MODULES if not importlib.import_module(name).__all__] == []


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "docs" / "examples").glob("*.py")))
def test_examples_import_from_public_modules_only(example: str) -> None:
    """Examples are copied by users, so they use the public API only."""
    source = (ROOT / "docs" / "examples" / example).read_text(encoding="utf-8")
    modules = {
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("monocloud_mw")
    }
    assert modules - set(PUBLIC_MODULES) == set()


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith(FOR_CONTRIBUTORS)])
def test_pages_import_from_public_modules_only(page: str) -> None:
    """Documentation pages use the public API only."""
    pattern = r"^\s*(?:from|import) (monocloud_mw[.\w]*)"
    shown = [
        found for fence in list_fences(PAGES[page]) for found in re.findall(pattern, fence.body, re.MULTILINE)
    ]
    assert [module for module in shown if module not in PUBLIC_MODULES] == []


def test_listed_names_are_sorted_and_resolve() -> None:
    """``__all__`` is sorted, names nothing twice, and every name in it exists."""
    for module in package_modules():
        imported = importlib.import_module(module)
        names = getattr(imported, "__all__", [])
        assert list(names) == _in_order(names), module
        assert [name for name in names if not hasattr(imported, name)] == [], module


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
    """An ``__init__`` contains a docstring, imports and ``__all__`` only."""
    body = ast.parse(package_modules()[package].read_text(encoding="utf-8")).body
    others = [
        node.lineno
        for node in body
        if not isinstance(node, ast.ImportFrom)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]
    assert others == []
