"""Several finished runs side by side, and what can be said about their differences."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlr_jax.report import formatting, run
from mlr_jax.report.page import cost
from mlr_jax.report.run import Run
from mlr_jax.report.statistics import Difference, difference

if TYPE_CHECKING:
    from rich.table import Table


class Row(NamedTuple):
    """One metric of one run against the first run: the mean of `run` minus that of the first, with its 95 % interval.

    clear: whether the interval leaves out zero
    """

    metric: str
    run: str
    difference: Difference
    clear: bool


def compare(run_dirs: Sequence[str | Path]) -> "Table":
    """A table with a column per run: metrics with 95 % intervals, Welch differences to the first run, and cost.

    A metric's mean is over all members of the run, swept or not. A metric that a run lacks shows `-`; an asterisk
    marks a difference whose interval leaves out zero. Raises ValueError for no run at all, FileNotFoundError for a
    directory without a finished run, and what `run.read` raises.
    """
    from rich.table import Table
    from rich.text import Text

    runs = _finished(run_dirs)
    labels = _labels(runs)
    table = Table(caption="mean ± 95 % interval; Δ: against the first run (Welch), * where 0 lies outside")
    table.add_column("")
    for label in labels:
        table.add_column(Text(label, overflow="fold"), justify="right")
    table.add_row("experiment", *(Text(str(found.config["experiment"]), overflow="fold") for found in runs))
    against_first = {(row.metric, row.run): row for row in _differences(runs, labels)}
    for metric in _metrics(runs):
        rows = (against_first.get((metric, label)) for label in labels)
        cells = [_cell(found, metric, row) for found, row in zip(runs, rows, strict=True)]
        table.add_row(Text(metric), *map(Text, cells))
    costs = [cost(found.summary or {}) for found in runs]
    table.add_section()
    for name in costs[0]:
        table.add_row(name.lower(), *(Text(entry[name]) for entry in costs))
    return table


def differences(run_dirs: Sequence[str | Path]) -> list[Row]:
    """Every metric of every later run that the first run also has, against the first. Raises what `compare` raises."""
    runs = _finished(run_dirs)
    return _differences(runs, _labels(runs))


def _finished(run_dirs: Sequence[str | Path]) -> list[Run]:
    if not run_dirs:
        raise ValueError("compare: got no run directory, at least one is needed")
    runs = [run.read(directory) for directory in run_dirs]
    for found in runs:
        if found.summary is None:
            raise FileNotFoundError(f"{found.directory}: the run has not finished, summary.json is missing")
    return runs


def _labels(runs: Sequence[Run]) -> list[str]:
    """Directory names; where two are the same, numbered paths, so that a run given twice keeps both columns."""
    names = [found.directory.resolve().name for found in runs]
    if len(set(names)) == len(names):
        return names
    return [f"{number}: {found.directory}" for number, found in enumerate(runs, 1)]


def _metrics(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for found in runs for name in (found.summary or {})["metrics"]))


def _differences(runs: Sequence[Run], labels: Sequence[str]) -> list[Row]:
    first = (runs[0].summary or {})["metrics"]
    rows = []
    for found, label in zip(runs[1:], labels[1:], strict=True):
        for metric, entry in (found.summary or {})["metrics"].items():
            if metric in first:
                delta = difference(_numbers(entry["members"]), _numbers(first[metric]["members"]))
                rows.append(Row(metric, label, delta, _is_clear(delta)))
    return rows


def _numbers(members: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in members]


def _is_clear(delta: Difference) -> bool:
    return delta["mean"] is not None and delta["ci95"] is not None and abs(delta["mean"]) > delta["ci95"]


def _cell(found: Run, metric: str, row: Row | None) -> str:
    metrics = (found.summary or {})["metrics"]
    if metric not in metrics:
        return formatting.MISSING
    text = formatting.interval(metrics[metric])
    if row is None:
        return text
    delta = formatting.uncertain(row.difference["mean"], row.difference["ci95"], sign=True)
    return f"{text}\nΔ {delta}{' *' if row.clear else ''}"
