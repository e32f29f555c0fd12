"""A real server with a model for everything that the page does, and headless Chromium."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.models import store_models
from tests.browser.visits import Serve, Visit
from tests.serving.servers import Server, free_port, start, stored_models, zoo_serve

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """A function that runs a server over small models; what it is given are further variables."""
    home = tmp_path_factory.mktemp("page-home")

    @contextlib.contextmanager
    def surrounded(**variables: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"ZOO_HOME": str(home), **variables}.items():
                patch.setenv(name, value)
            yield

    @contextlib.contextmanager
    def run(**variables: str) -> Iterator[Server]:
        port, folder = free_port(), tmp_path_factory.mktemp("page-server")
        # Keras needs no exports, which take their time.
        with surrounded(ZOO_SERVE_RUNTIME="keras", **variables):
            running = start(zoo_serve("--port", str(port)), port, folder, folder)
        try:
            yield running
        finally:
            running.stop()

    with surrounded():
        stored_models(home / "models")
        store_models(home / "models")
    return run


@pytest.fixture(scope="session")
def server(serve: Serve) -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Visit]:
    made = Visit(browser, server.url)
    yield made.open()
    made.close()
