"""Replace a file in one piece: a reader, or a kill, sees the old file or the new one and nothing between."""

import os
from pathlib import Path


def write(path: str | Path, data: bytes) -> None:
    """Write `data` beside `path`, then rename it to `path`. The directory must exist."""
    path = Path(path)
    partial = path.with_name(path.name + ".tmp")
    partial.write_bytes(data)
    os.replace(partial, path)
