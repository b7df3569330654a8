"""Settings of the documentation. Pages are Markdown (MyST); the API pages read the docstrings (autodoc)."""

from importlib.metadata import version as version_of

project = "monocloud_mw"
author = "the monocloud_mw authors"
project_copyright = f"2026, {author}"
version = release = version_of("monocloud-mw")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples"]

html_theme = "furo"
html_title = f"{project} {version}"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False

# Every reference into this package must resolve. The names of other packages are left alone: looking them
# up would take the internet, and the documentation is to build without it.
nitpick_ignore_regex = [(r"py:.*", r"(?!monocloud_mw\b).*")]
