"""Invalid input is not printed; there is no traceback, and the exit status is 1 or 2."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from monocloud_mw.documentation import docs_address
from monocloud_mw.testing import LocalTenant

from .conftest import Command
from .servers import blocked_port

SECRETS: Final[dict[str, bytes]] = {
    "password": b"correct horse battery staple",
    "password with dots": b"hunter2hunter2.hunter3hunter3.hunter4hunter4",
    "binary": bytes(range(1, 256)) * 4,
    "null": b"secret\x00secret-after-a-null",
    "a megabyte": b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo" * 30_000,
    "PEM": b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH\n-----END PRIVATE KEY-----",
    "JSON": json.dumps({"client_secret": "s3cr3t-of-the-client-7d1f"}).encode(),
    "connection string": b"redis://:password-of-redis@cache.example.com:6379/0",
    "escapes": b"\x1b]0;title-of-the-terminal\x07\x1b[2Jtext-that-moves",
    "broken UTF-8": b"\xff\xfe\xfd secret-after-broken-bytes",
    "UTF-16": "secret-in-another-encoding".encode("utf-16"),
    "a quoted token": b'"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlLXRoYXQtaXMtbm9uZQ"',
    "a token twice": b"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl\n" * 2,
    "proxy": b"http://user:password-of-the-proxy@proxy.example.com:3128",
    "options": b"--secret-that-looks-like-an-option",
    "variable": b"MONOCLOUD_BACKEND_CLIENT_SECRET=abcdefghijklmnop",
}


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("name", SECRETS)
def test_invalid_input_is_not_printed(
    name: str, form: list[str], tenant: LocalTenant, command: Command, tmp_path: Path
) -> None:
    """Input from standard input, a file or an argument is not repeated."""
    data = SECRETS[name]
    path = tmp_path / "file"
    path.write_bytes(data)
    command.secrets.append(data)
    statuses = [
        command("explain", *form, stdin=data).status,
        command("explain", *form, "--file", str(path)).status,
    ]
    if len(data) < 100_000 and b"\0" not in data:
        statuses.append(command("explain", *form, data.decode("utf-8", "surrogateescape")).status)
    assert statuses == [1, 1, 2 if name == "options" else 1][: len(statuses)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["{}"],
        ["explain", "x", "{}"],
        ["explain", "--tokn", "{}"],
        ["explain", "--json={}"],
        ["explain", "--at", "{}"],
        ["explain", "--timeout", "{}"],
        ["explain", "--file", "x", "{}"],
        ["explain", "--offline", "{}"],
        ["explain", "--{}"],
        ["doctor", "{}"],
        ["doctor", "--timeout", "{}"],
        ["doctor", "--{}=x"],
    ],
)
def test_a_usage_error_repeats_no_argument(command: Command, arguments: list[str]) -> None:
    """Any argument may be a token; the exit status is 2."""
    secret = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9"
    command.secrets.append(secret)
    result = command(*(argument.format(secret) for argument in arguments))
    assert (result.status, result.out) == (2, "")
    assert "error: " in result.err


def test_usage_errors_say_what_is_expected(command: Command) -> None:
    """The message is helpful without repeating an argument."""
    expected = {
        (): "the following arguments are required: COMMAND",
        ("explain", "--at", "soon"): "argument --at: must be a time",
        ("explain", "--timeout", "0"): "argument --timeout: must be a number of seconds from 0.1 to 120",
        ("explain", "--offline"): "argument --offline: must be given together with --jwks",
        ("explain", "--scope"): "argument --scope/--scopes: expected one argument",
        ("explane",): "argument COMMAND: invalid value",
        ("explane (choose from x)",): "argument COMMAND: invalid value (choose from",
        ("explain", "--scope", "a", "--timeout", " (choose from x)"): "argument --timeout: must be a number",
    }
    for arguments, message in expected.items():
        assert message in command(*arguments).err


@pytest.mark.parametrize("option", ["--file", "--certificate"])
def test_a_file_that_cannot_be_read(
    tenant: LocalTenant, command: Command, tmp_path: Path, option: str
) -> None:
    """The error says that the file cannot be read, and why."""
    for path in (str(tmp_path / "missing"), str(tmp_path), "/proc/self/mem"):
        result = command("explain", option, path, stdin=b"x")
        assert (result.status, result.out) == (1, "")
        assert f"the file in {option} cannot be read: " in result.err


def test_an_unusable_requirement(tenant: LocalTenant, command: Command) -> None:
    """An error of the package is one line."""
    result = command("explain", "--scopes", "two words", stdin=b"x")
    assert result.status == 1
    assert result.err.startswith("error: scopes: a scope must not contain white space")
    assert result.err.endswith(f"; see {docs_address('configuration')}\n")


def test_an_unexpected_error_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the name of the error's type only, since its text may contain anything."""
    command.secrets.append("text-of-the-error")

    def fail(*_: object) -> None:
        raise LookupError("text-of-the-error")

    monkeypatch.setattr("monocloud_mw.cli.doctor.command.run_checks", fail)
    result = command("doctor")
    assert (result.status, result.out) == (1, "")
    assert result.err == "error: unexpected LookupError; please report it, with the command\n"


