"""A visit to the page: what it asked for, and what went wrong on it."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from tests.serving.servers import Server

# Runs a server, with further variables of its surrounding.
Serve = Callable[..., AbstractContextManager[Server]]

WAIT = 60_000
GENERATIONS = "/v1/images/generations"


class Visit:
    """A page in a browser, on a server at `url`."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.origin = url
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self._under_way: set[Any] = set()
        self.page.on("request", self._asked)
        self.page.on("requestfinished", self._ended)
        self.page.on("requestfailed", self._ended)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._said)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)
            self._under_way.add(request)
        if request.method == "POST":
            self.bodies.append({"path": request.url, **json.loads(request.post_data)})

    def _ended(self, request: Any) -> None:
        self._under_way.discard(request)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def open(self) -> Visit:
        """Opens the page and waits until it shows its first answers."""
        self.page.goto(self.origin)
        self.page.wait_for_selector("#grid button:not([disabled])")
        self.page.wait_for_selector("#bars li")
        self.page.wait_for_selector("#seeds-image[src]")
        return self

    def close(self) -> None:
        """Leaves; nothing may have gone elsewhere or wrong."""
        self.context.close()
        assert [url for url in self.requests if not url.startswith(self.origin + "/")] == []
        assert self.problems == []

    def settle(self) -> None:
        """Waits until nothing is asked any more and what was answered is shown."""
        quiet, end = 0, time.monotonic() + WAIT / 1000
        while quiet < 5:
            assert time.monotonic() < end, [request.url for request in self._under_way]
            self.page.wait_for_timeout(50)
            quiet = 0 if self._under_way else quiet + 1

    def expect_problems(self, *words: str) -> None:
        """Lets problems with one of these words pass; Chromium reports requests that failed."""
        unexpected = [one for one in self.problems if not any(word in one for word in words)]
        assert unexpected == []
        self.problems.clear()

    def sent(self, path: str) -> dict[str, Any]:
        """Returns the last body that was sent to a path."""
        bodies = [body for body in self.bodies if body["path"].endswith(path)]
        return {name: value for name, value in bodies[-1].items() if name != "path"}

    def answer_of(self, path: str) -> Any:
        return self.page.expect_response(lambda answer: answer.url.endswith(path))

    def labels(self) -> list[str]:
        found: list[str] = self.page.locator("#bars li span:first-of-type").all_inner_texts()
        return found

    def sources(self, selector: str) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(selector, "all => all.map((x) => x.src)")
        return found

    def show_tab(self, name: str) -> None:
        self.page.click(f"#tab-{name}")
        self.page.wait_for_selector(f"#{name}:not([hidden])")

    def pick(self, select: str, value: str) -> None:
        """Chooses in a list, which is disabled where it holds one thing."""
        if self.page.input_value(select) != value:
            self.page.select_option(select, value)

    def choose_picture(self, content: bytes) -> None:
        """Puts a file on the easel and waits until what it shows follows."""
        file = {"name": "picture.png", "mimeType": "image/png", "buffer": content}
        self.page.set_input_files("#file", files=[file])
        self.settle()

    def api(self, path: str, **body: Any) -> Any:
        """Asks the server itself, beside the page."""
        with httpx2.Client(base_url=self.origin, trust_env=False, timeout=60) as client:
            answer = client.post(path, json=body) if body else client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


def png(pixels: Sequence[Any] | np.ndarray) -> bytes:
    """Encodes grey pixels."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def pixels_of(encoded: str) -> np.ndarray:
    """Returns the pixels of a PNG in base64 or in a data URL."""
    content = base64.b64decode(encoded.rpartition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)))
