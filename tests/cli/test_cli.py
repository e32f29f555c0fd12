"""The command line: answers, help, exit codes, one line for each mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import store
from zoo.cli import COMMANDS, build_parser, main

TINY = ["--set", "data.limit=64", "--set", "data.validation=32", "--set", "batch_size=32"]
TINY += ["--set", "epochs=2"]
TRY = ["--set", "name=mlp.fashion_mnist-try"]


@pytest.fixture(scope="module")
def trained(shared_sample_home: Path) -> Iterator[Path]:
    """A home in which two recipes are trained for a moment; few images are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.evaluation.generation.GENERATED", 256)
        for name in ("mlp", "dcgan"):
            assert main(["train", f"{name}.fashion_mnist", *TINY, "--json"]) == 0
        yield shared_sample_home


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused with exit code 2 and one line."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert main(list(arguments)) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("zoo: ") and captured.err.count("\n") == 1
        return captured.err

    return run


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        shown = capsys.readouterr().out
        assert "examples:" in shown and f"zoo {command}" in shown
    assert build_parser().prog == "zoo"


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--json"], ["data", "list"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from zoo.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'keras', 'tensorflow', 'bentoml', 'keras_tuner'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_list_shows_architectures_recipes_and_stored_models(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["resnet20"]["kind"] == "architecture"
    assert entries["mlp.fashion_mnist"]["kind"].startswith("stored @")
    assert main(["list", "mlp.f*", "--pretrained", "--json"]) == 0
    assert [e["name"] for e in json.loads(capsys.readouterr().out)] == ["mlp.fashion_mnist"]
    assert main(["list", "nothing*"]) == 0
    assert "nothing matches" in capsys.readouterr().out


