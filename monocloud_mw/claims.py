"""The claims of one validated access token: a read-only mapping that serialises as JSON as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .frozen import FrozenDict

__all__ = ["AccessTokenClaims"]


class AccessTokenClaims(FrozenDict):
    """The claims of an access token that passed every check (RFC 7519 section 4, RFC 9068 section 2.2).

    ``claims["sub"]`` reads a claim as it arrived, with objects and arrays in read-only form; the
    properties give the registered claims under their spelled-out names. ``json.dumps(claims)`` and
    Flask's ``jsonify(claims)`` work as they do for a ``dict``.

    Args:
        claims: the claims, a JSON object.
        groups_claim: the name of the claim that holds the groups, or a path into objects with dots
            (``realm_access.roles``); a claim whose name is exactly that comes first.
        scopes_claim: the name of the claim that holds the scopes, or a path, likewise.
    """

    __slots__ = ("_group_set", "_groups", "_groups_claim", "_scopes", "_scopes_claim")

    def __init__(
        self,
        claims: Mapping[str, Any] | Iterable[tuple[str, Any]],
        *,
        groups_claim: str = "groups",
        scopes_claim: str = "scope",
    ) -> None:
        if hasattr(self, "_is_made"):
            self._refuse()  # a second call would change claims that other requests share
        dict.__init__(self, claims if isinstance(claims, FrozenDict) else FrozenDict(claims))
        self._is_made = True
        self._groups_claim = groups_claim
        self._scopes_claim = scopes_claim
        self._groups: tuple[str, ...] | None = None
        self._group_set: frozenset[str] | None = None
        self._scopes: frozenset[str] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (dict(self), self._groups_claim, self._scopes_claim)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> dict[str, Any]:
        """Let pydantic take claims as they are, write them as an object, and never make them of input.

        A request body has passed no check, so that even its best imitation of claims is refused.
        """
        return {
            "type": "is-instance",
            "cls": cls,
            "serialization": {"type": "function-plain", "function": dict},
        }

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        """Describe the claims in OpenAPI documents."""
        return {"type": "object", "title": cls.__name__, "additionalProperties": True}

    @property
    def issuer(self) -> str | None:
        """``iss``: who issued the token."""
        return self.get("iss")

    @property
    def subject(self) -> str | None:
        """``sub``: the user, or the client where no user is involved; ``None`` where it is absent."""
        return self.get("sub")

    @property
    def audience(self) -> tuple[str, ...]:
        """``aud``: the APIs the token is for, always as a tuple; ``claims["aud"]`` is a string or a list."""
        audience = self.get("aud")
        return (audience,) if isinstance(audience, str) else _strings(audience)

    @property
    def client_id(self) -> str | None:
        """``client_id`` (RFC 9068 section 2.2): the client the token was issued to."""
        return self.get("client_id")

    @property
    def scopes(self) -> frozenset[str]:
        """``scope`` (or ``scopes_claim``), split at spaces (RFC 6749 section 3.3); arrays are read too."""
        scopes = self._scopes
        if scopes is None:
            scopes = self._scopes = _scope_values(_member_at(self, self._scopes_claim))
        return scopes

    @property
    def groups(self) -> tuple[str, ...]:
        """The names and ids of the groups, whether they came as strings or as ``{id, name}`` objects."""
        groups = self._groups
        if groups is None:
            groups = self._groups = _group_names(_member_at(self, self._groups_claim))
        return groups

    @property
    def group_set(self) -> frozenset[str]:
        """The same names and ids as :attr:`groups`, as a set: quick to look up, and worked out once."""
        group_set = self._group_set
        if group_set is None:
            group_set = self._group_set = frozenset(self.groups)
        return group_set

    @property
    def expires_at(self) -> float | None:
        """``exp``, Unix seconds."""
        return self.get("exp")

    @property
    def not_before(self) -> float | None:
        """``nbf``, Unix seconds."""
        return self.get("nbf")

    @property
    def issued_at(self) -> float | None:
        """``iat``, Unix seconds."""
        return self.get("iat")

    @property
    def token_id(self) -> str | None:
        """``jti``: the identifier of this token."""
        return self.get("jti")


def _rebuild(claims: dict[str, Any], groups_claim: str, scopes_claim: str = "scope") -> AccessTokenClaims:
    return AccessTokenClaims(claims, groups_claim=groups_claim, scopes_claim=scopes_claim)


def _member_at(members: Any, path: str) -> Any:
    """Return the member of that very name, or else the one at that path into objects; ``None`` without one.

    A name with a colon or a slash (``https://example.com/groups``, ``cognito:groups``) is never a path.
    """
    while isinstance(members, dict):
        if path in members or ":" in path or "/" in path:
            return members.get(path)
        name, _, path = path.partition(".")
        members = members.get(name)
    return None


def _scope_values(scope: Any) -> frozenset[str]:
    """Return the scopes; only U+0020 separates them, so that no other character can make two of one."""
    return frozenset(filter(None, scope.split(" ") if isinstance(scope, str) else _strings(scope)))


def _strings(values: Any) -> tuple[str, ...]:
    """Return the strings of an array; any other value has none."""
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()


def _group_names(groups: Any) -> tuple[str, ...]:
    names: list[str] = []
    for group in groups if isinstance(groups, list) else (groups,):
        values = (group.get("id"), group.get("name")) if isinstance(group, dict) else (group,)
        names.extend(value for value in values if isinstance(value, str))
    return tuple(names)
