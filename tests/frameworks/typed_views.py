"""One view per type of variable in each framework, declared as its users would.

Each application serves ``/KIND/VALUE`` for the kinds that the framework has, and ``/KIND/VALUE/edit``; the
body is ``served`` and the converted value.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Final

import bottle
import falcon
import falcon.asgi
import flask
import litestar
import litestar.params
import quart
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path as django_path
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ..adapters.exchange import AsgiApp
from .django_configuration import configure_django

__all__ = ["ASGI_APPS", "KINDS", "WSGI_APPS"]


class Switch(enum.Enum):
    """Two words, for the kind ``any``."""

    ON = "on"
    OFF = "off"


TYPES: Final[dict[str, Any]] = {
    "int": int,
    "float": float,
    "uuid": uuid.UUID,
    "any": Switch,
    "date": datetime.date,
    "bool": bool,
    "str": str,
}


def _text(value: Any) -> str:
    return ascii(f"served {value}")


def create_fastapi_app() -> AsgiApp:
    """FastAPI: types are annotations that pydantic parses; a path uses Starlette's convertor."""
    app = FastAPI()

    def view(kind: Any) -> Callable[..., Any]:
        def answer(value: Any) -> PlainTextResponse:
            return PlainTextResponse(_text(value))

        answer.__annotations__ = {"value": kind}
        return answer

    for name, kind in TYPES.items():
        app.get(f"/{name}/{{value}}")(view(kind))
        app.get(f"/{name}/{{value}}/edit")(view(kind))
    app.get("/path/{value:path}/edit")(view(str))
    app.get("/path/{value:path}")(view(str))
    return app


def create_starlette_app() -> AsgiApp:
    """Starlette: types are convertors in the path."""

    def answer(request: Any) -> PlainTextResponse:
        return PlainTextResponse(_text(request.path_params["value"]))

    routes = [
        Route(f"/{name}/{{value:{name}}}{end}", answer, methods=["GET"])
        for end in ("/edit", "")
        for name in ("int", "float", "uuid", "str", "path")
    ]
    return Starlette(routes=routes)


def create_litestar_app() -> AsgiApp:
    """Litestar: types are in the path and in annotations."""

    def handler(name: str, kind: Any, end: str) -> Any:
        def answer(value: Any) -> str:
            return _text(value)

        declared = Annotated[kind, litestar.params.PathParameter()]
        answer.__annotations__ = {"value": declared, "return": str}
        route = f"/{name}/{{value:{'str' if name in ('any', 'bool') else name}}}{end}"
        return litestar.get(route, sync_to_thread=False, media_type="text/plain")(answer)

    kinds = {**TYPES, "path": str}
    handlers = [handler(name, kind, end) for name, kind in kinds.items() for end in ("", "/edit")]
    handlers = [
        one for one in handlers if not any(path.startswith("/path") and "edit" in path for path in one.paths)
    ]
    return litestar.Litestar(handlers, openapi_config=None, logging_config=None)


FALCON: Final = {"int": "int", "float": "float", "uuid": "uuid", "date": "dt('%Y-%m-%d')"}


def _falcon_routes() -> list[tuple[str, str]]:
    kinds = {name: f":{converter}" for name, converter in FALCON.items()} | {"str": ""}
    routes = [
        (f"/{name}/{{value{kind}}}{end}", name) for name, kind in kinds.items() for end in ("", "/edit")
    ]
    return [*routes, ("/path/{value:path}", "path")]


def create_falcon_app() -> Any:
    """Falcon: converters are in the path, and a string may be empty."""

    class View:
        def on_get(self, _request: Any, response: Any, value: Any) -> None:
            response.text = _text(value)

    app = falcon.App()
    for route, _name in _falcon_routes():
        app.add_route(route, View())
    return app


def create_falcon_asgi_app() -> AsgiApp:
    """Falcon on ASGI: the same router."""

    class View:
        async def on_get(self, _request: Any, response: Any, value: Any) -> None:
            response.text = _text(value)

    app: Any = falcon.asgi.App()
    for route, _name in _falcon_routes():
        app.add_route(route, View())
    return app  # type: ignore[no-any-return]


