"""Every way in which an application may interpret the path of a request.

Servers, proxies and frameworks disagree about what a path means, and an attacker who finds two that
disagree can bypass a check: the middleware sees ``/public/..%2fadmin`` and the application serves
``/admin``. So nothing here picks *the* meaning. The interpretations of a path are the path as given and all
that any sequence of these steps makes of it:

- percent-decoding (a server decodes once; some application decodes again);
- a backslash taken for a slash;
- parameters of a segment dropped (``/admin;x=1``), or a query or fragment that was hidden by encoding;
- a leading ``//authority`` or ``scheme://authority`` dropped, as URL parsers do;
- repeated slashes merged; dot segments removed (RFC 3986 section 5.2.4);
- the prefix dropped under which the application is mounted (``SCRIPT_NAME``, ``root_path``) or which it
  strips itself, and on ASGI also all that stands in front of a mount.

Clients do not send control characters, bytes that are not UTF-8, a path with many interpretations, or one of
thousands of characters. Such a path is *unreadable*: what an application makes of it is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = [
    "MAX_PATH_CHARACTERS",
    "UNREADABLE",
    "cut_at_prefix",
    "list_interpretations",
    "list_known_prefixes",
    "list_whole",
    "mask_raw_path",
    "strip_prefix",
    "trace_interpretations",
]

MAX_PATH_CHARACTERS: Final = 2048
"""Longer paths are unreadable; it also bounds what matching one can cost."""

MAX_INTERPRETATIONS: Final = 16
"""Two tricks in one path make four interpretations, so more than this is no accident. It bounds the cost."""

MAX_CHARACTERS: Final = MAX_PATH_CHARACTERS + 512
"""Of all interpretations together, each as often as it is matched: a long path with several is unreadable."""

_MAX_WRAPPERS: Final = 20

UNREADABLE: Final = "\ufffd"
"""Stands for bytes that are not UTF-8, as it does in :meth:`bytes.decode`."""

_UNREADABLE_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f\ufffd\ud800-\udfff]")
_PARAMETERS: Final = re.compile(r";[^/]*")
_QUERY: Final = re.compile(r"[?#].*")
_AUTHORITY: Final = re.compile(r"/?(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//[^/]*")
_SLASHES: Final = re.compile(r"//+")
# The encodings of # % . / ; ? and the backslash: decoding one changes the structure of a path.
_STRUCTURAL_ENCODING: Final = re.compile(r"%(?=2[35ef]|3[bf]|5c)", re.IGNORECASE)

_ENCODED: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ASCII: Final = {code: chr(octet) for octet in range(128) for code in (f"%{octet:02x}", f"%{octet:02X}")}


def list_interpretations(spellings: Iterable[str], prefixes: str | Sequence[str] = ()) -> list[str] | None:
    """Return all interpretations of a path, or ``None`` if it is unreadable.

    Args:
        spellings: how the path arrived.
        prefixes: what an application may strip from its front.
    """
    traced = trace_interpretations(spellings, (prefixes,) if isinstance(prefixes, str) else prefixes)
    return None if traced is None else list(traced)


def trace_interpretations(
    spellings: Iterable[str], prefixes: Sequence[str] = (), *, times: int = 1
) -> dict[str, tuple[str, ...]] | None:
    """Return all interpretations of a path, and what one step makes of each: a dropped query first.

    ``None`` if the path is unreadable. ``times`` is how often each interpretation is going to be matched.
    """
    found = _start_all(spellings)
    traced: dict[str, tuple[str, ...]] = {}
    room = max(MAX_CHARACTERS // times, sum(map(len, found)))
    for path in found:  # grows while it is walked
        room -= len(path)
        if len(found) > MAX_INTERPRETATIONS or room < 0:
            return None
        if _UNREADABLE_CHARACTER.search(path):
            return None
        changed = [step(path) for step in _STEPS]
        traced[path] = (*changed, *(strip_prefix(path, prefix) for prefix in prefixes))
        found += [other for other in dict.fromkeys(traced[path]) if other not in found]
    return traced


def list_whole(
    traced: Mapping[str, tuple[str, ...]], spellings: Iterable[str], whole: Collection[str]
) -> list[str]:
    """Return the interpretations that are left if no query is dropped from those in ``whole``."""
    found = _start_all(spellings)
    for path in found:  # grows while it is walked
        steps = traced[path][1:] if path in whole else traced[path]
        found += [other for other in dict.fromkeys(steps) if other not in found]
    return found


def _start_all(spellings: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(path if path.startswith("/") else f"/{path}" for path in spellings))


def strip_prefix(path: str, prefix: str) -> str:
    """Return the path below ``prefix``, or the path itself where it is not below it."""
    if not prefix:
        return path
    prefix = prefix.rstrip("/")
    return path[len(prefix) :] if prefix and f"{path}/".startswith(f"{prefix}/") else path


def list_known_prefixes(app: Any) -> list[str]:
    """Return the prefixes that an application, or one that it wraps as ``.app``, says it strips itself.

    FastAPI says so in ``root_path``. In Flask and Quart an attribute of that name is a folder.
    """
    found: list[str] = []
    for _ in range(_MAX_WRAPPERS):
        root_path = getattr(app, "root_path", None)
        if isinstance(root_path, str) and root_path.startswith("/") and not hasattr(app, "import_name"):
            found.append(root_path)
        app = getattr(app, "app", None)
    return found


def cut_at_prefix(path: str, prefix: str) -> str:
    """Return what some frameworks take for the path of one that is not below ``prefix``, or "".

    Quart and Litestar cut a path where the prefix stands first, be it inside a segment or far down: with
    ``/api`` they serve ``/admin`` as ``/apiadmin`` and (Litestar) as ``/x/api/admin``.
    """
    if not prefix or strip_prefix(path, prefix) != path or prefix not in path:
        return ""
    rest = path.partition(prefix)[2]
    return rest if rest.startswith("/") else f"/{rest}"


def mask_raw_path(raw: str) -> str:
    """Decode a path as it stood in the request line, except where that would change its structure.

    ``/caf%C3%A9/a%2Fb`` becomes ``/café/a%2Fb``: what an application sees that routes first and decodes
    afterwards. Without such an encoding this is just what servers make of the path, and the result is "".
    """
    masked, count = _STRUCTURAL_ENCODING.subn("%25", raw)
    return _decode_percent(masked) if count else ""


def _decode_percent(path: str) -> str:
    """Do what urllib's unquote does, which takes up to twenty times as long on paths made for that."""
    return _ENCODED.sub(_decode_octets, path) if "%" in path else path


def _decode_octets(found: re.Match[str]) -> str:
    text = found[0]
    return _ASCII.get(text) or bytes.fromhex(text.replace("%", "")).decode("utf-8", "replace")


def _turn_backslashes(path: str) -> str:
    return path.replace("\\", "/") if "\\" in path else path


def _drop_parameters(path: str) -> str:
    return _PARAMETERS.sub("", path) if ";" in path else path


def _drop_query(path: str) -> str:
    return _QUERY.sub("", path) if "?" in path or "#" in path else path


def _drop_authority(path: str) -> str:
    authority = _AUTHORITY.match(path) if "//" in path else None
    return path[authority.end() :] if authority else path


def _merge_slashes(path: str) -> str:
    return _SLASHES.sub("/", path) if "//" in path else path


def _remove_dot_segments(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment not in (".", ".."):
            kept.append(segment)
        elif segment == ".." and len(kept) > 1:
            kept.pop()
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


_STEPS: Final[tuple[Callable[[str], str], ...]] = (
    _drop_query,
    _decode_percent,
    _turn_backslashes,
    _drop_parameters,
    _drop_authority,
    _merge_slashes,
    _remove_dot_segments,
)
