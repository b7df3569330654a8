"""A real redis-server that tests can stop, freeze and restart, on a plain and a TLS port."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Final

import redis
import trustme

from ..free_port import free_port

__all__ = ["PASSWORD", "RedisServer"]

PASSWORD: Final = "correct-horse-battery-staple"


class RedisServer:
    """One server process that keeps its ports and loses its data when restarted.

    Args:
        program: path of ``redis-server``.
        directory: where to put its certificates.
        authority: issues the certificate of the TLS port, for ``localhost``.
    """

    def __init__(self, program: str, directory: Path, authority: trustme.CA) -> None:
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(directory / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(directory / "certificate.pem")
        authority.cert_pem.write_to_path(directory / "ca.pem")
        self.ca_bundle: Final = str(directory / "ca.pem")
        self._port: Final = free_port()
        self._tls_port: Final = free_port()
        self.url: Final = f"redis://:{PASSWORD}@localhost:{self._port}/0"
        self.tls_url: Final = f"rediss://:{PASSWORD}@localhost:{self._tls_port}/0"
        self.socket_path: Final = str(directory / "redis.sock")
        self._command: Final = [
            program,
            *("--bind", "127.0.0.1", "--port", str(self._port), "--tls-port", str(self._tls_port)),
            *("--tls-cert-file", str(directory / "certificate.pem")),
            *("--tls-key-file", str(directory / "key.pem"), "--tls-ca-cert-file", self.ca_bundle),
            *("--tls-auth-clients", "no", "--requirepass", PASSWORD, "--dir", str(directory)),
            *("--unixsocket", self.socket_path, "--save", "", "--appendonly", "no"),
        ]
        self._process: subprocess.Popen[str] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process if necessary and return when it accepts connections."""
        if self.is_running:
            return
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ready to accept connections" in line:
                self._process = process
                return
        process.stdout.close()
        process.wait()
        raise RuntimeError("redis-server did not start:\n" + "".join(said))

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def freeze(self) -> None:
        """Stop the process with SIGSTOP: connections stay open without responses."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Continue a frozen process."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Return a client for tests to read and change what is stored."""
        return redis.Redis.from_url(self.url)
