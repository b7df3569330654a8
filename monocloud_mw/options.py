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

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import attrs

from .client_secret import SECRETS, ClientSecret
from .errors import ConfigurationError, Problem, quoted
from .jose import SIGNATURE_ALGORITHMS, SigningKey
from .urls import parse_url

__all__ = ["VARIABLE_PREFIX", "Options"]

VARIABLE_PREFIX: Final = "MONOCLOUD_BACKEND_"

MAX_SECONDS: Final = 1_000_000_000  # thirty years; sockets and locks refuse timeouts some way above

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


def _tenant_domain(value: Any) -> str:
    text = _non_empty_string(value).strip()
    text = text if "://" in text else f"https://{text}"
    text = text.removesuffix("/")
    parse_url(text)
    if "?" in text:
        raise ValueError("must not have a query")
    return text


def _non_empty_string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {type(value).__name__}")
    if not value.strip():
        raise ValueError("must not be blank")
    try:
        value.encode()
    except UnicodeEncodeError:
        pass
    else:
        return str(value)
    raise ValueError("must be text that UTF-8 can carry")  # not in the handler: its error holds the value


def _strings(value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, (list, tuple, set, frozenset)) or not values:
        raise ValueError("must be a string or a non-empty list of strings")
    return tuple(map(_non_empty_string, values))


def _algorithms(value: Any) -> tuple[str, ...]:
    names = _strings(value)
    unknown = [quoted(name) for name in names if name not in SIGNATURE_ALGORITHMS]
    if unknown:
        raise ValueError(
            f"has no asymmetric algorithm {', '.join(unknown)}; known are {', '.join(SIGNATURE_ALGORITHMS)}"
        )
    return names


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {quoted(value)}")
    return value


def _boolean_from(text: str) -> bool:
    word = text.strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError(f"must be true, false, 1, 0, yes, no, on or off, not {quoted(text)}")


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number of seconds, not {quoted(value)}")
    if not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"must be from 0 to {MAX_SECONDS} seconds, not {quoted(value)}")
    return float(value)


def _timeout(value: Any) -> float:
    seconds = _seconds(value)
    if seconds == 0:
        raise ValueError("must be more than 0")
    return seconds


def _number_from(text: str) -> float:
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text.strip(), re.ASCII):
        raise ValueError(f"must be a number, not {quoted(text)}")
    return float(text)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"must be a whole number, 0 or more, not {quoted(value)}")
    return value


def _count_from(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text.strip(), re.ASCII):
        raise ValueError(f"must be a whole number, 0 or more, not {quoted(text)}")
    return int(text)


def _one_of(*names: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}, not {quoted(value)}")
        return str(value)

    return read


def _callable(value: Any) -> Any:
    if value is not None and not callable(value):
        raise ValueError(f"must be callable, not {type(value).__name__}")
    return value


def _cache(value: Any) -> Any:
    if value is not None and not all(
        callable(getattr(value, name, None)) for name in ("get", "set", "delete")
    ):
        raise ValueError("must have the methods get, set and delete of a claims cache")
    return value


def _file(value: Any) -> str:
    path = _non_empty_string(str(value) if isinstance(value, Path) else value)
    if "-----BEGIN" in path:
        raise ValueError("must be the path of a PEM file, not what is in it")
    try:
        found = Path(path).is_file()
    except OSError:  # it may not be looked at, or is too long for a path
        found = False
    if not found:
        raise ValueError(f"there is no file {quoted(path)}")
    return path


def _certificate_and_key(value: Any) -> tuple[str, str]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError("must be a pair: the paths of a PEM certificate and of its key")
    return _file(value[0]), _file(value[1])


def _pair_from(certificate: str | None, key: str | None) -> tuple[str, str]:
    if certificate is None or key is None:
        raise ValueError("needs both variables, the certificate's and the key's")
    return certificate, key


def _any_secret(value: Any) -> Any:
    if isinstance(value, str):
        return _non_empty_string(value)
    if not (isinstance(value, (Mapping, SigningKey)) or callable(value)):
        raise ValueError("must be text, a JWK or a PEM private key")
    return value


@attrs.frozen(kw_only=True)
class Options:
    """All settings of a client. Durations are in seconds.

    Raises:
        ConfigurationError: with every problem found, each naming its option and variable.
    """

    tenant_domain: str = _option("TENANT_DOMAIN", _tenant_domain)
    audience: tuple[str, ...] = _option("AUDIENCE", _strings, from_text=str.split)
    client_id: str | None = _option("CLIENT_ID", _non_empty_string)
    client_secret: ClientSecret = _option("CLIENT_SECRET", _any_secret, secret=True)
    client_auth_method: str = _option("CLIENT_AUTH_METHOD", _one_of(*SECRETS), default="client_secret_post")
    mtls_certificate: tuple[str, str] | None = _option(
        ("MTLS_CERTIFICATE", "MTLS_CERTIFICATE_KEY"), _certificate_and_key, from_text=_pair_from
    )
    client_assertion_audience: str | None = _option("CLIENT_ASSERTION_AUDIENCE", _non_empty_string)
    trust_store_id: str | None = _option("TRUST_STORE_ID", _non_empty_string)
    ca_bundle: str | None = _option("CA_BUNDLE", _file)
    groups_claim: str = _option("GROUPS_CLAIM", _non_empty_string, default="groups")
    groups_match_all: bool = _option("GROUPS_MATCH_ALL", _boolean, default=False, from_text=_boolean_from)
    clock_skew: float = _option("CLOCK_SKEW", _seconds, default=0.0, from_text=_number_from)
    clock_tolerance: float = _option("CLOCK_TOLERANCE", _seconds, default=60.0, from_text=_number_from)
    introspect_jwt_tokens: bool = _option(
        "INTROSPECT_JWT_TOKENS", _boolean, default=False, from_text=_boolean_from
    )
    validate_certificate_binding: CertificateBinding = _option(
        "VALIDATE_CERTIFICATE_BINDING",
        _one_of("when_present", "required", "dangerously_ignore"),
        default="when_present",
    )
    jwks_cache_duration: float = _option(
        "JWKS_CACHE_DURATION", _seconds, default=300.0, from_text=_number_from
    )
    metadata_cache_duration: float = _option(
        "METADATA_CACHE_DURATION", _seconds, default=300.0, from_text=_number_from
    )
    introspection_cache_duration: float = _option(
        "INTROSPECTION_CACHE_DURATION", _seconds, default=300.0, from_text=_number_from
    )
    max_stale: float = _option("MAX_STALE", _seconds, default=3600.0, from_text=_number_from)
    refresh_cooldown: float = _option("REFRESH_COOLDOWN", _seconds, default=30.0, from_text=_number_from)
    response_timeout: float = _option(
        "RESPONSE_TIMEOUT", _timeout, default=10.0, from_text=lambda text: _number_from(text) / 1000
    )
    algorithms: tuple[str, ...] = _option(
        "ALGORITHMS", _algorithms, default=tuple(SIGNATURE_ALGORITHMS), from_text=str.split
    )
    jwt_cache_size: int = _option("JWT_CACHE_SIZE", _count, default=1024, from_text=_count_from)
    cache: Any = _option((), _cache, secret=True)
    fetcher: Callable[..., Any] | None = _option((), _callable)
    metadata_resolver: Callable[[], Any] | None = _option((), _callable)
    jwks_resolver: Callable[[], Any] | None = _option((), _callable)
    clock: Callable[[], float] | None = _option((), _callable)

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
