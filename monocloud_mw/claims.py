"""The claims of one validated access token: a read-only, JSON-serialisable ``dict``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from .frozen import FrozenDict

__all__ = ["AccessTokenClaims", "frozen_claims"]


class AccessTokenClaims(FrozenDict):
    """The claims of an access token that passed every check (RFC 7519 section 4, RFC 9068 section 2.2).

    ``claims["sub"]`` returns a claim as in the token, with objects and arrays in read-only form. The
    properties return the registered claims; a claim of another type than the RFCs prescribe counts as absent.
    ``json.dumps(claims)`` and Flask's ``jsonify(claims)`` work as for a ``dict``.

    Args:
        claims: the claims, a JSON object.
        groups_claim: the name of the claim with the groups, or a dotted path into objects
            (``realm_access.roles``); a claim with exactly this name takes precedence.
        scopes_claim: the name of the claim with the scopes, or a dotted path in the same way.
    """

    __slots__ = ("_group_set", "_groups", "_groups_claim", "_scopes", "_scopes_claim")

    def __init__(
        self,
        claims: Mapping[str, Any] | Iterable[tuple[str, Any]],
        *,
        groups_claim: str = "groups",
        scopes_claim: str = "scope",
    ) -> None:
        super().__init__(claims)
        self._set_names(groups_claim, scopes_claim)

    def _set_names(self, groups_claim: str, scopes_claim: str) -> None:
        self._groups_claim = groups_claim
        self._scopes_claim = scopes_claim
        self._groups: tuple[str, ...] | None = None
        self._group_set: frozenset[str] | None = None
        self._scopes: frozenset[str] | None = None

    def __str__(self) -> str:
        """Return a text that is the same for all tokens of one caller, with a digest instead of claims.

        Rate limits that use ``str()`` as their key, such as Ninja's ``AuthRateThrottle``, rely on it. The
        caller is ``sub`` of the issuer, or ``client_id`` if the token has no ``sub``.
        """
        caller = ("client_id", self.client_id) if self.subject is None else ("sub", self.subject)
        digest = hashlib.sha256(ascii((self.issuer, *caller)).encode()).hexdigest()
        return f"{type(self).__name__}(caller {digest[:32]})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (dict(self), self._groups_claim, self._scopes_claim)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> dict[str, Any]:
        """Let pydantic accept instances and serialise them as an object, but never create them from input.

        Input such as a request body has not been validated, so it must not become claims.
        """
        return {
            "type": "is-instance",
            "cls": cls,
            "serialization": {"type": "function-plain", "function": dict},
        }

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        """Return the schema of the claims for OpenAPI documents."""
        return {"type": "object", "title": cls.__name__, "additionalProperties": True}

    @property
    def issuer(self) -> str | None:
        """``iss``: the issuer of the token."""
        return _string(self.get("iss"))

    @property
    def subject(self) -> str | None:
        """``sub``: the user, or the client if no user is involved; ``None`` if absent."""
        return _string(self.get("sub"))

    @property
    def audience(self) -> tuple[str, ...]:
        """``aud``: the APIs the token is for, always as a tuple; ``claims["aud"]`` is a string or a list."""
        audience = self.get("aud")
        return (audience,) if isinstance(audience, str) else _strings(audience)

    @property
    def client_id(self) -> str | None:
        """``client_id`` (RFC 9068 section 2.2): the client the token was issued to."""
        return _string(self.get("client_id"))

    @property
    def scopes(self) -> frozenset[str]:
        """``scope`` (or ``scopes_claim``), split at spaces (RFC 6749 section 3.3); arrays are read too."""
        scopes = self._scopes
        if scopes is None:
            scopes = self._scopes = _scope_values(_member_at(self, self._scopes_claim))
        return scopes

    @property
    def groups(self) -> tuple[str, ...]:
        """The names and ids of the groups, from strings or ``{id, name}`` objects."""
        groups = self._groups
        if groups is None:
            groups = self._groups = _group_names(_member_at(self, self._groups_claim))
        return groups

    @property
    def group_set(self) -> frozenset[str]:
        """The names and ids of :attr:`groups` as a set, computed once."""
        group_set = self._group_set
        if group_set is None:
            group_set = self._group_set = frozenset(self.groups)
        return group_set

    @property
    def expires_at(self) -> float | None:
        """``exp``, Unix seconds."""
        return _number(self.get("exp"))

    @property
    def not_before(self) -> float | None:
        """``nbf``, Unix seconds."""
        return _number(self.get("nbf"))

    @property
    def issued_at(self) -> float | None:
        """``iat``, Unix seconds."""
        return _number(self.get("iat"))

    @property
    def token_id(self) -> str | None:
        """``jti``: the identifier of this token."""
        return _string(self.get("jti"))


def frozen_claims(members: FrozenDict, groups_claim: str, scopes_claim: str) -> AccessTokenClaims:
    """Return ``AccessTokenClaims(members)`` for members that are already read-only; faster than that."""
    claims = _new_dict(AccessTokenClaims)
    _fill_dict(claims, members)
    claims._is_made = True  # noqa: SLF001
    claims._set_names(groups_claim, scopes_claim)  # noqa: SLF001
    return claims


_new_dict, _fill_dict = dict.__new__, dict.update


def _rebuild(claims: dict[str, Any], groups_claim: str, scopes_claim: str = "scope") -> AccessTokenClaims:
    return AccessTokenClaims(claims, groups_claim=groups_claim, scopes_claim=scopes_claim)


def _member_at(members: Any, path: str) -> Any:
    """Return the member with exactly this name, or else the one at this dotted path; ``None`` if absent.

    A name with a colon or a slash (``https://example.com/groups``, ``cognito:groups``) is never a path.
    """
    while isinstance(members, dict):
        if path in members or ":" in path or "/" in path:
            return members.get(path)
        name, _, path = path.partition(".")
        members = members.get(name)
    return None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _scope_values(scope: Any) -> frozenset[str]:
    """Return the scopes; only U+0020 separates them (RFC 6749 section 3.3)."""
    return frozenset(filter(None, scope.split(" ") if isinstance(scope, str) else _strings(scope)))


def _strings(values: Any) -> tuple[str, ...]:
    """Return the strings of an array; return none for other values."""
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()


def _group_names(groups: Any) -> tuple[str, ...]:
    names: list[str] = []
    for group in groups if isinstance(groups, list) else (groups,):
        values = (group.get("id"), group.get("name")) if isinstance(group, dict) else (group,)
        names.extend(value for value in values if isinstance(value, str))
    return tuple(names)
