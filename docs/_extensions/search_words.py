"""Adds the words that people search for to the index."""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

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
    "how-to/mcp": "MCP, Model Context Protocol, FastMCP",
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
    "how-to/write-an-adapter": "aiohttp, Sanic, Tornado, adapter",
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


def setup(app: Sphinx) -> None:
    """Connect the function above."""
    app.connect("doctree-read", add_search_words)
