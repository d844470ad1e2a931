"""What installed packages keep among their files: data sets, photographs, weights."""

import importlib.util
from pathlib import Path


def shipped(module: str, inside: str, package: str | None = None) -> Path:
    """The file or folder `inside` of an installed module, which is not imported.

    package: the name to install it by, where that is not the module's. Raises FileNotFoundError, with what to do, where
    the module is not installed or lacks the file.
    """
    found = importlib.util.find_spec(module)
    for place in (found.submodule_search_locations or ()) if found else ():
        if (Path(place) / inside).exists():
            return Path(place) / inside
    package = package or module
    raise FileNotFoundError(
        f"{inside} is shipped by the package {package}, which is not installed: run pip install {package}, or give the "
        "path of a copy"
    )
