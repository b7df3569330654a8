"""Async callables of every kind are recognised."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from monocloud_mw.callables import coroutine_function, is_async


async def _function(*arguments: Any) -> Any:
    return arguments


def _plain(*arguments: Any) -> Any:
    return arguments


class _Object:
    async def __call__(self, *arguments: Any) -> Any:
        return arguments

    async def method(self, *arguments: Any) -> Any:
        return arguments


class _Plain:
    def __call__(self, *arguments: Any) -> Any:
        return arguments


ASYNC: dict[str, Callable[..., Any]] = {
    "function": _function,
    "method": _Object().method,
    "object": _Object(),
    "partial of a function": partial(_function),
    "partial of an object": partial(_Object()),
    "partial of a partial": partial(partial(_Object()), "a"),
}
OTHERS: dict[str, Any] = {
    "function": _plain,
    "object": _Plain(),
    "partial": partial(_plain),
    "class": _Object,  # calling it returns an object, not an awaitable
    "built-in": print,
    "no callable": 5,
    "nothing": None,
}


@pytest.mark.parametrize("function", ASYNC.values(), ids=ASYNC)
def test_async_callables_are_recognised(function: Callable[..., Any]) -> None:
    """Each of them becomes a coroutine function that returns the same."""
    assert is_async(function)
    call = coroutine_function(function)
    assert inspect.iscoroutinefunction(call)
    assert asyncio.run(call("b"))[-1] == "b"


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS)
def test_other_values_are_not_async(function: Any) -> None:
    """They stay as they are."""
    assert not is_async(function)
    assert coroutine_function(function) is function
