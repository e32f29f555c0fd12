"""The protocols, a file each: they read a request, ask the core, and shape its answer."""
