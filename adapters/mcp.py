"""MCP servers: a token verifier for the Python SDK of the Model Context Protocol.

::

    server = MCPServer(
        "orders",
        token_verifier=MonoCloudTokenVerifier(),
        auth=AuthSettings(
            issuer_url="https://acme.us.monocloud.com",
            resource_server_url="https://mcp.acme.com/mcp",
            required_scopes=["orders:read"],
            validate_token_resource=False,
        ),
    )

- The SDK reads the token, checks ``required_scopes``, and renders 401 and 403. The verifier checks everything
  else, the audience included, so ``validate_token_resource`` may be false. It may be true if the option
  ``audience`` is ``resource_server_url``. The SDK also refuses a token after its ``exp``, by the clock of the
  machine and without ``clock_tolerance``.
- For a refused token it returns ``None``; the SDK answers 401, and the reason is logged. Other failures are
  raised, so that clients do not discard a valid token during an outage; the SDK answers 500.
- Tools read ``get_access_token()`` of the SDK: ``subject``, ``scopes``, and all claims in ``claims``.
- A token that is bound to a certificate is refused, because the SDK does not pass on the certificate.
"""

from __future__ import annotations

try:
    from mcp.server.auth.provider import AccessToken, TokenVerifier
except ImportError as error:
    raise ImportError(
        "monocloud_mw.adapters.mcp needs the MCP SDK: pip install 'monocloud-mw[mcp]'"
    ) from error

from typing import Any

from pydantic import Field

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.client import AsyncBackendClient
from monocloud_mw.core.token.requirements import NO_REQUIREMENTS
from monocloud_mw.errors import ConfigurationError, CredentialsError, TokenError
from monocloud_mw.protect.adapter_checks import AsyncAuthenticator, select_client
from monocloud_mw.protect.guard import Guard, Refused, run_check_async

__all__ = ["MonoCloudTokenVerifier"]


class MonoCloudTokenVerifier(TokenVerifier):
    """Validates access tokens for ``MCPServer(token_verifier=...)``.

    Args:
        client: an :class:`~monocloud_mw.AsyncBackendClient`; default: its ``shared()`` one.

    Raises:
        ConfigurationError: the client is not an asynchronous one, or its options are invalid.
    """

    def __init__(self, client: AsyncAuthenticator | None = None) -> None:
        self.client: AsyncAuthenticator = select_client(client, AsyncBackendClient)
        self._guard = Guard(self.client)

    async def verify_token(self, token: str | None = None) -> AccessToken | None:
        """Return the properties of a valid token, and ``None`` for a token that is refused.

        Raises:
            AuthorizationServerError: the tenant had to be contacted and the request failed.
            ConfigurationError: the options are invalid, or it is called on the class:
                ``token_verifier=MonoCloudTokenVerifier`` lacks ``()``.
        """
        if token is None:  # the first argument is the token
            raise ConfigurationError(
                "token_verifier is a class, not an instance: write token_verifier=MonoCloudTokenVerifier()"
            )
        try:
            claims = await run_check_async(self._guard.check(None, [f"Bearer {token}"], NO_REQUIREMENTS))
        except Refused as refused:
            if isinstance(refused.error, (TokenError, CredentialsError)):
                return None
            raise refused.error from None
        assert claims is not None  # without optional=True, a check never lets a request pass without claims
        return self._describe(token, claims)

    def _describe(self, token: str, claims: AccessTokenClaims) -> AccessToken:
        options = getattr(self.client, "options", None)
        audiences = claims.audience if options is None else options.audience
        return _AccessToken(
            token=token,
            client_id=claims.client_id or "",
            scopes=sorted(claims.scopes),
            expires_at=None if claims.expires_at is None else int(claims.expires_at),
            # The token is valid for one of the audiences. The claims of as_caller name none of them.
            resource=next(
                (each for each in audiences if each in claims.audience), next(iter(audiences), None)
            ),
            subject=claims.subject,
            claims=dict(claims),
        )


class _AccessToken(AccessToken):
    """The SDK's description of a token, with a repr that shows neither the token nor personal data."""

    token: str = Field(repr=False)
    subject: str | None = Field(default=None, repr=False)
    claims: dict[str, Any] | None = Field(default=None, repr=False)
