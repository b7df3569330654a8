"""The address of an error's section on the troubleshooting page.

Each reason and each other kind of error has a section whose anchor is its topic (``#expired``). The build
sets :data:`DOCS_URL` to the URL of the documentation (environment variable ``MONOCLOUD_MW_DOCS_URL`` of
``setup.py``). Without it, the address is the path of the installed page.
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
