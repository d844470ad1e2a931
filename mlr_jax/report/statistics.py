"""What several seeds say about one number: Student t intervals, Welch differences and a robust mean.

A member whose value is not finite has diverged: it is left out of every mean and counted, because one infinity would
otherwise hide what the other members did.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95


class Interval(TypedDict):
    """A mean over members and the half width of its 95 % interval, ready for JSON.

    mean:     over the finite members, None if there is none
    ci95:     half width, in the unit of the values; None for fewer than two finite members
    members:  the values themselves, None where not finite
    diverged: how many members are not finite; absent when all are finite
    """

    mean: float | None
    ci95: float | None
    members: list[float | None]
    diverged: NotRequired[int]


class Difference(TypedDict):
    """A difference of two means and the half width of its 95 % interval, both None where they are undefined."""

    mean: float | None
    ci95: float | None


class Group(TypedDict):
    """The members that share one setting of the swept hyper-parameters, whatever their seed."""

    hypers: dict[str, Any]
    metrics: dict[str, Interval]


def interval(values: ArrayLike) -> Interval:
    """The 95 % Student t interval of the mean over members: values [M] -> mean ± t(M - 1) s / sqrt(M).

    Raises ValueError if the values are not one-dimensional or are empty.
    """
    array = _vector("interval", values)
    mean, half_width = t_interval(array)
    result = Interval(mean=_plain(mean), ci95=_plain(half_width), members=[_plain(value) for value in array])
    if diverged := int((~np.isfinite(array)).sum()):
        result["diverged"] = diverged
    return result


def t_interval(values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean and half width of the 95 % t interval over the last axis: values [..., M] -> two arrays [...].

    Non-finite members are left out; nan stands where too few are left: none for the mean, one for the half width.
    """
    mean, variance, count = _moments(np.asarray(values, dtype=np.float64))
    return mean, _t_quantile(count - 1) * np.sqrt(variance / np.maximum(count, 1))


def difference(a: ArrayLike, b: ArrayLike) -> Difference:
    """Mean of `a` minus mean of `b`, with the 95 % interval of Welch (1947): neither variance nor size need be equal.

    The members are taken as independent, and the degrees of freedom are those of Welch and Satterthwaite. Raises
    ValueError if `a` or `b` is empty or not one-dimensional.
    """
    mean_a, variance_a, count_a = _moments(_vector("difference", a))
    mean_b, variance_b, count_b = _moments(_vector("difference", b))
    if min(count_a, count_b) < 2:
        return Difference(mean=_plain(mean_a - mean_b), ci95=None)
    share_a, share_b = variance_a / count_a, variance_b / count_b
    if share_a + share_b == 0:
        return Difference(mean=_plain(mean_a - mean_b), ci95=0.0)
    degrees = (share_a + share_b) ** 2 / (share_a**2 / (count_a - 1) + share_b**2 / (count_b - 1))
    return Difference(mean=_plain(mean_a - mean_b), ci95=_plain(_t_quantile(degrees) * np.sqrt(share_a + share_b)))


def interquartile_mean(values: ArrayLike) -> float | None:
    """Mean of the finite values without the lowest and the highest quarter (rounded down): values [M] -> number.

    Less moved by one lucky or unlucky seed than the mean (Agarwal et al., 2021). None if no value is finite.
    """
    array = _vector("interquartile_mean", values)
    finite = np.sort(array[np.isfinite(array)])
    cut = len(finite) // 4
    return float(finite[cut : len(finite) - cut].mean()) if len(finite) else None


def settings(members: Sequence[Mapping[str, Any]]) -> list[tuple[dict[str, Any], list[int]]]:
    """The distinct settings of the swept hyper-parameters, each with the indices of its members, seeds apart."""
    found: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for index, member in enumerate(members):
        hypers = {name: value for name, value in member.items() if name != "seed"}
        found.setdefault(repr(sorted(hypers.items())), (hypers, []))[1].append(index)
    return list(found.values())


def group_by_hypers(members: Sequence[Mapping[str, Any]], metrics: Mapping[str, ArrayLike]) -> list[Group]:
    """Intervals over seeds, one group per setting of the swept hyper-parameters, in order of first appearance.

    `members` holds the seed and the swept values of each of the M members, `metrics` final values of shape [M].
    Raises ValueError for a metric of another length.
    """
    arrays = {name: _vector(name, values) for name, values in metrics.items()}
    for name, array in arrays.items():
        if len(array) != len(members):
            raise ValueError(f"{name!r} has {len(array)} values for {len(members)} members; one each is wanted")
    return [
        Group(hypers=hypers, metrics={name: interval(array[rows]) for name, array in arrays.items()})
        for hypers, rows in settings(members)
    ]


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    finite = np.isfinite(values)
    count = finite.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.where(finite, values, 0.0).sum(axis=-1) / count
        deviation = np.where(finite, values - mean[..., None], 0.0)
        variance = (deviation**2).sum(axis=-1) / (count - 1)
    return mean, np.where(count > 1, variance, np.nan), count


def _t_quantile(degrees: ArrayLike) -> np.ndarray:
    from scipy.special import stdtrit

    return stdtrit(degrees, (1 + CONFIDENCE) / 2)


def _vector(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name}: wanted values of shape [M] with M >= 1, got shape {array.shape}")
    return array


def _plain(number: Any) -> float | None:
    return float(number) if np.isfinite(number) else None
