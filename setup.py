"""Package metadata of monocloud-mw.

The sources of the adapters are in ``adapters/`` and are installed as ``monocloud_mw.adapters``. Packages are
therefore listed by name: ``find_packages()`` would find a top-level package ``adapters``, and a second copy
through the symbolic link ``monocloud_mw/adapters``, which is for type checkers.
"""

import os
import re
import runpy
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent

# Each lower bound is the oldest version that passes the test suite on Python 3.11: `make test-lowest`.
RUNTIME = [
    "attrs>=21.3",
    "cryptography>=45.0.1",
    "requests>=2.32.2",  # earlier versions may reuse a connection with other TLS settings
    "werkzeug>=2.3.2",
]
EXTRAS = {
    "django": ["django>=5.2"],
    "fastapi": ["fastapi>=0.138"],
    "flask": ["flask>=2.3"],
    "starlette": ["starlette>=1.7"],
    "mcp": ["mcp>=2.0"],
    "redis": ["redis>=5.0.4"],
    "telemetry": ["opentelemetry-api>=1.30"],
    "async": ["httpcore2[asyncio]>=2.0", "anyio>=4.5"],  # the engine of httpx2, and its event loops
}

# The URL of the documentation: from the variable, or from the source distribution that is being built.
MODULE = Path("monocloud_mw", "documentation.py")
BUILT_WITH = runpy.run_path(str(HERE / MODULE))["DOCS_URL"]
DOCS_URL = os.environ.get("MONOCLOUD_MW_DOCS_URL", "").rstrip("/") or BUILT_WITH
if DOCS_URL and not re.fullmatch(r"https://[\w.~:/%@+-]+", DOCS_URL, re.ASCII):
    sys.exit(
        "MONOCLOUD_MW_DOCS_URL must be a URL that begins with https://; without it, errors name the installed"
        " page"
    )
PROJECT_URLS = {
    "Documentation": DOCS_URL,
    "Changelog": f"{DOCS_URL}/project/changelog.html",
    "Security": f"{DOCS_URL}/project/security.html",
}


def write_docs_url(directory: str) -> None:
    """Set ``DOCS_URL`` in a copy of ``documentation.py``."""
    module = Path(directory, MODULE)
    if not module.exists():  # editable installation
        return
    text = module.read_text(encoding="utf-8")
    module.unlink()  # setuptools may have made a hard link to the source
    constant = f'DOCS_URL: Final[str] = "{DOCS_URL}"'
    changed, count = re.subn(r'DOCS_URL: Final\[str\] = "[^"\n]*"', lambda _: constant, text)
    assert count == 1, f"{MODULE} has no constant DOCS_URL"
    module.write_text(changed, encoding="utf-8")


class BuildModules(build_py):  # type: ignore[misc, unused-ignore]
    """Copies the modules for a wheel and sets ``DOCS_URL``."""

    def run(self) -> None:
        """Copy the modules, then replace the constant; without a URL, errors name the page in the package."""
        super().run()
        write_docs_url(self.build_lib)


class SourceDistribution(sdist):  # type: ignore[misc, unused-ignore]
    """Copies the sources and sets ``DOCS_URL``, so that wheels built from them have it."""

    def make_release_tree(self, base_dir, files):  # type: ignore[no-untyped-def]
        """Copy the sources, then replace the constant."""
        super().make_release_tree(base_dir, files)
        write_docs_url(base_dir)


setup(
    name="monocloud-mw",
    version=runpy.run_path(str(HERE / "monocloud_mw" / "version.py"))["__version__"],
    description="Validate MonoCloud access tokens in Python APIs: Flask, any WSGI app, any ASGI app",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the monocloud_mw authors",
    project_urls=PROJECT_URLS if DOCS_URL else {},
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords=["MonoCloud", "OAuth 2.0", "JWT", "access token", "introspection", "WSGI", "ASGI", "Flask"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Django",
        "Framework :: Flask",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP :: WSGI :: Middleware",
        "Topic :: Security",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    package_dir={"monocloud_mw": "monocloud_mw", "monocloud_mw.adapters": "adapters"},
    packages=[
        "monocloud_mw",
        "monocloud_mw.adapters",
        "monocloud_mw.adapters.django",
        "monocloud_mw.adapters.fastapi",
        "monocloud_mw.adapters.flask",
        "monocloud_mw.adapters.starlette",
        "monocloud_mw.cli",
        "monocloud_mw.cli.doctor",
        "monocloud_mw.cli.explain",
        "monocloud_mw.cli.routes",
        "monocloud_mw.client",
        "monocloud_mw.core",
        "monocloud_mw.core.tenant",
        "monocloud_mw.core.token",
        "monocloud_mw.drivers",
        "monocloud_mw.jose",
        "monocloud_mw.lifecycle",
        "monocloud_mw.options",
        "monocloud_mw.protect",
        "monocloud_mw.stores",
        "monocloud_mw.testing",
        "monocloud_mw.testing._tenant",
        "monocloud_mw.transports",
    ],
    cmdclass={"build_py": BuildModules, "sdist": SourceDistribution},
    entry_points={"console_scripts": ["monocloud-mw = monocloud_mw.cli:main"]},
    package_data={"monocloud_mw": ["py.typed", "troubleshooting.md"]},
    include_package_data=False,
)
