"""The two clients, which combine the validator, a driver and a transport.

:class:`BackendClient` serves threads and :class:`AsyncBackendClient` event loops, with the same methods
and the same logic (:class:`~monocloud_mw.core.token.validator.Validator`). Make one client and share it: it
keeps the tenant's keys and the tokens it has verified.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn, Self, SupportsIndex, TypeAlias, Unpack, cast

from .claims import AccessTokenClaims
from .core.tenant.metadata import Metadata
from .core.token.presented import Presented
from .core.token.requirements import Requirements
from .core.token.validator import Validator
from .drivers.asyncio import AsyncDriver, is_async
from .drivers.clock import system_clock
from .drivers.explain_mode import explaining_observer
from .drivers.observer import notifier
from .drivers.threads import SyncDriver
from .drivers.worker_threads import WorkerThreads
from .errors import ConfigurationError, CredentialsError, Problem
from .jose import KeySet
from .lifecycle.shared_instances import SharedInstances
from .options import VARIABLE_PREFIX, Options, Settings
from .protect.adapter_checks import collect_problems
from .protect.authorization import parse_authorization
from .protect.guard import find_caller
from .protect.logs import describe_refusal
from .protect.observed import ObservedValidator
from .protect.responses import error_response
from .transports.requests import RequestsTransport

__all__ = ["AsyncBackendClient", "BackendClient"]

EXCHANGES_IN_A_RUN: Final = 3
"""The maximum number of consecutive exchanges in one run (metadata, keys, introspection). Times the response
timeout, this is the longest wait for another caller's run."""

Scopes: TypeAlias = str | Iterable[str]
Groups: TypeAlias = str | Iterable[str]
Certificate: TypeAlias = str | bytes | None


class _Client:
    """The common part of both clients: options, validator and transport."""

    def __init__(self, options: Options | None = None, settings: Settings | None = None) -> None:
        self.options: Options = _read_options(options, settings or {})
        self.notify = notifier(explaining_observer(os.environ), self.options.observer)
        self._validator = Validator(self.options)
        self._calls = self._validator if self.notify is None else ObservedValidator(self._validator)
        self._transport, _ = collect_problems(
            lambda: self._new_transport() if self.options.fetcher is None else None, self._check_options
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.options.tenant_domain!r}, audience={self.options.audience!r})"

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"{name} cannot be copied or pickled, because it has connections and locks. Threads and forked "
            "processes can share one; in another process, create one from its options: "
            f"{name}(client.options)"
        )

    @classmethod
    def shared(cls) -> Self:
        """Return the process-wide client for the current environment variables.

        Its options come from the environment. There is one client per set of ``MONOCLOUD_BACKEND_``
        variables, for as long as it is referenced. Adapters use it if they are not passed a client, so that
        several middlewares share one client. Closing it closes the connections of all its users; the next use
        opens new ones.

        Raises:
            ConfigurationError: with all problems, each with the names of its option and variable.
        """
        variables = frozenset(
            (name, text.strip())
            for name, text in os.environ.items()
            if name.startswith(VARIABLE_PREFIX) and text.strip()
        )
        return cast(Self, _shared.get((cls, variables), cls))

    def _new_transport(self) -> Any:
        return RequestsTransport(**self._transport_settings)

    def _check_options(self) -> None:
        """Reject options that this kind of client cannot use."""

    @property
    def _transport_settings(self) -> dict[str, Any]:
        return {
            "ca_bundle": self.options.ca_bundle,
            "client_certificate": self.options.mtls_certificate,
        }

    @property
    def _driver_settings(self) -> dict[str, Any]:
        return {
            "fetch": self.options.fetcher or self._transport,
            "cache": self.options.cache,
            "clock": system_clock(self.options.clock),
            "wait_timeout": EXCHANGES_IN_A_RUN * self.options.response_timeout,
            "notify": self.notify,
        }

    def _parse_header(self, authorization: str | Sequence[str] | None) -> str:
        values = (authorization,) if isinstance(authorization, str) else authorization or ()
        if not isinstance(values, Sequence) or not all(isinstance(value, str) for value in values):
            kind = type(authorization).__name__
            raise ConfigurationError(f"authorization must be a string, a list of strings or None, not {kind}")
        try:
            return parse_authorization(values)
        except CredentialsError as error:
            if self.notify is not None:
                self.notify(describe_refusal(error, status=error_response(error).status))
            raise


