"""The files of TLS: the authorities that verify servers, and our own certificate.

- They are read once for all connections. Reading the authorities takes longer than several exchanges do.
- When one changes, they are read again before the next exchange, and connections that were made with the
  old ones are no longer used: a new authority or certificate applies at once.
- A file that cannot be used is a ``ConfigurationError`` when a client is made. Later on, exchanges fail
  until it is mended; they never go on with its old content.
- The authorities are those of ``ca_bundle``, or of the first of the variables ``REQUESTS_CA_BUNDLE``,
  ``CURL_CA_BUNDLE`` and ``SSL_CERT_FILE`` with ``SSL_CERT_DIR`` that is set, or those that come with
  ``requests``. The variables are read when the client is made.
- Of a folder of authorities OpenSSL reads a file when it needs it; only that files come and go is noticed.
- A forked child reads the files itself: a thread of its parent may have held a lock of OpenSSL's.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from ..errors import ConfigurationError, HttpError, Problem
from ..options import VARIABLE_PREFIX

__all__ = ["VARIABLES", "CertificateFiles", "Contexts"]

VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Name a bundle or a folder; the first that is set counts."""

OPENSSL_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Name a bundle and folders, which count together, as for OpenSSL itself."""

T = TypeVar("T")


class Contexts(NamedTuple):
    """What connections are made with: ``mutual`` presents our certificate, where there is one."""

    plain: ssl.SSLContext
    mutual: ssl.SSLContext


class _Authorities(NamedTuple):
    """Where the authorities are: a bundle, folders (separated as in ``PATH``), or both."""

    file: str | None
    folders: str | None
    variable: str | None

    @property
    def paths(self) -> tuple[str, ...]:
        folders = self.folders.split(os.pathsep) if self.folders else []
        return tuple(path for path in (self.file, *folders) if path)


class _Cached(Generic[T]):
    """The value that a process made of the files, and the state of the files that it was made of."""

    state: object = None
    value: T

    def __init__(self) -> None:
        self.lock = threading.Lock()


class CertificateFiles(Generic[T]):
    """Keeps what a transport makes of the files, until one of them changes; may be shared by threads.

    Args:
        ca_bundle: path of a PEM bundle that verifies servers; ``None`` is what the environment says.
        client_certificate: paths of our own PEM certificate and key.
        make: makes of the contexts what the transport needs.

    Raises:
        ConfigurationError: with a problem for each file that cannot be used.
    """

    def __init__(
        self,
        ca_bundle: str | None,
        client_certificate: tuple[str, str] | None,
        make: Callable[[Contexts], T],
    ) -> None:
        self._authorities = _find_authorities(ca_bundle)
        self._client_certificate = client_certificate or ()
        self._make = make
        self._by_process: dict[int, _Cached[T]] = {}
        self._up_to_date()

    def current(self) -> T:
        """Return what was made of the files as they are now; reads them where one has changed.

        Raises:
            HttpError: one has changed, and cannot be used.
        """
        try:
            return self._up_to_date()
        except ConfigurationError as error:
            raise HttpError(f"a file has changed and cannot be used: {error}") from error

    def unchanged(self) -> T | None:
        """Return what :meth:`current` would, or ``None`` where it would have to read the files."""
        cached = self._by_process.get(os.getpid())
        return None if cached is None or cached.state != self._stat() else cached.value

    def peek(self) -> T | None:
        """Return what this process made last, even if the files have changed since."""
        cached = self._by_process.get(os.getpid())
        return None if cached is None or cached.state is None else cached.value

    def _up_to_date(self) -> T:
        process = os.getpid()
        # The lock is this process's own: a child that inherits it locked never asks for it.
        cached = self._by_process.get(process) or self._by_process.setdefault(process, _Cached())
        with cached.lock:  # of many exchanges that begin at once, one reads
            state = self._stat()
            if state != cached.state:
                cached.value = self._make(self._read())
                cached.state = state
            return cached.value

    def _stat(self) -> list[object]:
        return [_stat_of(path) for path in (*self._authorities.paths, *self._client_certificate)]

    def _read(self) -> Contexts:
        problems: list[Problem] = []
        contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)]
        try:
            contexts = [_trust(self._authorities) for _ in ("plain", *self._client_certificate[:1])]
        except OSError:
            message = "holds no PEM certificates that can be read"
            problems.append(Problem("ca_bundle", self._authorities.variable, message))
        if self._client_certificate:
            try:
                contexts[-1].load_cert_chain(*self._client_certificate, password=_no_password)
            except (OSError, ValueError):
                problems.append(
                    Problem(
                        "mtls_certificate",
                        f"{VARIABLE_PREFIX}MTLS_CERTIFICATE and {VARIABLE_PREFIX}MTLS_CERTIFICATE_KEY",
                        "is no pair of a PEM certificate and its unencrypted key",
                    )
                )
        if problems:
            raise ConfigurationError(problems)
        return Contexts(contexts[0], contexts[-1])


def _find_authorities(ca_bundle: str | None) -> _Authorities:
    if ca_bundle is not None:
        return _file_or_folder(ca_bundle, f"{VARIABLE_PREFIX}CA_BUNDLE")
    for name in VARIABLES:
        if path := os.environ.get(name):
            return _file_or_folder(path, name)
    file, folders = (os.environ.get(name) or None for name in OPENSSL_VARIABLES)
    if file or folders:
        return _Authorities(file, folders, OPENSSL_VARIABLES[0] if file else OPENSSL_VARIABLES[1])
    return _file_or_folder(DEFAULT_CA_BUNDLE_PATH, None)


def _file_or_folder(path: str, variable: str | None) -> _Authorities:
    return _Authorities(None, path, variable) if os.path.isdir(path) else _Authorities(path, None, variable)


def _stat_of(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    # Size and mtime can be the same after a renewal; ctime cannot be set.
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _trust(authorities: _Authorities) -> ssl.SSLContext:
    """Return a context that many connections may be made with at once.

    Raises:
        OSError: the bundle cannot be read, or no folder exists.
    """
    if not authorities.file and not any(map(os.path.isdir, authorities.paths)):
        raise FileNotFoundError
    context = ssl.create_default_context(cafile=authorities.file, capath=authorities.folders)
    # At least this; a system that demands more keeps its setting.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.hostname_checks_common_name = False  # only alternative names count (RFC 9525 section 2)
    context.post_handshake_auth = True  # some servers want our certificate only once they know the request
    context.set_alpn_protocols(["http/1.1"])
    # HTTP clients would set that again for every connection, and free what another thread is just reading.
    vars(context)["set_alpn_protocols"] = lambda _protocols: None
    return context


def _no_password() -> str:
    """Answer for an encrypted key: without this OpenSSL would ask on the terminal, and wait."""
    raise ValueError("the key is encrypted")
