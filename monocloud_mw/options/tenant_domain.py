"""Normalise and validate the URL of a tenant.

- ``https://`` is added if there is no scheme. Scheme and host become lower case; the default port, a dot at
  the end of the host, and one slash at the end of the path are removed.
- Values that can only be mistakes are rejected: a discovery URL, empty or dot segments in the path, a query,
  a fragment, user info, quotes, a host name that is not ASCII.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from ..urls import normalise_url
from .values import read_unquoted

__all__ = ["read_tenant_domain"]


def read_tenant_domain(value: object) -> str:
    """Return the normalised URL of a tenant."""
    text = read_unquoted(value)
    if not text.isascii():
        raise ValueError("must be ASCII; write an international host name in its xn-- form")
    if re.match(r"[a-z][a-z0-9+.-]*:[/\\]", text, re.IGNORECASE) is None:
        text = f"https://{text}"
    url = normalise_url(text)
    if "?" in text:
        raise ValueError("must not have a query")
    url = url.removesuffix("/")
    _, *segments = url.partition("://")[2].split("/")
    if "/.well-known" in unquote(url).lower():
        raise ValueError("must be the URL of the tenant, without /.well-known/ and what follows it")
    if "" in segments:
        raise ValueError("must not have // in its path or at its end")
    if any(unquote(segment) in (".", "..") for segment in segments):
        raise ValueError("must not have . or .. in its path")
    return url
