"""The documentation in a real browser: on a phone and a desktop, in the light and the dark theme."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import unavailable
from tests.frameworks.swagger_ui.browser import open_browser

from .sources import ROOT

# Layout does not depend on the theme, nor contrast on the width.
VIEWS: Final = ((390, "dark"), (1280, "light"))

# Returns a list of problems. Pictures, and code on a phone, scroll in boxes of their own.
FIND_PROBLEMS: Final = r"""
const problems = [];
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) problems.push(`is ${root.scrollWidth} px wide`);
for (const element of document.querySelectorAll("article *")) {
  const right = element.getBoundingClientRect().right;
  if (right > root.clientWidth + 1 && !element.closest(".table-wrapper, pre, a.picture, .headerlink"))
    problems.push(`${element.tagName} ends at ${right} px: ${element.textContent.slice(0, 40)}`);
}
const boxes = root.clientWidth < 500 ? "article .table-wrapper" : "article :is(.table-wrapper, pre)";
for (const box of document.querySelectorAll(boxes))
  if (box.scrollWidth > box.clientWidth + 1) problems.push(`scrolls: ${box.textContent.trim().slice(0, 80)}`);
const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
const colors = new Map();
const read = color => {
  if (!colors.has(color)) {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    colors.set(color, [...pixel.getImageData(0, 0, 1, 1).data]);
  }
  return colors.get(color);
};
const luminance = ([red, green, blue]) => {  // WCAG 2.2
  const [r, g, b] = [red, green, blue].map(value => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = element => {
  for (; element; element = element.parentElement) {
    const color = read(getComputedStyle(element).backgroundColor);
    if (color[3] > 250) return color;
  }
  return [255, 255, 255];
};
for (const element of document.querySelectorAll("article :is(code, a, p, li, td, th, dt, pre, pre span)")) {
  if (!element.textContent.trim() || !element.checkVisibility() || element.matches(".headerlink")) continue;
  const pair = [read(getComputedStyle(element).color), background(element)].map(luminance);
  const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(2)}: ${element.outerHTML.slice(0, 80)}`);
}
for (const image of document.querySelectorAll("article img"))
  if (!image.alt || image.alt.endsWith(".svg")) problems.push(`no text for ${image.src}`);
const texts = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const figure = texts.currentNode.data.match(/\d (hours|KiB|minutes|ms|s|seconds|times|us)\b/);
  if (figure && !texts.currentNode.parentElement.closest("code, pre, script"))
    problems.push(`may wrap before the unit: ${figure[0]}`);
}
for (const block of document.querySelectorAll("article div.highlight"))
  if (!block.querySelector("button.copybtn")) problems.push(`no copy button: ${block.textContent}`);
return problems;
"""


@pytest.mark.slow
def test_every_page_is_readable(tmp_path: Path, require_program: Callable[[str], str]) -> None:
    """Only pictures and code on a phone scroll; text has a contrast of 4.5, and code a copy button.

    Figures and their units are on one line.
    """
    chromium, driver = require_program("chromium"), require_program("chromedriver")
    if find_spec("sphinx") is None:
        unavailable("sphinx (make .venv/.docs)")
    site = ROOT / "build" / "docs"
    build = ("-m", "sphinx", "-q", "-b", "html", "-d", "build/doctrees", "docs", str(site))
    subprocess.run([sys.executable, *build], cwd=ROOT, check=True)  # as `make docs`: only what has changed
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    pages = [page for path in sources if (page := site / path.with_suffix(".html")).exists()]
    assert len(pages) > 60

    problems = []
    with open_browser(chromium, driver, tmp_path / "profile") as browser:
        for page in pages:
            browser.get(page.as_uri())
            for width, theme in VIEWS:
                size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                features = [{"name": "prefers-color-scheme", "value": theme}]
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                found: list[str] = browser.execute_script(FIND_PROBLEMS)
                problems += [f"{page.relative_to(site)}, {width} px, {theme}: {problem}" for problem in found]
    assert problems == []
