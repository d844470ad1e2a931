"""Numbers as a reader wants them: as many digits as the uncertainty supports, and no more."""

import math
from collections.abc import Mapping
from typing import Any

MISSING = "-"
"""What stands for a number that does not exist."""

PLAIN_LIMIT = 1e7
"""From here on numbers are written with an exponent."""


def number(value: Any) -> str:
    """Four significant digits, or all whole ones below 1e7; integers and words as they are; `-` for None and nan."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return _digits(value) if isinstance(value, float) else str(value)


def uncertain(mean: float | None, ci95: float | None, *, sign: bool = False) -> str:
    """`0.9712 ± 0.0031`: the interval to two significant digits and the mean to the same place.

    Without an interval, the mean alone. `sign` writes the plus of a positive mean, as for a difference.
    """
    if mean is None or not math.isfinite(mean):
        return MISSING
    plus = "+" if sign else ""
    if not ci95 or not math.isfinite(ci95):
        return _digits(mean, plus) + (" ± 0" if ci95 == 0 else "")
    places = 1 - math.floor(math.log10(ci95))
    if places > 6 or max(abs(mean), ci95) >= PLAIN_LIMIT:
        return f"{mean:{plus}.4g} ± {ci95:.2g}"
    return f"{mean:{plus}.{max(places, 0)}f} ± {ci95:.{max(places, 0)}f}"


def interval(entry: Mapping[str, Any]) -> str:
    """Mean and interval of a summary's metric, with the number of members that diverged."""
    diverged = entry.get("diverged")
    return uncertain(entry["mean"], entry["ci95"]) + (f" ({diverged} diverged)" if diverged else "")


def cell(value: Any) -> str:
    """A cell of a table: text as it is, a number as `number`, a metric's entry as `interval`."""
    return interval(value) if isinstance(value, Mapping) else number(value)


def words(name: str) -> str:
    """An identifier as a heading: `confusion_matrix` -> `Confusion matrix`."""
    spaced = name.replace("_", " ").strip()
    return spaced[:1].upper() + spaced[1:]


def setting(hypers: Mapping[str, Any]) -> str:
    """One setting of hyper-parameters: `learning_rate=0.001, momentum=0.9`."""
    return ", ".join(f"{name}={number(value)}" for name, value in hypers.items())


def _digits(value: float, plus: str = "") -> str:
    return f"{value:{plus}.0f}" if 1e3 <= abs(value) < PLAIN_LIMIT else f"{value:{plus}.4g}"
