"""Read-only JSON values: subclasses of ``dict`` and ``list`` that raise on every change.

Requests with the same token share its claims, so handlers must not be able to modify them. JSON encoders,
type checks and comparisons work as usual: objects are :class:`FrozenDict`, arrays are :class:`FrozenList`,
and both equal the plain values they were created from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

__all__ = ["FrozenDict", "FrozenList", "freeze", "frozen_dict", "frozen_list"]


class FrozenDict(dict[str, Any]):
    """A ``dict`` that is read-only at every depth; changes raise ``TypeError``."""

    __slots__ = ("_is_made",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if hasattr(self, "_is_made"):
            self._refuse()
        dict.__init__(self, {name: freeze(value) for name, value in dict(*args, **kwargs).items()})
        self._is_made = True

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is read-only; use dict(...) to get a copy that can be changed"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __repr__(self) -> str:
        """Show the names but not the values: claims are personal data, and reprs end up in logs."""
        return f"{type(self).__name__}({', '.join(map(ascii, self))})"


class FrozenList(list[Any]):
    """A ``list`` that is read-only at every depth; changes raise ``TypeError``."""

    __slots__ = ("_is_made",)

    def __init__(self, values: Iterable[Any] = (), /) -> None:
        if hasattr(self, "_is_made"):
            self._refuse()
        list.__init__(self, map(freeze, values))
        self._is_made = True

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is read-only; use list(...) to get a copy that can be changed"
        )

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse  # pyright: ignore[reportAssignmentType]
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse  # pyright: ignore[reportAssignmentType]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)

    def __repr__(self) -> str:
        """Show the length but not the values, which are personal data."""
        return f"{type(self).__name__}({len(self)} value{'' if len(self) == 1 else 's'})"


def freeze(value: Any) -> Any:
    """Return a JSON value in read-only form at every depth; tuples become arrays."""
    if isinstance(value, (FrozenDict, FrozenList)):
        return value
    if isinstance(value, Mapping):
        return FrozenDict(value)
    if isinstance(value, (list, tuple)):
        return FrozenList(value)
    return value


def frozen_dict(members: dict[str, Any]) -> FrozenDict:
    """Return ``FrozenDict(members)`` for members that are already read-only; faster than the constructor."""
    made = _new_dict(FrozenDict)
    _fill_dict(made, members)
    made._is_made = True  # noqa: SLF001
    return made


def frozen_list(values: list[Any]) -> FrozenList:
    """Return ``FrozenList(values)`` for values that are already read-only; faster than the constructor."""
    made = _new_list(FrozenList)
    _fill_list(made, values)
    made._is_made = True  # noqa: SLF001
    return made


_new_dict, _fill_dict = dict.__new__, dict.update
_new_list, _fill_list = list.__new__, list.extend
