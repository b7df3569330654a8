"""What the pages say in tables and lists is what the code does: options, errors, effects, faults, tests.

The examples are in ``test_examples_in_docs.py``.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, get_args

import attrs
import pytest

from monocloud_mw import (
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    OAuthResponseError,
    Options,
    Reason,
    TokenError,
)
from monocloud_mw.core.effects import Effect
from monocloud_mw.options import VARIABLE_PREFIX
from monocloud_mw.options.client_authentication import CLIENT_AUTH_METHODS
from monocloud_mw.protect.logs import log_refusal
from monocloud_mw.protect.responses import error_response
from monocloud_mw.testing.faults import FAULTS

from .pages import PAGES, list_fences, list_tables
from .sources import ROOT

QUOTED: Final = re.compile(r"`([^`]+)`")


def _table(page: str, first_column: str) -> list[dict[str, str]]:
    """Return the table of a page whose first column has that head."""
    (found,) = (rows for rows in list_tables(PAGES[page]) if next(iter(rows[0])) == first_column)
    return found


class Described(NamedTuple):
    """An option as a page describes it, or has to."""

    name: str
    variables: tuple[str, ...]
    default: str | float


# Defaults that are worked out later, in the words of the pages.
DEFAULTS_IN_WORDS: Final[Mapping[str, str]] = {
    "tenant_domain": "required",
    "audience": "required",
    "algorithms": "all asymmetric ones",
    "ca_bundle": "what `requests` trusts",
    "client_assertion_audience": "the issuer",
    "clock": "the system's",
    "fetcher": "`requests`, or `httpcore2` with the extra `async`",
}


def _options() -> Iterator[Described]:
    for field in attrs.fields(Options):
        default: str | float = f"`{str(field.default).lower()}`"
        if field.name in DEFAULTS_IN_WORDS:
            default = DEFAULTS_IN_WORDS[field.name]
        elif field.default is None:
            default = "none"
        elif type(field.default) in (int, float):
            default = float(field.default)
        yield Described(field.name, field.metadata["variables"], default)


def _read_default(text: str) -> str | float:
    """Read a default as a page writes it; a number may be followed by its unit."""
    number = re.match(r"`([0-9.]+)`", text)
    return float(number[1]) if number else text


def _options_in_the_readme() -> Iterator[Described]:
    for row in _table("README.md", "option"):
        variables = tuple(VARIABLE_PREFIX + name for name in QUOTED.findall(row["variable"]))
        for name in QUOTED.findall(row["option"]):
            yield Described(name, variables, _read_default(row["default"]))


def _options_on_their_page() -> Iterator[Described]:
    entry = re.compile(r"^### `(\w+)`\n\n(No variable|Variables? .+); (?:default: )?(.+)\.$", re.MULTILINE)
    for name, variables, default in entry.findall(PAGES["docs/reference/options.md"]):
        yield Described(name, tuple(QUOTED.findall(variables)), _read_default(default))


def test_the_readme_lists_every_option() -> None:
    """The table of the README has every option in order, with its variables and its default."""
    assert list(_options_in_the_readme()) == list(_options())


def test_the_page_of_options_has_every_option() -> None:
    """The page of options has every option once, with its variables and its default."""
    assert sorted(_options_on_their_page()) == sorted(_options())


def test_every_reason_is_explained() -> None:
    """The page of errors has every reason in order, with its code and the fixed sentence that callers get."""
    described = [tuple(row.values()) for row in _table("docs/reference/errors.md", "reason")]
    errors = [TokenError(reason) for reason in Reason]
    assert described == [(f"`{error.reason}`", f"`{error.code}`", error.description) for error in errors]


ERRORS: Final[Mapping[str, MonoCloudError]] = {
    "no token, or another scheme": CredentialsError("none"),
    "a malformed `Authorization: Bearer` header": CredentialsError("malformed", malformed=True),
    "invalid or expired token": TokenError(Reason.EXPIRED),
    "a scope or group is missing": TokenError(Reason.INSUFFICIENT_SCOPE, scopes=["orders:read"]),
    "MonoCloud must be contacted and is unreachable": HttpError("away"),
    "an invalid setting, or MonoCloud rejected the API's client credentials": ConfigurationError("wrong"),
}


@pytest.mark.parametrize("page", ["README.md", "docs/reference/errors.md"])
def test_every_error_has_its_answer(page: str) -> None:
    """The tables of answers tell the status, the challenge and the body that an error really gets."""
    rows = _table(page, "case")
    assert len(rows) == len(ERRORS)
    if page == "README.md":
        assert [row["case"] for row in rows] == list(ERRORS)
    for row, error in zip(rows, ERRORS.values(), strict=True):
        refusal = error_response(error)
        headers = dict(refusal.headers)
        assert row["status"].split(",")[0] == str(refusal.status)
        assert row["body: `error`"].strip("`") in refusal.body.decode()
        assert ("Retry-After" in "".join(row.values())) == ("Retry-After" in headers)
        challenge = QUOTED.match(row["`WWW-Authenticate`"])
        sent = headers.get("WWW-Authenticate", "")
        if challenge is None or "Retry-After" in challenge[1]:
            assert sent == ""
        else:
            assert re.sub(r'(description|scope)="[^"]*"', r'\1="..."', sent).startswith(challenge[1])


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (CredentialsError("none"), "DEBUG"),
        (TokenError(Reason.EXPIRED), "INFO"),
        (HttpError("away"), "WARNING"),
        (OAuthResponseError("refused", error=None, error_description=None, status=401), "ERROR"),
        (ConfigurationError("wrong"), "ERROR"),
    ],
)
def test_every_error_is_logged_where_the_page_says(
    error: MonoCloudError, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The page of errors names the logger and the levels at which errors are logged."""
    with caplog.at_level(logging.DEBUG, "monocloud_mw"):
        log_refusal(error)
    assert [(record.name, record.levelname) for record in caplog.records] == [("monocloud_mw", level)]
    assert level in {QUOTED.findall(row["level"])[0] for row in _table("docs/reference/errors.md", "level")}


