"""Rules in the path syntax of another framework: the error suggests the right syntax."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.errors import ConfigurationError
from monocloud_mw.protect.foreign_syntax import explain_foreign_syntax
from monocloud_mw.protect.policy import Policy
from monocloud_mw.protect.rules import Rule

VARIABLES = "write variables as <name>, <int:name> or <path:name>"
FOREIGN = {
    "/orders/{number}": "/orders/<number>",
    "/orders/{number:int}": "/orders/<int:number>",
    "/orders/{number:float}/x": "/orders/<float:number>/x",
    "/orders/{id:uuid}": "/orders/<uuid:id>",
    "/orders/{id:str}": "/orders/<id>",
    "/files/{path:path}": "/files/<path:path>",
    "/files/{file_path:path}/edit": "/files/<path:file_path>/edit",
    "/orders/{id:int(2, min=1)}": "/orders/<int:id>",
    '/orders/{day:dt("%Y")}': "/orders/<day>",
    "/orders/{id:\\d{3}}": "/orders/<int:id>",
    "/orders/{id:[a-z]+}": "/orders/<id>",
    "/orders/{id?}": "/orders/<id>",
    "/orders/{*rest}": "/orders/<path:rest>",
    "/orders/{rest...}": "/orders/<path:rest>",
    "/orders/{}": "/orders/<name>",
    "/orders/{2nd}": "/orders/<_2nd>",
    "/a/{id}/b/{id}": "/a/<id>/b/<id2>",
    "/orders/:number": "/orders/<number>",
    "/:tenant/orders": "/<tenant>/orders",
    "/orders/:number?": "/orders/<number>",
    "/orders/:number(\\d+)": "/orders/<number>",
    "/orders/**": "/orders/<path:rest>",
    "/**/orders": "/<path:rest>/orders",
    "/a/*/b": "/a/<name>/b",
    "/a/*/b/*/c": "/a/<name>/b/<name2>/c",
    "/files/*rest": "/files/<path:rest>",
    "/files/*.js": "/files/<name>.js",
    "/orders/[id]": "/orders/<id>",
    "/orders/[...rest]": "/orders/<path:rest>",
    "/orders/[[...rest]]": "/orders/<path:rest>",
    "^/orders/\\d+$": "/orders/<int:number>",
    "^/orders$": "/orders",
    "/orders$": "/orders",
    "\\A/orders/\\w+\\Z": "/orders/<name>",
    "^/orders/(?P<number>\\d+)/$": "/orders/<int:number>/",
    "/orders/(?P<number>[0-9]{4})/?$": "/orders/<int:number>",
    "/orders/(?P<name>[^/]+)": "/orders/<name>",
    "/files/(?P<rest>.*)": "/files/<path:rest>",
    "/orders/(\\d+)/items": "/orders/<int:number>/items",
    "/orders/[0-9]+": "/orders/<int:number>",
    "/orders/(a|b)": "/orders/<name>",
    "/files/.*": "/files/<path:rest>",
    "/files/(.+)": "/files/<path:rest>",
    "/orders/<number:int>": "/orders/<int:number>",
    "/orders/<number:number>": "/orders/<float:number>",
    "/orders/<name:str>/<rest:path>": "/orders/<name>/<path:rest>",
    "/orders/<name:re:[a-z]+>": "/orders/<name>",
    "/orders/<name:[a-z]{3}>": "/orders/<name>",
    "/orders/<number:\\d+>": "/orders/<int:number>",
    "/orders/<str:name>": "/orders/<name>",
    "/orders/<slug:name>": "/orders/<name>",
    "/orders/<INT:number>": "/orders/<int:number>",
}
UNCLEAR = [
    *("/orders/{number", "/orders/number}", "/orders/{page<\\d+>}", "^orders/$", "/orders/(?:a|b)", "/a^b"),
    *("/(?i)orders", "/orders/\\d", "/{a}//b", "/a|b", "/]"),
]
OURS = [
    *("/", "/orders", "/orders/<number>", "/orders/<int:number>", "/files/<path:path>", "/<path:int>"),
    *("/<any(a,b):x>", '/<any("*", "{a}"):x>', "/<string(length=2):x>", "/orders/<id>:cancel", "/a:b"),
    *("/$metadata", "/users/$value", "/Products(1)", "/c++", "/~a!$&'()+,=:@", "/<colour:x>", "/:", "/a/$"),
    *("orders/{id}", "", "/a?b", "/a\\b"),
]


@pytest.mark.parametrize(("path", "right"), FOREIGN.items())
def test_the_error_suggests_the_right_path(path: str, right: str) -> None:
    """The message suggests a path, and that path is accepted."""
    with pytest.raises(ConfigurationError) as caught:
        Policy([Rule(path, groups="admin")])
    assert caught.value.problems[0].message == f"path is not in Werkzeug's routing syntax: write {right!r}"
    Policy([Rule(right, groups="admin")])


@pytest.mark.parametrize("path", ["/orders/*", "/a/{b}/*"])
def test_a_star_at_the_end_has_two_meanings(path: str) -> None:
    """A final star is one segment in some frameworks and the rest of the path in others; the message offers
    both.
    """
    front = path.removesuffix("*").replace("{b}", "<b>")
    assert f"write '{front}<name>', or '{front}<path:name>' for all paths below it" == (
        explain_foreign_syntax(path)
    )


@pytest.mark.parametrize("path", UNCLEAR)
def test_without_a_suggestion_the_error_explains_variables(path: str) -> None:
    """Without a suggestion, the message explains the syntax of variables."""
    assert explain_foreign_syntax(path) == VARIABLES
    with pytest.raises(ConfigurationError, match="path is not in Werkzeug's routing syntax: write variables"):
        Policy([Rule(path, public=True)])


@pytest.mark.parametrize("path", OURS)
def test_other_paths_are_not_foreign(path: str) -> None:
    """Werkzeug's syntax, unusual URL characters and other mistakes are not reported as foreign syntax."""
    assert explain_foreign_syntax(path) == ""


@given(st.text(alphabet="/{}<>:*()[]?^$\\d.+|a1", max_size=20).map("/".__add__))
def test_a_suggestion_is_not_foreign(path: str) -> None:
    """No text raises an error, and a suggested path is never reported as foreign syntax."""
    hint = explain_foreign_syntax(path)
    if hint.startswith("write '"):
        assert explain_foreign_syntax(hint.split("'")[1]) == ""
