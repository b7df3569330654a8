"""The source files, and the imports of each module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["ROOT", "Import", "imports_of", "package_modules"]

ROOT: Final = Path(__file__).parents[2]


def package_modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name; a package has its own name."""
    modules: dict[str, Path] = {}
    for package, directory in (("monocloud_mw", "monocloud_mw"), ("monocloud_mw.adapters", "adapters")):
        for path in sorted((ROOT / directory).rglob("*.py")):
            parts = path.relative_to(ROOT / directory).with_suffix("").parts
            if parts[0] == "adapters" and directory != "adapters":
                continue  # the link, which Python 3.13 may follow
            modules[".".join((package, *parts)).removesuffix(".__init__")] = path
    return modules


class Import(NamedTuple):
    """One imported name: its full name, the number of leading dots, and the line."""

    name: str
    level: int
    line: int


def imports_of(module: str, source: str, *, is_package: bool = False) -> Iterator[Import]:
    """Yield everything that a module imports anywhere, inside functions and for type checkers included.

    ``from a import b`` gives ``a.b``, since ``b`` may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, 0, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            above = parts[: len(parts) - node.level + is_package] if node.level else []
            for alias in node.names:
                yield Import(
                    ".".join([*above, *filter(None, [node.module]), alias.name]), node.level, node.lineno
                )
