"""Versions of ``urllib3`` or ``httpcore2`` without the private names that the transports use fail at
import.
"""

from __future__ import annotations

from types import SimpleNamespace

import httpcore2
import pytest
import urllib3

from monocloud_mw.errors import ConfigurationError
from monocloud_mw.transports.httpcore2_connection import check_private_names
from monocloud_mw.transports.urllib3_of_requests import HOOKS, check_hooks

NAMES = [(path, name) for path, names in HOOKS.items() for name in names]


def lacking(path: str, name: str) -> SimpleNamespace:
    """Return a ``urllib3`` whose class lacks a name."""
    parts: dict[str, SimpleNamespace] = {}
    for other, names in HOOKS.items():
        module, kind = other.split(".")
        members = {one: None for one in names if (other, one) != (path, name)}
        setattr(parts.setdefault(module, SimpleNamespace()), kind, SimpleNamespace(**members))
    return SimpleNamespace(__version__="9.9", **parts)


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_a_urllib3_without_a_hook_is_refused(path: str, name: str) -> None:
    """The error has the version, the missing name, and what to install."""
    with pytest.raises(ImportError) as caught:
        check_hooks(lacking(path, name))
    assert str(caught.value) == f"urllib3 9.9 has no {path}.{name}; install urllib3 1.26 or 2"


def test_the_installed_versions_are_fine() -> None:
    """The installed versions have all names."""
    check_hooks(urllib3)
    check_private_names(httpcore2)


def test_an_httpcore2_without_its_private_names_is_refused() -> None:
    """An ``ImportError`` would be taken for a missing package and ignored."""
    names = ("URL", "Proxy", "AsyncConnectionPool")
    other = SimpleNamespace(__version__="9.9", **{name: getattr(httpcore2, name) for name in names})
    other.AsyncHTTP11Connection = lambda **_: SimpleNamespace()
    with pytest.raises(ConfigurationError, match=r"^httpcore2 9\.9 is not compatible"):
        check_private_names(other)
