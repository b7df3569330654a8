"""Settings of the documentation. Pages are Markdown (MyST); the API pages read the docstrings (autodoc)."""

import os
import re
from importlib import import_module
from importlib.metadata import version as version_of
from pathlib import Path

from django.conf import settings
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from monocloud_mw.documentation import DOCS_URL

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
exclude_patterns = ["examples", "measured"]  # pages include what is in the latter

# Where the documentation is served: as in setup.py, which writes it into the package.
html_baseurl = os.environ.get("MONOCLOUD_MW_DOCS_URL", "") or DOCS_URL
html_theme = "furo"
html_title = f"{project} {version}"
html_favicon = "images/favicon.svg"
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

# The modules that users import from; a reference to where a name is defined leads to the name there.
API_PAGE = (Path(__file__).parent / "reference" / "api.md").read_text(encoding="utf-8")
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


def document_public_modules(_app: Sphinx, page: str, source: list[str]) -> None:
    """Add a section for each public module to the page on the API; each name is in the first that has it."""
    if page != "reference/api":
        return
    source[0] = re.sub(r"^- (?=`)", "- {py:mod}", source[0], flags=re.MULTILINE)
    documented: dict[int, str] = {}
    for module in PUBLIC:
        names = {name: getattr(import_module(module), name) for name in import_module(module).__all__}
        elsewhere = [documented[id(value)] for value in names.values() if id(value) in documented]
        left_out = [
            name
            for name, value in names.items()
            if id(value) in documented or name in ("__version__", "current_claims", "faults")
        ]
        documented = {id(value): f"{module}.{name}" for name, value in names.items()} | documented
        options = [":members:", ":imported-members:", ":inherited-members: dict, Exception, str, object"]
        options += [f":exclude-members: {', '.join(left_out)}"] * bool(left_out)
        block = "\n   ".join([f".. automodule:: {module}", *options])
        if "current_claims" in names:
            block += (
                "\n\n   .. py:data:: current_claims\n\n      The claims of the token of the current request."
            )
        if "faults" in names:
            block += f"\n\n.. automodule:: {module}.faults\n   :members:"
        if elsewhere:
            block += "\n\nDescribed above: " + ", ".join(f":py:obj:`{name}`" for name in elsewhere)
        source[0] += f"\n## {module}\n\n```{{eval-rst}}\n{block}\n```\n"


def undo_inline_types(
    _app: Sphinx, kind: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Put the start of an attribute's docstring back, where napoleon has read ``start: rest`` as a type."""
    if kind in ("attribute", "data", "property"):
        for number, line in enumerate(lines):
            if line.startswith(":type: "):
                lines[number] = ""
                lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"


RFC = re.compile(r"RFC (\d{3,5})(?: section ([\d.]*\d))?")


def link_rfcs(_app: Sphinx, document: nodes.document) -> None:
    """Link each mention of an RFC, with its section where one is named."""
    for text in list(document.findall(nodes.Text)):
        ancestors, node = set(), text.parent
        while node is not None:
            ancestors.add(type(node))
            node = node.parent
        if ancestors & {nodes.reference, nodes.literal, nodes.literal_block, nodes.title}:
            continue
        parts, end = [], 0
        for found in RFC.finditer(text):
            number, section = found.groups()
            address = f"https://www.rfc-editor.org/rfc/rfc{number}" + f"#section-{section}" * bool(section)
            parts += [nodes.Text(text[end : found.start()]), nodes.reference("", found[0], refuri=address)]
            end = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])


