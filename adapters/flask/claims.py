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
    from flask.json.provider import DefaultJSONProvider
except ImportError as error:
    raise ImportError("monocloud_mw.adapters.flask needs Flask: pip install 'monocloud-mw[flask]'") from error

from werkzeug.local import LocalProxy

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.protect.adapter_checks import CLAIMS_KEY

__all__ = ["attach_claims", "current_claims", "drop_foreign_claims"]

_PROVEN: Final = "_monocloud_claims"


def drop_foreign_claims(incoming: Request) -> None:
    """Take away what a request brought along, the first time that it is checked."""
    if _PROVEN not in incoming.__dict__:
        incoming.environ.pop(CLAIMS_KEY, None)
        setattr(incoming, _PROVEN, None)


def attach_claims(incoming: Request, claims: AccessTokenClaims) -> None:
    """Give a request the claims of its token, in a form that ``jsonify`` of its application takes."""
    incoming.environ[CLAIMS_KEY] = claims
    setattr(incoming, _PROVEN, claims)
    _teach_json(incoming.json_module)  # the application's; to ask current_app for it would take longer


class _ProxyDefault:
    """Writes ``current_claims`` as JSON, and leaves the rest to what the application had."""

    def __init__(self, default: Callable[[Any], Any]) -> None:
        self._default = default

    def __call__(self, value: Any) -> Any:
        return dict(current_claims) if value is current_claims else self._default(value)


def _teach_json(provider: Any) -> None:
    """Let ``jsonify(current_claims)`` work: JSON encoders do not look through proxies by themselves."""
    if isinstance(provider, DefaultJSONProvider) and type(provider.default) is not _ProxyDefault:
        provider.default = _ProxyDefault(provider.default)


def _read_claims() -> AccessTokenClaims:
    claims = getattr(request, _PROVEN, None) if has_request_context() else None
    if claims is None:
        raise RuntimeError(
            "there are no current_claims here: only requests that @protect has let through have some"
        )
    return cast(AccessTokenClaims, claims)


current_claims: AccessTokenClaims = LocalProxy(_read_claims)  # type: ignore[assignment]
"""The claims of the token that the current request came with, as this package found them."""
