"""The folder of a run: made new, or found again, and never taken from another run."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlr_jax.experiment.settings import differing
from mlr_jax.report import atomic, records

CONFIG, RECORDS, SUMMARY = "config.json", "records.jsonl", "summary.json"


class Busy(ValueError):
    """Another process is writing the run."""


@contextmanager
def owned(directory: Path) -> Iterator[None]:
    """Make the folder and hold it for this process alone; the system lets it go when the process ends, however it does.

    Raises Busy where another process holds it: two starts side by side would mix their records and checkpoints.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"--out: got {directory}, which another process is writing to") from None
        yield
    finally:
        os.close(lock)


def choose(name: str, out: Path | None) -> Path:
    """`out`, or the first runs/NAME/001, 002, ... that is not there yet."""
    if out is not None:
        return out.resolve()
    parent = Path("runs") / name
    number = 1
    while (parent / f"{number:03d}").exists():
        number += 1
    return (parent / f"{number:03d}").resolve()


def check(directory: Path, name: str, config: Mapping[str, Any], resume: bool) -> None:
    """Raises ValueError where writing to the folder would touch anything but this very run."""
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    if not nearest.is_dir():
        raise ValueError(f"--out: got {directory}, but {nearest} is a file; a folder is needed")
    if not os.access(nearest, os.W_OK):
        raise ValueError(f"--out: got {directory}, but {nearest} may not be written to; allowed is a folder that may")
    cut_off = CONFIG + ".tmp"  # all that a run leaves when it is killed in the moment it begins
    if not directory.exists() or all(path.name == cut_off for path in directory.iterdir()):
        return
    there = _read_json(directory / CONFIG)
    if not isinstance(there, dict) or not isinstance(there.get("config"), dict):
        raise ValueError(f"--out: got {directory}, which holds files that are no run; allowed is a new or empty folder")
    if there.get("experiment") != name:
        raise ValueError(f"--out: got {directory}, which holds a run of {there.get('experiment')}, not of {name}")
    if not resume:
        raise ValueError(f"--out: got {directory}, which holds a run already; --resume goes on with it")
    changed = differing(there["config"], json.loads(json.dumps(config)))
    if changed:
        field = changed[0]
        raise ValueError(
            f"--{field.replace('_', '-')}: got {config.get(field)!r}, the run in {directory} was started with "
            f"{there['config'].get(field)!r}; a run goes on with the settings that it began with"
        )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the whole file or nothing."""
    atomic.write(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def summary(directory: Path) -> dict[str, Any] | None:
    """The summary of a run that has finished; None where it has not."""
    return _read_json(directory / SUMMARY)


def _read_json(path: Path) -> Any:
    """What the file holds; None where it is not there or is not JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def history(directory: Path, step: int) -> list[dict[str, Any]]:
    """The records up to `step`; later ones, of steps that will be taken again, are dropped from the file."""
    path = directory / RECORDS
    if not path.exists():
        return []
    records.truncate(path, step)
    return records.read(path)
