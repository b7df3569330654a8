"""The layers of the package: imports point downwards only, and the pure layers do no I/O.

- A module imports from its own layer and from the levels below it, not from others on its level.
- A pure layer imports nothing that waits, does I/O, or reads a clock or the environment, and
  only the third-party packages that :data:`PURE_LAYERS` names for it.
- An adapter imports the core by absolute name and its neighbours relatively, because ``adapters/`` is
  mapped into the package.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Final

import pytest

from .sources import ROOT, imports_of, package_modules

# From the ground up. "values" are the modules that everything else speaks in; "" is the package's face.
LEVELS: Final[tuple[frozenset[str], ...]] = (
    frozenset({"values"}),
    frozenset({"jose"}),
    frozenset({"options"}),
    frozenset({"core"}),
    frozenset({"protect"}),
    frozenset({"lifecycle"}),
    frozenset({"stores", "transports"}),
    frozenset({"drivers"}),
    frozenset({"client"}),
    frozenset({""}),
    frozenset({"adapters", "telemetry", "testing"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
VALUES: Final = frozenset(
    {
        *(
            "callables",
            "claims",
            "claims_cache",
            "documentation",
            "durations",
            "errors",
            "events",
            "frozen",
            "http",
        ),
        *("log_limits", "quoting", "reasons", "urls", "version"),
    }
)

# The pure layers, and the third-party packages that each may use.
PURE_LAYERS: Final[Mapping[str, frozenset[str]]] = {
    "values": frozenset({"attrs"}),
    "jose": frozenset({"attrs", "cryptography"}),
    "options": frozenset({"attrs"}),
    "core": frozenset({"attrs", "cryptography"}),
    "protect": frozenset(
        {"attrs", "cryptography", "werkzeug.exceptions", "werkzeug.http", "werkzeug.routing"}
    ),
}
IMPURE: Final = frozenset(
    {
        *("_thread", "asyncio", "concurrent", "multiprocessing", "queue", "sched", "threading"),
        *(
            "http.client",
            "http.server",
            "select",
            "selectors",
            "socket",
            "socketserver",
            "ssl",
            "urllib.request",
        ),
        *("os", "shutil", "signal", "subprocess", "tempfile", "time"),
    }
)
CLOCK_METHODS: Final = frozenset({"now", "today", "utcnow"})


def _layer_of(module: str) -> str:
    top = f"{module}.".split(".")[1]
    return "values" if top in VALUES else top


def _level_of(layer: str) -> int:
    return next((level for level, layers in enumerate(LEVELS) if layer in layers), -1)


def _within(name: str, packages: frozenset[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def _violations(module: str, source: str, *, is_package: bool = False) -> Iterator[str]:
    layer = _layer_of(module)
    if _level_of(layer) < 0:
        yield f"{module}: belongs to no layer; name it in LEVELS"
        return
    for imported in imports_of(module, source, is_package=is_package):
        where = f"{module}:{imported.line}"
        if _within(imported.name, frozenset({"monocloud_mw"})):
            # `from monocloud_mw import name` is the package itself, unless the name is a layer.
            target = _layer_of(imported.name) if _level_of(_layer_of(imported.name)) >= 0 else ""
            if target != layer and _level_of(target) >= _level_of(layer):
                yield f"{where}: {layer or 'the package'} must not import {imported.name}"
            if layer == "adapters" and (imported.level > 0) != (target == "adapters"):
                yield f"{where}: adapters import the core by absolute name and each other relatively"
        elif layer in PURE_LAYERS:
            in_library = imported.name.split(".")[0] in sys.stdlib_module_names
            if _within(imported.name, IMPURE) or not (
                in_library or _within(imported.name, PURE_LAYERS[layer])
            ):
                yield f"{where}: {layer} is pure and must not import {imported.name}"
    if layer in PURE_LAYERS:
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CLOCK_METHODS
            ):
                yield f"{module}:{node.lineno}: {layer} is pure and must not read a clock"


def test_imports_point_downwards() -> None:
    """Every module keeps to its layer."""
    found = [
        violation
        for module, path in package_modules().items()
        for violation in _violations(
            module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py"
        )
    ]
    assert found == []


def test_imports_have_no_circles() -> None:
    """No two modules import each other, not even for type checkers or through other modules."""
    modules = package_modules()
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        imports = imports_of(module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py")
        imported = {name if name in modules else name.rpartition(".")[0] for name, *_ in imports}
        graph[module] = (imported & modules.keys()) - {module}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError with the modules of a circle


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("monocloud_mw.jose.jws", "from ..errors import TokenError"),
        ("monocloud_mw.jose.jws", "from . import base64url"),
        ("monocloud_mw.jose.jws", "from cryptography import exceptions"),
        ("monocloud_mw.core.token.validator", "from ..options import Options"),
        ("monocloud_mw.core.token.validator", "import datetime"),
        ("monocloud_mw.protect.rules", "from werkzeug.routing import Map"),
        ("monocloud_mw.drivers.threads", "import time, threading, requests"),
        ("monocloud_mw.client", "from .core.validator import Validator"),
        ("monocloud_mw.adapters.flask", "from .wsgi import ProtectApiMiddleware"),
        ("monocloud_mw.adapters.flask", "from monocloud_mw.client import BackendClient"),
        ("monocloud_mw.adapters.flask", "from monocloud_mw import BackendClient"),
        ("monocloud_mw.testing._tenant.tenant", "from ..jose import SigningKey"),
    ],
)
def test_good_imports_pass(module: str, source: str) -> None:
    """The checker lets through what the layers allow."""
    assert list(_violations(module, source)) == []


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        (
            "monocloud_mw.errors",
            "from .core import effects",
            "values must not import monocloud_mw.core.effects",
        ),
        (
            "monocloud_mw.jose.jws",
            "from ..options import Options",
            "jose must not import monocloud_mw.options.Options",
        ),
        ("monocloud_mw.jose.jws", "import werkzeug.http", "jose is pure and must not import werkzeug.http"),
        (
            "monocloud_mw.core.x",
            "from ..client import BackendClient",
            "core must not import monocloud_mw.client",
        ),
        (
            "monocloud_mw.core.x",
            "from .. import BackendClient",
            "core must not import monocloud_mw.BackendClient",
        ),
        (
            "monocloud_mw.core.x",
            "def f():\n    import requests",
            "x:2: core is pure and must not import requests",
        ),
        ("monocloud_mw.core.x", "from time import time", "core is pure and must not import time.time"),
        ("monocloud_mw.core.x", "import os.path", "core is pure and must not import os.path"),
        (
            "monocloud_mw.core.x",
            "from urllib import request",
            "core is pure and must not import urllib.request",
        ),
        ("monocloud_mw.core.x", "datetime.now(UTC)", "core is pure and must not read a clock"),
        ("monocloud_mw.protect.x", "import flask", "protect is pure and must not import flask"),
        (
            "monocloud_mw.protect.x",
            "from werkzeug import serving",
            "protect is pure and must not import werkzeug.",
        ),
        (
            "monocloud_mw.stores.redis",
            "from ..transports import x",
            "stores must not import monocloud_mw.transports",
        ),
        (
            "monocloud_mw.client",
            "from .adapters import wsgi",
            "client must not import monocloud_mw.adapters.wsgi",
        ),
        (
            "monocloud_mw.adapters.wsgi",
            "from ..client import BackendClient",
            "adapters import the core by absolute",
        ),
        (
            "monocloud_mw.adapters.x",
            "import monocloud_mw.adapters.wsgi",
            "adapters import the core by absolute",
        ),
        (
            "monocloud_mw.adapters.x",
            "import monocloud_mw.testing",
            "adapters must not import monocloud_mw.testing",
        ),
        ("monocloud_mw.helpers", "", "belongs to no layer"),
    ],
)
def test_bad_imports_are_found(module: str, source: str, expected: str) -> None:
    """The checker finds each kind of violation and says where it is."""
    (violation,) = _violations(module, source)
    assert expected in violation


def test_coverage_covers_the_pure_rooms() -> None:
    """The layers that must be covered in full are exactly the pure ones."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    covered = {
        pattern.split("/")[1].removesuffix(".py")
        for pattern in settings["tool"]["coverage"]["report"]["include"]
    }
    assert covered == (VALUES - {"version"} | PURE_LAYERS.keys()) - {"values"}
