"""Every error has a link to its section of the documentation."""

from __future__ import annotations

import copy
import pickle

import pytest

from monocloud_mw.documentation import docs_address
from monocloud_mw.errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    OAuthResponseError,
    Reason,
    TokenError,
)

from .project.sources import ROOT

TOPICS: dict[str, MonoCloudError] = {
    **{reason.value: TokenError(reason) for reason in Reason},
    "internal": MonoCloudError("x"),
    "configuration": ConfigurationError("x"),
    "no_token": CredentialsError("x"),
    "malformed_header": CredentialsError("x", malformed=True),
    "tenant_unavailable": HttpError("x"),
    "tenant_mistake": HttpError("x", status=404),
    "client_refused": OAuthResponseError("x", error=None, error_description=None, status=401),
}


@pytest.mark.parametrize(("topic", "error"), TOPICS.items(), ids=TOPICS)
def test_an_error_names_its_section(topic: str, error: MonoCloudError) -> None:
    """The topic is the anchor, also for a copy."""
    for each in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (each.topic, each.docs) == (topic, f"monocloud_mw/troubleshooting.md#{topic}")


def test_a_server_that_fails_in_no_known_way_is_unavailable() -> None:
    """The topic is that of an outage unless the error says more."""
    assert AuthorizationServerError("x").topic == "tenant_unavailable"


@pytest.mark.parametrize("base", ["https://docs.example.com/mw", "https://docs.example.com/mw/"])
def test_the_base_of_the_documentation_is_that_of_the_build(base: str) -> None:
    """A slash at the end makes no difference."""
    assert docs_address("expired", base) == "https://docs.example.com/mw/troubleshooting.html#expired"


def test_the_subject_of_an_error_is_in_no_message_and_no_repr() -> None:
    """The subject is for the application and is kept by copies."""
    error = TokenError(Reason.EXPIRED, "x", expected="'a'", found="'b'", hint="c", subject="somebody")
    assert str(error) == "The access token has expired: x"
    for each in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert each.subject == "somebody"
        assert "somebody" not in f"{each!s} {each!r} {vars(each)!r}"
    error.subject = None
    assert error.subject is None


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_has_its_section(topic: str) -> None:
    """The section is on the page that the package contains."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert f"\n### `{topic}`\n" in page
