"""The client for threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self, Unpack

from ..callables import is_async
from ..claims import AccessTokenClaims
from ..core.tenant.metadata import Metadata
from ..core.token.presented import Presented
from ..core.token.requirements import Requirements
from ..drivers.threads import SyncDriver
from ..errors import ConfigurationError, Problem
from ..jose import KeySet
from ..options import Options, Settings
from ..protect.guard import find_caller
from .base import Certificate, Client, Groups, Scopes

__all__ = ["BackendClient"]

_CACHE_OPERATIONS: Final = ("get", "set", "delete")


class BackendClient(Client):
    """Validates access tokens in synchronous code. Threads may share one client.

    Args:
        options: all options. If omitted, each option comes from ``settings``, from the ``MONOCLOUD_BACKEND_``
            environment variables, or from its default, in this order.
        settings: the fields of :class:`~monocloud_mw.options.Options` by name.

    Raises:
        ConfigurationError: with all problems, each with the names of its option and variable.
    """

    def __init__(self, options: Options | None = None, /, **settings: Unpack[Settings]) -> None:
        super().__init__(options, **settings)
        self._driver = SyncDriver(**self._driver_settings)

    def _check_options(self) -> None:
        """Reject async callables, which only an event loop can run."""
        names = ("fetcher", "metadata_resolver", "jwks_resolver", "client_secret")
        functions = [(name, getattr(self.options, name)) for name in names]
        functions += [("cache", getattr(self.options.cache, name, None)) for name in _CACHE_OPERATIONS]
        asynchronous = dict.fromkeys(
            name for name, function in functions if callable(function) and is_async(function)
        )
        if asynchronous:
            raise ConfigurationError(
                Problem(name, None, "must be synchronous; use AsyncBackendClient for an asynchronous one")
                for name in asynchronous
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the tenant; a client that is used again opens new ones."""
        self._driver.close()
        if self._transport is not None:
            self._transport.close()

    def authenticate(self, presented: Presented, requirements: Requirements) -> AccessTokenClaims:
        """Validate the access token of a request; the adapters call this.

        Unlike :meth:`validate_access_token`, it refuses an opaque token as malformed if introspection is not
        configured, because that is an error of the caller.

        Raises:
            TokenError: the token is refused; ``reason`` says why.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        driver = self._driver
        return driver.run(self._validator.authenticate(presented, requirements, driver.now()))

    def validate_authorization(
        self,
        authorization: str | Sequence[str] | None,
        *,
        scopes: Scopes = (),
        groups: Groups = (),
        any_scopes: Scopes = (),
        client_certificate: Certificate = None,
    ) -> AccessTokenClaims:
        """Validate the ``Authorization`` header of a request, for frameworks without an adapter.

        :func:`monocloud_mw.error_response` returns status, headers and body for any error that this raises.

        Args:
            authorization: the header's value, all values of a repeated header, or ``None`` without one.
            scopes, groups, any_scopes, client_certificate: as :meth:`validate_access_token`.

        Raises:
            CredentialsError: there is no bearer token, or the header is malformed (RFC 6750 section 2.1).
            TokenError: the token is refused; also an opaque token if introspection is not configured.
            ConfigurationError: a requirement has a wrong type.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        if (caller := find_caller()) is not None:
            return caller(requirements, self.options.groups_match_all)
        presented = Presented(self._parse_header(authorization), "Bearer", client_certificate)
        return driver.run(self._calls.authenticate(presented, requirements, driver.now()))

    def validate_access_token(
        self,
        token: str,
        *,
        scopes: Scopes = (),
        groups: Groups = (),
        any_scopes: Scopes = (),
        client_certificate: Certificate = None,
    ) -> AccessTokenClaims:
        """Validate a JWT with the tenant's keys, or any other access token by introspection.

        Args:
            token: the access token, without ``Bearer``.
            scopes: all of them are required; a string may list several, separated by spaces.
            groups: one of them is required, or all with the option ``groups_match_all``.
            any_scopes: one of them is required.
            client_certificate: the caller's TLS certificate, PEM or DER (RFC 8705 section 3).

        Raises:
            TokenError: the token is refused; ``reason`` says why.
            ConfigurationError: the token is not a JWT and ``client_id`` is not set, or a requirement has a
                wrong type.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        presented = Presented(token, "Bearer", client_certificate)
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        return driver.run(self._calls.validate(presented, requirements, driver.now()))

    def validate_jwt_access_token(
        self,
        token: str,
        *,
        scopes: Scopes = (),
        groups: Groups = (),
        any_scopes: Scopes = (),
        client_certificate: Certificate = None,
    ) -> AccessTokenClaims:
        """Validate a JWT with the tenant's keys, even if ``introspect_jwt_tokens`` is set.

        Args:
            token: the access token, without ``Bearer``.
            scopes: all of them are required; a string may list several, separated by spaces.
            groups: one of them is required, or all with the option ``groups_match_all``.
            any_scopes: one of them is required.
            client_certificate: the caller's TLS certificate, PEM or DER (RFC 8705 section 3).

        Raises:
            TokenError: the token is refused; ``reason`` says why. A token that is not a JWT is malformed.
            ConfigurationError: a requirement has a wrong type.
            AuthorizationServerError: the tenant's keys had to be loaded and the request failed.
        """
        presented = Presented(token, "Bearer", client_certificate)
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        return driver.run(self._calls.validate_jwt(presented, requirements, driver.now()))

    def introspect_access_token(
        self,
        token: str,
        *,
        scopes: Scopes = (),
        groups: Groups = (),
        any_scopes: Scopes = (),
        client_certificate: Certificate = None,
    ) -> AccessTokenClaims:
        """Validate an access token of either kind by introspection (RFC 7662).

        Args:
            token: the access token, without ``Bearer``.
            scopes: all of them are required; a string may list several, separated by spaces.
            groups: one of them is required, or all with the option ``groups_match_all``.
            any_scopes: one of them is required.
            client_certificate: the caller's TLS certificate, PEM or DER (RFC 8705 section 3).

        Raises:
            TokenError: the token is refused; ``reason`` says why.
            ConfigurationError: ``client_id`` is not set, or a requirement has a wrong type.
            AuthorizationServerError: the introspection request failed.
        """
        presented = Presented(token, "Bearer", client_certificate)
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        return driver.run(self._calls.introspect(presented, requirements, driver.now()))

    def forget(self, token: str) -> None:
        """Remove an access token from the verified JWTs and from the claims cache, after revoking it.

        The next request with the token introspects it again, so that a revoked token is refused at once. A
        JWT that is not introspected (see ``introspect_jwt_tokens``) is verified with the keys again, and
        accepted until it expires. All processes that share the claims cache are affected; the verified JWTs
        of other processes are not, but these are not used for tokens that are introspected.

        Args:
            token: the access token, without ``Bearer``.

        Raises:
            TokenError: the token is malformed.
            MonoCloudError: the claims cache failed, so the token may still be accepted; try again.
        """
        self._driver.run(self._validator.forget(token))

    def get_metadata(self, force_refresh: bool = False) -> Metadata:
        """Return the tenant's discovery document, from the cache if it is fresh enough.

        Args:
            force_refresh: load it even if the cached one is fresh.

        Raises:
            AuthorizationServerError: it cannot be loaded.
        """
        return self._driver.run(self._validator.tenant.metadata.get(self._driver.now(), reload=force_refresh))

    def get_jwks(self, force_refresh: bool = False) -> KeySet:
        """Return the tenant's keys, from the cache if they are fresh enough.

        Args:
            force_refresh: load them even if the cached ones are fresh.

        Raises:
            AuthorizationServerError: they cannot be loaded.
        """
        return self._driver.run(self._validator.tenant.keys.get(self._driver.now(), reload=force_refresh))

    def prefetch(self) -> None:
        """Load metadata and keys now, so that the first request does not wait for them.

        In a test with ``as_caller`` it does nothing: requests need no keys.

        Raises:
            AuthorizationServerError: they cannot be loaded.
        """
        if find_caller() is None:
            self._driver.run(self._validator.tenant.prefetch(self._driver.now()))
