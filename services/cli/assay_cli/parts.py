"""Which parts of Assay are installed here."""

import importlib.util


def is_here(module: str) -> bool:
    """Whether a module can be imported; nothing but its parent packages is."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
