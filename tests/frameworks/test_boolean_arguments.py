"""Boolean arguments that reduce protection accept only True and False, not the text "false"."""

from __future__ import annotations

from typing import Any, Final

import pytest

from monocloud_mw import AsyncBackendClient, BackendClient, ConfigurationError
from monocloud_mw.adapters import asgi, fastapi, flask, starlette, wsgi

from .django_configuration import configure_django

configure_django()

from monocloud_mw.adapters.django import ninja, protect  # noqa: E402

OPTIONS: Final[dict[str, Any]] = {"tenant_domain": "https://acme.test", "audience": "api"}

MAKERS: Final[dict[str, Any]] = {
    "wsgi optional": lambda value: wsgi.ProtectApiMiddleware(_app, _client(), optional=value),
    "wsgi preflight": lambda value: wsgi.ProtectApiMiddleware(_app, _client(), allow_cors_preflight=value),
    "asgi optional": lambda value: asgi.ProtectApiMiddleware(_app, _async(), optional=value),
    "asgi preflight": lambda value: asgi.ProtectApiMiddleware(_app, _async(), allow_cors_preflight=value),
    "flask optional": lambda value: flask.ProtectApi(client=_client(), optional=value),
    "flask preflight": lambda value: flask.ProtectApi(client=_client(), allow_cors_preflight=value),
    "flask deny": lambda value: flask.ProtectApi(client=_client(), deny_by_default=value),
    "flask view": lambda value: flask.ProtectApi(client=_client())(optional=value)(_app),
    "fastapi optional": lambda value: fastapi.ProtectApi(_async(), optional=value),
    "fastapi preflight": lambda value: fastapi.ProtectApi(_async(), allow_cors_preflight=value),
    "fastapi needing": lambda value: fastapi.ProtectApi(_async()).needing(optional=value),
    "starlette optional": lambda value: starlette.MonoCloudBackend(_async(), optional=value),
    "starlette preflight": lambda value: starlette.MonoCloudBackend(_async(), allow_cors_preflight=value),
    "django view": lambda value: protect(optional=value)(_app),
    "ninja optional": lambda value: ninja.AccessTokenAuth(optional=value),
}


def _app(*_: Any) -> Any:
    """Accept any call, as an application or a view."""


def _client() -> BackendClient:
    return BackendClient(**OPTIONS)


def _async() -> AsyncBackendClient:
    return AsyncBackendClient(**OPTIONS)


@pytest.mark.parametrize("value", ["false", "", 0, 1], ids=repr)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_only_true_and_false_are_accepted(make: Any, value: Any) -> None:
    """Any other value is refused where it is declared; the error names the argument."""
    with pytest.raises(ConfigurationError, match="must be True or False, not"):
        make(value)
    make(True)
    make(False)
