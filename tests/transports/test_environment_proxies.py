"""``NO_PROXY`` in all its forms, and the proxy of a URL."""

from __future__ import annotations

import pytest

from monocloud_mw.errors import HttpError
from monocloud_mw.transports.environment_proxies import is_excluded, proxy_for

EXCLUDED = [
    ("acme.example", 443, "*"),
    ("acme.example", 443, "acme.example"),
    ("ACME.example", 443, "acme.EXAMPLE"),
    ("acme.example.", 443, "acme.example"),
    ("acme.example", 443, "acme.example."),
    ("acme.example", 443, ".acme.example"),
    ("eu.acme.example", 443, "acme.example"),
    ("eu.acme.example", 443, ".acme.example"),
    ("eu.acme.example", 443, "*.acme.example"),
    ("acme.example", 443, "acme.example:443"),
    ("eu.acme.example", 8443, ".acme.example:8443"),
    ("acme.example", 443, "other.example,acme.example"),
    ("acme.example", 443, " other.example , acme.example "),
    ("acme.example", 443, "other.example acme.example"),
    ("acme.example", 443, ",,acme.example,"),
    ("192.0.2.1", 443, "192.0.2.1"),
    ("192.0.2.1", 8443, "192.0.2.1:8443"),
    ("192.0.2.1", 443, "192.0.2.0/24"),
    ("192.0.2.1", 443, "192.0.2.9/24"),
    ("2001:db8::1", 443, "2001:db8::1"),
    ("2001:db8::1", 443, "[2001:db8::1]"),
    ("2001:db8::1", 443, "[2001:0DB8:0::1]"),
    ("2001:db8::1", 8443, "[2001:db8::1]:8443"),
    ("2001:db8::1", 443, "2001:db8::/32"),
    ("2001:db8::1", 443, "[2001:db8::]/32"),
    ("2001:db8::1", 443, "[2001:db8::/32]"),
    ("::ffff:192.0.2.1", 443, "192.0.2.0/24"),
]


@pytest.mark.parametrize(("host", "port", "no_proxy"), EXCLUDED)
def test_excluded_hosts(host: str, port: int, no_proxy: str) -> None:
    """Every form that curl, Go, Python or requests support is recognised."""
    assert is_excluded(host, port, no_proxy)


@pytest.mark.parametrize(
    ("host", "port", "no_proxy"),
    [
        ("acme.example", 443, ""),
        ("acme.example", 443, ","),
        ("acme.example", 443, "."),
        ("acme.example", 443, "*."),
        ("badacme.example", 443, "acme.example"),
        ("acme.example.org", 443, "acme.example"),
        ("acme.example", 443, "eu.acme.example"),
        ("acme.example", 443, "acme.example:8443"),
        ("acme.example", 443, "192.0.2.0/24"),
        ("192.0.2.1", 443, "192.0.2.1:8443"),
        ("192.0.2.1", 443, "192.0.3.0/24"),
        ("192.0.2.1", 443, "2001:db8::/32"),
        ("192.0.2.1", 443, "192.0.2"),
        ("192.0.2.1", 443, "2.1"),
        ("192.0.2.1", 443, "192.0.2.0/99"),
        ("192.0.2.1", 443, "acme.example/24"),
        ("2001:db8::1", 443, "[2001:db8::1]:8443"),
        ("2001:db8::1", 443, "2001:db8::/129"),
        ("2001:db9::1", 443, "2001:db8::/32"),
    ],
)
def test_other_hosts(host: str, port: int, no_proxy: str) -> None:
    """Hosts that only look alike are not excluded, and invalid entries exclude nothing."""
    assert not is_excluded(host, port, no_proxy)


@pytest.mark.parametrize(
    ("url", "excluded"),
    [
        ("https://[2001:db8::1]/a", "[2001:db8::1]"),
        ("https://acme.example/a", "acme.example:443"),
        ("http://acme.example/a", "acme.example:80"),
        ("https://acme.example:8443/a", "acme.example:8443"),
        ("https://10.1.2.3/", "10.0.0.0/8"),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_the_proxy_of_a_url(monkeypatch: pytest.MonkeyPatch, url: str, excluded: str, variable: str) -> None:
    """The scheme's proxy or the one for all is used, unless host and port are excluded."""
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    assert proxy_for(url) == "http://proxy.example:3128"
    monkeypatch.setenv(variable, excluded)
    assert proxy_for(url) is None


def test_a_proxy_keeps_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy for the URL's scheme takes precedence; without one there is none."""
    assert proxy_for("https://acme.example") is None
    monkeypatch.setenv("ALL_PROXY", "http://all.example")
    monkeypatch.setenv("HTTPS_PROXY", "HTTPS://proxy.example")
    assert proxy_for("https://acme.example") == "HTTPS://proxy.example"
    assert proxy_for("http://acme.example") == "http://all.example"


def test_a_loopback_host_has_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback hosts have no proxy, even if the proxy is invalid."""
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example")
    assert proxy_for("http://localhost:8080/") is None
    with pytest.raises(HttpError, match="SOCKS"):
        proxy_for("https://acme.example")
