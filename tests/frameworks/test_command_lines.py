"""Applications served by the command lines of frameworks and servers are protected.

The applications are the first examples of the guides for these frameworks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from monocloud_mw.testing import LocalTenant

from ..adapters.exchange import call_socket
from ..attacks.exposure import pieces_of, seen_in
from .command_lines import find_example, finish, serve

pytestmark = pytest.mark.slow

EXAMPLES: Final = {
    "fastapi": ("command-lines", "FastAPI()"),
    "flask": ("command-lines", "Flask(__name__)"),
    "quart": ("quart", "Quart("),
    "litestar": ("litestar", "Litestar("),
    "falcon": ("falcon", "falcon.App()"),
    "bottle": ("bottle", "Bottle()"),
    "pyramid": ("pyramid", "Configurator("),
}
PYRAMID_SETTINGS: Final = """
[app:main]
use = call:main:main
[server:main]
use = egg:waitress#main
listen = 127.0.0.1:PORT
"""
COMMANDS: Final = {
    "fastapi run": ("fastapi", "fastapi run main.py --host 127.0.0.1 --port PORT"),
    "fastapi dev": ("fastapi", "fastapi dev main.py --port PORT"),
    "uvicorn": ("fastapi", "uvicorn main:app --port PORT"),
    "hypercorn": ("fastapi", "hypercorn main:app --bind 127.0.0.1:PORT"),
    "granian, asgi": ("fastapi", "granian --interface asgi --port PORT main:app"),
    "daphne": ("fastapi", "daphne -b 127.0.0.1 -p PORT main:app"),
    "gunicorn, asgi": (
        "fastapi",
        "gunicorn -k uvicorn_worker.UvicornWorker --bind 127.0.0.1:PORT main:app",
    ),
    "flask run": ("flask", "flask --app main run --port PORT"),
    "gunicorn": ("flask", "gunicorn --bind 127.0.0.1:PORT main:app"),
    "granian, wsgi": ("flask", "granian --interface wsgi --port PORT main:app"),
    "quart run": ("quart", "quart --app main run --port PORT"),
    "litestar run": ("litestar", "litestar --app main:app run --port PORT"),
    "litestar run, found": ("litestar", "litestar run --port PORT"),
    "falcon": ("falcon", "gunicorn --bind 127.0.0.1:PORT main:app"),
    "bottle": ("bottle", "python -m bottle --bind 127.0.0.1:PORT main:app"),
    "pserve": ("pyramid", "pserve pyramid.ini http_port=PORT"),
    "pyramid": ("pyramid", "gunicorn --bind 127.0.0.1:PORT main:main()"),
}


@pytest.mark.parametrize(("framework", "command"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_line_serves_a_protected_application(
    framework: str, command: str, tenant: LocalTenant, tmp_path: Path
) -> None:
    """Without a valid token the response is 401; with one, the view knows the caller."""
    (tmp_path / "main.py").write_text(find_example(*EXAMPLES[framework]), encoding="utf-8")
    (tmp_path / "app.py").write_text("from main import *\n", encoding="utf-8")  # `litestar run` looks there
    (tmp_path / "pyramid.ini").write_text(PYRAMID_SETTINGS.replace("PORT", "%(http_port)s"), encoding="utf-8")
    with serve(command.split(), tmp_path, tenant.environment(tenant.client)) as port:
        call = call_socket(port)
        answers = [
            call("GET", "/orders", headers)
            for headers in (
                [],
                [("Authorization", "Bearer a.b.c")],
                [("Authorization", f"Bearer {tenant.mint(subject='alice')}")],
            )
        ]
        healthz = call("GET", "/healthz", [])
    assert [answer.status for answer in answers] == [401, 401, 200]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert answers[2].json == {"seen_by": "alice"}
    assert healthz.status == 200


EXPLAINED: Final = {
    "uvicorn": ("fastapi", "uvicorn main:app --port PORT"),
    "fastapi dev": ("fastapi", "fastapi dev main.py --port PORT"),
    "flask --debug": ("flask", "flask --app main --debug run --port PORT"),
}


@pytest.mark.parametrize(("framework", "command"), EXPLAINED.values(), ids=EXPLAINED)
def test_explain_mode_writes_to_the_terminal(
    framework: str, command: str, tenant: LocalTenant, tmp_path: Path
) -> None:
    """Why a token is refused is read where the server runs, without any logging set up."""
    (tmp_path / "main.py").write_text(find_example(*EXAMPLES[framework]), encoding="utf-8")
    environ = {**tenant.environment(tenant.client), "MONOCLOUD_BACKEND_EXPLAIN": "1"}
    token = tenant.mint(audience="https://other.example.com", subject="somebody-who-is-not-named")
    with serve(command.split(), tmp_path, environ) as port:
        answer = call_socket(port)("GET", "/orders", [("Authorization", f"Bearer {token}")])
        shown = (tmp_path / "output.log").read_text(encoding="utf-8", errors="replace")
    assert answer.status == 401
    assert "FOR DEVELOPMENT ONLY" in shown
    explained = shown.partition("monocloud_mw: 'GET' '/orders' -> 401 [wrong_audience] ")[2].splitlines()
    assert explained[1:3] == [
        f"    expected: {tenant.audience!r}",
        "    found: 'https://other.example.com'",
    ]
    assert seen_in(shown, pieces_of(*token.split("."), "somebody-who-is-not-named")) == []


WRAPPED: Final = {
    "fastapi run": ("fastapi", "FastAPI()", "fastapi run main.py --host 127.0.0.1 --port PORT"),
    "flask run": ("flask", "Flask(__name__)", "flask --app main run --port PORT"),
    "quart run": ("quart", "Quart(__name__)", "quart --app main run --port PORT"),
    "litestar run": ("litestar", "Litestar([])", "litestar --app main run --port PORT"),
}


def _wrap(framework: str, create: str, name: str) -> str:
    kind = "wsgi" if framework == "flask" else "asgi"
    return (
        f"from {framework} import *\nfrom monocloud_mw.adapters.{kind} import ProtectApiMiddleware\n"
        f"{name} = {create}\napp = ProtectApiMiddleware({name})\n"
    )


@pytest.mark.parametrize(("framework", "create", "command"), WRAPPED.values(), ids=WRAPPED)
def test_a_command_line_serves_no_wrapper(
    framework: str, create: str, command: str, tenant: LocalTenant, tmp_path: Path
) -> None:
    """If the wrapper replaces the application's name, no unprotected application is served."""
    (tmp_path / "main.py").write_text(_wrap(framework, create, "app"), encoding="utf-8")
    status, output = finish(command.split(), tmp_path, tenant.environment(tenant.client))
    assert status != 0, output


