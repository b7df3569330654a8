"""The claims of the current request of Flask, and how they become JSON.

They are kept on the request object itself, which nothing from outside can write to, unlike the environ, and
which no two requests share, unlike ``flask.g``. The copy in ``request.environ["monocloud.claims"]`` is for
code that knows no Flask.
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

__all__ = ["attach_claims", "current_claims", "drop_foreign_claims", "mark_as_met", "was_met"]

_PROVEN: Final = "_monocloud_claims"
_MET: Final = "_monocloud_met"

_ANONYMOUS: Final = object()

MAX_DEPTH: Final = 32  # of the values in which current_claims is looked for


def drop_foreign_claims(incoming: Request) -> None:
    """Take away what a request brought along, the first time that it is checked."""
    state = incoming.__dict__
    if _PROVEN not in state:
        incoming.environ.pop(CLAIMS_KEY, None)
        state[_PROVEN] = None


def attach_claims(incoming: Request, claims: AccessTokenClaims | None) -> None:
    """Give a request the claims of its token, in a form that ``jsonify`` of its application takes.

    ``None`` says that the request is anonymous, and may be.
    """
    if claims is not None:
        incoming.environ[CLAIMS_KEY] = claims
        incoming.__dict__[_PROVEN] = claims
    elif incoming.__dict__[_PROVEN] is None:
        incoming.__dict__[_PROVEN] = _ANONYMOUS
    _install_json(incoming.json_module)  # the application's; to ask current_app for it would take longer


def mark_as_met(incoming: Request, declarations: tuple[Any, ...]) -> None:
    """Remember what a request has been checked for, so that decorators of its view do not check it again."""
    setattr(incoming, _MET, (*incoming.__dict__.get(_MET, ()), *declarations))


def was_met(incoming: Request, declaration: Any) -> bool:
    """Tell whether a request has been checked for exactly this declaration."""
    return declaration in incoming.__dict__.get(_MET, ())


class _WritesClaims:
    """A method of a JSON provider that finds the claims where its arguments have ``current_claims``.

    JSON encoders do not look through proxies, and not all have a hook for types that they do not know. The
    arguments are searched one level deep; where the encoder fails nevertheless, at every depth.
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
    """Return a JSON value with the claims in the place of each ``current_claims``."""
    if value is current_claims:
        return _read_claims()
    if depth and type(value) is dict:
        return {name: _resolve(member, depth - 1) for name, member in value.items()}
    if depth and type(value) in (list, tuple):
        return type(value)([_resolve(element, depth - 1) for element in value])
    return value


def _install_json(provider: Any) -> None:
    """Let the JSON provider of an application, whatever its encoder, write ``current_claims``."""
    if isinstance(provider, JSONProvider) and type(provider.dumps) is not _WritesClaims:
        if type(provider).response not in (JSONProvider.response, DefaultJSONProvider.response):
            provider.response = _WritesClaims(provider.response)  # type: ignore[method-assign]
        provider.dumps = _WritesClaims(provider.dumps)  # type: ignore[method-assign]


def _read_claims() -> AccessTokenClaims | None:
    claims = getattr(request, _PROVEN, None) if has_request_context() else None
    if claims is None:
        raise RuntimeError(
            "there are no current_claims here: only requests that @protect has let through have some"
        )
    return None if claims is _ANONYMOUS else cast(AccessTokenClaims, claims)


class _ClaimsProxy(LocalProxy[AccessTokenClaims | None]):
    """A proxy that is no iterator: Flask would stream one that a view returns, instead of writing JSON."""

    __slots__ = ()
    __next__ = None


current_claims: AccessTokenClaims = _ClaimsProxy(_read_claims)  # type: ignore[assignment]
"""The claims of the token that the current request came with, as this package found them.

With ``optional=True`` and without a token, it is ``None``: ``if current_claims:`` tells.
"""
