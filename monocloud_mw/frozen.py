"""JSON values that cannot be changed, and still serialise as JSON.

Claims are shared by every request that presents the same token, so no handler may be able to write
into them. Objects become :class:`FrozenDict` (a ``dict``, because ``json`` serialises nothing else as
an object) and arrays become tuples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, Self

__all__ = ["FrozenDict", "freeze"]


class FrozenDict(dict[str, Any]):
    """A read-only ``dict`` whose values are read-only too; every way to change it raises ``TypeError``."""

    __slots__ = ()

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is read-only; dict(...) makes a copy that is not")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def freeze(value: Any) -> Any:
    """Return a JSON value in its read-only form, at every depth."""
    if isinstance(value, FrozenDict):
        return value
    if isinstance(value, Mapping):
        return FrozenDict({name: freeze(member) for name, member in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(map(freeze, value))
    return value
