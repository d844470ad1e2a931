"""Every classical algorithm beside scikit-learn in one run: the same data, the same settings, both cores.

    python benchmarks/classical.py                        # all cases
    python benchmarks/classical.py ridge kmeans --repeats 9 --out classical.json

For each case the two run in turn. Printed are the first call (compiling, with an empty cache, included), the median
of the later ones in ms, how often ours is faster, and a figure of quality of both, so that it is seen to be the same
work. Data are float32 and lie in memory already; ours is the compiled pure function, blocked until its result is
there.
"""

import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import case_flags  # noqa: E402
from benchmarks.cases.classical import CASES, Case  # noqa: E402


class Row(NamedTuple):
    """One case as measured: times in ms, qualities as the case names them."""

    case: str
    first_ms: float
    ours_ms: float
    peer_ms: float
    ratio: float
    quality: str
    ours_quality: float
    peer_quality: float


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    arguments = case_flags.read(case_flags.parser_of(__doc__, CASES, repeats=5), CASES)
    warnings.filterwarnings("ignore", category=UserWarning)  # scikit-learn says that it stopped at max_iter
    rows = []
    print(f"{'case':20}{'first ms':>10}{'ours ms':>10}{'sklearn ms':>12}{'times faster':>14}  quality of both")
    for name in arguments.cases or CASES:
        row = measure(name, CASES[name](), arguments.repeats)
        rows.append(row._asdict())
        print(
            f"{row.case:20}{row.first_ms:10.0f}{row.ours_ms:10.1f}{row.peer_ms:12.1f}{row.ratio:14.2f}  "
            f"{row.quality} {row.ours_quality:.6g}, {row.peer_quality:.6g}",
            flush=True,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def measure(name: str, case: Case, repeats: int) -> Row:
    """Both in turn: ours, theirs, ours, theirs."""
    first_ms, ours = timed(case.ours)
    _, peer = timed(case.peer)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for spent, function in zip(times, (case.ours, case.peer), strict=True):
            spent.append(timed(function)[0])
    ours_ms, peer_ms = (statistics.median(spent) for spent in times)
    qualities = (float(case.quality_of_ours(ours)), float(case.quality_of_peer(peer)))
    return Row(name, first_ms, ours_ms, peer_ms, peer_ms / ours_ms, case.quality, *qualities)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and the result."""
    since = time.perf_counter()
    result = function()
    return 1000 * (time.perf_counter() - since), result


if __name__ == "__main__":
    main()