def test_an_unexpected_error_of_a_check(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails."""
    command.secrets.append("text-of-the-error")

    def fail(*_: object, **__: object) -> None:
        raise LookupError("text-of-the-error")

    monkeypatch.setattr("monocloud_mw.cli.doctor.settings.Options.from_environment", fail)
    result = command("doctor")
    assert result.status == 1
    assert "FAILED   options        unexpected LookupError" in result.out


def test_an_interruption(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C ends the command without a traceback."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("monocloud_mw.cli.doctor.command.run_checks", interrupt)
    result = command("doctor")
    assert (result.status, result.err) == (1, "interrupted\n")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["--version"], ["doctor", "--help"], ["doctor"], ["doctor", "--json"], ["explain"]),
        *(["explain", "--json"], ["routes", "docs.examples.flask_app:app"]),
    ],
    ids=" ".join,
)
def test_output_that_cannot_be_written(
    tenant: LocalTenant, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """The error says why, and not that it should be reported."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        result = command(*arguments, stdin=b"x")
    assert (result.status, result.err) == (1, "error: cannot write output: No space left on device\n")


class _Full(io.StringIO):
    """Standard error on a full disk."""

    def write(self, text: str) -> int:
        """Fail."""
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("arguments", [[], ["explain", "--file", "missing"]], ids=["usage", "error"])
def test_messages_that_cannot_be_written(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """They are dropped: the exit status is the same."""
    expected = command(*arguments)
    monkeypatch.setattr(sys, "stderr", _Full())
    assert command(*arguments).status == expected.status


# In a process of its own


def _run(
    *arguments: str, variables: dict[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        arguments, input=stdin, capture_output=True, check=False, timeout=120, env=environ | variables
    )


@pytest.mark.parametrize("program", ["module", "script"])
def test_the_program(program: str, tenant: LocalTenant) -> None:
    """``python -m monocloud_mw`` and ``monocloud-mw`` are the same."""
    script = str(Path(sys.executable).with_name("monocloud-mw"))
    start = [sys.executable, "-m", "monocloud_mw"] if program == "module" else [script]
    variables = tenant.environment(tenant.client)
    finished = _run(*start, "doctor", variables=variables)
    assert (finished.returncode, finished.stderr) == (0, b"")
    finished = _run(*start, "explain", stdin=SECRETS["binary"], variables=variables)
    assert finished.returncode == 1
    assert b"Traceback" not in finished.stderr
    assert SECRETS["binary"][:20] not in finished.stdout + finished.stderr


def test_a_closed_pipe(tenant: LocalTenant) -> None:
    """A closed pipe ends the command without a traceback."""
    command = f"{sys.executable} -m monocloud_mw doctor | true"
    finished = _run("sh", "-c", command, variables=tenant.environment())
    assert finished.stderr == b""


def test_closed_standard_input(tenant: LocalTenant) -> None:
    """The error says that there is no token to read."""
    command = f"{sys.executable} -m monocloud_mw explain <&-"
    finished = _run("sh", "-c", command, variables=tenant.environment())
    assert (finished.returncode, finished.stdout) == (1, b"")
    assert finished.stderr.startswith(b"error: standard input is closed: pass the token there")


def test_control_c_while_it_waits(tenant: LocalTenant) -> None:
    """The command ends at once, with a word on what it waited for before, and no traceback."""
    with blocked_port() as port:
        variables = tenant.environment() | {"MONOCLOUD_BACKEND_TENANT_DOMAIN": f"https://127.0.0.1:{port}"}
        process = subprocess.Popen(
            [sys.executable, "-m", "monocloud_mw", "doctor", "--timeout", "60"],
            env=os.environ | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
    assert first.startswith(b"waiting: tcp (")
    assert (process.returncode, rest) == (1, b"interrupted\n")


def test_a_private_key_is_not_shown(tenant: LocalTenant, command: Command) -> None:
    """A JWK as client_secret is not printed, whether it is valid or not."""
    key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0waw"
    command.secrets.append(key)
    command.set_variables(
        {
            "MONOCLOUD_BACKEND_CLIENT_SECRET": json.dumps({"kty": "EC", "crv": "P-256", "d": key}),
            "MONOCLOUD_BACKEND_CLIENT_AUTH_METHOD": "private_key_jwt",
        }
    )
    result = command("doctor")
    assert result.status == 1
    assert "FAILED   options" in result.out
    assert "client_secret (MONOCLOUD_BACKEND_CLIENT_SECRET): " in result.out
