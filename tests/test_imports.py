"""What may import what: the light core stays light, and dependencies point one way."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"keras", "tensorflow", "jax", "torch", "tensorflow_datasets", "keras_tuner", "bentoml"}
FRAMEWORKS = {"tensorflow", "jax", "torch", "tensorflow_datasets"}
FAMILIES = sorted(
    p.name for p in (ROOT / "zoo" / "models").iterdir() if (p / "__init__.py").is_file()
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path, top_level_only: bool = False) -> Iterator[str]:
    """Yields the dotted names that a file imports, without those for type checkers alone."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]

    def walk(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.orelse:
                yield from walk(statement)
        elif not (top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            for child in ast.iter_child_nodes(node):
                yield from walk(child)

    yield from walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def offenders(paths: list[Path], *forbidden: str, top_level_only: bool = False) -> list[str]:
    return [
        f"{name_of(path)} imports {module}"
        for path in paths
        for module in imports(path, top_level_only)
        if any(within(module, package) for package in forbidden)
    ]


def test_the_reader_of_imports_sees_every_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "zoo" / "cli" / "example.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import a.b\nfrom c import d\nfrom . import e\nfrom ..f import g\n"
        "if TYPE_CHECKING:\n    import hidden\nelse:\n    import shown\n"
        "def h():\n    import late\nclass C:\n    import early\n"
    )
    early = {"a.b", "c.d", "zoo.cli.e", "zoo.f.g", "shown", "early"}
    assert set(imports(path)) == early | {"late"}
    assert set(imports(path, top_level_only=True)) == early
    assert offenders([path], "zoo.f") == ["zoo/cli/example.py imports zoo.f.g"]


def modules_loaded_by(statement: str) -> set[str]:
    """Runs a statement in a new process and returns the top-level modules it loaded."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return {module.split(".")[0] for module in json.loads(result.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "statement",
    [
        "import zoo",
        "import zoo; zoo.ZooError, zoo.Recipe, zoo.card, zoo.list_models, zoo.load, zoo.train",
        "import zoo; zoo.cross_validate, zoo.evaluate",
        "import zoo.registry; assert zoo.registry.recipes().names()",
        "import zoo.registry; assert list(zoo.registry.architectures()); zoo.registry.methods()",
        "import zoo; assert zoo.list_models()",
        "from zoo import store; store.names()",
        "import zoo.data; zoo.data.DATASETS.names(); zoo.data.is_prepared('mnist')",
        "import zoo.adaptation; [getattr(zoo.adaptation, name) for name in zoo.adaptation.__all__]",
        "import zoo.cli; zoo.cli.build_parser()",
    ],
)
def test_what_answers_at_once_loads_no_framework(statement: str) -> None:
    assert not modules_loaded_by(statement) & HEAVY


def test_no_module_hides_a_public_name() -> None:
    """Importing `zoo.x` sets `zoo.x`; were that a public function too, it would be gone."""
    import zoo

    modules = {path.stem for path in (ROOT / "zoo").iterdir()}
    assert not modules & set(zoo.__all__)


@pytest.mark.parametrize("family", FAMILIES)
def test_declaring_a_family_loads_no_framework(family: str) -> None:
    folder = ROOT / "zoo" / "models" / family
    paths = [path for name in ("__init__", "recipes") if (path := folder / f"{name}.py").is_file()]
    assert not offenders(paths, *HEAVY, "numpy")
    light = ("__future__", "typing", "zoo.recipe", "zoo.recipe_parts", "zoo.registry")
    allowed = (*light, f"zoo.models.{family}.recipes")
    for path in paths:
        for module in imports(path):
            assert any(within(module, package) for package in allowed), module
    # A recipe stands in recipes.py, where one looks for it.
    assert not offenders([folder / "__init__.py"], "zoo.recipe")


def test_frameworks_are_named_in_the_engine_the_data_and_the_runtime_only() -> None:
    allowed = ("zoo/training/", "zoo/data/", "zoo/runtime/")
    others = [p for p in sources("zoo", "serving", "tuning") if not name_of(p).startswith(allowed)]
    assert not offenders(others, *FRAMEWORKS)


def test_no_building_block_names_a_backend() -> None:
    """They are written in `keras.ops` and layers, so that they run on whatever Keras runs on."""
    names = re.compile(r"\b(tensorflow|tf|jax|jnp|torch)\b", re.IGNORECASE)
    for path in sources("zoo/models", "zoo/layers", "zoo/losses", "zoo/metrics"):
        found = names.search(path.read_text(encoding="utf-8"))
        assert not found, f"{name_of(path)} names {found and found[0]}"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_imports_building_blocks_and_the_engine_alone(family: str) -> None:
    allowed = (
        "zoo.checks",
        "zoo.data",
        "zoo.errors",
        "zoo.latents",
        "zoo.layers",
        "zoo.losses",
        "zoo.metrics",
        f"zoo.models.{family}",
        "zoo.networks",
        "zoo.recipe",
        "zoo.recipe_parts",
        "zoo.registry",
        "zoo.sampling",
        "zoo.training.classification",
        "zoo.training.engine",
        "zoo.training.noise",
        "zoo.training.standing_statistics",
        "zoo.training.teachers",
    )
    for path in sources(f"zoo/models/{family}"):
        for module in imports(path):
            if within(module, "zoo"):
                assert any(within(module, one) for one in allowed), f"{name_of(path)}: {module}"


def test_building_blocks_import_no_models_engine_or_pipelines() -> None:
    blocks = sources("zoo/layers", "zoo/losses", "zoo/metrics")
    assert not offenders(
        blocks, "zoo.models", "zoo.training", "zoo.pipelines", "zoo.api", "zoo.cli", "zoo.store"
    )


def test_the_light_core_imports_nothing_above_it() -> None:
    core = [
        ROOT / "zoo" / f"{n}.py" for n in ("errors", "files", "paths", "recipe", "cards", "runs")
    ]
    above = ("zoo.models", "zoo.training", "zoo.pipelines", "zoo.api", "zoo.cli", "zoo.runtime")
    assert not offenders(core, *above, *HEAVY, "numpy")
    light = [ROOT / "zoo" / f"{n}.py" for n in ("registry", "store", "api", "report")]
    assert not offenders(light, *HEAVY, top_level_only=True)


def test_serving_knows_no_model_families() -> None:
    assert not offenders(sources("serving"), "zoo.models", "zoo.training")


def test_the_library_does_not_depend_on_what_is_built_on_it() -> None:
    library = [p for p in sources("zoo") if not name_of(p).startswith("zoo/cli/")]
    assert not offenders(library, "serving", "tuning", "benchmarks", "tests")
    command_line = sources("zoo/cli")
    assert not offenders(command_line, "serving", "tuning", top_level_only=True)
    assert not offenders(sources("serving", "tuning"), "benchmarks", "tests")
    assert not offenders(sources("serving"), "tuning")
    assert not offenders(sources("tuning"), "serving")


def test_nothing_unpickles() -> None:
    """A file that was loaded must not be able to run code."""
    paths = sources("zoo", "serving", "tuning")
    assert not offenders(paths, "pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", name_of(path)
            if isinstance(node, ast.keyword) and node.arg == "safe_mode":
                assert ast.unparse(node.value) == "True", name_of(path)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("eval", "exec"):
                raise AssertionError(f"{name_of(path)}:{node.lineno} evaluates text")


def test_every_file_says_what_it_is() -> None:
    for path in sources("zoo", "serving", "tuning"):
        text = path.read_text(encoding="utf-8")
        assert not text.strip() or ast.get_docstring(ast.parse(text)), name_of(path)
