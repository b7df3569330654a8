"""Access tokens for Starlette's authentication: ``request.user``, ``request.auth`` and ``@requires``.

::

    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(AuthenticationMiddleware, backend=MonoCloudBackend(), on_error=on_error)
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )

    @requires("orders:read")
    async def orders(request):
        return JSONResponse({"caller": request.user.display_name})

- A request without a token is anonymous (``request.user.is_authenticated`` is false), unless the backend has
  ``optional=False``. A token that is sent is always checked; ``on_error`` renders its refusal.
- ``requires`` of this module answers 401 with ``Bearer`` to anonymous callers and 403 with
  ``insufficient_scope`` to others. Starlette's ``requires`` raises a plain 403 for both;
  ``EXCEPTION_HANDLERS`` turns it into the same responses, without the names of the scopes.
- To accept another scheme too, write a backend that calls this one first, and use Starlette's ``requires``,
  which reads the scopes of both. ``requires`` of this module needs an access token.
- A WebSocket is refused before it is accepted; the server answers the handshake with 403.
- The claims are in ``request.user.claims`` and in ``request.scope["monocloud.claims"]``.
"""

from __future__ import annotations

from .backend import MonoCloudBackend
from .refusals import EXCEPTION_HANDLERS, AccessRefused, TokenRefused, WebSocketRefused, on_error
from .requires import requires
from .user import AccessTokenUser

__all__ = [
    "EXCEPTION_HANDLERS",
    "AccessRefused",
    "AccessTokenUser",
    "MonoCloudBackend",
    "TokenRefused",
    "WebSocketRefused",
    "on_error",
    "requires",
]
