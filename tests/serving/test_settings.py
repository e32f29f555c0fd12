"""Settings: read from the environment, refused in one line, written down in the documents."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from serving.settings import Settings
from tests.serving.servers import ROOT
from zoo.errors import InvalidInputError, UnknownModelError


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MODELS", "resnet* dcgan.*", ("resnet*", "dcgan.*")),
        ("RUNTIME", "onnx", "onnx"),
        ("MAX_BODY", "123", 123),
        ("MAX_BODY", "2 MiB", 2 * 2**20),
        ("MAX_LOADED", "1gib", 2**30),
        ("MAX_PIXELS", "4096", 4096),
        ("DEADLINE", "2.5", 2.5),
        ("DRAIN_SECONDS", "7", 7.0),
        ("LABELS_FILE", "/etc/labels.json", Path("/etc/labels.json")),
        ("ACCESS_LOG", "off", False),
        ("ACCESS_LOG", "TRUE", True),
    ],
)
def test_a_setting_comes_from_the_environment(name: str, text: str, value: object) -> None:
    read = Settings.from_environment({f"ZOO_SERVE_{name}": text, "OTHER": "x"})
    assert getattr(read, name.lower()) == value
    assert Settings.from_environment({f"ZOO_SERVE_{name}": " "}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("MAX_BODY", "many", "a whole number"),
        ("MAX_BODY", "1.5MiB", "a whole number"),
        ("MAX_BODY", "0", "more than 0"),
        ("MAX_BODY", "-1", "a whole number"),
        ("DEADLINE", "nan", "a number"),
        ("DEADLINE", "inf", "a number"),
        ("DEADLINE", "-2", "more than 0"),
        ("ACCESS_LOG", "perhaps", "on or off"),
        ("RUNTIME", "abacus", "auto, keras"),
        ("KEYS", "short", "16 to 512"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(name: str, text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        Settings.from_environment({f"ZOO_SERVE_{name}": text})
    said = str(caught.value)
    assert "\n" not in said and ("key" in said or name.lower() in said.lower())


def test_a_setting_that_is_spelled_wrong_is_not_ignored() -> None:
    with pytest.raises(UnknownModelError, match="unknown setting") as caught:
        Settings.from_environment({"ZOO_SERVE_MAX_BODI": "1MiB"})
    assert caught.value.near[0] == "ZOO_SERVE_MAX_BODY"


def test_the_document_has_every_setting_with_its_default() -> None:
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8").partition("## Settings")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    shown = {
        name.strip("` "): default.strip("`")
        for names, default, _ in (row for row in rows if len(row) == 3 and row[0][:1] == "`")
        for name in names.split(",")
    }
    fields = {field.name: field.default for field in dataclasses.fields(Settings)}
    assert set(shown) == {*fields, "key_file", "admin_key_file"}
    for name, default in fields.items():
        read = Settings.from_environment({f"ZOO_SERVE_{name.upper()}": shown[name]})
        assert getattr(read, name) == default, name
