"""Where a wheel's files lie, found without importing its Python code."""

import importlib.util
from pathlib import Path


def folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
