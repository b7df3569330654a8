"""REST framework permissions for scopes and groups; combine them with ``&``, ``|`` and ``~``.

- They read ``request.auth``. A caller without a token has no scopes and no groups.
- ``~HasGroups("suspended")`` also requires a token, so that an anonymous caller does not pass. So does every
  other ``~``, however nested, of an expression with a permission of this module.
- What the browsable API, ``OPTIONS`` and schemas ask about other methods is neither logged nor reported.
- A 403 has a challenge that names the scopes (RFC 6750 section 3.1). Combined permissions have it too, if one
  of their operands is a permission of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final, NoReturn

from rest_framework.permissions import (
    AND,
    NOT,
    OR,
    BasePermission,
    BasePermissionMetaclass,
    OperandHolder,
    SingleOperandHolder,
)

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS, Requirements, check_requirements
from monocloud_mw.errors import ConfigurationError, Problem, TokenError
from monocloud_mw.protect.guard import Refused, run_check

from ..view_names import naming
from .api_exceptions import AccessTokenException
from .config import get_protection

__all__ = ["HasAnyScope", "HasGroups", "HasScopes"]


def HasScopes(*scopes: str) -> Any:  # noqa: N802  used like the permission classes of REST framework
    """Return a permission class that requires all of these scopes.

    Raises:
        ConfigurationError: no scope is given, or one is invalid; the error names the view.
    """
    return _permission("HasScopes", "scopes", scopes)


def HasAnyScope(*scopes: str) -> Any:  # noqa: N802
    """Return a permission class that requires at least one of these scopes.

    Raises:
        ConfigurationError: no scope is given, or one is invalid; the error names the view.
    """
    return _permission("HasAnyScope", "any_scopes", scopes)


def HasGroups(*groups: str) -> Any:  # noqa: N802
    """Return a permission class that requires one of these groups, or all with ``groups_match_all``.

    Raises:
        ConfigurationError: no group is given, or one is invalid; the error names the view.
    """
    return _permission("HasGroups", "groups", groups)


def _permission(kind: str, argument: str, given: tuple[str, ...]) -> Any:
    with naming():
        requirements = Requirements.of(**{argument: given[0] if len(given) == 1 else given})
        if requirements == NO_REQUIREMENTS:
            message = "needs at least one name; without names, every token would pass"
            raise ConfigurationError([Problem(f"{kind}()", None, message)])
    return _Metaclass(kind, (_TokenPermission,), {"requirements": requirements})


_NO_INSTANCE: Final = (
    "get_permissions() must return instances of permissions; add (), as in HasScopes('orders:read')() or "
    "(HasScopes('orders:read') & HasGroups('admin'))()"
)


class _Combining:
    """Operators ``&``, ``|`` and ``~`` whose results keep the challenge of the operands."""

    def __and__(self, other: Any) -> Any:
        return _Pair(_And, self, other)

    def __rand__(self, other: Any) -> Any:
        return _Pair(_And, other, self)

    def __or__(self, other: Any) -> Any:
        return _Pair(_Or, self, other)

    def __ror__(self, other: Any) -> Any:
        return _Pair(_Or, other, self)

    def __invert__(self) -> Any:
        return _Single(NOT, self)

    def has_permission(self, _request: Any, _view: Any) -> NoReturn:
        raise ConfigurationError(_NO_INSTANCE)


class _Pair(_Combining, OperandHolder):
    pass


class _Single(_Combining, SingleOperandHolder):
    pass


class _Metaclass(_Combining, BasePermissionMetaclass):
    pass


class _Explaining:
    """Provides ``message``, which REST framework reads from the failed permission, from its operands."""

    @property
    def message(self) -> Any:
        for operand in (getattr(self, "op1", None), getattr(self, "op2", None)):
            message = getattr(operand, "message", None)
            if message is not None:
                return message
        return None


class _And(_Explaining, AND):
    pass


class _Or(_Explaining, OR):
    pass


def _requiring_a_token(negate: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap a method of REST framework's ``NOT`` to refuse anonymous callers if a token permission is negated.

    Operators are called from the left: in ``~(IsAdminUser & IsOwner & HasGroups("suspended"))``, all are REST
    framework's own.
    """

    @wraps(negate)
    def negated(self: Any, request: Any, *more: Any) -> bool:
        names_token = any(isinstance(operand, _TokenPermission) for operand in _operands(self))
        return not (names_token and _claims_of(request) is None) and negate(self, request, *more)

    return negated


def _operands(permission: Any) -> Iterator[Any]:
    """Yield a permission and all permissions that it combines."""
    yield permission
    for operand in (getattr(permission, "op1", None), getattr(permission, "op2", None)):
        if operand is not None:
            yield from _operands(operand)


NOT.has_permission = _requiring_a_token(NOT.has_permission)
NOT.has_object_permission = _requiring_a_token(NOT.has_object_permission)


class _TokenPermission(BasePermission, metaclass=_Metaclass):
    requirements: Requirements

    def __init__(self) -> None:
        self._request: Any = None

    def has_permission(self, request: Any, _view: Any = None) -> bool:
        if not isinstance(self, _TokenPermission):  # get_permissions() returned the class
            raise ConfigurationError(_NO_INSTANCE)
        claims = _claims_of(request)
        self._request = None
        if claims is None:
            return False
        try:
            check_requirements(claims, self.requirements, match_all=get_protection().options.groups_match_all)
        except TokenError:
            self._request = None if _is_trial(request) else request
            return False
        return True

    def has_object_permission(self, request: Any, view: Any, _obj: Any) -> bool:
        return self.has_permission(request, view)

    @property
    def message(self) -> None:
        """Log the missing scope or group and raise the 403 with its challenge; do nothing without a token."""
        if self._request is None:
            return
        request = self._request._request  # noqa: SLF001
        guard = get_protection().guard_for(is_async=False, needs_client=False)
        check = guard.check(
            request,
            (),
            get_protection().needed_for(self.requirements),
            method=request.method or "",
            url=request.path,
            known=_claims_of(self._request),
        )
        try:
            run_check(check)
        except Refused as refused:
            raise AccessTokenException(refused, self._request) from refused.error


def _is_trial(request: Any) -> bool:
    """Return whether the answer is only shown, in a form of the browsable API, ``OPTIONS`` or a schema.

    REST framework then asks about each method with a copy of the request, which has a ``method`` of its own.
    """
    return "method" in getattr(request, "__dict__", ())


def _claims_of(request: Any) -> AccessTokenClaims | None:
    return request.auth if isinstance(request.auth, AccessTokenClaims) else None
