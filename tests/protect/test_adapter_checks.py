"""What every adapter checks when it is made, and that only claims let a request pass."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.protect.adapter_checks import (
    check_boolean,
    check_callable,
    collect_problems,
    require_claims,
    select_client,
)


class Threaded:
    """A client for threads."""

    def authenticate(self, credentials: Any, requirements: Any) -> AccessTokenClaims:
        """Accept everything."""
        return AccessTokenClaims({})


class Looped:
    """A client for event loops."""

    async def authenticate(self, credentials: Any, requirements: Any) -> AccessTokenClaims:
        """Accept everything."""
        return AccessTokenClaims({})


class AsyncCallable:
    """An object that is called like an async function."""

    async def __call__(self, request: Any) -> str:
        """Return a token."""
        return "abc"


async def _async_function(request: Any) -> str:
    return "abc"


def _fail(*problems: Problem) -> Any:
    raise ConfigurationError(problems or "why")


def test_steps_give_their_results_in_order() -> None:
    """Where nothing is wrong, the results come back in the order of the steps."""
    assert collect_problems(lambda: 1, lambda: None, lambda: "x") == (1, None, "x")


def test_problems_of_all_steps_are_reported_together() -> None:
    """Every step runs, and one error lists what all of them found."""
    first, second = Problem("a", "A", "is wrong"), Problem("b", None, "is wrong, too")
    with pytest.raises(ConfigurationError) as caught:
        collect_problems(lambda: _fail(first), lambda: 1, _fail, lambda: _fail(second))
    assert caught.value.problems == (first, Problem("configuration", None, "why"), second)


@pytest.mark.parametrize("kind", [Threaded, Looped])
def test_a_client_of_the_right_kind_is_taken(kind: type[Any]) -> None:
    """A client that works like the adapter's own kind is used as it is; without one, one is made."""
    client = kind()
    assert select_client(client, kind) is client
    assert isinstance(select_client(None, kind), kind)


@pytest.mark.parametrize(
    ("client", "kind"), [(Looped(), Threaded), (Threaded(), Looped), ("client", Threaded), (Threaded, Looped)]
)
def test_a_client_of_the_wrong_kind_is_refused(client: Any, kind: type[Any]) -> None:
    """A coroutine in the place of claims would be neither claims nor an error."""
    with pytest.raises(ConfigurationError) as caught:
        select_client(client, kind)
    expected = f"client: must be {kind.__name__} or have its authenticate(), not {type(client).__name__}"
    assert str(caught.value) == expected


@pytest.mark.parametrize("function", [None, len, lambda request: "abc", partial(print, 1)])
@pytest.mark.parametrize("may_be_async", [True, False])
def test_plain_callables_are_taken_everywhere(function: Any, may_be_async: bool) -> None:
    """Nothing, and whatever can be called, is fine."""
    check_callable("token_resolver", function, may_be_async=may_be_async)


@pytest.mark.parametrize("function", [_async_function, AsyncCallable(), partial(_async_function)])
def test_async_callables_need_an_event_loop(function: Any) -> None:
    """An async callable is taken where it can be awaited and refused where it cannot."""
    check_callable("token_resolver", function, may_be_async=True)
    with pytest.raises(ConfigurationError) as caught:
        check_callable("token_resolver", function, may_be_async=False)
    assert str(caught.value) == (
        "token_resolver: must not be async: this adapter has no event loop to run it on"
    )


@pytest.mark.parametrize("function", ["header", 1, {}])
def test_what_cannot_be_called_is_refused(function: Any) -> None:
    """A resolver that is no callable is a mistake to report at start."""
    with pytest.raises(ConfigurationError) as caught:
        check_callable("on_error", function, may_be_async=True)
    assert str(caught.value) == f"on_error: must be callable, not {type(function).__name__}"


def test_claims_pass() -> None:
    """Claims come back as they are."""
    claims = AccessTokenClaims({"sub": "alice"})
    assert require_claims(claims) is claims


@pytest.mark.parametrize("answer", [None, True, {"sub": "alice"}, "alice", object()])
def test_nothing_else_is_claims(answer: object) -> None:
    """A truthy answer of a broken client is not a proof."""
    with pytest.raises(ConfigurationError, match=r"^the client must answer with claims, not "):
        require_claims(answer)


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_taken(value: bool) -> None:
    """It comes back as it is."""
    assert check_boolean("optional", value) is value


@pytest.mark.parametrize("value", ["false", "", 0, 1, None])
def test_what_only_counts_as_true_or_false_is_refused(value: Any) -> None:
    """The text "false" would open what should be shut."""
    with pytest.raises(ConfigurationError) as caught:
        check_boolean("optional", value)
    assert str(caught.value) == f"optional: must be True or False, not {type(value).__name__}"
