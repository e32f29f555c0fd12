"""The OpenAPI document is true: requests made up from it get no answer that it leaves out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving.fakes import FakeSource

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

ADMIN = "an-admin-key-of-tests"
# No 5xx, no status, content type or header that is not documented, and no other shape.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def with_known_models(document: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Returns the document with the names of models that are there, so that some answers are good.

    In paths and bodies alike; a made-up name would be a 404 nearly every time.
    """
    document = copy.deepcopy(document)
    known = {"type": "string", "enum": [*names, "unknown.model"]}
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "name":
                    parameter["schema"] = known
    for schema in document["components"]["schemas"].values():
        fields = schema.get("properties", {})
        if "model" in fields and schema.get("additionalProperties") is False:
            fields["model"] = known
    return document


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Any]:
    """One for each test, for schemathesis ends an app with the test that asked it."""
    core = Core(
        settings=Settings(deadline=15, max_jobs=10_000, admin_key=ADMIN, access_log=False),
        source=FakeSource(),
        folder=tmp_path,
    )
    app = create_app(core)
    names = sorted(card.name for card in core.models.cards() if card.name != "broken.grey")
    schema = schemathesis.openapi.from_dict(with_known_models(app.openapi(), names))
    schema.app = app
    yield schema
    core.close()


def check(schema: Any, mode: str, examples: int) -> None:
    """Asks every operation, in ways that its description allows or, `negative`, does not."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis.checks import CHECKS as registered
    from schemathesis.checks import load_all_checks
    from schemathesis.core.failures import FailureGroup

    load_all_checks()
    checks = registered.get_by_names(CHECKS)
    found = []
    for result in schema.get_all_operations():
        operation = result.ok()
        strategy = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: Any) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {ADMIN}"}, checks=checks)

        try:
            ask()
        except Unsatisfiable:
            continue  # Of a path that takes nothing, nothing can be wrong.
        except FailureGroup as failures:
            # The whole says what was sent and what came.
            found.append(f"{operation.label}: {failures}")
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_is_documented(api: Any, mode: str) -> None:
    check(api, mode, 4)


@pytest.mark.full
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_is_documented_at_length(api: Any, mode: str) -> None:
    check(api, mode, 60)
