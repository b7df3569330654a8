"""Test an application without tokens by setting the caller directly."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, TypeVar, cast

from ..callables import is_async
from ..claims import AccessTokenClaims
from ..core.token.requirements import Requirements, check_requirements
from ..lifecycle.event_loops import running_loop
from ..protect.guard import Caller, replace_callers

__all__ = ["as_caller"]

F = TypeVar("F", bound=Callable[..., Any])


class _Block:
    """One block that was entered, by an event loop's task or, without a loop, by a thread."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.loop = running_loop()


_open: Final[list[_Block]] = []
"""All open blocks, in the order in which they were entered."""

_own: Final[ContextVar[tuple[_Block, ...]]] = ContextVar("_own", default=())
"""The blocks that the running task, one that started it, or the running thread has entered."""

_lock: Final = threading.Lock()


class as_caller(ContextDecorator):  # noqa: N801  used like a function
    """Let protected requests come from one caller: a context manager and a decorator.

    No token, key or tenant is needed. Scopes and groups are still checked, so a view that requires more than
    the caller has answers 403. It works for all adapters and for ``validate_authorization`` of a client.

    The caller applies until the end of the block, in this thread or task, in tasks that it starts, and in all
    threads and tasks without a block of their own, such as those of a server. If the block is entered in a
    task, it does not apply to other tasks of the same event loop. Blocks can be nested; the innermost
    applies. It can decorate sync and async functions.

    ::

        @pytest.fixture
        def alice():
            with as_caller("alice", scopes="orders:read") as claims:
                yield claims

    ``with as_caller(...) as claims`` returns the claims that the application gets.

    Args:
        subject: the claim ``sub``; ``None`` for none.
        scopes: the scopes of the token, as a list or a space-separated string.
        groups: the groups of the caller, as strings or ``{"id": ..., "name": ...}`` objects.
        claims: further claims, which replace those above.

    Raises:
        TypeError: an argument has a wrong type, as in ``@as_caller`` without parentheses; or it decorates a
            class or a generator function, in which the block would end too early.
    """

    def __init__(
        self,
        subject: str | None = "test-user",
        *,
        scopes: str | Iterable[str] = (),
        groups: str | Iterable[Any] = (),
        claims: Mapping[str, Any] | None = None,
    ) -> None:
        given: Any = subject
        if not isinstance(given, str | None):  # pytest would not run a test that @as_caller replaces
            wrong = f"must be a string or None, not {type(given).__name__}"
            raise TypeError(f"as_caller: subject {wrong}; with defaults, write @as_caller() with parentheses")
        if claims is not None and not isinstance(claims, Mapping):
            raise TypeError(f"as_caller: claims must be a dictionary, not {type(claims).__name__}")
        content: dict[str, Any] = {} if subject is None else {"sub": subject}
        content["scope"] = " ".join(_listed("scopes", scopes, (str,)))
        content["groups"] = _listed("groups", groups, (str, Mapping))
        self._claims = AccessTokenClaims({**content, **(claims or {})})
        self._caller: Caller = self._check

    def __enter__(self) -> AccessTokenClaims:
        block = _Block(self._caller)
        with _lock:
            _open.append(block)
            replace_callers(_find)
        _own.set((*_own.get(), block))
        return self._claims

    def __exit__(self, *_: object) -> None:
        own = _own.get()
        with _lock:
            block = self._last(own) or self._last(_open)  # a fixture may end in another task
            if block is not None:
                _open.remove(block)
            if not _open:
                replace_callers(None)
        _own.set(tuple(each for each in own if each in _open))

    def __call__(self, function: F) -> F:
        if inspect.isclass(function):
            raise TypeError("as_caller cannot decorate a class: decorate its methods")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("as_caller cannot decorate a generator function: use `with as_caller(...)` in it")
        if not is_async(function):
            return super().__call__(function)

        @wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return cast(F, run)

    def _last(self, blocks: Sequence[_Block]) -> _Block | None:
        mine = [block for block in blocks if block.caller == self._caller and block in _open]
        return mine[-1] if mine else None

    def _check(self, requirements: Requirements, match_all: bool) -> AccessTokenClaims:
        check_requirements(self._claims, requirements, match_all=match_all)
        return self._claims


def _listed(name: str, given: Any, kinds: tuple[type, ...]) -> list[Any]:
    """Return a string, or an iterable with members of these kinds, as a list."""
    if isinstance(given, str):
        return [given]
    values = list(given) if isinstance(given, Iterable) else [given]
    wrong = [value for value in values if not isinstance(value, kinds)]
    if wrong or isinstance(given, (bytes, Mapping)):
        raise TypeError(f"as_caller: {name} must be a string or a list of strings, not {given!r}")
    return values


def _find() -> Caller | None:
    """Return the caller for the running task or thread, or ``None``."""
    own, loop = _own.get(), running_loop()
    blocks = list(_open)  # other threads change it
    blocks = [block for block in blocks if block in own] or [
        block for block in blocks if block.loop is None or block.loop is not loop
    ]
    return blocks[-1].caller if blocks else None
