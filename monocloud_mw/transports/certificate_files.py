"""The files of TLS: the authorities that verify servers, and our own certificate.

- They are read once for all connections. Reading the authorities takes longer than several exchanges do.
- When one changes, they are read again before the next exchange, and no connection that was made with the
  old ones is used any more: an authority that is distrusted now, and a certificate that was replaced, are
  out at once.
- A file that is not what it should be is a mistake in the settings when a client is made. Later on,
  exchanges fail until it is mended; they never go on with what it said before.
- Of a folder of authorities OpenSSL reads a file when it needs it; only that files come and go is noticed.
- The authorities are those of ``ca_bundle``, or of the variables :data:`VARIABLES`, or what comes with
  ``requests``. The variables are read when the client is made.
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

T = TypeVar("T")


class Contexts(NamedTuple):
    """What connections are made with: ``mutual`` presents our certificate, where there is one."""

    plain: ssl.SSLContext
    mutual: ssl.SSLContext


class _InUse(Generic[T]):
    """What a process has made of the files, and the state of the files that it was made of."""

    state: object = None
    made: T

    def __init__(self) -> None:
        self.lock = threading.Lock()


class CertificateFiles(Generic[T]):
    """Keeps what a transport makes of the files, until one of them changes; may be shared by threads.

    Args:
        ca_bundle: path of a PEM bundle that verifies servers; ``None`` is what ``requests`` trusts.
        client_certificate: paths of our own PEM certificate and key.
        make: makes of the contexts what the transport needs.

    Raises:
        ConfigurationError: with a problem for each file that is not what it should be.
    """

    def __init__(
        self,
        ca_bundle: str | None,
        client_certificate: tuple[str, str] | None,
        make: Callable[[Contexts], T],
    ) -> None:
        self._variable = f"{VARIABLE_PREFIX}CA_BUNDLE"
        if ca_bundle is None:
            self._variable = next((name for name in VARIABLES if os.environ.get(name)), "")
            ca_bundle = os.environ.get(self._variable) or DEFAULT_CA_BUNDLE_PATH
        self._authorities = ca_bundle
        self._client_certificate = client_certificate or ()
        self._make = make
        self._by_process: dict[int, _InUse[T]] = {}
        self._up_to_date()

    def current(self) -> T:
        """Return what was made of the files as they are now; the same until one of them changes.

        Raises:
            HttpError: one has changed, and is not what it should be.
        """
        try:
            return self._up_to_date()
        except ConfigurationError as error:
            raise HttpError(f"a file has changed and cannot be used: {error}") from error

    def last(self) -> T | None:
        """Return what this process made last, however old the files that it was made of."""
        in_use = self._by_process.get(os.getpid())
        return None if in_use is None or in_use.state is None else in_use.made

    def _up_to_date(self) -> T:
        process = os.getpid()
        # The lock is this process's own: a child that inherits it locked never asks for it.
        in_use = self._by_process.get(process) or self._by_process.setdefault(process, _InUse())
        with in_use.lock:  # of many exchanges that begin at once, one reads
            state = [_state_of(path) for path in (self._authorities, *self._client_certificate)]
            if state != in_use.state:
                in_use.made = self._make(self._read())
                in_use.state = state
            return in_use.made

    def _read(self) -> Contexts:
        problems: list[Problem] = []
        contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)]
        try:
            contexts = [_trust(self._authorities) for _ in ("plain", *self._client_certificate[:1])]
        except OSError:
            message = "holds no PEM certificates that can be read"
            problems.append(Problem("ca_bundle", self._variable or None, message))
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


def _state_of(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    # Renewed files may have the size of the old ones, and some tools give all files one time of modification;
    # nobody can choose when the system says that a file has changed.
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _trust(authorities: str) -> ssl.SSLContext:
    """Return a context that many connections may be made with at once."""
    file, folder = (None, authorities) if os.path.isdir(authorities) else (authorities, None)
    context = ssl.create_default_context(cafile=file, capath=folder)
    # Whatever Python's default is; a system that demands more keeps its way.
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
