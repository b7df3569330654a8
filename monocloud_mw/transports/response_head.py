"""Parse the head of a response as strictly as ``h11``, for ``http.client``.

``http.client`` itself returns interim responses other than 100, rejects a field of more than 64 KiB, ends the
head at the first invalid line, and guesses if the framing is ambiguous. On a persistent connection, a wrong
guess would give one caller the response to the request of another.

- Interim responses are skipped, all but 101 (RFC 9110 section 15.2).
- The head takes at most ``MAX_HEAD_BYTES``; an invalid line is an error (RFC 9112 section 5).
- ``Content-Length`` must have one value, ``Transfer-Encoding`` must be ``chunked`` (RFC 9112 section 6).
- A line between two chunks has the exact form of RFC 9112 section 7.1; trailers are skipped.
"""

from __future__ import annotations

import http.client
import io
import re
from typing import Any, Final, Protocol, cast

from .limits import MAX_HEAD_BYTES

__all__ = ["FinalResponse"]

STATUS_LINE: Final = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: [^\x00\r\n]*)?\Z")
FIELD: Final = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*([^\x00\r\n]*?)[ \t]*\Z")
LENGTH: Final = re.compile(r"[0-9]{1,20}\Z")
CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,20})(?:[ \t]*;[^\x00\r\n]*)?\r\n\Z")


class MalformedHeadError(OSError):
    """The head of a response, or of a chunk, is invalid; the message contains no part of it."""


class _Readable(Protocol):
    def readline(self, size: int, /) -> bytes: ...


class FinalResponse(http.client.HTTPResponse):
    """The final response to a request; for ``HTTPConnection.response_class``."""

    def begin(self) -> None:
        """Read up to the body.

        Raises:
            RemoteDisconnected: the connection was closed before the end of the head.
            MalformedHeadError: it is too large, or breaks the grammar of HTTP/1.1.
        """
        connected: Any = self.fp
        while True:
            lines = _read_lines(connected)
            if not (found := STATUS_LINE.match(lines[0])):
                raise MalformedHeadError("the status line is malformed")
            status = int(found[1])
            if status >= 200 or status == 101:
                break
        fields = _parse_fields(lines[1:])
        # http.client only determines the framing, from the fields that it depends on.
        self.fp: Any = io.BytesIO(b"\r\n".join([lines[0], *_framing(fields), b"", b""]))
        try:
            super().begin()
        finally:
            self.fp = connected
        message = http.client.HTTPMessage()
        for name, value in fields:
            message[name] = value
        self.headers = self.msg = message

    def _get_chunk_left(self) -> int | None:
        """Return the remaining bytes of the current or next chunk, or ``None`` at the end of the body.

        Raises:
            RemoteDisconnected: the connection was closed before the end of the body.
            MalformedHeadError: a chunk or the trailer section is malformed.
        """
        if self.chunk_left:
            return self.chunk_left
        if self.chunk_left is not None and self.fp.read(2) != b"\r\n":
            raise MalformedHeadError("a chunk is malformed")
        found = CHUNK_SIZE.match(_read_line(self.fp, MAX_HEAD_BYTES))
        if not found:
            raise MalformedHeadError("a chunk is malformed")
        self.chunk_left = int(found[1], 16) or None
        if self.chunk_left is None:
            _skip_trailers(self.fp)
            cast(Any, self)._close_conn()  # noqa: SLF001  inherited, but not in the type stubs
        return self.chunk_left


def _read_lines(connected: _Readable) -> list[bytes]:
    """Return the lines of one head without line ends: the status line, then the fields."""
    lines: list[bytes] = []
    bytes_left = MAX_HEAD_BYTES
    while True:
        line = _read_line(connected, bytes_left)
        bytes_left -= len(line)
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        if not line and lines:
            return lines
        lines.append(line)


def _read_line(connected: _Readable, bytes_left: int) -> bytes:
    line = connected.readline(bytes_left + 1)
    if len(line) > bytes_left:
        raise MalformedHeadError(f"the header section is larger than {MAX_HEAD_BYTES} bytes")
    if not line.endswith(b"\n"):
        raise http.client.RemoteDisconnected("the connection was closed before the response was complete")
    return line


def _skip_trailers(connected: _Readable) -> None:
    bytes_left = MAX_HEAD_BYTES
    while (line := _read_line(connected, bytes_left)) != b"\r\n":
        bytes_left -= len(line)


def _parse_fields(lines: list[bytes]) -> list[tuple[str, str]]:
    unfolded: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and unfolded:  # RFC 9112 section 5.2
            unfolded[-1] += b" " + line.strip(b" \t")
        else:
            unfolded.append(line)
    fields: list[tuple[str, str]] = []
    for line in unfolded:
        if not (found := FIELD.match(line)):
            raise MalformedHeadError("a header field is malformed")
        fields.append((found[1].decode("ascii"), found[2].decode("latin-1")))
    return fields


def _framing(fields: list[tuple[str, str]]) -> list[bytes]:
    """Return the fields that determine the end of the body and whether the connection is kept."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).extend(part.strip() for part in value.split(","))
    framing = [
        f"{name}: {', '.join(values[name])}".encode("latin-1")
        for name in ("connection", "keep-alive", "proxy-connection")
        if name in values
    ]
    lengths = set(values.get("content-length", ()))
    if lengths:
        length = lengths.pop()
        if lengths or not LENGTH.match(length):
            raise MalformedHeadError("Content-Length is malformed")
        framing.append(f"content-length: {length}".encode())
    codings = values.get("transfer-encoding", [])
    if codings:
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise MalformedHeadError("Transfer-Encoding must be chunked")
        framing.append(b"transfer-encoding: chunked")
    return framing
