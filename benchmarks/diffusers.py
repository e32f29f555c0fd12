"""Sampling with `ldm.fashion_mnist` beside diffusers on PyTorch: images a second, 20 steps.

The other side is what diffusers' pipelines do: `DPMSolverMultistepScheduler` and a loop in Python
over a U-Net of the same layers and sizes, with a doubled batch for guidance, in `torch_unet.py`.
Its weights are as they come and nothing is decoded at its end, to its favour. Each side runs in a
process of its own, in turns. It takes part where PyTorch and diffusers are installed, or where
$TORCH_PYTHON names a Python that has both.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, memory, merged, rates
from zoo.sampling import GUIDANCE, STEPS

# The table has a column for each side.
SIDE_BY_SIDE = True
MODEL = "ldm.fashion_mnist"
BATCHES = (1, 64)
OURS = "zoo"
THEIRS = ("diffusers", "diffusers, channels last")
_TURNS = 3
_ROOT = Path(__file__).parents[1]
_BOTH = "import diffusers, torch"


def rows(quick: bool) -> list[Row]:
    """Every side in turns, a process each time."""
    from zoo import store
    from zoo.errors import UnknownModelError

    try:
        size = sizes(store.read_card(MODEL))
    except UnknownModelError:
        print(f"{MODEL} is not stored; `zoo train {MODEL}` makes it", file=sys.stderr)
        return []
    commands = {OURS: [sys.executable, "-m", "benchmarks.diffusers"]}
    python = os.environ.get("TORCH_PYTHON") or sys.executable
    if _has_both(python):
        commands |= {
            side: [python, "-m", "benchmarks.torch_unet", side, json.dumps(size)] for side in THEIRS
        }
    else:
        print(
            "PyTorch and diffusers are not both here; $TORCH_PYTHON may name a Python with them",
            file=sys.stderr,
        )
    found: list[list[Row]] = []
    for _ in range(1 if quick else _TURNS):
        for side, command in commands.items():
            done = subprocess.run(
                [*command, str(2 if quick else 7)],
                # The folder is the root: from this one `import diffusers` would find this file.
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            said = json.loads(done.stdout.splitlines()[-1])
            if said["parameters"] != size["parameters"]:
                print(f"{side} has {said['parameters']} parameters, not {size}", file=sys.stderr)
            found.append(_rows(side, said))
    return merged(found)


def _has_both(python: str) -> bool:
    done = subprocess.run([python, "-c", _BOTH], cwd=_ROOT.parent, capture_output=True, check=False)
    return done.returncode == 0


def _rows(side: str, said: dict[str, Any]) -> list[Row]:
    found = [
        Row("the first image after loading", side, 1000 * said["first"], "ms", 0.0),
        Row("peak memory of the process", side, said["peak_mb"], "MB", 0.0),
    ]
    for batch, seconds in said["seconds"].items():
        found += rates(f"{STEPS} steps, batch {batch}", {side: seconds}, int(batch), "images/s")
        evaluation = 1000 * said["evaluation"][batch]
        found.append(Row(f"a call of the U-Net, batch {batch}", side, evaluation, "ms", 0.0))
    return found


def sizes(card: Any) -> dict[str, Any]:
    """Returns what the other side needs to know to build the same network."""
    from zoo.models.diffusion import ldm

    defaults = {
        option: parameter.default
        for option, parameter in inspect.signature(ldm.denoiser).parameters.items()
        if option in ("width", "multipliers", "blocks", "attention", "heads")
    }
    options = card.recipe["network"]
    options = {**options, **options.get("denoiser", {})}
    return {
        **{option: options.get(option, value) for option, value in defaults.items()},
        "classes": len(card.input["labels"]),
        "shape": _latent_shape(card),
        "parameters": card.parameters["denoiser"],
    }


def _latent_shape(card: Any) -> list[int]:
    """Returns the shape of the latents, which is that of the stored denoiser's `sample`."""
    from zoo import store
    from zoo.diffusion import sample_shape

    return list(sample_shape(store.load(f"{card.name}@{card.version}")[1]["denoiser"]))


def report(draw: Callable[[int, int], Any], parameters: int, repeats: int, began: float) -> None:
    """Times a side and prints what `rows` reads.

    Args:
        draw: A function (number of images, steps) that draws them.
        parameters: Of the U-Net.
        repeats: Draws of each batch, of which the first does not count.
        began: When loading was over.
    """
    draw(1, STEPS)
    first = time.perf_counter() - began
    seconds: dict[int, list[float]] = {}
    evaluation: dict[int, float] = {}
    for batch in BATCHES:
        times: dict[int, list[float]] = {STEPS: [], 1: []}
        for steps, found in times.items():
            for _ in range(repeats + 1):
                begin = time.perf_counter()
                draw(batch, steps)
                found.append(time.perf_counter() - begin)
        seconds[batch] = times[STEPS][1:]
        # What does not depend on the number of steps falls out: noise, decoding, starting.
        evaluation[batch] = (min(times[STEPS]) - min(times[1])) / (STEPS - 1)
    said = {"first": first, "seconds": seconds, "evaluation": evaluation, "parameters": parameters}
    # Not that of getrusage, which begins with what the process had that started this one.
    print(json.dumps({**said, "peak_mb": memory("VmHWM")}))


def _sample(repeats: int) -> None:
    import zoo
    from zoo.diffusion import DiffusionGenerator

    generator = zoo.load(MODEL)
    assert isinstance(generator, DiffusionGenerator)
    began = time.perf_counter()
    guided = generator.with_sampling(guidance_scale=GUIDANCE)
    parameters = guided.networks["denoiser"].count_params()

    def draw(n: int, steps: int) -> Any:
        return guided.generate(n, num_inference_steps=steps)

    report(draw, parameters, repeats, began)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _sample(int(sys.argv[1]))
