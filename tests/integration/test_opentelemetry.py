"""``opentelemetry-instrument`` with real servers: metrics and span attributes arrive at the exporters.

Each API runs in a process of its own with the console exporters, which write JSON to standard output.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import requests

from monocloud_mw.testing import LocalTenant

from ..attacks.exposure import pieces_of, seen_in
from ..free_port import free_port

pytestmark = pytest.mark.slow

SUBJECT: Final = "somebody-whose-name-is-in-no-export"
SECONDS: Final = 60.0

FASTAPI: Final = """
from fastapi import FastAPI, Security
from monocloud_mw import AsyncBackendClient
from monocloud_mw.adapters.fastapi import ProtectApi
from monocloud_mw.telemetry import TelemetryObserver

protect = ProtectApi(AsyncBackendClient(observer=TelemetryObserver()))
app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])

@app.get("/me")
async def me():
    return {}
"""
FLASK: Final = """
from flask import Flask
from monocloud_mw import BackendClient
from monocloud_mw.adapters.flask import protect_api
from monocloud_mw.telemetry import TelemetryObserver

app = Flask(__name__)
protect = protect_api(BackendClient(observer=TelemetryObserver()))

@app.get("/me")
@protect
def me():
    return {}
"""
APIS: Final = {
    "fastapi": (FASTAPI, ("uvicorn", "api:app", "--port")),
    "flask": (FLASK, ("flask", "--app", "api", "run", "--port")),
}


@contextmanager
def _serving(name: str, tenant: LocalTenant, place: Path) -> Iterator[str]:
    """Run an API under ``opentelemetry-instrument``; its exports are in ``place`` afterwards."""
    source, command = APIS[name]
    (place / "api.py").write_text(source)
    port = free_port()
    environment = {
        **os.environ,
        **tenant.environment(),
        "PYTHONPATH": os.pathsep.join((str(place), os.getcwd())),
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    tools = Path(sys.executable).parent
    with (place / "exports").open("wb") as exports:
        process = subprocess.Popen(
            [tools / "opentelemetry-instrument", tools / command[0], *command[1:], str(port)],
            cwd=place,
            env=environment,
            stdout=exports,
            stderr=subprocess.STDOUT,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server as Ctrl-C does, so that it exports what it has."""
    try:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()


def _get(url: str, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return requests.get(url, headers=headers, timeout=SECONDS).status_code
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _wait_for(exports: Path, *texts: str) -> str:
    deadline = time.monotonic() + SECONDS
    while True:
        text = exports.read_text(errors="replace")
        if all(each in text for each in texts) or time.monotonic() > deadline:
            return text
        time.sleep(0.1)


@pytest.mark.parametrize("name", APIS)
def test_a_real_run_exports_metrics_and_spans(name: str, tmp_path: Path) -> None:
    """One accepted request and one refused one, in counters and on the spans of the server."""
    expected = (
        '"monocloud.tokens.accepted"',
        '"monocloud.requests.refused"',
        '"monocloud.keys.refresh.duration"',
        '"error.type": "no_token"',
        '"monocloud.outcome": "accepted"',
        '"monocloud.reason": "no_token"',
        '"http.response.status_code": 401',
    )
    with LocalTenant() as tenant:
        token = tenant.mint(subject=SUBJECT)
        with _serving(name, tenant, tmp_path) as url:
            assert _get(f"{url}/me", None) == 401
            assert _get(f"{url}/me", token) == 200
            exported = _wait_for(tmp_path / "exports", *expected)
    assert [text for text in expected if text not in exported] == []
    assert seen_in(exported, pieces_of(SUBJECT, *token.split("."))) == []


BEFORE: Final = {
    "fastapi": """
from fastapi import FastAPI, Security
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
created_before = FastAPI()
FastAPIInstrumentor().instrument()
from fastapi import FastAPI
from monocloud_mw import ConfigurationError
from monocloud_mw.adapters.fastapi import ProtectApi, public
protect = ProtectApi()
for app in created_before, FastAPI(dependencies=[Security(protect)]):
    protect.check_routes(app)
    try:
        public(app)
    except ConfigurationError as error:
        assert "FastAPI" in str(error), error
    else:
        raise AssertionError("an application is not a view")
""",
    "flask": """
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
created_before = Flask("before")
FlaskInstrumentor().instrument()
from flask import Flask
from monocloud_mw.adapters.flask import ProtectApi

for app in created_before, Flask("after"):
    app.add_url_rule("/", view_func=lambda: "hello")
    ProtectApi(app, deny_by_default=True)
    assert app.test_client().get("/").status_code == 401
""",
}


@pytest.mark.parametrize("name", BEFORE)
def test_applications_of_both_classes_are_recognised(name: str) -> None:
    """The instrumentation replaces the class of applications, which may exist before and after that."""
    with LocalTenant() as tenant:
        environment = {**os.environ, **tenant.environment()}
        finished = subprocess.run(
            [sys.executable, "-c", BEFORE[name]],
            check=False,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert finished.returncode == 0, finished.stderr