def create_bottle_app() -> Any:
    """Bottle: filters follow the name."""
    app = bottle.Bottle()
    for name in ("int", "float", "str", "path"):
        variable = "<value>" if name == "str" else f"<value:{name}>"
        app.get(f"/{name}/{variable}/edit")(_text)
        app.get(f"/{name}/{variable}")(_text)
    for end in ("", "/edit"):
        app.get(f"/any/<value:re:(?i:on|off)>{end}")(_text)
    return app


WERKZEUG: Final = {
    "int": "int(signed=True)",
    "float": "float(signed=True)",
    "uuid": "uuid",
    "any": "any(on, off)",
    "str": "string",
    "path": "path",
}


def create_flask_app() -> Any:
    """Flask: Werkzeug's converters."""
    app = flask.Flask("typed_views")
    for name, converter in WERKZEUG.items():
        for end in ("", "/edit"):
            app.add_url_rule(f"/{name}/<{converter}:value>{end}", f"{name}{end}", _text)
    return app


def create_quart_app() -> AsgiApp:
    """Quart: Werkzeug's converters on ASGI."""
    app = quart.Quart("typed_views")

    async def view(value: Any) -> str:
        return _text(value)

    for name, converter in WERKZEUG.items():
        for end in ("", "/edit"):
            app.add_url_rule(f"/{name}/<{converter}:value>{end}", f"{name}{end}", view)
    return app


def _django_view(_request: Any, value: Any) -> HttpResponse:
    return HttpResponse(_text(value))


urlpatterns = [
    django_path(f"{name}/<{name}:value>{end}", _django_view)
    for name in ("int", "uuid", "str", "path")
    for end in ("/edit", "", "/")
]


class _Django:
    """A handler of Django with this module as its URLs, on WSGI or ASGI."""

    def __init__(self, kind: type[Any], **more: Any) -> None:
        configure_django()
        self._settings = {"ROOT_URLCONF": __name__, "ALLOWED_HOSTS": ["*"], "MIDDLEWARE": [], **more}
        with override_settings(**self._settings):
            self._handler = kind()

    def __call__(self, *arguments: Any) -> Any:
        with override_settings(**self._settings):
            return self._handler(*arguments)


class _AsyncDjango(_Django):
    async def __call__(self, *arguments: Any) -> None:
        with override_settings(**self._settings):
            await self._handler(*arguments)


def create_django_app(**more: Any) -> Any:
    """Django on WSGI: converters precede the name."""
    return _Django(WSGIHandler, **more)


def create_django_asgi_app(**more: Any) -> AsgiApp:
    """Django on ASGI."""
    return _AsyncDjango(ASGIHandler, **more)


WSGI_APPS: Final[dict[str, Callable[[], Any]]] = {
    "bottle": create_bottle_app,
    "django": create_django_app,
    "falcon": create_falcon_app,
    "flask": create_flask_app,
}
ASGI_APPS: Final[dict[str, Callable[[], AsgiApp]]] = {
    "django-asgi": create_django_asgi_app,
    "falcon-asgi": create_falcon_asgi_app,
    "fastapi": create_fastapi_app,
    "litestar": create_litestar_app,
    "quart": create_quart_app,
    "starlette": create_starlette_app,
}

_WERKZEUG = ("int", "float", "uuid", "any", "str", "path")
_FALCON = ("int", "float", "uuid", "date", "str", "path")
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "bottle": ("int", "float", "any", "str", "path"),
    "django": ("int", "uuid", "str", "path"),
    "django-asgi": ("int", "uuid", "str", "path"),
    "falcon": _FALCON,
    "falcon-asgi": _FALCON,
    "fastapi": ("int", "float", "uuid", "any", "date", "bool", "str", "path"),
    "flask": _WERKZEUG,
    "litestar": ("int", "float", "uuid", "any", "date", "bool", "str", "path"),
    "quart": _WERKZEUG,
    "starlette": ("int", "float", "uuid", "str", "path"),
}
"""The kinds of variables that each framework has."""
