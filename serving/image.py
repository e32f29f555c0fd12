"""What a container of the service is made of; `bentoml containerize` reads it."""

from __future__ import annotations

import bentoml


def image() -> bentoml.images.Image:
    """Describes the image: Python, and what `pyproject.toml` asks for at the pinned versions.

    BentoML adds the bento itself, and a user of its own, 1034, that everything runs as. Nothing is
    resolved while a bento is built, so that this needs no network.
    """
    files = ("pyproject.toml", "constraints.txt")
    described = bentoml.images.Image(python_version="3.11", lock_python_packages=False)
    return (
        described.python_packages(f"bentoml=={bentoml.__version__}")
        .build_include(*files)
        .run(
            "uv pip install --no-cache --constraint src/constraints.txt "
            "--requirement src/pyproject.toml --extra fast --extra tracing"
        )
    )
