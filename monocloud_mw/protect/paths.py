"""Lists all interpretations of a request path that an application may use.

Servers, proxies and frameworks interpret paths differently. An attacker who finds a difference can bypass a
check: the middleware sees ``/public/..%2fadmin``, the application serves ``/admin``. So all interpretations
are checked: the path as given, and every result of any sequence of these steps:

- percent-decoding (the server decodes once; some applications decode again);
- replacing backslashes by slashes;
- dropping path parameters (``/admin;x=1``), or an encoded query or fragment;
- dropping a leading ``//authority`` or ``scheme://authority``, as URL parsers do;
- merging repeated slashes; removing dot segments (RFC 3986 section 5.2.4);
- dropping the prefix under which the application is mounted (``SCRIPT_NAME``, ``root_path``) or which it
  strips itself, and on ASGI also everything before a mount.

A path is *unreadable* if it has control characters, bytes that are not UTF-8, too many interpretations or too
many characters. Normal clients do not send such paths; they must meet every rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = [
    "MAX_PATH_CHARACTERS",
    "UNREADABLE",
    "cut_at_prefix",
    "list_known_prefixes",
    "list_whole",
    "mask_raw_path",
    "read_uncut",
    "strip_prefix",
    "trace_interpretations",
]

MAX_PATH_CHARACTERS: Final = 2048
"""Longer paths are unreadable; this also bounds the cost of matching."""

MAX_INTERPRETATIONS: Final = 16
"""Paths with more are unreadable. Two of the steps give four interpretations, so normal paths have few."""

MAX_CHARACTERS: Final = MAX_PATH_CHARACTERS + 512
"""Limit for the total length of all interpretations, each counted as often as it is matched."""

_MAX_WRAPPERS: Final = 20

UNREADABLE: Final = "\ufffd"
"""Replacement character for bytes that are not UTF-8, as in :meth:`bytes.decode`."""

_UNREADABLE_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f\ufffd\ud800-\udfff]")
_PARAMETERS: Final = re.compile(r";[^/]*")
_QUERY: Final = re.compile(r"[?#].*")
_AUTHORITY: Final = re.compile(r"/?(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//[^/]*")
_SLASHES: Final = re.compile(r"//+")
# The encodings of # % . / ; ? and the backslash. Decoding them changes the structure of a path.
_STRUCTURAL_ENCODING: Final = re.compile(r"%(?=2[35ef]|3[bf]|5c)", re.IGNORECASE)

_ENCODED: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ASCII: Final = {code: chr(octet) for octet in range(128) for code in (f"%{octet:02x}", f"%{octet:02X}")}


def trace_interpretations(
    spellings: Iterable[str], prefixes: Sequence[str] = (), *, times: int = 1
) -> dict[str, tuple[str, ...]] | None:
    """Return all interpretations of a path and the results of one step from each, the dropped query first.

    Return ``None`` if the path is unreadable. ``times`` is how often each interpretation will be matched.
    """
    found = _start_all(spellings)
    traced: dict[str, tuple[str, ...]] = {}
    room = max(MAX_CHARACTERS // times, sum(map(len, found)))
    for path in found:  # grows during the loop
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
    """Return the interpretations that remain if no query is dropped from those in ``whole``."""
    found = _start_all(spellings)
    for path in found:  # grows during the loop
        steps = traced[path][1:] if path in whole else traced[path]
        found += [other for other in dict.fromkeys(steps) if other not in found]
    return found


def _start_all(spellings: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(path if path.startswith("/") else f"/{path}" for path in spellings))


def strip_prefix(path: str, prefix: str) -> str:
    """Return the path below ``prefix``, or the path itself if it is not below it."""
    if not prefix:
        return path
    prefix = prefix.rstrip("/")
    return path[len(prefix) :] if f"{path}/".startswith(f"{prefix}/") else path


def list_known_prefixes(app: Any) -> list[str]:
    """Return the prefixes that an application, or one that it wraps as ``.app``, is known to strip.

    FastAPI declares it in ``root_path``. In Flask and Quart an attribute of that name is a directory.
    """
    found: list[str] = []
    for _ in range(_MAX_WRAPPERS):
        root_path = getattr(app, "root_path", None)
        if isinstance(root_path, str) and root_path.startswith("/") and not hasattr(app, "import_name"):
            found.append(root_path)
        app = getattr(app, "app", None)
    return found


def read_uncut(raw: str) -> str:
    """Return the path of the request line, decoded, where a framework has cut the path for a mount.

    Without the path of the request line, the result is unreadable, since the mount is unknown.
    """
    return _decode_percent(raw) or UNREADABLE


def cut_at_prefix(path: str, prefix: str) -> str:
    """Return how some frameworks read a path that is not below ``prefix``, or "".

    Quart and Litestar cut at the first occurrence of the prefix, even inside a segment or further down: with
    ``/api`` they serve ``/admin`` for ``/apiadmin`` and (Litestar) for ``/x/api/admin``.
    """
    if not prefix or strip_prefix(path, prefix) != path or prefix not in path:
        return ""
    rest = path.partition(prefix)[2]
    return rest if rest.startswith("/") else f"/{rest}"


def mask_raw_path(raw: str) -> str:
    """Decode the path of the request line, except for encodings that would change its structure.

    ``/caf%C3%A9/a%2Fb`` becomes ``/café/a%2Fb``, which is what applications see that route before decoding.
    Return "" if the path has no such encoding, since servers then decode it to the same.
    """
    masked, count = _STRUCTURAL_ENCODING.subn("%25", raw)
    return _decode_percent(masked) if count else ""


def _decode_percent(path: str) -> str:
    """Decode like urllib's unquote, which is up to twenty times slower on malicious paths."""
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
