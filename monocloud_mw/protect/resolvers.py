"""What the application's own resolvers of tokens and certificates may return, and raise.

A resolver is a callable of the application. It is given the request in the adapter's form (WSGI: the
environ; ASGI: the scope; otherwise the framework's request) and returns

- ``token_resolver``: the access token, a string, or ``None`` where the request has none;
- ``certificate_resolver``: the caller's certificate as PEM text, PEM or DER bytes, or ``None``.

Text is trimmed, and blank text counts as ``None``. Everything fails closed:

- ``ValueError`` means that what the caller sent cannot be read: the token or the certificate is malformed
  (401);
- a :class:`~monocloud_mw.errors.MonoCloudError` stays what it is;
- anything else, and a result of another type, is a mistake in the resolver: a
  :class:`~monocloud_mw.errors.ConfigurationError` (500), whose log record says where it was raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from ..errors import ConfigurationError, CredentialsError, MonoCloudError, Reason, TokenError, quoted

__all__ = ["Resolver", "parse_certificate", "parse_token", "resolving"]

Resolver: TypeAlias = Callable[[Any], Any]

_REASONS: Final = {
    "token_resolver": Reason.MALFORMED,
    "certificate_resolver": Reason.CERTIFICATE_MALFORMED,
}


@contextmanager
def resolving(name: str) -> Iterator[None]:
    """Turn what a resolver raises into an error that names the resolver, and not what it held.

    Raises:
        TokenError: it raised ``ValueError``.
        ConfigurationError: it raised anything else.
    """
    try:
        yield
    except MonoCloudError:
        raise
    except ValueError as error:
        raise TokenError(_REASONS[name], f"{name} raised {type(error).__name__}") from error
    except Exception as error:
        raise ConfigurationError(f"{name} raised {type(error).__name__}") from error


def parse_token(answer: Any) -> str:
    """Read what a ``token_resolver`` returned.

    Raises:
        CredentialsError: the request has no token.
        ConfigurationError: it is neither text nor ``None``.
    """
    if answer is not None and not isinstance(answer, str):
        raise ConfigurationError(f"token_resolver must return a string or None, not {_kind(answer)}")
    token = answer.strip() if answer is not None else ""
    if not token:
        raise CredentialsError("The request has no access token")
    return token


def parse_certificate(answer: Any) -> str | bytes | None:
    """Read what a ``certificate_resolver`` returned.

    Raises:
        ConfigurationError: it is neither text, bytes nor ``None``.
    """
    if answer is not None and not isinstance(answer, (str, bytes)):
        raise ConfigurationError(
            f"certificate_resolver must return a string, bytes or None, not {_kind(answer)}"
        )
    certificate = answer.strip() if isinstance(answer, str) else answer
    return certificate or None


def _kind(answer: object) -> str:
    return quoted(type(answer).__name__)
