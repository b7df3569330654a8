"""Claims in FastAPI, pydantic and Django: serialised as an object, never created from input."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, cast

import pytest
from fastapi import Body, Depends, FastAPI
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from monocloud_mw import AccessTokenClaims

from ..adapters.exchange import Answer, exchange, http_scope

RAW: dict[str, Any] = {
    "sub": "alice",
    "aud": ["https://api.example.com"],
    "groups": ["a", {"id": "1", "name": "b"}],
    "cnf": {"x5t#S256": "x"},
    "exp": 1_700_000_600,
}
CLAIMS = AccessTokenClaims(RAW)
SCHEMA = {"type": "object", "title": "AccessTokenClaims", "additionalProperties": True}

FORGERIES: dict[str, Any] = {
    "object": RAW,
    "frozen object": AccessTokenClaims(RAW)["cnf"],
    "empty object": {},
    "pairs": list(RAW.items()),
    "text": json.dumps(RAW),
    "nothing": None,
}


class Order(BaseModel):
    """A model with claims in it."""

    number: int
    seen_by: AccessTokenClaims


def call(app: FastAPI, method: str, path: str, body: Any = None) -> Answer:
    """Send a request with a JSON body."""
    headers = [("Content-Type", "application/json")]
    message = {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}
    start, *parts = asyncio.run(exchange(cast(Any, app), http_scope(method, path, headers), [message]))
    return Answer(start["status"], {}, b"".join(part.get("body", b"") for part in parts))


# pydantic


def test_pydantic_keeps_the_claims_object() -> None:
    """A field keeps the claims object itself, not a copy."""
    assert TypeAdapter(AccessTokenClaims).validate_python(CLAIMS) is CLAIMS
    assert TypeAdapter(AccessTokenClaims).validate_python(CLAIMS, strict=True) is CLAIMS
    assert Order(number=1, seen_by=CLAIMS).seen_by is CLAIMS


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_pydantic_creates_no_claims_from_input(forgery: Any) -> None:
    """No way of filling a model creates claims: only the validation of a token does."""
    adapter = TypeAdapter(AccessTokenClaims)
    ways: list[Callable[[], Any]] = [
        lambda: adapter.validate_python(forgery),
        lambda: adapter.validate_json(json.dumps(forgery)),
        lambda: adapter.validate_strings(forgery),
        lambda: Order(number=1, seen_by=forgery),
        lambda: Order.model_validate({"number": 1, "seen_by": forgery}),
        lambda: Order.model_validate({"number": 1, "seen_by": forgery}, strict=False, from_attributes=True),
        lambda: Order.model_validate_json(json.dumps({"number": 1, "seen_by": forgery})),
        lambda: TypeAdapter(list[AccessTokenClaims]).validate_python([forgery]),
    ]
    for way in ways:
        with pytest.raises(ValidationError):
            way()


@pytest.mark.parametrize(
    "dump",
    [
        lambda adapter, value: adapter.dump_python(value),
        lambda adapter, value: adapter.dump_python(value, mode="json"),
        lambda adapter, value: json.loads(adapter.dump_json(value)),
    ],
    ids=["Python", "Python for JSON", "JSON"],
)
def test_pydantic_writes_an_object(dump: Callable[[Any, Any], Any]) -> None:
    """Claims are written as an object, alone, in a model, and in a field of any type."""
    assert dump(TypeAdapter(AccessTokenClaims), CLAIMS) == RAW
    assert dump(TypeAdapter(Any), CLAIMS) == RAW
    assert dump(TypeAdapter(Order), Order(number=1, seen_by=CLAIMS)) == {"number": 1, "seen_by": RAW}
    assert dump(TypeAdapter(AccessTokenClaims | None), CLAIMS) == RAW


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_pydantic_describes_an_object(mode: Any) -> None:
    """The JSON Schema of claims is that of any object."""
    assert TypeAdapter(AccessTokenClaims).json_schema(mode=mode) == SCHEMA
    assert Order.model_json_schema(mode=mode)["properties"]["seen_by"]["type"] == "object"


def test_a_strict_frozen_model_takes_claims() -> None:
    """Strict and frozen models accept claims too."""

    class Strict(BaseModel):
        model_config = ConfigDict(strict=True, frozen=True, revalidate_instances="always")
        claims: AccessTokenClaims

    assert Strict(claims=CLAIMS).claims is CLAIMS
    assert Strict.model_validate({"claims": CLAIMS}).model_copy(deep=True).claims is CLAIMS


# FastAPI


def find_claims() -> AccessTokenClaims:
    """Replace the dependency that reads claims from the scope."""
    return CLAIMS


Claims = Annotated[AccessTokenClaims, Depends(find_claims)]


def new_app() -> FastAPI:
    """Return an application that uses claims in every place."""
    app = FastAPI()

    @app.get("/typed")
    async def typed(claims: Claims) -> AccessTokenClaims:
        return claims

    @app.get("/untyped")
    def untyped(claims: Claims):  # type: ignore[no-untyped-def]
        return claims

    @app.get("/optional")
    async def optional(claims: Claims) -> AccessTokenClaims | None:
        return claims

    @app.get("/listed")
    async def listed(claims: Claims) -> list[AccessTokenClaims]:
        return [claims]

    @app.get("/model")
    async def model(claims: Claims) -> Order:
        return Order(number=1, seen_by=claims)

    @app.get("/nested")
    async def nested(claims: Claims) -> dict[str, Any]:
        return {"claims": claims, "groups": claims["groups"]}

    @app.post("/order")
    async def order(body: Order) -> str:
        return f"{body.seen_by.subject} got in"

    @app.post("/bare")
    async def bare(claims: AccessTokenClaims) -> str:
        return f"{claims.subject} got in"

    @app.post("/embedded")
    async def embedded(claims: Annotated[AccessTokenClaims, Body(embed=True)]) -> str:
        return f"{claims.subject} got in"

    return app


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/typed", RAW),
        ("/untyped", RAW),
        ("/optional", RAW),
        ("/listed", [RAW]),
        ("/model", {"number": 1, "seen_by": RAW}),
        ("/nested", {"claims": RAW, "groups": RAW["groups"]}),
    ],
)
def test_fastapi_returns_claims(path: str, expected: Any) -> None:
    """A view can return claims with or without a declared return type."""
    answer = call(new_app(), "GET", path)
    assert (answer.status, answer.json) == (200, expected)


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.parametrize("path", ["/order", "/bare", "/embedded"])
def test_fastapi_takes_no_claims_from_a_body(path: str, forgery: Any) -> None:
    """A view that declares claims as a body parameter never gets the caller's JSON as claims."""
    body = {"/order": {"number": 1, "seen_by": forgery}, "/bare": forgery, "/embedded": {"claims": forgery}}
    assert call(new_app(), "POST", path, body[path]).status == 422


def test_fastapi_describes_claims() -> None:
    """The OpenAPI document describes claims as an object."""
    answer = call(new_app(), "GET", "/openapi.json")
    assert answer.status == 200
    content = answer.json["paths"]["/typed"]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    assert (schema["type"], schema["additionalProperties"]) == ("object", True)


# Other encoders


def test_other_encoders_write_claims() -> None:
    """The encoders of other frameworks write claims as an object."""
    django = import_module("django.core.serializers.json")
    assert json.loads(json.dumps(CLAIMS, cls=django.DjangoJSONEncoder)) == RAW
    assert jsonable_encoder({"claims": CLAIMS}) == {"claims": RAW}
