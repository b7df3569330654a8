"""What stays on this machine, and which of its addresses count."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from monocloud_mw.transports.loopback import allowed_addresses, is_loopback_url


def found(addresses: Sequence[str]) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """Return what ``getaddrinfo`` says of a host."""
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
    """Whatever the scheme, port and target."""
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
    """Names that only look like this machine's are not."""
    assert not is_loopback_url(url)


@pytest.mark.parametrize("host", ["acme.example", "tenant.localhost"])
def test_a_host_has_the_addresses_that_were_found(host: str) -> None:
    """Each once, in the order of the name server."""
    assert allowed_addresses(host, found(["192.0.2.1", "::1", "192.0.2.1"])) == ["192.0.2.1", "::1"]


def test_this_machine_has_loopback_addresses_only() -> None:
    """Another that a name server knows for it is not tried, not even as the last."""
    given = found(["192.0.2.1", "::1", "127.0.0.1", "::2"])
    assert allowed_addresses("localhost", given) == ["::1", "127.0.0.1"]


@pytest.mark.parametrize("addresses", [["192.0.2.1"], ["0.0.0.0", "::"], []])
def test_this_machine_is_nowhere_else(addresses: list[str]) -> None:
    """It is better not to connect than to connect to somebody."""
    with pytest.raises(OSError, match="localhost does not resolve to a loopback address"):
        allowed_addresses("localhost", found(addresses))
