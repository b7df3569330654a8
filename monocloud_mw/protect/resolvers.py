"""Reads the results and exceptions of ``token_resolver`` and ``certificate_resolver``.

A resolver is a callable of the application. It is called with the adapter's request (WSGI: the environ; ASGI:
the scope; otherwise the framework's request) and returns

- ``token_resolver``: the access token as a string, or ``None`` if the request has none;
- ``certificate_resolver``: the caller's certificate as PEM text, PEM or DER bytes, or ``None``.

Surrounding white space is stripped; blank text counts as ``None``. All errors refuse the request:

- ``ValueError`` means that the caller sent a malformed token or certificate (401);
- a :class:`~monocloud_mw.errors.MonoCloudError` is passed on unchanged;
- any other exception, or a result of another type, is an error in the resolver: a
  :class:`~monocloud_mw.errors.ConfigurationError` (500), whose log record has the place where it was raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from ..errors import ConfigurationError, CredentialsError, MonoCloudError, Reason, TokenError
from ..quoting import quoted

__all__ = ["Resolver", "parse_certificate", "parse_token", "resolving"]

Resolver: TypeAlias = Callable[[Any], Any]

_REASONS: Final = {
    "token_resolver": Reason.MALFORMED,
    "certificate_resolver": Reason.CERTIFICATE_MALFORMED,
}


@contextmanager
def resolving(name: str) -> Iterator[None]:
    """Convert an exception of a resolver to an error that names the resolver but not the exception's message.

    Raises:
        TokenError: the resolver raised ``ValueError``.
        ConfigurationError: the resolver raised another exception.
    """
    try:
        yield
    except MonoCloudError:
        raise
    except ValueError as error:
        raise TokenError(_REASONS[name], f"{name} raised {type(error).__name__}") from error
    except Exception as error:
        raise ConfigurationError(f"{name} raised {type(error).__name__}") from error


def parse_token(answer: object) -> str:
    """Read the result of a ``token_resolver``.

    Raises:
        CredentialsError: the request has no token.
        ConfigurationError: the result is neither a string nor ``None``.
    """
    if answer is not None and not isinstance(answer, str):
        raise ConfigurationError(f"token_resolver must return a string or None, not {_kind(answer)}")
    token = answer.strip() if answer is not None else ""
    if not token:
        raise CredentialsError("The request has no access token")
    return token


def parse_certificate(answer: object) -> str | bytes | None:
    """Read the result of a ``certificate_resolver``.

    Raises:
        ConfigurationError: the result is not a string, bytes or ``None``.
    """
    if answer is not None and not isinstance(answer, (str, bytes)):
        raise ConfigurationError(
            f"certificate_resolver must return a string, bytes or None, not {_kind(answer)}"
        )
    certificate = answer.strip() if isinstance(answer, str) else answer
    return certificate or None


def _kind(answer: object) -> str:
    return quoted(type(answer).__name__)
