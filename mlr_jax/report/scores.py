"""How good the scores of a binary classifier are: ROC and precision-recall curves, and calibration."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scored = tuple[np.ndarray, np.ndarray]
"""labels [N] of 0 and 1, and scores [N], greater for more likely 1."""


def roc(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at each distinct threshold, from (0, 0) to (1, 1).

    Raises ValueError unless both classes are there.
    """
    false, true = _counts(labels, scores)
    return false / false[-1], true / true[-1]


def precision_recall(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at each distinct threshold, from the highest down. Raises what `roc` raises."""
    false, true = _counts(labels, scores)
    return true[1:] / true[-1], true[1:] / (true[1:] + false[1:])


def area_under_roc(labels: ArrayLike, scores: ArrayLike) -> float:
    """The chance that a row of class 1 scores higher than one of class 0, ties counting half."""
    false, true = roc(labels, scores)
    return float(np.trapezoid(true, false))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Sum over thresholds of (R_n - R_{n-1}) P_n, recall R and precision P."""
    recall, precision = precision_recall(labels, scores)
    return float((np.diff(recall, prepend=0) * precision).sum())


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By bin of equal width that is not empty: mean probability, share of class 1, and number of rows."""
    y, p = np.asarray(labels, float), np.asarray(probabilities, float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    mean, share = (np.bincount(place, values, minlength=bins)[filled] / count[filled] for values in (p, y))
    return mean, share, count[filled]


def score_quality(entries: Mapping[str, Scored], *, calibrated: bool = True) -> "Figure":
    """ROC, precision-recall and, where scores are probabilities, calibration, one line by name in each panel.

    Legends tell the area under the ROC curve and the average precision; dots of the calibration are larger the more
    rows they stand for. Raises what `roc` raises.
    """
    figure, grid = style.canvas(3 if calibrated else 2, columns=3, size=(3.9, 3.7))
    colours = style.class_colours(len(entries))
    for colour, (name, (labels, scores)) in zip(colours, entries.items(), strict=True):
        label = f"{name} {area_under_roc(labels, scores):.3f}"
        grid[0].plot(*roc(labels, scores), color=colour, linewidth=1.6, label=label)
        label = f"{name} {average_precision(labels, scores):.3f}"
        grid[1].step(*precision_recall(labels, scores), where="pre", color=colour, linewidth=1.6, label=label)
        if calibrated:
            mean, share, count = reliability(labels, scores)
            grid[2].plot(mean, share, color=colour, linewidth=1.2)
            grid[2].scatter(mean, share, s=8 + 90 * count / count.sum(), color=colour, linewidths=0)
    base = float(np.mean([np.mean(labels) for labels, _ in entries.values()]))
    for axes, ends in zip(grid, ((0.0, 1.0), (base, base), (0.0, 1.0)), strict=False):
        axes.plot([0, 1], list(ends), color="#888888", linewidth=1, linestyle=":")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    small: Any = {"frameon": False, "fontsize": style.SMALL_SIZE, "title_fontsize": style.SMALL_SIZE}
    grid[0].legend(title="area", loc="lower right", **small)
    grid[1].legend(title="average precision", loc="lower left", **small)
    style.dress(grid[0], "ROC", "False positive rate", "True positive rate")
    style.dress(grid[1], "Precision and recall", "Recall", "Precision")
    if calibrated:
        style.dress(grid[2], "Calibration", "Predicted probability", "Share that is so")
    return figure


def _counts(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """How many rows of class 0 and of class 1 score at least each distinct threshold, from the highest down."""
    y, s = np.asarray(labels), np.asarray(scores, float)
    if y.shape != s.shape or y.ndim != 1 or not {0, 1} == set(np.unique(y)):
        raise ValueError(
            f"wanted labels [N] of both 0 and 1 and scores [N], got shapes {y.shape} and {s.shape} with labels "
            f"{np.unique(y)[:5].tolist()}"
        )
    order = np.argsort(-s, kind="stable")
    last_of_threshold = np.append(np.flatnonzero(np.diff(s[order])), len(y) - 1)
    true = np.cumsum(y[order])[last_of_threshold]
    false = 1 + last_of_threshold - true
    return np.append(0, false), np.append(0, true)
