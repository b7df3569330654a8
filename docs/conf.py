"""Settings of the documentation. Pages are Markdown (MyST); the API pages read the docstrings (autodoc)."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from django.conf import settings

from monocloud_mw.documentation import DOCS_URL

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"]
)  # REST framework reads it

project = "monocloud_mw"
author = "the monocloud_mw authors"
project_copyright = f"2026, {author}"
version = release = version_of("monocloud-mw")

DESCRIPTION = (
    "Validate MonoCloud access tokens in Python APIs: Flask, FastAPI, Django, any WSGI or ASGI application."
)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
extensions += ["keep_units", "llms_txt", "public_api", "rfc_links", "search_words"]  # of docs/_extensions
exclude_patterns = ["examples", "measured"]  # pages include what is in the latter

# Where the documentation is served: as in setup.py, which writes it into the package.
html_baseurl = os.environ.get("MONOCLOUD_MW_DOCS_URL", "") or DOCS_URL
html_theme = "furo"
html_title = f"{project} {version}"
html_favicon = "images/favicon.svg"
html_domain_indices = False  # the page on the API lists the modules
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
pygments_style = "default"
pygments_dark_style = "github-dark"
copybutton_exclude = ".linenos, .gp, .go"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
myst_html_meta = {"description": DESCRIPTION}

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False  # those of other packages, such as dict.update, do not fit
autodoc_type_aliases = {"App": "ASGIApplication", "OnError": "OnError", "Scope": "Scope"}  # long types
python_maximum_signature_line_length = 100  # longer ones have one parameter per line
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Every reference into this package must resolve. The names of other packages are left alone: looking them
# up would take the internet, and the documentation is to build without it. Type variables have no page.
nitpick_ignore_regex = [(r"py:.*", r"(?!monocloud_mw\b).*"), (r"py:class", r"monocloud_mw\..*\.([A-Z]|View)")]

# Private modules have no page either.
nitpick_ignore_regex += [
    (
        r"py:.*",
        r"monocloud_mw\.(core|drivers|frozen|jose|lifecycle|options|protect|stores|transports|testing)\..*",
    ),
    (r"py:.*", r"monocloud_mw\.adapters(\.\w+\.\w+\.\w+|\.\w+\.View)?"),
    (r"py:obj", r"monocloud_mw\..*\.[A-Z]"),
]
