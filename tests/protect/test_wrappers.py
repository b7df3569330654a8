"""Marks on functions: what a decorator wraps counts, what only gave a function its name does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial, update_wrapper, wraps
from typing import Any
from unittest.mock import Mock

import pytest

from monocloud_mw.protect.wrappers import is_marked

MARK = "mark"


def marked() -> str:
    """Do nothing."""
    return "marked"


setattr(marked, MARK, marked)


def bare() -> str:
    """Do nothing."""
    return "bare"


class View:
    """Has a marked method."""

    def method(self) -> None:
        """Do nothing."""


setattr(View.method, MARK, View.method)


class Wrapper:
    """A decorator as a class."""

    def __init__(self, function: Any) -> None:
        update_wrapper(self, function)
        self.function = function

    def __call__(self) -> Any:
        """Call it."""
        return self.function()


class Named:
    """Takes the name of a function, and no more."""

    def __init__(self, function: Any) -> None:
        update_wrapper(self, function)  # type: ignore[arg-type]


class Proxy:
    """A decorator as ``wrapt`` makes it: a proxy that has the attributes of the function."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Any) -> None:
        self.__wrapped__ = function

    def __call__(self) -> Any:
        """Call the function."""
        return self.__wrapped__()

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self.__wrapped__.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


def through(function: Any) -> Any:
    """Decorate."""

    @wraps(function)
    def wrapper() -> Any:
        return function()

    return wrapper


def deeper(function: Any) -> Any:
    """Decorate with a function between."""

    def call() -> Any:
        return function()

    @wraps(function)
    def wrapper() -> Any:
        return call()

    return wrapper


def borrowed(function: Any) -> Any:
    """Take the name only."""

    @wraps(function)
    def other() -> str:
        return "secret"

    return other


def borrowed_beside(function: Any) -> Any:
    """Take the name, and call something else."""
    other = bare

    @wraps(function)
    def wrapper() -> Any:
        return other()

    return wrapper


def borrowed_with_an_empty_cell(function: Any) -> Any:
    """Take the name; what is called is not there yet."""

    @wraps(function)
    def wrapper() -> Any:
        return later()

    if function is None:
        later = bare
    return wrapper


def endless(function: Any) -> Any:
    """Wrap itself."""

    @wraps(function)
    def wrapper() -> Any:
        return wrapper

    wrapper.__wrapped__ = wrapper
    return wrapper


MARKED: dict[str, Any] = {
    "itself": marked,
    "a method": View.method,
    "a bound method": View().method,
    "decorated": through(marked),
    "decorated twice": through(through(marked)),
    "decorated with a function between": deeper(marked),
    "decorated by a class": Wrapper(marked),
    "decorated by a proxy": Proxy(marked),
    "decorated by two proxies": Proxy(Proxy(marked)),
    "decorated by a proxy and a function": through(Proxy(through(marked))),
    "a bound method, decorated": through(View().method),
    "a partial": partial(marked),
    "a partial with its name": update_wrapper(partial(marked), marked),
    "a partial, decorated": through(update_wrapper(partial(marked), marked)),
}
NOT_MARKED: dict[str, Any] = {
    "a mock": Mock(spec=bare),
    "another": bare,
    "None": None,
    "decorated": through(bare),
    "borrowed": borrowed(marked),
    "borrowed, then decorated": through(borrowed(marked)),
    "borrowed beside another": borrowed_beside(marked),
    "borrowed, then decorated by a proxy": Proxy(borrowed(marked)),
    "borrowed by a class": Named(marked),
    "borrowed with an empty cell": borrowed_with_an_empty_cell(marked),
    "hidden in C": lru_cache(marked),
    "a partial of another": partial(bare),
    "a partial without its name, decorated": through(partial(marked)),
    "a partial of a borrower": partial(borrowed(marked)),
    "endless": endless(marked),
}


@pytest.mark.parametrize("function", MARKED.values(), ids=MARKED)
def test_a_mark_holds_for_what_decorates_the_function(function: Callable[[], Any]) -> None:
    """However the decorator is written, if it says what it wraps and holds it."""
    assert is_marked(function, MARK)


@pytest.mark.parametrize("function", NOT_MARKED.values(), ids=NOT_MARKED)
def test_a_mark_is_not_borrowed(function: Any) -> None:
    """``functools.wraps`` copies attributes to functions that have nothing to do with what they name."""
    assert not is_marked(function, MARK)


def test_a_copied_mark_without_what_was_wrapped_counts_for_nothing() -> None:
    """Nothing then says whose it was."""
    function = borrowed(marked)
    del function.__wrapped__
    assert not is_marked(function, MARK)
