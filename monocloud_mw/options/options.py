"""The options: their names, environment variables, defaults and accepted values.

Rules:

- an argument takes precedence over the environment, which takes precedence over the default;
- all problems are reported together, in one :class:`~monocloud_mw.errors.ConfigurationError` that names each
  option, its variable and what is expected, never a secret value;
- invalid values and combinations are rejected at construction, not by the first request that needs them;
- a blank variable counts as unset; an invalid value is always an error, never ignored.

This module does not read the process's environment; it is passed to :meth:`Options.from_environment`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Self, Unpack

import attrs

from ..claims_cache import AsyncClaimsCache, ClaimsCache
from ..errors import ConfigurationError, Problem
from ..events import Observer, ObserverFunction
from ..jose import MAX_TOKEN_CHARACTERS, SIGNATURE_ALGORITHMS
from ..quoting import quoted
from .client_authentication import CLIENT_AUTH_METHODS
from .names import describe_unknown, find_meant
from .settings import (
    CertificateBinding,
    ClientAuthMethod,
    ClientSecret,
    Clock,
    Fetcher,
    Resolver,
    Settings,
)
from .tenant_domain import read_tenant_domain
from .texts import (
    boolean_from_text,
    check_unquoted,
    count_from_text,
    number_from_text,
    pair_from_texts,
    words_from_text,
)
from .values import (
    one_of,
    read_algorithms,
    read_any_secret,
    read_boolean,
    read_cache,
    read_callable,
    read_certificate_and_key,
    read_claim_name,
    read_clock,
    read_count,
    read_file,
    read_name,
    read_names,
    read_observer,
    read_size,
    read_timeout,
    seconds_up_to,
)

__all__ = ["VARIABLE_PREFIX", "Options"]

VARIABLE_PREFIX: Final = "MONOCLOUD_BACKEND_"

HOUR: Final = 3600
DAY: Final = 24 * HOUR

_logger = logging.getLogger("monocloud_mw")


class _Text(str):
    """The unconverted value of an environment variable."""

    __slots__ = ()


def _option(
    variables: str | tuple[str, ...],
    read: Callable[[Any], Any],
    *,
    default: Any = None,
    from_text: Callable[..., Any] | None = None,
    secret: bool = False,
) -> Any:
    """Declare one option.

    ``read`` converts and validates a value, or raises ``ValueError``; ``from_text`` first converts the text
    of the environment variables. Neither is called for the default.
    """
    names = (variables,) if isinstance(variables, str) else variables
    metadata = {
        "variables": tuple(VARIABLE_PREFIX + name for name in names),
        "read": read,
        "from_text": from_text or str,
    }
    return attrs.field(default=default, repr=not secret, metadata=metadata)


def _seconds(variable: str, *, up_to: int, default: float) -> Any:
    return _option(variable, seconds_up_to(up_to), default=float(default), from_text=number_from_text)


@attrs.frozen(kw_only=True, init=False)
class Options:
    """All options of a client. Durations are in seconds.

    Options can be copied and pickled if their values can; send them to another process to create a client
    there. A pickle contains the unencrypted secrets.

    Raises:
        ConfigurationError: with all problems, each with the names of its option and variable.
    """

    tenant_domain: str = _option("TENANT_DOMAIN", read_tenant_domain)
    audience: tuple[str, ...] = _option("AUDIENCE", read_names, from_text=words_from_text)
    client_id: str | None = _option("CLIENT_ID", read_name)
    client_secret: ClientSecret | None = _option("CLIENT_SECRET", read_any_secret, secret=True)
    client_auth_method: ClientAuthMethod = _option(
        "CLIENT_AUTH_METHOD", one_of(*CLIENT_AUTH_METHODS), default="client_secret_post"
    )
    mtls_certificate: tuple[str, str] | None = _option(
        ("MTLS_CERTIFICATE", "MTLS_CERTIFICATE_KEY"), read_certificate_and_key, from_text=pair_from_texts
    )
    client_assertion_audience: str | None = _option("CLIENT_ASSERTION_AUDIENCE", read_name)
    trust_store_id: str | None = _option("TRUST_STORE_ID", read_name)
    ca_bundle: str | None = _option("CA_BUNDLE", read_file)
    scopes_claim: str = _option("SCOPES_CLAIM", read_claim_name, default="scope")
    groups_claim: str = _option("GROUPS_CLAIM", read_claim_name, default="groups")
    groups_match_all: bool = _option(
        "GROUPS_MATCH_ALL", read_boolean, default=False, from_text=boolean_from_text
    )
    clock_skew: float = _seconds("CLOCK_SKEW", up_to=HOUR, default=0)
    clock_tolerance: float = _seconds("CLOCK_TOLERANCE", up_to=HOUR, default=60)
    introspect_jwt_tokens: bool = _option(
        "INTROSPECT_JWT_TOKENS", read_boolean, default=False, from_text=boolean_from_text
    )
    validate_certificate_binding: CertificateBinding = _option(
        "VALIDATE_CERTIFICATE_BINDING",
        one_of("when_present", "required", "dangerously_ignore"),
        default="when_present",
    )
    jwks_cache_duration: float = _seconds("JWKS_CACHE_DURATION", up_to=DAY, default=300)
    metadata_cache_duration: float = _seconds("METADATA_CACHE_DURATION", up_to=DAY, default=300)
    introspection_cache_duration: float = _seconds("INTROSPECTION_CACHE_DURATION", up_to=DAY, default=300)
    max_stale: float = _seconds("MAX_STALE", up_to=7 * DAY, default=3600)
    refresh_cooldown: float = _seconds("REFRESH_COOLDOWN", up_to=HOUR, default=30)
    response_timeout: float = _option(
        "RESPONSE_TIMEOUT", read_timeout, default=10.0, from_text=lambda text: number_from_text(text) / 1000
    )
    algorithms: tuple[str, ...] = _option(
        "ALGORITHMS", read_algorithms, default=tuple(SIGNATURE_ALGORITHMS), from_text=words_from_text
    )
    max_token_size: int = _option(
        "MAX_TOKEN_SIZE", read_size, default=MAX_TOKEN_CHARACTERS, from_text=count_from_text
    )
    jwt_cache_size: int = _option("JWT_CACHE_SIZE", read_count, default=1024, from_text=count_from_text)
    cache: ClaimsCache | AsyncClaimsCache | None = _option((), read_cache, secret=True)
    fetcher: Fetcher | None = _option((), read_callable)
    metadata_resolver: Resolver | None = _option((), read_callable)
    jwks_resolver: Resolver | None = _option((), read_callable)
    clock: Clock | None = _option((), read_clock)
    observer: Observer | ObserverFunction | None = _option((), read_observer, secret=True)

    def __init__(self, **settings: Unpack[Settings]) -> None:
        self._set(settings, [])

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], /, **arguments: Unpack[Settings]) -> Self:
        """Create options from arguments and, for those not given, from ``MONOCLOUD_BACKEND_`` variables.

        An unknown variable with this prefix is an error if its name differs in at most two letters from a
        known one; otherwise a warning is logged. A blank variable counts as unset.

        Raises:
            ConfigurationError: as the constructor, and for a misspelt variable.
        """
        given: dict[str, Any] = {**arguments}
        for field in attrs.fields(cls):
            texts = [environ.get(variable, "").strip() for variable in field.metadata["variables"]]
            if any(texts) and given.get(field.name) is None:
                given[field.name] = tuple(_Text(text) if text else None for text in texts)
        options = cls.__new__(cls)
        cls._set(options, given, _check_variables(environ))
        return options

    def _set(self, given: Mapping[str, Any], problems: list[Problem]) -> None:
        """Set every field to the given value or to its default."""
        known = attrs.fields_dict(type(self))
        unknown = [name for name in given if name not in known]
        problems += [Problem(name, None, describe_unknown(name, known)) for name in unknown]
        unfit = list(self._read_each(given))
        wrong = {problem.option for problem in unfit}
        problems += unfit
        problems += [problem for problem in self._check_together(wrong) if problem.option not in wrong]
        if problems:
            raise ConfigurationError(problems)

    def _read_each(self, given: Mapping[str, Any]) -> Iterable[Problem]:
        """Convert and store every given value; an explicit ``None`` counts as not given."""
        for field in attrs.fields(type(self)):
            value = given.get(field.name)
            try:
                value = field.default if value is None or value is field.default else _read(field, value)
            except ValueError as error:
                yield self._problem(field.name, str(error))
                value = field.default
            object.__setattr__(self, field.name, value)

    def _check_together(self, wrong: Collection[str]) -> Iterable[Problem]:
        """Find invalid combinations of options; skip options with ``wrong`` values."""
        for name in ("tenant_domain", "audience"):
            if getattr(self, name) is None:
                yield self._problem(name, "is required")
        if self.client_id is None and "client_id" not in wrong:
            if self.client_secret is not None or "client_secret" in wrong:
                yield self._problem("client_id", "is required with client_secret")
            if self.introspect_jwt_tokens:
                yield self._problem("client_id", "is required with introspect_jwt_tokens")
            return
        if "client_auth_method" in wrong:
            return
        read_secret = CLIENT_AUTH_METHODS[self.client_auth_method].read_secret
        if read_secret is None:
            if self.mtls_certificate is None and self.fetcher is None:
                yield self._problem("mtls_certificate", f"is required with {self.client_auth_method}")
        elif self.client_secret is None:
            yield self._problem("client_secret", f"is required with {self.client_auth_method}")
        else:
            try:
                secret = read_secret(self.client_secret)
            except ValueError as error:
                yield self._problem("client_secret", f"is invalid for {self.client_auth_method}: {error}")
            else:
                object.__setattr__(self, "client_secret", secret)

    def _problem(self, name: str, message: str) -> Problem:
        variables = attrs.fields_dict(type(self))[name].metadata["variables"]
        return Problem(name, " and ".join(variables) or None, message)


def _read(field: attrs.Attribute[Any], value: Any) -> Any:
    if isinstance(value, tuple) and any(isinstance(part, _Text) for part in value):
        for text in filter(None, value):
            check_unquoted(text)
        value = field.metadata["from_text"](*value)
    return field.metadata["read"](value)


def _check_variables(environ: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each misspelt variable; log other unknown ones, only the first few by name."""
    problems, unknown = [], []
    for name, value in environ.items():
        upper = name.upper()
        if name in _VARIABLES or not any(part in upper for part in _PARTS) or not value.strip():
            continue
        meant = find_meant(upper, _VARIABLES)
        option = upper.removeprefix(VARIABLE_PREFIX).lower()
        if meant is not None:
            problems.append(Problem(option, name, describe_unknown(upper, [meant])))
        elif upper.startswith(VARIABLE_PREFIX) and option in attrs.fields_dict(Options):
            problems.append(Problem(option, name, "cannot be set by a variable; pass it as an argument"))
        elif upper.startswith(VARIABLE_PREFIX):
            unknown.append(name)
    for name in unknown[:MAX_NAMED_VARIABLES]:
        _logger.warning("%s %s", quoted(name), describe_unknown(name.upper(), _VARIABLES))
    more = len(unknown) - MAX_NAMED_VARIABLES
    if more > 0:
        _logger.warning("%s more variables that begin with %s are not options", more, VARIABLE_PREFIX)
    return problems


MAX_NAMED_VARIABLES: Final = 10
"""How many unknown variables are named; finding the most similar option takes milliseconds for each."""


OTHER_VARIABLES: Final = frozenset({"EXPLAIN"})
"""Variables for development that are not options of a client."""

_VARIABLES: Final = frozenset(
    {VARIABLE_PREFIX + name for name in OTHER_VARIABLES}.union(
        *(field.metadata["variables"] for field in attrs.fields(Options))
    )
)
# Two edits cannot change all three, so every misspelt name contains at least one of them.
_PARTS: Final = ("MONO", "CLOUD", "BACKEND")
