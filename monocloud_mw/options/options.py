"""Every setting: its name, its environment variable, its default and what it accepts.

Rules:

- argument beats environment beats default;
- all problems are reported together, in one :class:`~monocloud_mw.errors.ConfigurationError` that names
  each option and its variable, and what would be right, never a secret value;
- what cannot work is refused here, at construction, and not when the first request needs it;
- a blank variable counts as unset; a value that cannot be read in full is a problem, never ignored.

Nothing here reads the process's environment: :meth:`Options.from_environment` is given it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Literal, Self, TypeAlias

import attrs

from ..errors import ConfigurationError, Problem
from ..jose import SIGNATURE_ALGORITHMS
from .client_secret import SECRETS, ClientSecret
from .values import (
    boolean_from_text,
    count_from_text,
    number_from_text,
    one_of,
    pair_from_texts,
    read_algorithms,
    read_any_secret,
    read_boolean,
    read_cache,
    read_callable,
    read_certificate_and_key,
    read_count,
    read_file,
    read_seconds,
    read_tenant_domain,
    read_text,
    read_texts,
    read_timeout,
)

__all__ = ["VARIABLE_PREFIX", "Options"]

VARIABLE_PREFIX: Final = "MONOCLOUD_BACKEND_"

CertificateBinding: TypeAlias = Literal["when_present", "required", "dangerously_ignore"]


class _Text(str):
    """A value that still stands as it was in its environment variable."""

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

    ``read`` turns a given value into the one to keep, or raises ``ValueError``; ``from_text`` first turns
    the text of the variables into such a value. Neither runs for the default.
    """
    names = (variables,) if isinstance(variables, str) else variables
    metadata = {
        "variables": tuple(VARIABLE_PREFIX + name for name in names if name),
        "read": read,
        "from_text": from_text or str,
    }
    return attrs.field(default=default, repr=not secret, metadata=metadata)