@pytest.mark.parametrize(
    ("framework", "create", "server"),
    [
        ("fastapi", "FastAPI()", "uvicorn main:app --port PORT"),
        ("flask", "Flask(__name__)", "gunicorn --bind 127.0.0.1:PORT main:app"),
    ],
    ids=["uvicorn", "gunicorn"],
)
def test_a_server_that_is_given_the_wrapper_serves_it(
    framework: str, create: str, server: str, tenant: LocalTenant, tmp_path: Path
) -> None:
    """A wrapper with a name of its own protects if the server is given that name."""
    (tmp_path / "main.py").write_text(_wrap(framework, create, "api"), encoding="utf-8")
    with serve(server.split(), tmp_path, tenant.environment(tenant.client)) as port:
        assert call_socket(port)("GET", "/", []).status == 401


WRONG: Final = {
    "uvicorn": ("fastapi", "uvicorn main:app --port PORT"),
    "hypercorn": ("fastapi", "hypercorn main:app --bind 127.0.0.1:PORT"),
    "granian": ("fastapi", "granian --interface asgi --port PORT main:app"),
    "fastapi run": ("fastapi", "fastapi run main.py --host 127.0.0.1 --port PORT"),
    "flask run": ("flask", "flask --app main run --port PORT"),
    "quart run": ("quart", "quart --app main run --port PORT"),
    "litestar run": ("litestar", "litestar --app main:app run --port PORT"),
    "gunicorn": ("flask", "gunicorn --bind 127.0.0.1:PORT main:app"),
}


@pytest.mark.parametrize(("framework", "command"), WRONG.values(), ids=WRONG)
def test_a_wrong_configuration_ends_the_start(
    framework: str, command: str, tenant: LocalTenant, tmp_path: Path
) -> None:
    """The command ends with an error that names the option, without serving a request."""
    (tmp_path / "main.py").write_text(find_example(*EXAMPLES[framework]), encoding="utf-8")
    environ = {**tenant.environment(tenant.client), "MONOCLOUD_BACKEND_AUDIENCE": ""}
    status, output = finish(command.split(), tmp_path, environ)
    assert status != 0 or command.startswith("hypercorn"), output  # hypercorn always exits with 0
    assert "MONOCLOUD_BACKEND_AUDIENCE" in output.replace("\n", "")
