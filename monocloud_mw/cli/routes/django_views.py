"""The methods of Django views, and their checks by REST framework or Ninja."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...protect.wrappers import layers, variables_of
from .route import ANY_METHOD, Need, Route

__all__ = ["list_view"]

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def list_view(view: Any, path: str) -> Iterator[Route]:
    """Yield the routes of a view; several if Ninja has one operation per method."""
    operations = _ninja_operations(view)
    owner = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if operations:
        for operation in operations:
            yield _ninja(operation, path)
    elif owner is None:
        yield Route(methods=_methods_of_function(view), path=path)
    else:
        actions = getattr(view, "actions", None) or {}
        named = {name.upper() for name in actions or owner.http_method_names}
        methods = tuple(
            name for name in _METHODS if name in named and (actions or hasattr(owner, name.lower()))
        )
        others, unknown = _rest_framework(view, owner) if hasattr(owner, "permission_classes") else ((), ())
        yield Route(methods=methods or ANY_METHOD, path=path, others=others, unknown=unknown)


def _methods_of_function(view: Any) -> tuple[str, ...]:
    """Return the methods that ``require_http_methods`` and similar decorators allow."""
    for layer in layers(view):
        if getattr(layer, "__globals__", {}).get("__name__") == "django.views.decorators.http":
            allowed = variables_of(layer).get("request_method_list", ())
            return tuple(sorted(set(allowed) - {"HEAD"} or allowed))
    return ANY_METHOD


# -- Ninja ------------------------------------------------------------------------------------------------


def _ninja_operations(view: Any) -> list[Any]:
    """Return the operations of a path; Ninja's view is a closure over them."""
    for layer in layers(view):
        for value in variables_of(layer).values():
            if type(value).__module__ == "ninja.operation":
                return list(getattr(value, "operations", ()))
    return []


def _ninja(operation: Any, path: str) -> Route:
    from ...adapters.django.ninja import AccessTokenAuth

    methods, entries = tuple(operation.methods), list(operation.auth_callbacks)
    if len(entries) == 1 and isinstance(entries[0], AccessTokenAuth):
        needed = entries[0]._needed  # noqa: SLF001
        return Route(methods=methods, path=path, needs=(Need(needed.requirements, needed.optional),))
    names = " or ".join(_name_of(entry) for entry in entries)
    return Route(methods=methods, path=path, others=(f"auth {names}",) if names else ())


# -- REST framework ---------------------------------------------------------------------------------------


def _rest_framework(view: Any, owner: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return authentication and permissions, and the overridden methods that may change them."""
    from rest_framework.views import APIView
    from rest_framework.viewsets import ViewSetMixin

    found, unknown = [], []
    for kind, attribute in (
        ("authentication", "authentication_classes"),
        ("permissions", "permission_classes"),
    ):
        getter = "get_authenticators" if kind == "authentication" else "get_permissions"
        if getattr(owner, getter) not in (getattr(APIView, getter), getattr(ViewSetMixin, getter, None)):
            unknown.append(f"{getter}() decides")
            continue
        classes = getattr(view, "initkwargs", {}).get(attribute, getattr(owner, attribute))
        if not isinstance(classes, (list, tuple)):  # a property, say
            unknown.append(f"{attribute} is not a list")
            continue
        names = list(map(_permission, classes))
        found.append(f"{kind} {', '.join(names) or 'none'}")
    return tuple(found), tuple(unknown)


def _permission(given: Any) -> str:
    """Return a permission as text, as in the source of the view."""
    operands = [getattr(given, name) for name in ("op1_class", "op2_class") if hasattr(given, name)]
    words = {"AND": "&", "OR": "|", "NOT": "~"}
    if operands:
        operator = words.get(given.operator_class.__name__.strip("_").upper(), "?")
        texts = list(map(_permission, operands))
        return f"~{texts[0]}" if len(texts) == 1 else f"({f' {operator} '.join(texts)})"
    requirements = getattr(given, "requirements", None)
    return _name_of(given) + (f"({_names_in(requirements)})" if requirements is not None else "")


def _names_in(requirements: Any) -> str:
    sets: Iterable[Any] = (requirements.scopes, *requirements.any_scopes, *requirements.groups)
    return ", ".join(sorted(str(name) for names in sets for name in names))


def _name_of(given: Any) -> str:
    return str(getattr(given, "__name__", type(given).__name__))