@attrs.frozen(kw_only=True)
class Options:
    """All settings of a client. Durations are in seconds.

    Raises:
        ConfigurationError: with every problem found, each naming its option and variable.
    """

    tenant_domain: str = _option("TENANT_DOMAIN", read_tenant_domain)
    audience: tuple[str, ...] = _option("AUDIENCE", read_texts, from_text=str.split)
    client_id: str | None = _option("CLIENT_ID", read_text)
    client_secret: ClientSecret = _option("CLIENT_SECRET", read_any_secret, secret=True)
    client_auth_method: str = _option("CLIENT_AUTH_METHOD", one_of(*SECRETS), default="client_secret_post")
    mtls_certificate: tuple[str, str] | None = _option(
        ("MTLS_CERTIFICATE", "MTLS_CERTIFICATE_KEY"), read_certificate_and_key, from_text=pair_from_texts
    )
    client_assertion_audience: str | None = _option("CLIENT_ASSERTION_AUDIENCE", read_text)
    trust_store_id: str | None = _option("TRUST_STORE_ID", read_text)
    ca_bundle: str | None = _option("CA_BUNDLE", read_file)
    groups_claim: str = _option("GROUPS_CLAIM", read_text, default="groups")
    groups_match_all: bool = _option(
        "GROUPS_MATCH_ALL", read_boolean, default=False, from_text=boolean_from_text
    )
    clock_skew: float = _option("CLOCK_SKEW", read_seconds, default=0.0, from_text=number_from_text)
    clock_tolerance: float = _option(
        "CLOCK_TOLERANCE", read_seconds, default=60.0, from_text=number_from_text
    )
    introspect_jwt_tokens: bool = _option(
        "INTROSPECT_JWT_TOKENS", read_boolean, default=False, from_text=boolean_from_text
    )
    validate_certificate_binding: CertificateBinding = _option(
        "VALIDATE_CERTIFICATE_BINDING",
        one_of("when_present", "required", "dangerously_ignore"),
        default="when_present",
    )
    jwks_cache_duration: float = _option(
        "JWKS_CACHE_DURATION", read_seconds, default=300.0, from_text=number_from_text
    )
    metadata_cache_duration: float = _option(
        "METADATA_CACHE_DURATION", read_seconds, default=300.0, from_text=number_from_text
    )
    introspection_cache_duration: float = _option(
        "INTROSPECTION_CACHE_DURATION", read_seconds, default=300.0, from_text=number_from_text
    )
    max_stale: float = _option("MAX_STALE", read_seconds, default=3600.0, from_text=number_from_text)
    refresh_cooldown: float = _option(
        "REFRESH_COOLDOWN", read_seconds, default=30.0, from_text=number_from_text
    )
    response_timeout: float = _option(
        "RESPONSE_TIMEOUT", read_timeout, default=10.0, from_text=lambda text: number_from_text(text) / 1000
    )
    algorithms: tuple[str, ...] = _option(
        "ALGORITHMS", read_algorithms, default=tuple(SIGNATURE_ALGORITHMS), from_text=str.split
    )
    jwt_cache_size: int = _option("JWT_CACHE_SIZE", read_count, default=1024, from_text=count_from_text)
    cache: Any = _option((), read_cache, secret=True)
    fetcher: Callable[..., Any] | None = _option((), read_callable)
    metadata_resolver: Callable[[], Any] | None = _option((), read_callable)
    jwks_resolver: Callable[[], Any] | None = _option((), read_callable)
    clock: Callable[[], float] | None = _option((), read_callable)

    def __attrs_post_init__(self) -> None:
        problems = list(self._read_each())
        wrong = {problem.option for problem in problems}
        problems += [problem for problem in self._check_together(wrong) if problem.option not in wrong]
        if problems:
            raise ConfigurationError(problems)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], /, **arguments: Any) -> Self:
        """Take what the arguments leave open from the environment's ``MONOCLOUD_BACKEND_`` variables.

        Raises:
            ConfigurationError: as the constructor, and for a name that is not an option.
        """
        known = attrs.fields_dict(cls)
        unknown = [Problem(name, None, "is not an option") for name in arguments if name not in known]
        given = {name: value for name, value in arguments.items() if name in known}
        for name, field in known.items():
            texts = [environ.get(variable, "").strip() for variable in field.metadata["variables"]]
            if any(texts) and given.get(name) is None:
                given[name] = tuple(_Text(text) if text else None for text in texts)
        try:
            options = cls(**given)
        except ConfigurationError as error:
            raise ConfigurationError([*unknown, *error.problems]) from None
        if unknown:
            raise ConfigurationError(unknown)
        return options

    def _read_each(self) -> Iterable[Problem]:
        """Put every given value into the form to keep; an explicit ``None`` counts as not given."""
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if value is field.default:
                continue
            try:
                value = field.default if value is None else _read(field, value)
            except ValueError as error:
                yield self._problem(field.name, str(error))
                value = field.default
            object.__setattr__(self, field.name, value)

    def _check_together(self, wrong: Collection[str]) -> Iterable[Problem]:
        """Find settings that are fine alone and cannot work together; ``wrong`` ones say nothing."""
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
        read_secret = SECRETS[self.client_auth_method]
        if read_secret is None:
            if self.mtls_certificate is None and self.fetcher is None:
                yield self._problem("mtls_certificate", f"is required with {self.client_auth_method}")
        elif self.client_secret is None:
            yield self._problem("client_secret", f"is required with {self.client_auth_method}")
        else:
            try:
                secret = read_secret(self.client_secret)
            except ValueError as error:
                yield self._problem("client_secret", f"does not fit {self.client_auth_method}: {error}")
            else:
                object.__setattr__(self, "client_secret", secret)

    def _problem(self, name: str, message: str) -> Problem:
        variables = attrs.fields_dict(type(self))[name].metadata["variables"]
        return Problem(name, " and ".join(variables) or None, message)


def _read(field: attrs.Attribute[Any], value: Any) -> Any:
    if isinstance(value, tuple) and any(isinstance(part, _Text) for part in value):
        value = field.metadata["from_text"](*value)
    return field.metadata["read"](value)
