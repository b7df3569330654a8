"""The claims of the current Flask request, and their JSON form.

They are stored on the request object: unlike the environ, no client input can set them, and unlike
``flask.g``, no two requests share it. The copy in ``request.environ["monocloud.claims"]`` is for code that
does not use Flask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

try:
    from flask import Request, has_request_context, request
    from flask.json.provider import DefaultJSONProvider, JSONProvider
except ImportError as error:
    raise ImportError("monocloud_mw.adapters.flask needs Flask: pip install 'monocloud-mw[flask]'") from error

from werkzeug.local import LocalProxy

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.protect.adapter_checks import CLAIMS_KEY

__all__ = [
    "attach_claims",
    "current_claims",
    "current_request",
    "drop_foreign_claims",
    "mark_as_met",
    "was_met",
]

current_request: Final[Callable[[], Request]] = cast("LocalProxy[Request]", request)._get_current_object  # noqa: SLF001
"""Return the current request itself, for its attributes; each access through ``flask.request`` is slower."""

_PROVEN: Final = "_monocloud_claims"
_MET: Final = "_monocloud_met"

_ANONYMOUS: Final = object()

MAX_DEPTH: Final = 32  # nesting depth to which JSON values are searched for current_claims


def drop_foreign_claims(incoming: Request) -> None:
    """Remove claims that a request arrived with, the first time it is checked."""
    state = incoming.__dict__
    if _PROVEN not in state:
        incoming.environ.pop(CLAIMS_KEY, None)
        state[_PROVEN] = None


def attach_claims(incoming: Request, claims: AccessTokenClaims | None) -> None:
    """Attach the claims of the token to a request, and make them serialisable with ``jsonify``.

    ``None`` marks an anonymous request that was allowed to pass.
    """
    if claims is not None:
        incoming.environ[CLAIMS_KEY] = claims
        incoming.__dict__[_PROVEN] = claims
    elif incoming.__dict__[_PROVEN] is None:
        incoming.__dict__[_PROVEN] = _ANONYMOUS
    _install_json(incoming.json_module)  # the application's provider; faster than current_app.json


def mark_as_met(incoming: Request, declarations: tuple[Any, ...]) -> None:
    """Record the declarations that a request meets, so that decorators do not check them again."""
    setattr(incoming, _MET, (*incoming.__dict__.get(_MET, ()), *declarations))


def was_met(incoming: Request, declaration: Any) -> bool:
    """Return whether a request has already been checked for exactly this declaration."""
    return declaration in incoming.__dict__.get(_MET, ())


class _WritesClaims:
    """Wraps a method of a JSON provider to replace ``current_claims`` in its arguments by the claims.

    JSON encoders do not resolve proxies, and not all have a hook for unknown types. The arguments are
    searched one level deep, and if the encoder then fails, at every level.
    """

    def __init__(self, write: Callable[..., Any]) -> None:
        self._write = write

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _resolve(args, 2), _resolve(kwargs, 1)
        try:
            return self._write(*args, **kwargs)
        except (TypeError, ValueError):
            return self._write(*_resolve(args, MAX_DEPTH), **_resolve(kwargs, MAX_DEPTH))


def _resolve(value: Any, depth: int) -> Any:
    """Return a JSON value with each ``current_claims`` replaced by the claims."""
    if value is current_claims:
        return _read_claims()
    if depth and type(value) is dict:
        return {name: _resolve(member, depth - 1) for name, member in value.items()}
    if depth and type(value) in (list, tuple):
        return type(value)([_resolve(element, depth - 1) for element in value])
    return value


def _install_json(provider: Any) -> None:
    """Make the JSON provider of an application serialise ``current_claims``, with any encoder."""
    if isinstance(provider, JSONProvider) and type(provider.dumps) is not _WritesClaims:
        if type(provider).response not in (JSONProvider.response, DefaultJSONProvider.response):
            provider.response = _WritesClaims(provider.response)  # type: ignore[method-assign]
        provider.dumps = _WritesClaims(provider.dumps)  # type: ignore[method-assign]


def _read_claims() -> AccessTokenClaims | None:
    claims = getattr(request, _PROVEN, None) if has_request_context() else None
    if claims is None:
        raise RuntimeError(
            "current_claims is only available in a request that @protect has let through; "
            "test it first: `if current_claims:`"
        )
    return None if claims is _ANONYMOUS else cast(AccessTokenClaims, claims)


class _ClaimsProxy(LocalProxy[AccessTokenClaims | None]):
    """A proxy that is not an iterator; Flask would stream an iterator instead of sending it as JSON."""

    __slots__ = ()
    __next__ = None


current_claims: AccessTokenClaims = _ClaimsProxy(_read_claims)  # type: ignore[assignment]
"""The claims of the current request's validated access token.

It stands for ``None`` with ``optional=True`` and no token, and for a CORS preflight that was let through.
Test it with ``if current_claims:``, which is false in these cases and where no token was checked.
"""
