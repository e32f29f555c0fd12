"""Networks as fast functions on arrays."""

from zoo.backend import import_backend

# Whoever comes here first has the backend chosen and checked.
import_backend()

from zoo.runtime.compiled import compile_network  # noqa: E402
from zoo.runtime.sampling import SamplingLoop  # noqa: E402

__all__ = ["SamplingLoop", "compile_network"]
