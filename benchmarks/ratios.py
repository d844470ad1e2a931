"""How much faster one is than another: ratios of median times, and what is uncertain about them."""

import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.rows import Row

DRAWS, SEED = 2000, 0


def names(rows: Sequence[Row]) -> list[str]:
    """The cases, in the order of the rows."""
    return list(dict.fromkeys(row.name for row in rows))


def interval(old: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """Of the ratio of medians, new / old: the 2.5 and 97.5 % points over draws of the repeats with replacement."""
    rng = np.random.default_rng(SEED)
    medians = [np.median(rng.choice(times, (DRAWS, len(times))), axis=1) for times in (new, old)]
    low, high = np.quantile(medians[0] / medians[1], [0.025, 0.975])
    return float(low), float(high)


def fastest(rows: Sequence[Row], name: str, *, ours: bool) -> Row | None:
    """Of a case, the fastest of ours or of the peers; None where there is none."""
    some = [row for row in rows if row.name == name and row.is_ours is ours]
    return min(some, key=lambda row: row.median_s, default=None)


def times_faster(rows: Sequence[Row]) -> dict[str, float]:
    """Of each case with a peer, how often the fastest of ours is as fast as the fastest peer."""
    pairs = {name: (fastest(rows, name, ours=True), fastest(rows, name, ours=False)) for name in names(rows)}
    return {name: peer.median_s / mine.median_s for name, (mine, peer) in pairs.items() if mine and peer}


def mean_ratio(ratios: Iterable[float]) -> float:
    """The geometric mean."""
    return statistics.geometric_mean(ratios)
