"""A headless Chromium with an empty profile and no background connections."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

__all__ = ["open_browser"]

WAIT_SECONDS: Final = 60
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1000",
)


@contextlib.contextmanager
def open_browser(chromium: str, driver: str, profile: Path) -> Iterator[Chrome]:
    """Run a browser.

    Args:
        chromium: the path of the browser.
        driver: the path of its ``chromedriver``.
        profile: an empty directory.
    """
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = Chrome(options, ChromeService(driver))
    try:
        browser.implicitly_wait(WAIT_SECONDS)
        yield browser
    finally:
        browser.quit()
