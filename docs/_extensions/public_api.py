"""Writes the pages on the API: each public name, under the module that users import it from."""

import re
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

# The modules that users import from; a reference to where a name is defined leads to the name there.
API_PAGE = (Path(__file__).parents[1] / "reference" / "api.md").read_text(encoding="utf-8")
PUBLIC = re.findall(r"^- `(monocloud_mw[.\w]*)`", API_PAGE, re.MULTILINE)


def point_to_the_public_name(_app: Sphinx, document: nodes.document) -> None:
    """Let a reference to where a name is defined lead to the name that users import."""
    public = {
        f"{getattr(value, '__module__', module)}.{name}": f"{module}.{name}"
        for module in reversed(PUBLIC)
        for name in import_module(module).__all__
        for value in [getattr(import_module(module), name)]
    }
    for reference in document.findall(addnodes.pending_xref):
        target = reference["reftarget"]
        owner, _, member = target.rpartition(".")
        if owner in public:
            reference["reftarget"] = f"{public[owner]}.{member}"
        else:
            reference["reftarget"] = public.get(target, target)


def _names(module: str) -> dict[str, object]:
    return {name: getattr(import_module(module), name) for name in import_module(module).__all__}


def document_public_modules(_app: Sphinx, page: str, source: list[str]) -> None:
    """Fill the page of each public module; each name is on the page of the first module that has it."""
    if page == "reference/api":
        source[0] = re.sub(r"^- (?=`)", "- {py:mod}", source[0], flags=re.MULTILINE)
    folder, _, module = page.rpartition("/")
    if folder != "reference/api":
        return
    before = PUBLIC[: PUBLIC.index(module)]
    documented = {
        id(value): f"{earlier}.{name}"
        for earlier in reversed(before)
        for name, value in _names(earlier).items()
    }
    names = _names(module)
    elsewhere = [documented[id(value)] for value in names.values() if id(value) in documented]
    left_out = [
        name
        for name, value in names.items()
        if id(value) in documented or name in ("__version__", "current_claims", "faults")
    ]
    options = [
        ":members:",
        ":imported-members:",
        ":inherited-members: dict, BaseException, APIException, str, object",
    ]
    options += [f":exclude-members: {', '.join(left_out)}"] * bool(left_out)
    block = "\n   ".join([f".. automodule:: {module}", *options])
    if "current_claims" in names:
        block += "\n\n   .. py:data:: current_claims\n\n      The claims of the token of the current request."
    if "faults" in names:
        block += f"\n\n.. automodule:: {module}.faults\n   :members:"
    if elsewhere:
        block += "\n\nAlso here: " + ", ".join(f":py:obj:`{name}`" for name in elsewhere)
    source[0] += f"\n```{{eval-rst}}\n{block}\n```\n"


def undo_inline_types(
    _app: Sphinx, kind: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Put the start of an attribute's docstring back, where napoleon has read ``start: rest`` as a type."""
    if kind in ("attribute", "data", "property"):
        for number, line in enumerate(lines):
            if line.startswith(":type: "):
                lines[number] = ""
                lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"


# What a signature shows, and what is written in the source.
WRITTEN = {
    r"TypeAliasForwardRef\('(\w+)'\)": r"\1",
    r"<built-in function time>": "time.time",
    r"mappingproxy\(\{\}\)": "{}",
    r"dict_keys\(\[[^]]*\]\)": "ALGORITHMS",
}


def show_what_is_written(
    _app: Sphinx,
    _kind: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Show names instead of the reprs of values that have no literal."""
    for shown, written in WRITTEN.items():
        signature = signature and re.sub(shown, written, signature)
    return signature, returns


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("source-read", document_public_modules)
    app.connect("autodoc-process-docstring", undo_inline_types, priority=600)  # napoleon has 500
    app.connect("autodoc-process-signature", show_what_is_written)
    app.connect("doctree-read", point_to_the_public_name)
