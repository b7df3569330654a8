"""Connecting to Redis: invalid settings, and the verification of the server's certificate."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from monocloud_mw.errors import ConfigurationError

from .conftest import Connect
from .redis_server import RedisServer


@pytest.mark.parametrize(
    ("url", "settings", "option"),
    [
        ("http://localhost", {}, "url"),
        ("localhost:6379", {}, "url"),
        ("redis://:hunter2@localhost:port", {}, "url"),
        ("redis://:hunter2/x@localhost", {}, "url"),
        ("redis://:hunter2@localhost/0?socket_timeout=soon", {}, "url"),
        ("redis://localhost", {"timeout_seconds": 0}, "timeout_seconds"),
        ("redis://localhost", {"timeout_seconds": float("nan")}, "timeout_seconds"),
        ("redis://localhost", {"max_connections": 0}, "max_connections"),
        ("redis://localhost", {"ca_bundle": __file__}, "ca_bundle"),
        ("rediss://localhost", {"ca_bundle": __file__}, "ca_bundle"),
        ("rediss://localhost", {"ca_bundle": "/no/such/file"}, "ca_bundle"),
        ("redis://localhost", {"integrity_key": ""}, "integrity_key"),
        (None, {}, "url"),  # os.environ.get("REDIS_URL") of a variable that is not set
        (b"redis://localhost", {}, "url"),
        ("redis://localhost", {"timeout_seconds": "1"}, "timeout_seconds"),
        ("redis://localhost", {"timeout_seconds": None}, "timeout_seconds"),
        ("redis://localhost", {"max_connections": "4"}, "max_connections"),
        ("redis://localhost", {"max_connections": True}, "max_connections"),
        ("rediss://localhost", {"ca_bundle": 1.5}, "ca_bundle"),
        ("redis://localhost", {"integrity_key": 12}, "integrity_key"),
        ("redis://localhost", {"integrity_key": "k" * 31}, "integrity_key"),
        ("redis://localhost", {"prefix": None}, "prefix"),
        ("redis://localhost", {"cooldown_seconds": "1"}, "cooldown_seconds"),
        ("redis://localhost", {"cooldown_seconds": -1}, "cooldown_seconds"),
        ("redis://localhost", {"cooldown_seconds": float("nan")}, "cooldown_seconds"),
    ],
)
def test_invalid_settings_are_refused(
    connect: Connect, url: Any, settings: dict[str, Any], option: str
) -> None:
    """Invalid settings are refused at creation, and the password is not in the error."""
    with pytest.raises(ConfigurationError) as refusal:
        connect(url, **settings)
    assert [problem.option for problem in refusal.value.problems] == [option]
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_all_problems_are_reported_together(connect: Connect) -> None:
    """One error lists all problems of the connection."""
    with pytest.raises(ConfigurationError) as refusal:
        connect("redis://localhost", timeout_seconds=-1, max_connections=0, ca_bundle="x")
    assert [problem.option for problem in refusal.value.problems] == [
        "timeout_seconds",
        "max_connections",
        "ca_bundle",
    ]


def test_an_untrusted_server_is_refused(connect: Connect, redis_server: RedisServer, tmp_path: Path) -> None:
    """Over TLS the certificate must be from the trusted authority and name the requested host."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises((redis.ConnectionError, OSError)):
        connect(redis_server.tls_url, ca_bundle=str(tmp_path / "other.pem")).get("key")
    with pytest.raises((redis.ConnectionError, OSError)):
        connect(redis_server.tls_url.replace("localhost", "127.0.0.1"), ca_bundle=redis_server.ca_bundle).get(
            "key"
        )
