"""A store of its own for each test, with nothing shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.common import fakes, make_card
from zoo import paths, store


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the shipped models."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(paths, "shipped_models", lambda: folder)
    return folder


@pytest.fixture
def home(private_home: Path, shipped: Path) -> Path:
    """The folder that the store writes to."""
    return private_home / "models"


@pytest.fixture
def folder(home: Path) -> Path:
    return store.save(make_card(), fakes(), extras={"samples.png": b"picture"})
