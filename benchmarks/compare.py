"""Two results side by side: how much slower each case has become, and whether that is more than its noise.

    python benchmarks/compare.py OLD NEW                 # folders that run.py wrote, or rows.jsonl files
    python benchmarks/compare.py OLD NEW --tolerance 0.1

Printed is the ratio of the median times of each contestant that both have, with its 95 % bootstrap interval. Exits
with 1 where the whole interval of one of ours lies above 1 + tolerance; machines differ from one run to the next, so
compare runs that were made one after the other.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mlr_jax  # noqa: F401 (chooses the thread pool before JAX starts)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ratios import interval
from benchmarks.rows import Row, read
from mlr_jax.terminal import fail


class Change(NamedTuple):
    """Of a contestant: new median time / old, and the ends of its interval."""

    name: str
    who: str
    is_ours: bool
    ratio: float
    low: float
    high: float


def changes(old: Sequence[Row], new: Sequence[Row]) -> list[Change]:
    """Of every contestant that both have, in the order of the new rows; the last row of each counts."""
    before = {(row.name, row.who): row for row in old}
    found = []
    for (name, who), row in {(row.name, row.who): row for row in new}.items():
        if (name, who) in before:
            low, high = interval(before[name, who].seconds, row.seconds)
            ratio = row.median_s / before[name, who].median_s
            found.append(Change(name, who, row.is_ours, ratio, low, high))
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--tolerance", type=float, default=0.05, help="how much slower still counts as noise")
    arguments = parser.parse_args(words)
    try:
        found = changes(read(arguments.old), read(arguments.new))
    except (ValueError, OSError) as error:
        fail(str(error))
    if not found:
        fail(f"{arguments.old} and {arguments.new} have no contestant in common")
    slower = [change for change in found if change.is_ours and change.low > 1 + arguments.tolerance]
    print(f"{'case':32}{'who':28}{'new / old':>10}  95 % interval")
    for change in found:
        mark = "  slower" if change in slower else ""
        print(f"{change.name:32}{change.who:28}{change.ratio:10.3f}  {change.low:.3f} to {change.high:.3f}{mark}")
    print(f"{len(slower)} of {len(found)} have become slower by more than noise and {arguments.tolerance:.0%}")
    return int(bool(slower))


if __name__ == "__main__":
    sys.exit(main())
