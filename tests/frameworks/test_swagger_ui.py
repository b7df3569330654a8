"""The *Authorize* button of Swagger UI in a real browser, with the local tenant."""

# No `from __future__ import annotations`: the views are declared in a function, with a local protection.

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Security
from fastapi.openapi.docs import get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.staticfiles import StaticFiles
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import number_of_windows_to_be
from selenium.webdriver.support.wait import WebDriverWait

from monocloud_mw import AccessTokenClaims, AsyncBackendClient
from monocloud_mw.adapters.fastapi import ProtectApi
from monocloud_mw.testing import LocalTenant

from ..adapters.servers import uvicorn_server
from ..conftest import unavailable
from ..integration.oidc_provider.installation import InstallationError, install_packages
from .swagger_ui.browser import WAIT_SECONDS, open_browser

pytestmark = pytest.mark.slow

ASSETS = Path(__file__).parent / "swagger_ui"
CLIENT_ID = "swagger-ui"


@pytest.fixture(scope="module")
def swagger_ui(require_program: Callable[[str], str]) -> Path:
    """Return the directory with the script and the stylesheet of Swagger UI."""
    try:
        install_packages(require_program("npm"), print, ASSETS)
    except InstallationError as error:
        unavailable(f"swagger-ui-dist ({error})")
    return ASSETS / "node_modules" / "swagger-ui-dist"


@pytest.fixture
def browser(require_program: Callable[[str], str], tmp_path: Path) -> Iterator[Chrome]:
    """Return a new browser."""
    with open_browser(require_program("chromium"), require_program("chromedriver"), tmp_path) as browser:
        yield browser


def create_app(client: AsyncBackendClient, assets: Path) -> FastAPI:
    """Return an application whose documentation page loads its files from this machine."""
    protect = ProtectApi(client, authorization_code=True, scope_descriptions={"orders:read": "Read orders"})
    app = FastAPI(lifespan=protect.lifespan, docs_url=None, swagger_ui_oauth2_redirect_url="/redirect")
    app.mount("/assets", StaticFiles(directory=assets))

    @app.get("/page", include_in_schema=False)
    async def page() -> Any:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Orders",
            swagger_js_url="/assets/swagger-ui-bundle.js",
            swagger_css_url="/assets/swagger-ui.css",
            swagger_favicon_url="/assets/favicon-32x32.png",
            oauth2_redirect_url="/redirect",
            init_oauth={"clientId": CLIENT_ID, "usePkceWithAuthorizationCodeGrant": True},
        )

    @app.get("/redirect", include_in_schema=False)
    async def redirect() -> Any:
        return get_swagger_ui_oauth2_redirect_html()

    @app.get("/orders")
    async def orders(
        claims: Annotated[AccessTokenClaims, Security(protect, scopes=["orders:read"])],
    ) -> dict[str, Any]:
        return {"seen_by": claims.subject, "scope": claims["scope"]}

    return app


def test_authorize_works_in_a_browser(
    tenant: LocalTenant, async_client: AsyncBackendClient, swagger_ui: Path, browser: Chrome
) -> None:
    """A user logs in at the tenant, returns with a token and calls a protected operation."""
    app = create_app(async_client, swagger_ui)
    with uvicorn_server(app, lifespan="on") as port:
        origin = f"http://127.0.0.1:{port}"
        tenant.register_client(CLIENT_ID, "none", redirect_uris=[f"{origin}/redirect"])
        browser.get(f"{origin}/page")
        first = browser.current_window_handle
        _click(browser, "button.authorize")
        dialog = browser.find_element(By.CSS_SELECTOR, ".modal-ux")
        assert "Read orders" in dialog.text
        assert f"{tenant.domain}/connect/authorize" in dialog.text
        _click(browser, ".modal-ux label[for^='orders:read'] .item")
        _screenshot(browser, "dialog")
        _click(browser, ".modal-ux button.authorize")
        WebDriverWait(browser, WAIT_SECONDS).until(number_of_windows_to_be(2))
        (popup,) = set(browser.window_handles) - {first}
        browser.switch_to.window(popup)
        assert urlsplit(browser.current_url).netloc == urlsplit(tenant.domain).netloc
        subject = browser.find_element(By.NAME, "subject")
        subject.clear()
        subject.send_keys("alice")
        _screenshot(browser, "login")
        _click(browser, "button[value=allow]")
        WebDriverWait(browser, WAIT_SECONDS).until(number_of_windows_to_be(1))
        browser.switch_to.window(first)
        _click(browser, ".modal-ux button.btn-done")
        _click(browser, ".opblock-summary-control")
        _click(browser, ".try-out__btn")
        _click(browser, "button.execute")
        body = browser.find_element(By.CSS_SELECTOR, ".live-responses-table .response .microlight")
        _screenshot(browser, "answer")
        assert '"seen_by": "alice"' in body.text
        assert '"scope": "orders:read"' in body.text


def _click(browser: Chrome, selector: str) -> None:
    element = browser.find_element(By.CSS_SELECTOR, selector)
    browser.execute_script("arguments[0].click()", element)


def _screenshot(browser: Chrome, name: str) -> None:
    """Save a screenshot if the developer asks for one."""
    if directory := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(f"{directory}/{name}.png")
