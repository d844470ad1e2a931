"""The log of a run: one strict JSON object a line, holding a step and the metrics of every member at that step.

    {"step": 100, "wall_s": 3.2, "train_loss": [0.41, 0.39], "val_loss": [0.52, null]}

JSON has no word for infinity or "not a number", so a non-finite number is stored as null and read back as nan.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlr_jax.report import atomic

CLOCK = ("step", "wall_s")
"""The fields that place a record in time. Every other field is a metric."""

Record = Mapping[str, Any]
"""`step` (int), `wall_s` (seconds, float, optional), and metrics, each of shape [M], one number per member."""


def append(path: str | Path, record: Mapping[str, Any]) -> None:
    """Add one record to the end of the file and flush it.

    Values are numbers, numpy or JAX scalars, or arrays of shape [M]. A file that a kill cut off must be mended by
    `truncate` first. Raises ValueError for a record without an integer step and for a value that is not numeric.
    """
    plain = {name: _plain(name, value) for name, value in record.items()}
    if not isinstance(plain.get("step"), int):
        raise ValueError(f"a record needs an integer 'step', got {record.get('step')!r}")
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(plain, allow_nan=False) + "\n")


def read(path: str | Path) -> list[dict[str, Any]]:
    """All records in the order of the file, metrics as float arrays of shape [M] with nan for null.

    A last line that was cut off is left out. Raises FileNotFoundError for a missing file and ValueError, with the
    line number, for any other line that is not a record.
    """
    return [_arrays(record) for _, record in _lines(Path(path))]


def metric_names(records: Sequence[Record]) -> list[str]:
    """The names of all metrics, in the order in which they first appear."""
    return list(dict.fromkeys(name for record in records for name in record if name not in CLOCK))


def series(records: Sequence[Record], name: str) -> tuple[np.ndarray, np.ndarray]:
    """One metric over time: steps [T] and values [T, M], from the records that hold it.

    Raises ValueError if none does, or if the number of members changes on the way.
    """
    rows = [(record["step"], np.atleast_1d(record[name])) for record in records if name in record]
    if not rows:
        raise ValueError(f"no record holds {name!r}; metrics are {', '.join(metric_names(records)) or 'absent'}")
    widths = sorted({len(values) for _, values in rows})
    if len(widths) > 1:
        raise ValueError(f"{name!r} has {widths} members in different records; one number is allowed")
    steps, values = zip(*rows, strict=True)
    return np.asarray(steps), np.stack(values).astype(np.float64)


def truncate(path: str | Path, step: int) -> None:
    """Drop the records after `step` and a last line that was cut off, so that a resumed run can append.

    The file is replaced in one piece. A file that does not exist has nothing to drop and is left so.
    """
    path = Path(path)
    if path.exists():
        kept = [line for line, record in _lines(path) if record["step"] <= step]
        atomic.write(path, b"".join(line + b"\n" for line in kept))


def _plain(name: str, value: Any) -> Any:
    array = np.asarray(value)
    if array.ndim > 1 or array.dtype.kind in "OSUMmc":
        raise ValueError(f"{name!r} must be numbers of shape [] or [M], got {array.dtype} of shape {array.shape}")
    if array.dtype.kind in "iu":
        return array.tolist()
    numbers = array.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers.astype(object), np.asarray(None)).tolist()


def _lines(path: Path) -> list[tuple[bytes, dict[str, Any]]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of records")
    *ended, last = path.read_bytes().split(b"\n")
    parsed = [(line, _parse(line, f"{path}, line {number}")) for number, line in enumerate(ended, 1)]
    try:
        return [*parsed, (last, _parse(last, "the last line"))]
    except ValueError:  # it has no line end: this is where a kill cut the file off
        return parsed


def _parse(line: bytes, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except ValueError as error:
        raise ValueError(f"{place}: not a JSON object ({error})") from None
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        raise ValueError(f"{place}: a record is a JSON object with an integer 'step'")
    return record


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON; a non-finite number is stored as null")


def _arrays(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(name, value) for name, value in record.items()}


def _number(name: str, value: Any) -> Any:
    if name == "step":
        return value
    array = np.asarray(value, dtype=np.float64)
    return float(array) if name in CLOCK else np.atleast_1d(array)
