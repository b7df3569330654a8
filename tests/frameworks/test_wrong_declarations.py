"""Views with invalid requirements: an error at import that names the view, in every framework."""

# No `from __future__ import annotations`: FastAPI reads the annotations of views in functions.

from collections.abc import Callable
from typing import Annotated, Any, Final

import pytest
from fastapi import FastAPI, Security
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from flask import Flask
from flask.views import MethodView

from monocloud_mw import AsyncBackendClient, BackendClient, ConfigurationError
from monocloud_mw.adapters import fastapi, flask, starlette

from .django_configuration import configure_django

configure_django()

from django.test import RequestFactory  # noqa: E402
from django.utils.decorators import method_decorator  # noqa: E402
from django.views import View  # noqa: E402
from ninja import NinjaAPI  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from monocloud_mw.adapters import django  # noqa: E402
from monocloud_mw.adapters.django.ninja import AccessTokenAuth  # noqa: E402
from monocloud_mw.adapters.django.rest_framework import HasAnyScope, HasGroups, HasScopes  # noqa: E402

OPTIONS: Final[dict[str, Any]] = {"tenant_domain": "https://acme.test", "audience": "api"}

Declare = Callable[[dict[str, Any]], Any]

django_protect: Any = django.protect
auth: Any = AccessTokenAuth
starlette_requires: Any = starlette.requires


def flask_view(wrong: dict[str, Any]) -> Any:
    """Declare a view of Flask."""
    protect: Any = flask.protect_api(BackendClient(**OPTIONS))
    app = Flask(__name__)

    @app.get("/")
    @protect(**wrong)
    def orders() -> str:
        return ""


def flask_method(wrong: dict[str, Any]) -> Any:
    """Declare a method of a class-based view of Flask."""
    protect: Any = flask.protect_api(BackendClient(**OPTIONS))

    class Orders(MethodView):
        @protect(**wrong)
        def orders(self) -> str:
            return ""


def fastapi_route(wrong: dict[str, Any]) -> Any:
    """Declare a view of FastAPI, in the arguments of its route."""
    protect: Any = fastapi.ProtectApi(AsyncBackendClient(**OPTIONS))
    app = FastAPI()

    @app.get(
        "/orders",
        dependencies=[Security(protect.needing(**wrong))],
    )
    async def orders() -> None: ...


def fastapi_parameter(wrong: dict[str, Any]) -> Any:
    """Declare a view of FastAPI, in a parameter."""
    protect: Any = fastapi.ProtectApi(AsyncBackendClient(**OPTIONS))

    async def orders(page: int, claims: Annotated[Any, Security(protect.needing(**wrong))]) -> None: ...


def fastapi_default(wrong: dict[str, Any]) -> Any:
    """Declare a view of FastAPI, in the default of a parameter."""
    protect: Any = fastapi.ProtectApi(AsyncBackendClient(**OPTIONS))

    def orders(claims: Any = Security(protect.needing(**wrong))) -> None: ...  # noqa: B008


def starlette_view(wrong: dict[str, Any]) -> Any:
    """Declare a view of Starlette."""

    @starlette_requires(**wrong)
    async def orders(request: Any) -> None: ...


def django_view(wrong: dict[str, Any]) -> Any:
    """Declare a view of Django."""

    @django_protect(**wrong)
    def orders(request: Any) -> None: ...


def django_class(wrong: dict[str, Any]) -> Any:
    """Declare a class-based view of Django."""

    @django_protect(**wrong)
    class Orders(View):
        pass


def django_method_decorator(wrong: dict[str, Any]) -> Any:
    """Declare a class-based view of Django, in Django's way."""

    @method_decorator(django_protect(**wrong), name="dispatch")
    class Orders(View):
        pass


def django_method_decorators(wrong: dict[str, Any]) -> Any:
    """Declare a method of a class-based view of Django, in a list."""

    class Orders(View):
        @method_decorator([django_protect(**wrong)])
        def orders(self, request: Any) -> None: ...


def ninja_operation(wrong: dict[str, Any]) -> Any:
    """Declare an operation of Ninja."""
    api = NinjaAPI(urls_namespace="wrong")

    @api.get("/orders", auth=[auth(**wrong)])
    def orders(request: Any) -> None: ...


def rest_framework_class(wrong: dict[str, Any]) -> Any:
    """Declare a view of REST framework."""
    permission: Any = {"scopes": HasScopes, "any_scopes": HasAnyScope, "groups": HasGroups}[next(iter(wrong))]

    class Orders(APIView):
        permission_classes = (permission(*wrong.values()),)


