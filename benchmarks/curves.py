"""How the time of a step grows with a size: the exponent of a power law through the points of a curve."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.rows import Row


class Curve(NamedTuple):
    """Sizes and seconds a step of one contestant.

    exponent: of the power law that fits all points best; last: between the two greatest sizes; stated: the algorithm's
    """

    name: str
    who: str
    sizes: list[int]
    seconds: list[float]
    exponent: float
    last: float
    stated: float


def curves(rows: Sequence[Row]) -> list[Curve]:
    """Those with at least two points, in the order of the rows."""
    keys = dict.fromkeys((row.curve, row.who) for row in rows if row.curve is not None)
    found = []
    for name, who in keys:
        points = sorted(
            (row.size, row.median_s / row.steps, row.exponent) for row in rows if (row.curve, row.who) == (name, who)
        )
        if len(points) > 1:
            sizes, seconds, stated = (list(column) for column in zip(*points, strict=True))
            slopes = np.diff(np.log(seconds)) / np.diff(np.log(sizes))
            slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
            found.append(Curve(name, who, sizes, seconds, float(slope), float(slopes[-1]), stated[0]))
    return found
