"""What the README, the documents and the help say is true."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from serving.schemas import (
    MAX_SEED,
    ClassifyAnswer,
    ClassifyRequest,
    ErrorAnswer,
    GenerateAnswer,
    GenerateRequest,
)
from serving.settings import Settings
from zoo import store
from zoo.cli import COMMANDS, build_parser, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
SERVING = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
# By a field that none of the others has at its top.
BODIES: dict[str, type[BaseModel]] = {
    "images": ClassifyRequest,
    "predictions": ClassifyAnswer,
    "seed": GenerateRequest,
    "created": GenerateAnswer,
    "error": ErrorAnswer,
}


def examples() -> list[str]:
    """Every `zoo …` line of the documents and of the help's examples."""
    import importlib

    texts = [importlib.import_module(f"zoo.cli.{name}").EXAMPLES for name in COMMANDS]
    documents = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    lines = re.sub(r"\\\n\s*", "", "\n".join([*documents, *texts])).splitlines()
    shown = [re.sub(r"^\s*(KERAS_BACKEND=\w+ )?", "", line) for line in lines]
    commands = [line for line in shown if re.match(r"zoo [a-z]", line)]
    return sorted({re.split(r"\s{2,}|\s+#", command)[0] for command in commands})


@pytest.mark.parametrize("command", examples())
def test_every_command_shown_is_one_that_parses(command: str) -> None:
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    assert arguments.command in COMMANDS


def test_the_models_table_is_made_from_the_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--markdown"]) == 0
    table = capsys.readouterr().out.strip()
    shown = README.partition("from the cards -->")[2].partition("<!-- /models -->")[0].strip()
    assert shown == table, "run `zoo list --markdown` and put its table into the README"
    assert len(store.names()) == len(table.splitlines()) - 2


def test_every_link_and_picture_of_the_documents_exists() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        targets = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
        for target in targets:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_path_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = re.findall(
        r"`((?:zoo|serving|tuning|benchmarks|tests|saved_models|tools|docs)/[\w/.]*)`", text
    )
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), path


def test_the_readme_links_to_every_document() -> None:
    linked = set(re.findall(r"\]\(([^)#]+\.md)\)", README.partition("\n## Documents\n")[2]))
    assert {path.relative_to(ROOT).as_posix() for path in DOCUMENTS[2:]} <= linked
    assert "](ARCHITECTURE.md)" in README


def bodies_shown() -> list[dict[str, Any]]:
    """Every JSON value of docs/serving.md; several may stand in one block."""
    found = []
    for block in re.findall(r"^```json\n(.*?)^```$", SERVING, re.MULTILINE | re.DOTALL):
        rest = block.strip()
        while rest:
            value, end = json.JSONDecoder().raw_decode(rest)
            found.append(value)
            rest = rest[end:].strip()
    return found


def test_bodies_and_answers_are_shown_as_the_server_has_them() -> None:
    seen = set()
    for shown in bodies_shown():
        (kind,) = BODIES.keys() & shown.keys()
        seen.add(kind)
        read = BODIES[kind].model_validate(shown)
        assert read.model_dump(exclude_none=True) == shown
    assert seen == BODIES.keys()


def test_the_limits_that_are_written_down_are_the_servers() -> None:
    limits = Settings()
    side = int(limits.max_pixels**0.5)
    assert side**2 == limits.max_pixels and MAX_SEED == 2**53 - 1
    words = " ".join(SERVING.split())
    for said in (
        f"more than {limits.max_body // 2**20} MiB",
        f"{limits.max_images} images at most",
        f"{limits.max_pixels:,} pixels, which is {side:,} x {side:,}",
        f"{limits.max_waiting} rows may wait, and {limits.max_decoding} requests",
        f"within {limits.deadline:g} seconds",
        "Seeds are 0 to 2^53 - 1",
    ):
        assert said in words, said