_shared: Final[SharedInstances[_Client]] = SharedInstances()


def _read_options(options: Options | None, settings: Settings) -> Options:
    if options is None:
        return Options.from_environment(os.environ, **settings)
    if not isinstance(options, Options):
        raise ConfigurationError([Problem("options", None, f"must be Options, not {type(options).__name__}")])
    if settings:
        raise ConfigurationError(
            [
                Problem(name, None, "cannot be combined with `options`; pass one or the other")
                for name in settings
            ]
        )
    return options


class BackendClient(_Client):
    """Validates access tokens in synchronous code. Threads may share one client.

    Args:
        options: all options. If omitted, each option comes from ``settings``, from the ``MONOCLOUD_BACKEND_``
            environment variables, or from its default, in this order.
        settings: the fields of :class:`~monocloud_mw.options.Options` by name.

    Raises:
        ConfigurationError: with all problems, each with the names of its option and variable.
    """

    def __init__(self, options: Options | None = None, /, **settings: Unpack[Settings]) -> None:
        super().__init__(options, settings)
        self._driver = SyncDriver(**self._driver_settings)

    def _check_options(self) -> None:
        """Reject coroutine functions, which only an event loop can run."""
        names = ("fetcher", "metadata_resolver", "jwks_resolver", "client_secret")
        functions = [(name, getattr(self.options, name)) for name in names]
        functions += [("cache", getattr(self.options.cache, operation, None)) for operation in ("get", "set")]
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

        Unlike :meth:`validate_access_token`, it rejects an opaque token as malformed if introspection is not
        configured, because that is an error of the caller.

        Raises:
            TokenError: the token is rejected; ``reason`` says why.
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
            TokenError: the token is rejected; also an opaque token if introspection is not configured.
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
            TokenError: the token is rejected; ``reason`` says why.
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
            TokenError: the token is rejected; ``reason`` says why. A token that is not a JWT is malformed.
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
            TokenError: the token is rejected; ``reason`` says why.
            ConfigurationError: ``client_id`` is not set, or a requirement has a wrong type.
            AuthorizationServerError: the introspection request failed.
        """
        presented = Presented(token, "Bearer", client_certificate)
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        return driver.run(self._calls.introspect(presented, requirements, driver.now()))

    def forget(self, token: str) -> None:
        """Remove an access token from the verified JWTs and from the claims cache, after revoking it.

        The next request with the token introspects it again, so that a revoked token is rejected at once. A
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

        Raises:
            AuthorizationServerError: they cannot be loaded.
        """
        self._driver.run(self._validator.tenant.prefetch(self._driver.now()))


class AsyncBackendClient(_Client):
    """Validates access tokens in asynchronous code, without blocking the event loop.

    Has the methods of :class:`BackendClient` as coroutines. Synchronous fetchers, resolvers and caches run in
    a bounded thread pool. HTTP is asynchronous if ``httpcore2`` is installed (the extra ``async``), and
    otherwise runs in the thread pool.

    Args:
        options: all options. If omitted, each option comes from ``settings``, from the ``MONOCLOUD_BACKEND_``
            environment variables, or from its default, in this order.
        settings: the fields of :class:`~monocloud_mw.options.Options` by name.

    Raises:
        ConfigurationError: with all problems, each with the names of its option and variable.
    """

    def __init__(self, options: Options | None = None, /, **settings: Unpack[Settings]) -> None:
        super().__init__(options, settings)
        self._driver = AsyncDriver(**self._driver_settings, workers=WorkerThreads())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop background refreshes and close the connections; a later use opens new ones."""
        await self._driver.aclose()
        if isinstance(self._transport, RequestsTransport):
            self._transport.close()
        elif self._transport is not None:
            await self._transport.aclose()

    def _new_transport(self) -> Any:
        try:
            from .transports.httpcore2 import Httpcore2Transport
        except ImportError:  # the extra "async" is not installed
            return super()._new_transport()
        return Httpcore2Transport(**self._transport_settings)

    async def authenticate(self, presented: Presented, requirements: Requirements) -> AccessTokenClaims:
        """Validate the access token of a request; the adapters call this.

        Unlike :meth:`validate_access_token`, it rejects an opaque token as malformed if introspection is not
        configured, because that is an error of the caller.

        Raises:
            TokenError: the token is rejected; ``reason`` says why.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        driver = self._driver
        return await driver.run(self._validator.authenticate(presented, requirements, driver.now()))

    async def validate_authorization(
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
            TokenError: the token is rejected; also an opaque token if introspection is not configured.
            ConfigurationError: a requirement has a wrong type.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        if (caller := find_caller()) is not None:
            return caller(requirements, self.options.groups_match_all)
        presented = Presented(self._parse_header(authorization), "Bearer", client_certificate)
        return await driver.run(self._calls.authenticate(presented, requirements, driver.now()))

    async def validate_access_token(
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
            TokenError: the token is rejected; ``reason`` says why.
            ConfigurationError: the token is not a JWT and ``client_id`` is not set, or a requirement has a
                wrong type.
            AuthorizationServerError: the tenant had to be contacted and the request failed.
        """
        presented = Presented(token, "Bearer", client_certificate)
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        return await driver.run(self._calls.validate(presented, requirements, driver.now()))

    async def validate_jwt_access_token(
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
            TokenError: the token is rejected; ``reason`` says why. A token that is not a JWT is malformed.
            ConfigurationError: a requirement has a wrong type.
            AuthorizationServerError: the tenant's keys had to be loaded and the request failed.
        """
        presented = Presented(token, "Bearer", client_certificate)
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        return await driver.run(self._calls.validate_jwt(presented, requirements, driver.now()))

    async def introspect_access_token(
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
            TokenError: the token is rejected; ``reason`` says why.
            ConfigurationError: ``client_id`` is not set, or a requirement has a wrong type.
            AuthorizationServerError: the introspection request failed.
        """
        presented = Presented(token, "Bearer", client_certificate)
        requirements, driver = Requirements.of(scopes, groups, any_scopes), self._driver
        return await driver.run(self._calls.introspect(presented, requirements, driver.now()))

    async def forget(self, token: str) -> None:
        """Remove an access token from the verified JWTs and from the claims cache, after revoking it.

        The next request with the token introspects it again, so that a revoked token is rejected at once. A
        JWT that is not introspected (see ``introspect_jwt_tokens``) is verified with the keys again, and
        accepted until it expires. All processes that share the claims cache are affected; the verified JWTs
        of other processes are not, but these are not used for tokens that are introspected.

        Args:
            token: the access token, without ``Bearer``.

        Raises:
            TokenError: the token is malformed.
            MonoCloudError: the claims cache failed, so the token may still be accepted; try again.
        """
        await self._driver.run(self._validator.forget(token))

    async def get_metadata(self, force_refresh: bool = False) -> Metadata:
        """Return the tenant's discovery document, from the cache if it is fresh enough.

        Args:
            force_refresh: load it even if the cached one is fresh.

        Raises:
            AuthorizationServerError: it cannot be loaded.
        """
        return await self._driver.run(
            self._validator.tenant.metadata.get(self._driver.now(), reload=force_refresh)
        )

    async def get_jwks(self, force_refresh: bool = False) -> KeySet:
        """Return the tenant's keys, from the cache if they are fresh enough.

        Args:
            force_refresh: load them even if the cached ones are fresh.

        Raises:
            AuthorizationServerError: they cannot be loaded.
        """
        return await self._driver.run(
            self._validator.tenant.keys.get(self._driver.now(), reload=force_refresh)
        )

    async def prefetch(self) -> None:
        """Load metadata and keys now, so that the first request does not wait for them.

        Raises:
            AuthorizationServerError: they cannot be loaded.
        """
        await self._driver.run(self._validator.tenant.prefetch(self._driver.now()))
