"""The common part of both clients: options, validator and transport."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn, Self, SupportsIndex, TypeAlias, Unpack, cast

from ..core.token.validator import Validator
from ..drivers.clock import system_clock
from ..drivers.explain_mode import explaining_observer
from ..drivers.observer import notifier
from ..errors import ConfigurationError, CredentialsError, Problem
from ..lifecycle.shared_instances import SharedInstances
from ..options import VARIABLE_PREFIX, Options, Settings
from ..protect.adapter_checks import collect_problems
from ..protect.authorization import parse_authorization
from ..protect.logs import describe_refusal
from ..protect.observed import ObservedValidator
from ..protect.responses import error_response
from ..transports.requests import RequestsTransport

__all__ = ["Certificate", "Client", "Groups", "Scopes"]

EXCHANGES_IN_A_RUN: Final = 3
"""The maximum number of consecutive exchanges in one run (metadata, keys, introspection). Times the response
timeout, this is the longest wait for another caller's run."""

Scopes: TypeAlias = str | Iterable[str]
Groups: TypeAlias = str | Iterable[str]
Certificate: TypeAlias = str | bytes | None


class Client:
    """The common part of both clients: options, validator and transport."""

    def __init__(self, options: Options | None = None, /, **settings: Unpack[Settings]) -> None:
        self.options: Options = _read_options(options, settings)
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


_shared: Final[SharedInstances[Client]] = SharedInstances()


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
