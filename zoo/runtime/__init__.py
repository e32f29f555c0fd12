"""Networks as fast functions on arrays."""

from zoo.runtime.compiled import compile_network

__all__ = ["compile_network"]
