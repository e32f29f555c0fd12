"""Takes the pictures of the page that the README shows: docs/page.png and its variants.

    python tools/screenshots.py

It serves the stored models and opens the page in Chromium, at $CHROMIUM or where Debian has it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.servers import running, zoo_serve

DOCS = Path(__file__).parents[1] / "docs"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_DESK = {"width": 1120, "height": 1180}
SHOTS: dict[str, dict[str, Any]] = {
    "page": {"viewport": _DESK, "color_scheme": "light"},
    "page-dark": {"viewport": _DESK, "color_scheme": "dark"},
    "page-phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def main() -> None:
    with running(zoo_serve("*")) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, options in SHOTS.items():
            page = browser.new_page(**options)
            page.goto(f"http://127.0.0.1:{server.port}")
            for selector in ("#bars li", "#grid button:not([disabled])", "#seeds-image[src]"):
                page.wait_for_selector(selector, timeout=180_000)
            # The bars glide to their widths.
            page.wait_for_timeout(1000)
            page.screenshot(path=DOCS / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
