"""The bearer token of a request's ``Authorization`` headers.

Rules (RFC 9110 section 11.6.2, RFC 6750 section 2.1):

- no header, or one of other schemes only: there are no credentials (401);
- the scheme ``Bearer`` in any case, one or more spaces, one token of the ``b64token`` grammar, and
  nothing else: that token;
- ``Bearer`` in any other form is malformed (400), and so is ``Bearer`` beside a second header or in a
  list: two parties that each pick "the" token must never be able to pick different ones.

Servers hand on repeated headers as a list or joined by commas (RFC 9110 section 5.3); both read alike
here. The token itself is not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..errors import CredentialsError

__all__ = ["parse_authorization"]

# RFC 6750 section 2.1: what a token may be made of, but for "=" at its end.
_TOKEN_CHARACTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"

_REPEATED_SCHEME: Final = "bearer "  # a client that adds it to what has it already

# No two neighbours in this pattern can match the same character, so it runs in linear time.
_MENTIONS_BEARER: Final = re.compile(
    r"(?:^|,)[ \t]*bearer(?![!#$%&'*+.^_`|~0-9a-z-])", re.ASCII | re.IGNORECASE
)


def parse_authorization(values: Sequence[str]) -> str:
    """Return the bearer token of a request's ``Authorization`` headers, given in the order of arrival.

    Raises:
        CredentialsError: no bearer token, or (``malformed``) a ``Bearer`` header that cannot be read.
    """
    text = values[0] if len(values) == 1 else ", ".join(values)
    scheme, _, rest = text.strip(" \t").partition(" ")
    token = rest.lstrip(" ")
    if scheme.lower() == "bearer" and _is_b64token(token):
        return token
    if _MENTIONS_BEARER.search(text):
        repeats = token[: len(_REPEATED_SCHEME)].lower() == _REPEATED_SCHEME
        hint = 'the token begins with "Bearer " itself; send the scheme once' if repeats else None
        raise CredentialsError("The Authorization header is malformed", malformed=True, hint=hint)
    raise CredentialsError("The request has no access token")


def _is_b64token(text: str) -> bool:
    """Tell whether a text has the form of a bearer token; translate() is twice as fast as a pattern here."""
    characters = text.rstrip("=").encode("ascii", "replace")  # by "?", which no token has
    return characters != b"" and not characters.translate(None, _TOKEN_CHARACTERS)
