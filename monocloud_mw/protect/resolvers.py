"""Where a request's token and certificate are, when the application knows better than the header.

A resolver is a callable of the application: it is given the request in the adapter's form (WSGI: the
environ; ASGI: the scope; Flask: the request) and returns

- ``token_resolver``: the access token, a string, or ``None`` where the request has none;
- ``certificate_resolver``: the caller's certificate as PEM text, PEM or DER bytes, or ``None``.

Text is trimmed, and blank text counts as ``None``. Everything fails closed: a resolver that raises, or
returns something else, is a :class:`~monocloud_mw.errors.ConfigurationError`, so the caller gets a 500
without details, the log gets the place, and the request never passes. A
:class:`~monocloud_mw.errors.MonoCloudError` that a resolver raises on purpose stays what it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import attrs

from ..errors import ConfigurationError, CredentialsError, MonoCloudError, quoted
from .credentials import Credentials, parse_authorization

__all__ = ["Resolver", "Resolvers"]

Resolver: TypeAlias = Callable[[Any], Any]


@attrs.frozen
class Resolvers:
    """Reads the credentials of a request, by the application's resolvers where it has some.

    Args:
        token: replaces the ``Authorization`` header.
        certificate: finds the caller's certificate; without one, requests have none.
    """

    token: Resolver | None = None
    certificate: Resolver | None = None

    def read(self, authorization: Sequence[str], request: Any) -> Credentials:
        """Return the credentials of ``request``, whose ``Authorization`` headers are given.

        Raises:
            CredentialsError: there is no token, or its header cannot be read.
            ConfigurationError: a resolver failed.
        """
        if self.token is None:
            token = parse_authorization(authorization)
        else:
            with _translated("token_resolver"):
                answer = self.token(request)
            token = _parse_token(answer)
        if self.certificate is None:
            return Credentials(token)
        with _translated("certificate_resolver"):
            answer = self.certificate(request)
        return Credentials(token, _parse_certificate(answer))

    async def read_async(self, authorization: Sequence[str], request: Any) -> Credentials:
        """Do the same as :meth:`read` on an event loop, with resolvers that may be async."""
        if self.token is None:
            token = parse_authorization(authorization)
        else:
            with _translated("token_resolver"):
                answer = await _settled(self.token(request))
            token = _parse_token(answer)
        if self.certificate is None:
            return Credentials(token)
        with _translated("certificate_resolver"):
            answer = await _settled(self.certificate(request))
        return Credentials(token, _parse_certificate(answer))


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn what a resolver raises into an error that names the resolver, and not what it held."""
    try:
        yield
    except MonoCloudError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{name} raised {type(error).__name__}") from error


async def _settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _parse_token(answer: Any) -> str:
    if answer is not None and not isinstance(answer, str):
        raise ConfigurationError(f"token_resolver must return a string or None, not {_kind(answer)}")
    token = answer.strip() if answer is not None else ""
    if not token:
        raise CredentialsError("The request has no access token")
    return token


def _parse_certificate(answer: Any) -> str | bytes | None:
    if answer is not None and not isinstance(answer, (str, bytes)):
        raise ConfigurationError(
            f"certificate_resolver must return a string, bytes or None, not {_kind(answer)}"
        )
    certificate = answer.strip() if isinstance(answer, str) else answer
    return certificate or None


def _kind(answer: object) -> str:
    return quoted(type(answer).__name__)
