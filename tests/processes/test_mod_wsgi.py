"""Apache with mod_wsgi as packaged by Debian and Ubuntu: the required configuration."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import requests

from monocloud_mw.testing import LocalTenant

from ..conftest import unavailable
from .programs import ROOT, TIMEOUT_SECONDS, environment

pytestmark = pytest.mark.slow

APACHE: Final = Path("/usr/sbin/apache2")
MODULES: Final = Path("/usr/lib/apache2/modules")
LIFETIME: Final = 2.0
STEP: Final = 0.05

APP: Final = """
from monocloud_mw import BackendClient
from monocloud_mw.adapters.wsgi import ProtectApiMiddleware

def api(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

application = ProtectApiMiddleware(api, BackendClient(jwks_cache_duration=2, refresh_cooldown=1))
"""

CONFIGURATION: Final = """
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/pid"
ErrorLog "{folder}/log"
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
User {user}
Group {group}
WSGISocketPrefix "{folder}/wsgi"
WSGIDaemonProcess api processes=1 threads=4 python-path={path}
WSGIPassAuthorization {pass_authorization}
WSGIScriptAlias /first "{folder}/served.py" process-group=api application-group={groups[0]}
WSGIScriptAlias /second "{folder}/served.py" process-group=api application-group={groups[1]}
<Location />
Require all granted
</Location>
"""


@contextmanager
def _apache(
    tenant: LocalTenant,
    *,
    groups: tuple[str, str] = ("%{GLOBAL}", "%{GLOBAL}"),
    pass_authorization: str = "On",
) -> Iterator[str]:
    """Run Apache with two addresses of an application, and yield the address in front of both."""
    if not (APACHE.exists() and (MODULES / "mod_wsgi.so").exists()):
        unavailable("apache2 with libapache2-mod-wsgi-py3")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (MODULES / f"mod_wsgi.so-{version}").exists():
        pytest.skip(f"mod_wsgi is not for Python {version}")
    # mod_wsgi refuses to run as root.
    user, group = (f"#{os.geteuid()}", f"#{os.getegid()}") if os.geteuid() else ("www-data", "www-data")
    packages = [ROOT, *(Path(path) for path in sys.path if "site-packages" in path)]
    if os.geteuid() == 0 and not all(map(_is_open_to_all, packages)):
        pytest.skip("the packages are for root alone")
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder, port = Path(name), listener.getsockname()[1]
        listener.close()
        folder.chmod(0o755)  # Apache gives up the rights of root
        (folder / "served.py").write_text(APP, encoding="utf-8")
        configuration = CONFIGURATION.format(
            folder=folder,
            port=port,
            modules=MODULES,
            user=user,
            group=group,
            path=":".join(map(str, packages)),
            pass_authorization=pass_authorization,
            groups=groups,
        )
        (folder / "apache.conf").write_text(configuration, encoding="utf-8")
        process = subprocess.Popen(
            [APACHE, "-f", folder / "apache.conf", "-D", "FOREGROUND"],
            env={**environment(tenant.environment()), "PYTHONPATH": ""},
        )
        try:
            _await_port(process, port, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(TIMEOUT_SECONDS)


def _is_open_to_all(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o1 for parent in (folder, *folder.parents))


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "see the output of Apache"
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(STEP)
        else:
            return


def _status(url: str, token: str | None = None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return requests.get(url, headers=headers, timeout=TIMEOUT_SECONDS).status_code


def test_mod_wsgi_in_the_main_interpreter(tenant: LocalTenant) -> None:
    """Tokens are checked, and a withdrawn key ends with its cache duration."""
    with _apache(tenant) as url:
        withdrawn = tenant.mint()
        assert [_status(f"{url}/first", token) for token in (withdrawn, None, "x")] == [200, 401, 401]
        assert _status(f"{url}/second", withdrawn) == 200
        tenant.rotate_keys(withdraw=True)
        time.sleep(1.1 * LIFETIME)
        assert [_status(f"{url}/first", token) for token in (withdrawn, tenant.mint())] == [401, 200]


def test_mod_wsgi_keeps_the_authorization_header_to_itself(tenant: LocalTenant) -> None:
    """Without WSGIPassAuthorization every request is one without a token."""
    with _apache(tenant, pass_authorization="Off") as url:
        assert _status(f"{url}/first", tenant.mint()) == 401


def test_mod_wsgi_with_a_second_subinterpreter(tenant: LocalTenant) -> None:
    """One of the two cannot import cryptography: its requests fail, and none is accepted unchecked."""
    with _apache(tenant, groups=("one", "two")) as url:
        token = tenant.mint()
        assert [_status(f"{url}/{name}", token) for name in ("first", "second")] == [200, 500]
        assert _status(f"{url}/second") == 500
