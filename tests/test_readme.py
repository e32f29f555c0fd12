"""What the README and the help say is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from zoo import store
from zoo.cli import COMMANDS, build_parser, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]


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
