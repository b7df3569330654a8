"""Checks that all adapters share: configuration at start, and that only claims let a request through."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any
from unittest.mock import Mock

import pytest

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.protect.adapter_checks import (
    check_application,
    check_boolean,
    check_booleans,
    check_callable,
    check_resolvers,
    collect_problems,
    require_application,
    require_claims,
    select_client,
)


class SyncClient:
    """A client for synchronous adapters."""

    def authenticate(self, credentials: Any, requirements: Any) -> AccessTokenClaims:
        """Accept everything."""
        return AccessTokenClaims({})


class AsyncClient:
    """A client for asynchronous adapters."""

    async def authenticate(self, credentials: Any, requirements: Any) -> AccessTokenClaims:
        """Accept everything."""
        return AccessTokenClaims({})


class AsyncCallable:
    """An object whose __call__ is async."""

    async def __call__(self, request: Any) -> str:
        """Return a token."""
        return "abc"


async def _async_function(request: Any) -> str:
    return "abc"


def _fail(*problems: Problem) -> Any:
    raise ConfigurationError(problems or "why")


def test_steps_give_their_results_in_order() -> None:
    """Without problems, results are returned in the order of the steps."""
    assert collect_problems(lambda: 1, lambda: None, lambda: "x") == (1, None, "x")


def test_problems_of_all_steps_are_reported_together() -> None:
    """Every step runs, and one error lists the problems of all steps."""
    first, second = Problem("a", "A", "is wrong"), Problem("b", None, "is wrong, too")
    with pytest.raises(ConfigurationError) as caught:
        collect_problems(lambda: _fail(first), lambda: 1, _fail, lambda: _fail(second))
    assert caught.value.problems == (first, Problem("configuration", None, "why"), second)


@pytest.mark.parametrize("kind", [SyncClient, AsyncClient])
def test_a_client_of_the_right_kind_is_accepted(kind: type[Any]) -> None:
    """A client of the adapter's own kind is used as it is; without a client, one is created."""
    client = kind()
    assert select_client(client, kind) is client
    assert isinstance(select_client(None, kind), kind)


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        (AsyncClient(), SyncClient),
        (SyncClient(), AsyncClient),
        ("client", SyncClient),
    ],
)
def test_a_client_of_the_wrong_kind_is_refused(client: Any, kind: type[Any]) -> None:
    """An async client on a synchronous adapter, or the reverse, is a configuration error."""
    with pytest.raises(ConfigurationError) as caught:
        select_client(client, kind)
    expected = f"client: must be {kind.__name__} or have its authenticate(), not {type(client).__name__}"
    assert str(caught.value) == expected


@pytest.mark.parametrize("kind", [SyncClient, AsyncClient])
def test_a_class_is_not_a_client(kind: type[Any]) -> None:
    """The class without parentheses has the methods of a client, and would fail at each request."""
    with pytest.raises(ConfigurationError) as caught:
        select_client(kind, kind)
    name = kind.__name__
    assert str(caught.value) == f"client: must be a client, not the class {name}: write {name}()"


@pytest.mark.parametrize("function", [None, len, lambda request: "abc", partial(print, 1)])
@pytest.mark.parametrize("may_be_async", [True, False])
def test_synchronous_callables_are_accepted(function: Any, may_be_async: bool) -> None:
    """None and any synchronous callable are accepted by both kinds of adapter."""
    check_callable("token_resolver", function, "request", may_be_async=may_be_async)


@pytest.mark.parametrize("function", [_async_function, AsyncCallable(), partial(_async_function)])
def test_async_callables_need_an_event_loop(function: Any) -> None:
    """An async callable is accepted on an event loop and refused in threads."""
    check_callable("token_resolver", function, "request", may_be_async=True)
    with pytest.raises(ConfigurationError) as caught:
        check_callable("token_resolver", function, "request", may_be_async=False)
    assert str(caught.value) == (
        "token_resolver: must not be async: this adapter has no event loop to run it on"
    )


@pytest.mark.parametrize("function", ["header", 1, {}])
def test_an_object_that_is_not_callable_is_refused(function: Any) -> None:
    """A resolver that is not callable is a configuration error."""
    with pytest.raises(ConfigurationError) as caught:
        check_callable("on_error", function, "error", "response", may_be_async=True)
    assert str(caught.value) == f"on_error: must be callable, not {type(function).__name__}"


def test_a_class_is_not_a_resolver() -> None:
    """Its result would be an instance, at each request; as ``on_error`` it may be a response."""
    for name in ("token_resolver", "certificate_resolver"):
        with pytest.raises(ConfigurationError) as caught:
            check_callable(name, AsyncCallable, "request", may_be_async=True)
        assert str(caught.value) == (
            f"{name}: must be a function, not the class AsyncCallable: "
            "pass a function, or an instance, AsyncCallable()"
        )
    check_callable("on_error", dict, "error", may_be_async=True)


