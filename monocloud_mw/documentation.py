"""The address of the documentation of an error: its section on the troubleshooting page.

Each reason for which a token is refused, and each other kind of error, has a section whose anchor is its
topic (``#expired``). Whoever builds the package sets :data:`DOCS_URL` to where the documentation is served
(``MONOCLOUD_MW_DOCS_URL`` when ``setup.py`` runs); without it, the page that is installed is named.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DOCS_URL", "docs_address"]

DOCS_URL: Final[str] = ""

_INSTALLED_PAGE: Final = "monocloud_mw/troubleshooting.md"


def docs_address(topic: str, base: str = DOCS_URL) -> str:
    """Return the address of a section: a URL below ``base``, or the path of the installed page."""
    page = f"{base.rstrip('/')}/troubleshooting.html" if base else _INSTALLED_PAGE
    return f"{page}#{topic}"
