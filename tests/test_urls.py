"""Which URLs are allowed, and the errors of others."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.urls import is_address, is_loopback, normalise_url, parse_url, port_of

UNSAFE = "must be a URL without white space, control or other unsafe characters"
NOT_HTTPS = "must be an https:// URL"
USER_INFO = "must not contain user info"
HOST_OR_PORT = "must be a URL with a valid host and port"
FRAGMENT = "must not have a fragment"
PLAIN = "must be https:// (http:// only for localhost or a loopback address, in development)"


@pytest.mark.parametrize(
    "text",
    [
        "https://acme.us.monocloud.com",
        "https://acme.us.monocloud.com/",
        "HTTPS://ACME.example/path;p=1/a@b?x=%20&y",
        "https://acme.example:8443/a//b/../c",
        "https://192.0.2.1/",
        "https://[2001:db8::1]:8443/",
        "https://xn--bcher-kva.example/",
        "http://localhost",
        "http://LocalHost:8080/x",
        "http://127.0.0.1:5000",
        "http://127.255.255.254",
        "http://[::1]:5000/",
    ],
)
def test_safe_urls_are_read(text: str) -> None:
    """``https`` is allowed anywhere, ``http`` on this machine only."""
    assert parse_url(text).hostname


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NOT_HTTPS),
        ("acme.example", NOT_HTTPS),
        ("//acme.example", NOT_HTTPS),
        ("https:", NOT_HTTPS),
        ("https:acme.example", NOT_HTTPS),
        ("https://", NOT_HTTPS),
        ("https:///path", NOT_HTTPS),
        ("https://:443", NOT_HTTPS),
        ("ftp://acme.example", NOT_HTTPS),
        ("file:///etc/passwd", NOT_HTTPS),
        ("javascript://acme.example", NOT_HTTPS),
        ("httpss://acme.example", NOT_HTTPS),
        ("https://user@acme.example", USER_INFO),
        ("https://user:pass@acme.example", USER_INFO),
        ("https://@acme.example", USER_INFO),
        ("http://localhost@acme.example", USER_INFO),
        ("https://acme.example:", HOST_OR_PORT),
        ("https://acme.example:0", HOST_OR_PORT),
        ("https://acme.example:65536", HOST_OR_PORT),
        ("https://acme.example:-1", HOST_OR_PORT),
        ("https://acme.example:https", HOST_OR_PORT),
        ("https://[::1", HOST_OR_PORT),
        ("https://[not-an-address]/", HOST_OR_PORT),
        ("https://[127.0.0.1]/", HOST_OR_PORT),
        ("https://[v1.a]/", HOST_OR_PORT),
        ("https://[fe80::1%25eth0]/", HOST_OR_PORT),
        ("https://acme..example", HOST_OR_PORT),
        ("https://.", HOST_OR_PORT),
        ("https://-acme.example", HOST_OR_PORT),
        ("https://acme%2eexample", HOST_OR_PORT),
        ("https://acme,example", HOST_OR_PORT),
        ("https://256.0.0.1", HOST_OR_PORT),
        ("https://2130706433", HOST_OR_PORT),
        ("https://127.1", HOST_OR_PORT),
        ("https://" + "a" * 64 + ".example", HOST_OR_PORT),
        ("https://" + ".".join(["a" * 49] * 6), HOST_OR_PORT),
        ("https://acme.example/%", HOST_OR_PORT),
        ("https://acme.example/%4x", HOST_OR_PORT),
        ("https://acme.example/#", FRAGMENT),
        ("https://acme.example#top", FRAGMENT),
        ("http://acme.example", PLAIN),
        ("http://localhost.acme.example", PLAIN),
        ("http://acmelocalhost", PLAIN),
        ("http://localhost.", PLAIN),
        ("http://tenant.localhost:8080", PLAIN),
        ("http://127.0.0.1.acme.example", PLAIN),
        ("http://0.0.0.0", PLAIN),
        ("http://10.0.0.1", PLAIN),
        ("http://[::]", PLAIN),
        ("http://2130706433", PLAIN),
        ("http://0x7f.1", PLAIN),
        (" https://acme.example", UNSAFE),
        ("https://acme.example ", UNSAFE),
        ("https://acme.example/a b", UNSAFE),
        ("https://acme.example\n", UNSAFE),
        ("https://ac\tme.example", UNSAFE),
        ("https://acme.example\x00", UNSAFE),
        ("https://acme.example\\@evil.example", UNSAFE),
        ("https://b\u00fccher.example", UNSAFE),
        ("https://acme\u2100.example", UNSAFE),
        ('https://acme.example/"', UNSAFE),
        ("https://acme.example/<a>", UNSAFE),
        ("https://acme.example/{a}", UNSAFE),
        ("https://acme.example/a|b", UNSAFE),
        ("https://acme.example/a^b", UNSAFE),
        ("https://acme.example/a`b", UNSAFE),
    ],
)
def test_other_urls_are_refused(text: str, message: str) -> None:
    """The message has the reason and never the URL, which may contain a password."""
    with pytest.raises(ValueError) as caught:
        parse_url(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://acme.example", "https://acme.example"),
        ("HTTPS://ACME.Example.:443/A%2f/?q", "https://acme.example/A%2f/"),
        ("https://acme.example:80", "https://acme.example:80"),
        ("http://LocalHost:080/", "http://localhost/"),
        ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://192.0.2.1.", "https://192.0.2.1"),
    ],
)
def test_urls_have_a_normal_form(text: str, normal: str) -> None:
    """Scheme and host in lower case, without default port and final dot; the path is unchanged."""
    assert normalise_url(text) == normal
    assert normalise_url(normal) == normal


@given(st.text() | st.text().map("https://{}".format) | st.text().map("http://[{}".format))
def test_no_text_escapes(text: str) -> None:
    """Any text is a safe URL or a ``ValueError`` with a known message."""
    message = None
    try:
        url = parse_url(text)
    except ValueError as error:
        message = str(error)
    else:
        assert url.scheme == "https" or is_loopback(url.hostname or "")
    assert message in {None, UNSAFE, NOT_HTTPS, USER_INFO, HOST_OR_PORT, FRAGMENT, PLAIN}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine_is_known(host: str) -> None:
    """This machine is recognised by name and by address."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "acme.example", "localhost.example", "a.localhost", "localhost.", "128.0.0.1", "::", "::2", "127.1"],
)
def test_other_machines_are_known(host: str) -> None:
    """Other hosts are not this machine."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("[::1]", False), ("acme.example", False), ("127.1", False)],
)
def test_addresses_are_told_from_names(host: str, expected: bool) -> None:
    """A host is an address only in the full form and without brackets."""
    assert expected == is_address(host)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://acme.example", 443),
        ("http://[::1]/a", 80),
        ("https://acme.example:8443", 8443),
        ("socks5://acme.example", 0),
    ],
)
def test_a_url_has_a_port(url: str, expected: int) -> None:
    """Without a port in the URL, it is the default port of the scheme."""
    assert expected == port_of(urlsplit(url))