# What people search for, and the page or section that answers it. The search of Sphinx ignores numbers in the
# text, but finds them in the index, and lists what is in the index first.
SEARCH_WORDS = {
    "troubleshooting": "400, 401, 403, 500, 503, unauthorized, forbidden, invalid_token, invalid_request",
    "explanation/outages": "503, Retry-After, circuit breaker",
    "explanation/performance": "benchmark, speed",
    "explanation/security-model": "security, threat model, DPoP, replay",
    "how-to/asgi#middleware-order": "CORS, preflight",
    "how-to/caches": "Redis, Valkey, cache",
    "how-to/deployment": "gunicorn, uWSGI, mod_wsgi, gevent, serverless",
    "how-to/deployment#aws-lambda-with-mangum": "AWS Lambda, Lambda",
    "how-to/doctor": "doctor, explain, debug",
    "how-to/flask": "Flask, decorator",
    "how-to/flask#cors": "CORS, preflight",
    "how-to/migrate-from-authlib": "Authlib",
    "how-to/migrate-from-flask-jwt-extended": "flask-jwt-extended",
    "how-to/migrate-from-node-sdk": "Node",
    "how-to/migrate-from-pyjwt": "PyJWT, python-jose",
    "how-to/monocloud-dashboard": "dashboard, resource, .env",
    "how-to/monocloud-dashboard#groups-in-tokens": "groups, roles",
    "how-to/mutual-tls-and-proxies": "mTLS, mutual TLS, nginx, Envoy, client certificate",
    "how-to/observability": "metrics, OpenTelemetry, Prometheus",
    "how-to/opaque-tokens": "opaque, introspection, revocation, reference token",
    "how-to/several-machines": "several machines, multiple processes",
    "how-to/several-machines#kubernetes": "Kubernetes",
    "how-to/testing": "test, testing, pytest, mock",
    "how-to/wsgi#middleware-order": "CORS, preflight",
    "project/where-a-new-thing-goes": "contribute, signature algorithm",
    "reference/errors": "invalid_token, insufficient_scope, WWW-Authenticate",
    "reference/options#tokens-of-another-provider": "Auth0, Okta, Keycloak",
    "tutorials/django": "Django",
    "tutorials/django-rest-framework": "Django, Swagger, drf-spectacular, Ninja",
    "tutorials/fastapi": "FastAPI",
    "tutorials/fastapi#the-authorize-button": "Swagger, OpenAPI",
    "tutorials/flask": "Flask",
    "tutorials/starlette": "Starlette",
}


def add_search_words(app: Sphinx, document: nodes.document) -> None:
    """Add the words of ``SEARCH_WORDS`` to the index, so that a search lists their page first."""
    for place, words in SEARCH_WORDS.items():
        page, _, heading = place.partition("#")
        if page == app.env.docname:
            sections = list(document.findall(nodes.section))
            (target,) = [section for section in sections if heading in section["ids"]] or sections[:1]
            if heading and target is sections[0]:
                raise ExtensionError(f"SEARCH_WORDS: {page} has no heading {heading}")
            entries = [("single", word, target["ids"][0], "main", None) for word in words.split(", ")]
            target.insert(1, addnodes.index(entries=entries))


def write_llms_txt(app: Sphinx, error: Exception | None) -> None:
    """Write an index of all pages for language models: ``llms.txt`` (llmstxt.org)."""
    if error is not None or app.builder.format != "html":
        return
    lines = [f"# {project}", "", f"> {DESCRIPTION}", "", "This project is not made by MonoCloud.", ""]
    for section in ("tutorials", "how-to", "", "reference", "explanation", "project"):
        lines += [f"## {section or 'more'}", ""]
        for page in sorted(app.env.all_docs):
            if page.rpartition("/")[0] == section and not page.endswith("index"):
                title = app.env.titles[page].astext()
                lines.append(f"- [{title}]({html_baseurl.rstrip('/')}{'/' * bool(html_baseurl)}{page}.html)")
        lines.append("")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", document_public_modules)
    app.connect("autodoc-process-docstring", undo_inline_types, priority=600)  # napoleon has 500
    app.connect("doctree-read", point_to_the_public_name)
    app.connect("doctree-read", add_search_words)
    app.connect("doctree-read", link_rfcs)
    app.connect("build-finished", write_llms_txt)
