"""Flask: ``@protect`` above the route, in an application that no ``ProtectApi`` was given."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

import pytest
from flask import Blueprint, Flask
from werkzeug.test import Client

from monocloud_mw import BackendClient
from monocloud_mw.adapters.flask import ProtectApi, current_claims, protect_api
from monocloud_mw.testing import LocalTenant, as_caller


@pytest.fixture
def app() -> Flask:
    """Return an application."""
    return Flask(__name__)


def statuses(app: Flask, *paths: str, **headers: str) -> list[int]:
    """Return the status of each path."""
    return [Client(app).get(path, headers=headers).status_code for path in paths]


def through(view: Any) -> Any:
    """Decorate a view."""

    @wraps(view)
    def wrapper() -> Any:
        return view()

    return wrapper


def test_protect_above_the_route_is_checked(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """The view needs what the decorator says, with claims; error handlers see a refusal."""
    protect = protect_api(client)

    @protect(scopes=["a"])
    @app.get("/")
    def view() -> str:
        return str(current_claims.subject)

    @app.errorhandler(403)
    def forbidden(_: Any) -> Any:
        return "own", 403

    bearer = [f"Bearer {tenant.mint(scopes=scope, subject='alice')}" for scope in ("a", "b")]
    answers = [Client(app).get("/", headers={"Authorization": each}) for each in ["", *bearer]]
    assert [answer.status_code for answer in answers] == [401, 200, 403]
    assert [answers[1].text, answers[2].text] == ["alice", "own"]


def test_the_order_of_decorators_does_not_matter(app: Flask, client: BackendClient) -> None:
    """Two decorators, another decorator between, a blueprint and an async view."""
    protect, blueprint = protect_api(client), Blueprint("blueprint", __name__)

    @protect(scopes="a")
    @protect(groups="b")
    @app.get("/two")
    def two() -> str:
        return "in"

    @protect
    @through
    @app.get("/between")
    def between() -> str:
        return "in"

    @protect
    @app.get("/below")
    @through
    def below() -> str:
        return "in"

    @protect
    @blueprint.get("/blueprint")
    def in_blueprint() -> str:
        return "in"

    @protect
    @app.get("/async")
    async def later() -> str:
        return "in"

    app.register_blueprint(blueprint)
    paths = ["/two", "/between", "/below", "/blueprint", "/async"]
    assert statuses(app, *paths) == [401] * 5
    with as_caller(scopes="a", groups="b"):
        assert statuses(app, *paths) == [200] * 5
    with as_caller(scopes="a"):
        assert statuses(app, "/two") == [403]


def test_a_partial_that_is_a_view_is_checked(app: Flask, client: BackendClient) -> None:
    """The declaration is on the partial, not on its function, which may be the view of another route."""
    protect = protect_api(client)

    def shared(answer: str = "in") -> str:
        return answer

    app.get("/open")(shared)
    protect(app.get("/direct", endpoint="direct")(partial(shared, "in")))
    protect(through(app.get("/between", endpoint="between")(partial(shared, "in"))))
    paths = ["/direct", "/between"]
    assert statuses(app, "/open", *paths) == [200, 401, 401]
    with as_caller():
        assert statuses(app, "/open", *paths) == [200] * 3


def test_a_view_without_a_declaration_stays_open(app: Flask, client: BackendClient) -> None:
    """``protect(view)`` for one route says nothing about another route with the same function."""
    protect = protect_api(client)

    def shared() -> str:
        return "in"

    app.add_url_rule("/bare", "bare", shared)
    app.add_url_rule("/needs", "needs", protect(shared))
    app.add_url_rule("/needs-more", "needs-more", through(protect(scopes="a")(shared)))
    assert statuses(app, "/bare", "/needs", "/needs-more", "/nowhere") == [200, 401, 401, 404]


def test_a_view_that_is_replaced_is_looked_at_again(app: Flask, client: BackendClient) -> None:
    """What an extension puts in the place of a view counts."""

    @app.get("/")
    def view() -> str:
        return "in"

    assert statuses(app, "/") == [200]
    app.view_functions["view"] = lambda: "another"
    protect_api(client)(app.view_functions["view"])
    assert statuses(app, "/") == [401]


@pytest.mark.parametrize("deny_by_default", [True, False])
def test_an_application_that_checks_its_views_does_it_once(
    app: Flask, client: BackendClient, tenant: LocalTenant, deny_by_default: bool
) -> None:
    """With ``ProtectApi(app)`` the token is validated once, whatever the order."""
    tokens: list[str] = []

    def resolver(request: Any) -> str:
        tokens.append(token)
        return token

    token = tenant.mint()
    protect = ProtectApi(app, client=client, deny_by_default=deny_by_default, token_resolver=resolver)

    @protect
    @app.get("/")
    def view() -> str:
        return "in"

    assert statuses(app, "/") == [200]
    assert len(tokens) == 1
