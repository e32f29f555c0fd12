"""The app over fake models, in this process."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving.fakes import FakeSource


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """Unloading a model collects garbage, which need not look at all that other tests imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def core(source: FakeSource) -> Core:
    return Core(settings=Settings(max_waiting=8, deadline=15), source=source)


@pytest.fixture
def own_client(core: Core) -> Iterator[TestClient]:
    with TestClient(create_app(core), raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def client(own_client: TestClient) -> TestClient:
    return own_client


@pytest.fixture(scope="module")
def common_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One app for all tests of a module that leave it as it was."""
    core = Core(
        settings=Settings(max_waiting=8, deadline=15),
        source=FakeSource(),
        folder=tmp_path_factory.mktemp("common"),
    )
    with TestClient(create_app(core), raise_server_exceptions=False) as made:
        yield made