def _decorated(function: Any) -> Any:
    @wraps(function)
    def call(error: Any) -> Any:
        return function(error, "added by the decorator")

    return call


@pytest.mark.parametrize(
    "function",
    [lambda: None, lambda error, response: None, lambda *, error: None, partial(lambda error: None, "error")],
    ids=["none", "two", "by name", "partial"],
)
def test_a_callable_with_other_parameters_is_refused(function: Any) -> None:
    """It would fail at each request; the error says how it is called."""
    with pytest.raises(ConfigurationError) as caught:
        check_callable("on_error", function, "error", may_be_async=True)
    assert str(caught.value) == "on_error: must be callable as on_error(error)"


@pytest.mark.parametrize(
    "function",
    [
        lambda *errors: None,
        lambda error, response=None: None,
        _decorated(lambda error, more: None),
        max,
        Mock(),
    ],
    ids=["any number", "default", "decorated", "built-in", "mock"],
)
def test_a_callable_may_have_more_parameters(function: Any) -> None:
    """If they need no value; a decorator may pass on more than it gets."""
    check_callable("on_error", function, "error", may_be_async=True)


def _two(environ: Any, start_response: Any) -> Any: ...


def _more(environ: Any, start_response: Any, verbose: bool = False) -> Any: ...


@pytest.mark.parametrize("answer", [None, _two, _more, max], ids=["None", "two", "more", "built-in"])
def test_on_error_may_return_an_application(answer: Any) -> None:
    """Or nothing, for the default response."""
    assert require_application(answer, "a WSGI application", 2) is answer


@pytest.mark.parametrize(
    "answer",
    ["text", b"bytes", 0, "", False, {}, (401, "text"), object(), dict, lambda: None, lambda a: None],
)
def test_on_error_must_return_what_can_be_sent(answer: Any) -> None:
    """What cannot be, or is called in another way, is named."""
    with pytest.raises(ConfigurationError) as caught:
        require_application(answer, "a WSGI application", 2)
    assert str(caught.value) == (
        f"on_error: must return an ErrorResponse, a WSGI application or None, not '{type(answer).__name__}'"
    )


@pytest.mark.parametrize("app", [_two, _more, max, Mock()], ids=["two", "more", "built-in", "mock"])
def test_an_application_is_accepted(app: Any) -> None:
    """Whatever can be called as one."""
    check_application(app, "a WSGI application", 2)


@pytest.mark.parametrize(
    "app", [None, "main:app", 3, lambda scope, receive, send: None], ids=["none", "name", "number", "ASGI"]
)
def test_what_is_no_application_is_refused(app: Any) -> None:
    """The name of one, or an application of another interface."""
    with pytest.raises(ConfigurationError) as caught:
        check_application(app, "a WSGI application", 2)
    assert str(caught.value) == (
        f"app: must be a WSGI application, which is called with 2 arguments, not {type(app).__name__}"
    )


def test_claims_are_returned() -> None:
    """Claims are returned unchanged."""
    claims = AccessTokenClaims({"sub": "alice"})
    assert require_claims(claims) is claims


@pytest.mark.parametrize("answer", [None, True, {"sub": "alice"}, "alice", object()])
def test_a_result_other_than_claims_is_refused(answer: object) -> None:
    """A truthy value that is not AccessTokenClaims is a configuration error."""
    with pytest.raises(
        ConfigurationError, match=r"^authenticate\(\) of the client must return AccessTokenClaims, not "
    ):
        require_claims(answer)


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_accepted(value: bool) -> None:
    """A boolean is returned unchanged."""
    assert check_boolean("optional", value) is value


@pytest.mark.parametrize("value", ["false", "", 0, 1, None])
def test_a_truthy_or_falsy_value_is_not_a_boolean(value: Any) -> None:
    """The text "false" is truthy, so only True and False are accepted."""
    with pytest.raises(ConfigurationError) as caught:
        check_boolean("optional", value)
    assert str(caught.value) == f"optional: must be True or False, not {type(value).__name__}"


def test_wrong_options_of_a_kind_are_reported_together() -> None:
    """One error names each boolean, or each resolver, that is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        check_booleans(optional="false", deny_by_default=True, allow_cors_preflight=1)
    assert [problem.option for problem in caught.value.problems] == ["optional", "allow_cors_preflight"]
    with pytest.raises(ConfigurationError) as caught:
        check_resolvers("header", _async_function, "request", may_be_async=False)
    assert [problem.option for problem in caught.value.problems] == ["token_resolver", "certificate_resolver"]
    check_resolvers(None, len, "request", may_be_async=False)
