"""The TLS files of a transport: the CA certificates that verify servers, and the client certificate.

- The files are read once for all connections, because reading the CA certificates takes longer than several
  exchanges.
- If a file changes, all files are read again before the next exchange, and existing connections are no longer
  used: a new CA or client certificate applies at once.
- An invalid file raises ``ConfigurationError`` when a client is created. If a file becomes invalid later,
  exchanges fail until it is fixed; its old content is never used.
- The CA certificates are those of ``ca_bundle``, or of the first of the variables ``REQUESTS_CA_BUNDLE``,
  ``CURL_CA_BUNDLE`` and ``SSL_CERT_FILE`` with ``SSL_CERT_DIR`` that is set, or those that ``requests`` uses
  by default. The variables are read when the client is created.
- OpenSSL reads the files of a directory of CA certificates on demand; only added and removed files are
  detected.
- A forked child process reads the files itself, because another thread of its parent may have held a lock of
  OpenSSL.
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
"""Paths of a bundle or a directory; the first variable that is set counts."""

OPENSSL_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Paths of a bundle and of directories, which are both used, as by OpenSSL itself."""

T = TypeVar("T")


class Contexts(NamedTuple):
    """The TLS contexts for connections; ``mutual`` presents the client certificate, if there is one."""

    plain: ssl.SSLContext
    mutual: ssl.SSLContext


class _Authorities(NamedTuple):
    """The location of the CA certificates: a bundle, directories (separated as in ``PATH``), or both."""

    file: str | None
    folders: str | None
    variable: str | None

    @property
    def paths(self) -> tuple[str, ...]:
        folders = self.folders.split(os.pathsep) if self.folders else []
        return tuple(path for path in (self.file, *folders) if path)


class _Cached(Generic[T]):
    """The value that was created from the files, and the state of the files at that time."""

    state: object = None
    value: T

    def __init__(self) -> None:
        self.lock = threading.Lock()


class CertificateFiles(Generic[T]):
    """Caches a value that a transport creates from the files, until one of them changes; thread-safe.

    Args:
        ca_bundle: path of a PEM bundle to verify servers; ``None`` means the default described above.
        client_certificate: paths of the PEM client certificate and its key.
        make: creates the transport's value from the TLS contexts.

    Raises:
        ConfigurationError: with a problem for each invalid file.
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
        """Return the value for the current files; read them if one has changed.

        Raises:
            HttpError: a file has changed and is invalid now.
        """
        try:
            return self._up_to_date()
        except ConfigurationError as error:
            raise HttpError(f"a TLS file has changed and is invalid: {error}") from error

    def unchanged(self) -> T | None:
        """Return the cached value if no file has changed, and ``None`` otherwise."""
        cached = self._by_process.get(os.getpid())
        return None if cached is None or cached.state != self._stat() else cached.value

    def peek(self) -> T | None:
        """Return the cached value of this process, even if the files have changed."""
        cached = self._by_process.get(os.getpid())
        return None if cached is None or cached.state is None else cached.value

    def _up_to_date(self) -> T:
        process = os.getpid()
        # One lock per process: a forked child never uses the lock of its parent, which may be held.
        cached = self._by_process.get(process) or self._by_process.setdefault(process, _Cached())
        with cached.lock:  # of several concurrent exchanges, only one reads the files
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
            message = "must be a file or directory with PEM certificates"
            problems.append(Problem("ca_bundle", self._authorities.variable, message))
        if self._client_certificate:
            try:
                contexts[-1].load_cert_chain(*self._client_certificate, password=_no_password)
            except (OSError, ValueError):
                problems.append(
                    Problem(
                        "mtls_certificate",
                        f"{VARIABLE_PREFIX}MTLS_CERTIFICATE and {VARIABLE_PREFIX}MTLS_CERTIFICATE_KEY",
                        "must be a PEM certificate and its unencrypted key",
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
    """Return a TLS context that threads may share.

    Raises:
        OSError: the bundle cannot be read, or no directory exists.
    """
    if not authorities.file and not any(map(os.path.isdir, authorities.paths)):
        raise FileNotFoundError
    context = ssl.create_default_context(cafile=authorities.file, capath=authorities.folders)
    # TLS 1.2 or later; keep a higher minimum of the system.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.hostname_checks_common_name = False  # only subjectAltName counts (RFC 9525 section 2)
    context.post_handshake_auth = True  # some servers request the certificate after the request
    context.set_alpn_protocols(["http/1.1"])
    # HTTP clients set this again for every connection, which frees memory that another thread may be reading.
    vars(context)["set_alpn_protocols"] = lambda _protocols: None
    return context


def _no_password() -> str:
    """Reject an encrypted key: by default, OpenSSL would prompt for a password on the terminal."""
    raise ValueError("the key is encrypted")
