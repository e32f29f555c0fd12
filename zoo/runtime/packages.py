"""Which packages the runtimes need, and what to do where one is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from zoo.errors import InvalidInputError

# What computes, and what it takes to make its files.
RUNS_ON = {"saved_model": "tensorflow", "onnx": "onnxruntime", "openvino": "openvino"}
MADE_WITH = {
    "saved_model": ("tensorflow",),
    "onnx": ("tensorflow", "tf2onnx", "onnx"),
    # By way of ONNX, whose inputs keep their names.
    "openvino": ("tensorflow", "tf2onnx", "onnx", "openvino"),
}
# By the package, the extra of this one that brings it; the others are always there.
_EXTRAS = {
    "onnxruntime": "fast",
    "openvino": "fast",
    "tf2onnx": "fast",
    "onnx": "fast",
    "nncf": "int8",
}


def is_installed(package: str) -> bool:
    """Returns whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def can_run(runtime: str) -> bool:
    """Returns whether what a runtime computes with is installed."""
    return is_installed(RUNS_ON[runtime])


def can_make(runtime: str) -> bool:
    """Returns whether what makes a runtime's files is installed."""
    return all(is_installed(package) for package in MADE_WITH[runtime])


def require(what: str, *packages: str) -> None:
    """Checks that packages are installed.

    Args:
        what: What needs them, for the message.
        packages: Their names.

    Raises:
        InvalidInputError: naming the first that is missing and what brings it.
    """
    for package in packages:
        if not is_installed(package):
            extra = _EXTRAS.get(package)
            name = f"'keras-model-zoo[{extra}]'" if extra else package
            raise InvalidInputError(f"{what} needs {package}; `pip install {name}` brings it")


def versions(*packages: str) -> dict[str, str]:
    """Returns the versions of those packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