def test_every_effect_is_explained() -> None:
    """The page on the way of a token has every effect that a flow may yield."""
    described = [
        row["effect"].strip("`") for row in _table("docs/explanation/how-a-token-flows.md", "effect")
    ]
    assert described == [effect.__name__ for effect in get_args(Effect)]


def test_every_client_authentication_method_has_an_example() -> None:
    """The page on introspection has every method, in its table and with an example under its own heading."""
    described = [
        row["`client_auth_method`"].strip("`")
        for row in _table("docs/how-to/opaque-tokens.md", "`client_auth_method`")
    ]
    headings = re.findall(r"^### (\w+)$", PAGES["docs/how-to/opaque-tokens.md"], re.MULTILINE)
    assert described == list(CLIENT_AUTH_METHODS)
    assert [heading for heading in headings if heading in CLIENT_AUTH_METHODS] == list(CLIENT_AUTH_METHODS)


def test_every_fault_is_listed() -> None:
    """The page on testing lists every fault of the local tenant."""
    described = [row["fault"].strip("`").split("(")[0] for row in _table("docs/how-to/testing.md", "fault")]
    assert described == list(FAULTS)


NAMED_TEST: Final = re.compile(r"\btests/[\w/]+\.py(?:::\w+)?")


def _functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    """Every test that a page names exists."""
    missing = [
        f"{page}: {path}{mark}{test}"
        for page, text in PAGES.items()
        for path, mark, test in (name.partition("::") for name in NAMED_TEST.findall(text))
        if not (ROOT / path).is_file() or (test and test not in _functions(path))
    ]
    assert missing == []


def test_every_promise_is_shown_by_a_test() -> None:
    """Each promise of the security model names at least one test."""
    promises = [
        row
        for rows in list_tables(PAGES["docs/explanation/security-model.md"])
        for row in rows
        if "promise" in row
    ]
    assert len(promises) > 20
    assert [row["promise"] for row in promises if "::test_" not in row["shown by"]] == []


@pytest.mark.parametrize(
    "word",
    ["401", "403", "500", "503", "CORS", "mTLS", "Swagger", "Django", "Kubernetes", "PyJWT", "nginx", "test"],
)
def test_the_start_page_has_the_words_that_people_search_for(word: str) -> None:
    """The table of the start page names the page for each."""
    rows = _table("docs/index.md", "you want to")
    assert any(word in row["you want to"] and "](" in row["read"] for row in rows)


@pytest.mark.parametrize(
    "word",
    [
        *("400", "401", "403", "500", "503", "invalid_token", "insufficient_scope", "CORS", "mTLS", "nginx"),
        *("Swagger", "Django", "FastAPI", "Flask", "Kubernetes", "Lambda", "Redis", "PyJWT", "Auth0"),
        *("opaque", "introspection", "revocation", "gunicorn", "pytest", "DPoP", "roles"),
    ],
)
def test_the_search_knows_the_words_that_people_search_for(word: str) -> None:
    """The documentation puts each into the index for at most three pages, which the search lists first."""
    (words,) = (
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "docs/_extensions/search_words.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SEARCH_WORDS"
    )
    places = [place.partition("#")[0] for place, listed in words.items() if word in listed.split(", ")]
    assert 1 <= len(places) <= 3
    assert [place for place in places if f"docs/{place}.md" not in PAGES] == []


FILE: Final = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def test_every_link_leads_somewhere() -> None:
    """A relative link leads to a file; Sphinx sees to headings, and knows nothing of the README."""
    missing = [
        f"{page}: {target}"
        for page, text in PAGES.items()
        for target in FILE.findall(text)
        if not ((ROOT / page).parent / target).exists()
    ]
    assert missing == []


def test_pictures_describe_themselves() -> None:
    """Every image has a title for people who cannot see it, and a background for dark themes."""
    for picture in (ROOT / "docs" / "images").glob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert "<title id=" in text, picture.name
        assert re.search(r'<rect x="1" y="1" [^>]*fill="#fafafa"', text), picture.name


def test_code_fits_into_a_page() -> None:
    """Code on a page has lines of at most 91 characters, which a desktop shows; output is wrapped."""
    long_lines = [
        f"{name}: {line}"
        for name, text in PAGES.items()
        if name != "README.md"
        for fence in list_fences(text)
        if fence.language != "text"
        for line in fence.body.split("\n")
        if len(line) > 91
    ]
    assert long_lines == []