WAYS: Final[tuple[Declare, ...]] = (
    flask_view,
    flask_method,
    fastapi_route,
    fastapi_parameter,
    fastapi_default,
    starlette_view,
    django_view,
    django_class,
    django_method_decorator,
    django_method_decorators,
    ninja_operation,
    rest_framework_class,
)

WRONG: Final[dict[str, dict[str, Any]]] = {
    "a number": {"scopes": 5},
    "two scopes in one": {"scopes": ["a b"]},
    "an empty scope": {"any_scopes": [""]},
    "bytes": {"groups": b"x"},
    "a number in a list": {"groups": ["admin", 5]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("declare", WAYS, ids=lambda way: way.__name__)
def test_a_wrong_requirement_names_the_view(declare: Declare, wrong: dict[str, Any]) -> None:
    """And the argument; a view is named by its module and name, or by those of its class."""
    with pytest.raises(ConfigurationError) as raised:
        declare(wrong)
    view, _, problem = str(raised.value).partition(" has an invalid requirement: ")
    assert view.startswith(f"{__name__}.")
    assert view.rpartition(".")[2].lower() == "orders"
    assert problem.startswith(f"{next(iter(wrong))}: ")
    assert len(raised.value.problems) == 1


def _as_decorator(protect: Any) -> None:
    @protect
    async def orders() -> None: ...


def _as_decorator_with_requirements(protect: Any) -> None:
    @protect(scopes=["orders:read"])
    async def orders() -> None: ...


def _above_a_route(protect: Any) -> None:
    @protect
    @FastAPI().get("/orders")
    def orders() -> None: ...


def _derived_as_decorator(protect: Any) -> None:
    @protect.needing(groups=["admin"])
    async def orders() -> None: ...


def _called_in_security(protect: Any) -> None:
    @FastAPI().get("/orders", dependencies=[Security(protect(scopes=["orders:read"]))])
    async def orders() -> None: ...


def _called_in_a_parameter(protect: Any) -> None:
    async def orders(claims: Annotated[Any, Security(protect())]) -> None: ...


@pytest.mark.parametrize(
    "declare",
    [
        _as_decorator,
        _as_decorator_with_requirements,
        _above_a_route,
        _derived_as_decorator,
        _called_in_security,
        _called_in_a_parameter,
    ],
)
def test_a_dependency_of_fastapi_is_not_a_decorator(declare: Callable[[Any], None]) -> None:
    """Other adapters have decorators; the error names the view and says what to write for FastAPI."""
    with pytest.raises(ConfigurationError) as raised:
        declare(fastapi.ProtectApi(AsyncBackendClient(**OPTIONS)))
    view, _, problem = str(raised.value).partition(": ")
    assert view == f"{__name__}.orders"
    assert problem.startswith(
        "a ProtectApi of FastAPI is a dependency, not a decorator: write Security(protect, scopes=[...])"
    )


def test_a_dependency_of_fastapi_is_called_on_an_event_loop_only() -> None:
    """In a thread, its result would not be awaited, and would be taken for claims."""
    protect: Any = fastapi.ProtectApi(AsyncBackendClient(**OPTIONS))
    connection = HTTPConnection({"type": "http", "path": "/orders", "headers": []})
    with pytest.raises(ConfigurationError, match="needs an event loop"):
        protect(connection, SecurityScopes())


@pytest.mark.parametrize(
    ("decorate", "arguments"),
    [
        (flask.protect_api(BackendClient(**OPTIONS)), ()),
        (django_protect, ()),
        (django_protect, ("a request of another framework",)),
        (starlette.requires(), (RequestFactory().get("/"),)),
        (starlette.requires(), (None,)),
    ],
    ids=["flask", "django without a request", "django", "starlette", "starlette without a request"],
)
def test_a_view_of_another_framework_is_named(decorate: Any, arguments: tuple[Any, ...]) -> None:
    """The decorator cannot see what will call the view; when it is called, nothing runs unchecked."""

    def orders(request: Any) -> None:
        raise AssertionError("reached")

    with pytest.raises(ConfigurationError, match=r"orders .* for another framework, use its adapter"):
        decorate(orders)(*arguments)


def test_without_a_view_the_line_is_named() -> None:
    """What is made beforehand belongs to no view yet."""
    with pytest.raises(ConfigurationError, match=rf"^the view at {__file__}:\d+ has an invalid requirement"):
        auth(scopes=5)


def test_without_a_source_the_line_is_named() -> None:
    """In a console, or where only compiled code is installed."""
    code = compile("make(scopes=5)", "<typed>", "exec")
    with pytest.raises(ConfigurationError, match=r"^the view at <typed>:1 has an invalid requirement"):
        exec(code, {"make": auth})
