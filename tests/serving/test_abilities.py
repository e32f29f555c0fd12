"""What models can be asked for follows from their cards."""

from __future__ import annotations

import subprocess
import sys

import pytest

from serving.abilities import abilities_of
from tests.store.common import make_card


@pytest.mark.parametrize(
    "task, networks, expected",
    [
        ("classification", ["network"], ["classify"]),
        ("translation", ["g_ab", "g_ba"], ["translate"]),
        ("reconstruction", ["encoder", "decoder"], ["reconstruct"]),
        ("generation", ["generator"], ["generate"]),
        ("generation", ["encoder", "decoder"], ["reconstruct", "generate"]),
        ("generation", ["denoiser"], ["generate", "edit"]),
        ("generation", ["denoiser", "encoder", "decoder"], ["generate", "edit"]),
        ("generation", ["nothing known"], []),
    ],
)
def test_abilities_are_those_of_the_pipeline(
    task: str, networks: list[str], expected: list[str]
) -> None:
    files = {name: f"{name}.keras" for name in networks}
    assert abilities_of(make_card(task=task, networks=files)) == expected


def test_no_framework_is_imported_for_them() -> None:
    code = """
import sys
from serving.abilities import abilities_of
from tests.store.common import make_card
for networks in ({"denoiser": "d"}, {"encoder": "e"}, {"generator": "g"}):
    abilities_of(make_card(task="generation", networks=networks))
abilities_of(make_card(task="translation", networks={"g_ab": "g"}))
print([name for name in ("keras", "tensorflow", "jax") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
