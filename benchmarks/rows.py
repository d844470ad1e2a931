"""A row for each contestant of a case: what was measured of it, where and with which versions; JSON, one a line."""

import json
import math
import os
import platform
import resource
import statistics
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.case import PEER_PACKAGES, Asked, Case
from benchmarks.ceilings import Ceilings, share_of_flops, share_of_roofline
from benchmarks.in_turn import Measured

FILE = "rows.jsonl"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn", *PEER_PACKAGES)
FLAGS = ("XLA_FLAGS", "PJRT_NPROC", "OMP_NUM_THREADS", "JAX_NUM_CPU_DEVICES")


class Row(NamedTuple):
    """Seconds, FLOPs and bytes are those of the whole work of the case, which is `steps` steps on `items` `unit`.

    seconds:  of each repeat; median_s, low_s and high_s are their median, 10 % and 90 % points
    times_ours: the median as a multiple of that of the fastest of ours
    number:   what shows that it is the same work; None where it is no number
    held:     bytes that the program needs, its arguments among them; peak: the most that the process (on an
              accelerator: the device) has held until the end of the case
    of_flops, of_roofline: shares of the machine's ceilings
    """

    name: str
    who: str
    is_ours: bool
    unit: str
    items: float
    steps: int
    compile_s: float | None
    first_s: float
    median_s: float
    low_s: float
    high_s: float
    seconds: list[float]
    items_per_s: float
    times_ours: float
    number: float | None
    programs: int
    recompiled: int
    flops: float | None
    bytes: float | None
    held: int | None
    peak: int
    of_flops: float | None
    of_roofline: float | None
    curve: str | None
    size: int | None
    exponent: float | None
    machine: Mapping[str, Any]


def rows_of(name: str, case: Case, found: Mapping[str, Measured], machine: Mapping[str, Any]) -> list[Row]:
    """The rows of a case that has been measured."""
    best = min(statistics.median(found[who].seconds) for who in case.ours)
    most = Ceilings(**machine["ceilings"])
    point = case.point._asdict() if case.point else {"curve": None, "size": None, "exponent": None}
    rows = []
    for who, one in found.items():
        low, median, high = np.quantile(one.seconds, [0.1, 0.5, 0.9]).tolist()
        rows.append(
            Row(
                name=name, who=who, is_ours=who in case.ours, unit=case.unit, items=case.items, steps=case.steps,
                compile_s=one.compile_s, first_s=one.first_s, median_s=median, low_s=low, high_s=high,
                seconds=one.seconds, items_per_s=case.items / median, times_ours=median / best,
                number=one.number if math.isfinite(one.number) else None, programs=one.programs,
                recompiled=one.recompiled, **one.cost._asdict(), peak=_peak(),
                of_flops=share_of_flops(one.cost, median, most),
                of_roofline=share_of_roofline(one.cost, median, most), **point, machine=machine,
            )
        )  # fmt: skip
    return rows


def machine_now(most: Ceilings, asked: Asked) -> dict[str, Any]:
    """Device, versions, flags and ceilings, and what was asked for: a part of each row."""
    device = jax.devices()[0]
    return {
        "device": f"{device.device_kind} x {jax.device_count()}",
        "platform": device.platform,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "flags": {name: os.environ[name] for name in FLAGS if name in os.environ},
        "ceilings": most._asdict(),
        "asked": asked.words(),
    }


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add the rows of a case to a file in one piece."""
    lines = "".join(json.dumps(row._asdict(), allow_nan=False) + "\n" for row in rows)
    with path.open("a", encoding="utf-8") as file:
        file.write(lines)


def read(path: Path) -> list[Row]:
    """The rows of a file, or of the folder that it lies in.

    Raises FileNotFoundError where there is none and ValueError, with the line, for what is no row.
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"{path}: holds no {FILE}")
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file}, line {number}: is no row ({error})") from None
    return rows


def _peak() -> int:
    stats = jax.devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use") or 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _version(package: str) -> str | None:
    try:
        return metadata.version(package.replace("_", "-"))
    except metadata.PackageNotFoundError:
        return None
