"""The URL of a tenant, as people write it or paste it, in one form.

- ``https://`` is added where there is no scheme. The scheme and the host become lower case; the port that is
  the default, a dot at the end of the host, and one slash at the end of the path are dropped.
- What can only be a mistake is refused: a discovery URL, empty or dot segments in the path, a query, a
  fragment, user info, quotes, a host name that is not ASCII.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from ..urls import normalise_url
from .values import read_name

__all__ = ["read_tenant_domain"]


def read_tenant_domain(value: Any) -> str:
    """Read the URL of a tenant."""
    text = read_name(value)
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
