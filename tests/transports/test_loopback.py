"""Loopback URLs and their allowed addresses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from monocloud_mw.transports.loopback import allowed_addresses, is_loopback_url


def found(addresses: Sequence[str]) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """Return a result of ``getaddrinfo`` for a host."""
    return [(2, 1, 6, "", (address, 80)) for address in addresses]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/a",
        "HTTP://LOCALHOST",
        "http://127.0.0.1",
        "http://127.1.2.3:5000/?next=https://acme.example",
        "http://[::1]:5000/",
        "https://localhost",
    ],
)
def test_urls_of_this_machine(url: str) -> None:
    """Scheme, port and path do not matter."""
    assert is_loopback_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.example",
        "http://acme.example/localhost",
        "http://tenant.localhost",
        "http://localhost.acme.example",
        "http://localhost@acme.example",
        "http://[::2]",
        "localhost",
    ],
)
def test_urls_of_other_machines(url: str) -> None:
    """Names that only look like loopback names are not."""
    assert not is_loopback_url(url)


@pytest.mark.parametrize("host", ["acme.example", "tenant.localhost"])
def test_a_host_has_the_addresses_that_were_found(host: str) -> None:
    """Each address is used once, in the name server's order."""
    assert allowed_addresses(host, found(["192.0.2.1", "::1", "192.0.2.1"])) == ["192.0.2.1", "::1"]


def test_this_machine_has_loopback_addresses_only() -> None:
    """Other addresses of a loopback name are never used."""
    given = found(["192.0.2.1", "::1", "127.0.0.1", "::2"])
    assert allowed_addresses("localhost", given) == ["::1", "127.0.0.1"]


@pytest.mark.parametrize("addresses", [["192.0.2.1"], ["0.0.0.0", "::"], []])
def test_a_loopback_name_without_a_loopback_address(addresses: list[str]) -> None:
    """Without a loopback address there is no connection."""
    with pytest.raises(OSError, match="localhost does not resolve to a loopback address"):
        allowed_addresses("localhost", found(addresses))
