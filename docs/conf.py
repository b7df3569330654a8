"""Settings of the documentation. Pages are Markdown (MyST); the API pages read the docstrings (autodoc)."""

from importlib import import_module
from importlib.metadata import version as version_of

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

project = "monocloud_mw"
author = "the monocloud_mw authors"
project_copyright = f"2026, {author}"
version = release = version_of("monocloud-mw")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples", "measured"]  # pages include what is in the latter

html_theme = "furo"
html_title = f"{project} {version}"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False

# Every reference into this package must resolve. The names of other packages are left alone: looking them
# up would take the internet, and the documentation is to build without it. Type variables have no page.
nitpick_ignore_regex = [(r"py:.*", r"(?!monocloud_mw\b).*"), (r"py:class", r"monocloud_mw\..*\.([A-Z]|View)")]

# The packages that re-export names from their modules.
FACES = ("monocloud_mw", "monocloud_mw.stores", "monocloud_mw.jose", "monocloud_mw.testing")


def point_to_the_definition(_app: Sphinx, document: nodes.document) -> None:
    """Let a reference to a re-exported name lead to where that name is documented: in its own module."""
    homes = {
        f"{face}.{name}": f"{getattr(import_module(face), name).__module__}.{name}"
        for face in FACES
        for name in import_module(face).__all__
        if hasattr(getattr(import_module(face), name), "__module__")
    }
    for reference in document.findall(addnodes.pending_xref):
        target = reference["reftarget"]
        reference["reftarget"] = homes.get(target, target)


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("doctree-read", point_to_the_definition)
