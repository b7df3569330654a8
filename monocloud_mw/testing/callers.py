"""Test an application without tokens by setting the caller directly."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ContextDecorator
from functools import wraps
from typing import Any, Final, TypeVar, cast

from ..claims import AccessTokenClaims
from ..core.token.requirements import Requirements, check_requirements
from ..protect.guard import Caller, replace_caller

__all__ = ["as_caller"]

F = TypeVar("F", bound=Callable[..., Any])

_active: Final[list[Caller]] = []
"""The callers of all open blocks, in the order in which the blocks were entered."""

_lock: Final = threading.Lock()


class as_caller(ContextDecorator):  # noqa: N801  used like a function
    """Make every protected request of this process come from one caller: a context manager and a decorator.

    No token, key or tenant is needed. Scopes and groups are still checked, so a view that requires more than
    the caller has answers 403. It works for all adapters and for ``validate_authorization`` of a client, in
    all threads, until the end of the block. Blocks can be nested; the innermost applies. It can decorate sync
    and async functions.

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
    """

    def __init__(
        self,
        subject: str | None = "test-user",
        *,
        scopes: str | Iterable[str] = (),
        groups: str | Iterable[Any] = (),
        claims: Mapping[str, Any] | None = None,
    ) -> None:
        content: dict[str, Any] = {} if subject is None else {"sub": subject}
        content["scope"] = scopes if isinstance(scopes, str) else " ".join(scopes)
        content["groups"] = [groups] if isinstance(groups, str) else list(groups)
        self._claims = AccessTokenClaims({**content, **(claims or {})})
        self._caller: Caller = self._check

    def __enter__(self) -> AccessTokenClaims:
        with _lock:
            _active.append(self._caller)
            replace_caller(self._caller)
        return self._claims

    def __exit__(self, *_: object) -> None:
        with _lock:
            _active.reverse()
            _active.remove(self._caller)  # the last occurrence; blocks of other threads may be open
            _active.reverse()
            replace_caller(_active[-1] if _active else None)

    def __call__(self, function: F) -> F:
        if not inspect.iscoroutinefunction(function):
            return super().__call__(function)

        @wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return cast(F, run)

    def _check(self, requirements: Requirements, match_all: bool) -> AccessTokenClaims:
        check_requirements(self._claims, requirements, match_all=match_all)
        return self._claims