def test_a_damaged_card_does_not_hide_the_other_models(
    sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sample_home / "models" / "bad.model" / "1"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text("{")
    assert main(["list", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert "cannot be read" in entries["bad.model"]["about"]
    assert "resnet20" in entries


def test_show_prints_cards_recipes_and_architectures(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "mlp.fashion_mnist", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["recipe"]["epochs"] == 2
    names = [metric["name"] for metric in card["metrics"]]
    assert names[:4] == ["accuracy", "nll", "ece", "corruption_accuracy"]
    assert card["costs"]["flops"] == 2 * (784 * 512 + 512 * 256 + 256 * 10)
    assert main(["show", "mlp.fashion_mnist"]) == 0
    shown = capsys.readouterr().out
    assert "| accuracy |" in shown and "| latency of one image |" in shown
    assert main(["show", "mlp.fashion_mnist", "--recipe"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] > 2
    assert main(["show", "dcgan"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["options"]["generator"]["latent_dim"] == 100
    assert "dcgan.fashion_mnist" in shown["recipes"]


def test_evaluate_measures_what_the_card_says(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mlp.fashion_mnist", "dcgan.fashion_mnist"):
        assert main(["evaluate", name, "--json"]) == 0
        measured = json.loads(capsys.readouterr().out)
        assert [metric["value"] for metric in measured] == pytest.approx(
            [metric.value for metric in store.read_card(name).metrics], rel=1e-5
        )
    compared = ("fd", "kid", "precision", "recall", "density", "coverage")
    assert {metric["name"] for metric in measured} == {
        *(f"{name}_resnet20" for name in compared),
        *(f"{name}_resnet20_floor" for name in compared),
        "memorised_resnet20",
        "nearer_train_resnet20",
        "nearer_train_resnet20_floor",
        "jump",
        "jump_worst",
        "smooth_paths",
    }


def test_predict_labels_files(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(tmp_path / f"{i}.png") for i in range(2)]
    for path in paths:
        Image.fromarray(np.zeros((40, 30), np.uint8)).save(path)
    assert main(["predict", "mlp.fashion_mnist", *paths, "--top-k", "3", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["image"] for answer in answers] == paths
    assert all(len(answer["labels"]) == 3 for answer in answers)


def test_generate_writes_the_same_file_twice(trained: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "a.png", tmp_path / "b.png"]
    for output in outputs:
        command = ["generate", "dcgan.fashion_mnist", "-n", "9", "--seed", "4", "-o", str(output)]
        assert main(command) == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    folder = tmp_path / "images"
    assert (
        main(["generate", "dcgan.fashion_mnist", "-n", "2", "--seed", "5", "-o", str(folder)]) == 0
    )
    assert sorted(path.name for path in folder.iterdir()) == ["000005.png", "000006.png"]
    grid = np.asarray(Image.open(outputs[0]))
    single = np.asarray(Image.open(folder / "000005.png"))
    np.testing.assert_array_equal(grid[2:30, 32:60], single)  # seed 5 is the second image


def test_generate_animates_a_walk_and_adds_up_vectors(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "dcgan.fashion_mnist"
    walk, total = tmp_path / "walk.gif", tmp_path / "sum.png"
    assert main(["generate", name, "--walk", "0", "3", "8", "-n", "4", "-o", str(walk)]) == 0
    with Image.open(walk) as animation:
        assert animation.size == (28, 28)
        animation.seek(11)
        with pytest.raises(EOFError):
            animation.seek(12)
    sums = ["--plus", "1,4", "--plus", "2", "--minus", "0", "--truncation", "0.8"]
    assert main(["generate", name, *sums, "-o", str(total)]) == 0
    assert Image.open(total).size == (32, 32)
    assert main(["generate", name, "--walk", "1", "2", "--to-seed", "3", "-o", str(walk)]) == 2
    assert "choose one of --to-seed, --walk" in capsys.readouterr().err
    assert main(["generate", name, "--label", "Bag", "-o", str(total)]) == 2
    assert "draws no labels on demand, got 'Bag'" in capsys.readouterr().err


def test_create_saves_an_untrained_model(tmp_path: Path) -> None:
    import keras

    assert main(["create", "mlp", "--set", "units=[8]", "-o", str(tmp_path / "m.keras")]) == 0
    assert keras.saving.load_model(tmp_path / "m.keras").output_shape == (None, 10)
    assert main(["create", "mlp", "--no-head", "-o", str(tmp_path / "m.keras")]) == 0
    assert keras.saving.load_model(tmp_path / "m.keras").output_shape == (None, 128)
    names = ["stage1", "features"]
    assert main(["create", "resnet20", "--features", *names, "-o", str(tmp_path / "m.keras")]) == 0
    assert set(keras.saving.load_model(tmp_path / "m.keras").output) == set(names)
    assert main(["create", "dcgan", "-o", str(tmp_path / "g.keras")]) == 0
    assert (tmp_path / "g-generator.keras").is_file()
    assert (tmp_path / "g-discriminator.keras").is_file()


def test_verify_finds_a_changed_file(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store.find("mlp.fashion_mnist")
    reference = f"mlp.fashion_mnist@{folder.name}"
    assert main(["verify", reference, "--metrics"]) == 0
    assert f"{reference}: good" in capsys.readouterr().out
    path = folder / "history.csv"
    whole = path.read_bytes()
    path.write_bytes(whole + b" ")
    try:
        assert main(["verify", "mlp*"]) == 2
        assert "history.csv is not the file that was stored" in capsys.readouterr().out
    finally:
        path.write_bytes(whole)


def test_mistakes_get_one_line(trained: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    assert "did you mean mlp.fashion_mnist" in refused("show", "mlp.fashion_mnits")
    assert "did you mean epochs" in refused("train", "mlp.fashion_mnist", "--set", "epoch=2")
    assert "batch_size 512 is above the 64" in refused(
        "train", "mlp.fashion_mnist", *TINY, "--set", "batch_size=512"
    )
    assert "no unfinished run" in refused("train", "mlp.fashion_mnist", *TRY, "--resume")
    assert "is for classification" in refused("generate", "mlp.fashion_mnist", "-o", "x.png")
    assert "is for generation" in refused("predict", "dcgan.fashion_mnist", "x.png")
    assert "there is no file" in refused("predict", "mlp.fashion_mnist", "no.png")
    assert "there are mlp.fashion_mnist@1" in refused("show", "mlp.fashion_mnist@99")
    assert "n must be 1" in refused("generate", "dcgan.fashion_mnist", "-n", "0", "-o", "x.png")
    assert ".webp file or a folder" in refused("generate", "dcgan.fashion_mnist", "-o", "x.jpg")
    assert "unknown data set 'minst'; did you mean mnist" in refused("data", "prepare", "minst")
    assert "there is no folder" in refused(
        "data", "prepare", "mnist", "--from", str(tmp_path / "no")
    )
    assert "classes is not set by --set" in refused("create", "mlp", "--set", "classes=5")
    assert "train it with `zoo train mlp.mnist`" not in refused("show", "mlp.mnist")
    assert "unknown model 'zzz*'" in refused("verify", "zzz*")
    assert "letters, digits" in refused("show", "../secrets.x")


def test_a_data_set_that_is_not_here_names_the_command(refused: Callable[..., str]) -> None:
    assert "run `zoo data prepare fashion_mnist`" in refused("train", "mlp.fashion_mnist")


def train_process(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "zoo.cli", "train", "mlp.fashion_mnist", *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, "ZOO_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def when_written(path: Path) -> int:
    """Nanoseconds; 0 for what is not there yet."""
    return path.stat().st_mtime_ns if path.is_file() else 0


def stored_in(out: str) -> Path:
    """The folder that `zoo train` said it stored a version in."""
    return Path(out.strip().splitlines()[-1].partition(" in ")[2])


def test_a_training_killed_and_resumed_equals_an_unbroken_one(sample_home: Path) -> None:
    """Once by Ctrl-C, and what is resumed of it once more for good."""
    settings = ["--set", "data.limit=448", "--set", "data.validation=64", "--set", "batch_size=8"]
    settings += ["--set", "epochs=12"]
    runs = sample_home / "runs" / "mlp.fashion_mnist"
    whole = train_process(sample_home, *settings)
    out, err = whole.communicate(timeout=240)
    assert whole.returncode == 0, err
    unbroken = stored_in(out)

    checkpoint = runs / "2" / "checkpoint.npz"
    written = 0
    for how, arguments in ((signal.SIGINT, settings), (signal.SIGKILL, ["--resume"])):
        broken = train_process(sample_home, *arguments)
        deadline = time.monotonic() + 120
        while when_written(checkpoint) <= written and time.monotonic() < deadline:
            time.sleep(0.02)
        broken.send_signal(how)
        out, _ = broken.communicate(timeout=60)
        assert broken.returncode == (-how if how == signal.SIGKILL else 130)
        assert ("--resume` continues" in out) == (how == signal.SIGINT)
        assert not (runs / "2" / "finished").exists()
        written = when_written(checkpoint)

    # The command that was printed, without the settings: the run knows them.
    rest = train_process(sample_home, "--resume")
    out, err = rest.communicate(timeout=240)
    assert rest.returncode == 0, err
    resumed = stored_in(out)
    assert resumed != unbroken
    with np.load(runs / "1" / "checkpoint.npz") as a, np.load(runs / "2" / "checkpoint.npz") as b:
        state = [key for key in a.files if key != "record"]
        assert all(np.array_equal(a[key], b[key]) for key in state)
    one_card, other_card = store.read_card(unbroken), store.read_card(resumed)
    measured = [[(m.name, m.value) for m in card.metrics] for card in (one_card, other_card)]
    assert measured[0] == measured[1]
    # Weights are equal to the byte inside the stored networks too.
    one, other = (store.load(folder)[1] for folder in (unbroken, resumed))
    for left, right in zip(one["network"].weights, other["network"].weights, strict=True):
        np.testing.assert_array_equal(np.asarray(left.value), np.asarray(right.value))


def test_the_test_split_never_touches_training(sample_home: Path) -> None:
    """Shuffled test labels change the measured accuracy and not one bit of the weights."""
    assert main(["train", "mlp.fashion_mnist", *TINY, "--json"]) == 0
    path = sample_home / "data" / "fashion_mnist" / "test.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["label"] = (arrays["label"] + 1) % 10
    np.savez(path, **arrays)
    assert main(["train", "mlp.fashion_mnist", *TINY, "--json"]) == 0
    runs = sample_home / "runs" / "mlp.fashion_mnist"
    with np.load(runs / "1" / "checkpoint.npz") as a, np.load(runs / "2" / "checkpoint.npz") as b:
        assert all(np.array_equal(a[key], b[key]) for key in a.files if key != "record")
    versions = store.versions("mlp.fashion_mnist")[-2:]
    one, other = (store.read_card(f"mlp.fashion_mnist@{v}").metric("accuracy") for v in versions)
    assert one is not None and other is not None and one.value != other.value
