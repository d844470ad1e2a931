"""A study: an experiment that fits whole sets instead of taking steps, and the one function that runs any of them.

Its file declares flags, a `build` that loads and checks the data, and a `measure` that fits, compares and draws. What
is found is written as a run like any other: `mlr report` and `mlr compare` read it.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mlr_jax.experiment import run_dir
from mlr_jax.experiment.main import print_summary, read_call, short
from mlr_jax.experiment.run import Say, describe_devices, draw, versions
from mlr_jax.experiment.settings import as_plain, check_members
from mlr_jax.experiment.stopwatch import Lap, Stopwatch
from mlr_jax.report import atomic, page
from mlr_jax.report.statistics import interval
from mlr_jax.terminal import fail, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPENDS_ON = ("mlr-jax", "jax", "jaxlib", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class StudySettings:
    """The common part of a study's flags; each study adds fields and defaults of its own."""

    seeds: int = 5
    """Repetitions, with the seeds seed, seed + 1, ...: intervals are over them."""
    seed: int = 0
    """The first seed."""
    out: Path | None = None
    """Folder of the run; a new numbered one under runs/ where it is not given."""
    resume: bool = False
    """Start the run in --out again if it was interrupted; a finished one is left as it is."""
    tiny: bool = False
    """Small data and small models: shows in seconds that everything works."""


class Table(NamedTuple):
    """Rows under columns, for the terminal and the page: each cell is text, a number or an `interval`."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Picture(NamedTuple):
    """A figure and the sentence that says what is to be seen in it."""

    figure: "Figure"
    caption: str


class Findings(NamedTuple):
    """What a study found.

    metrics:  by name one value for each member, [M]: their mean and interval are the result
    tables:   in the order of the page
    pictures: by name, in the order of the page
    files:    contents by name, written beside the report
    """

    metrics: Mapping[str, ArrayLike]
    tables: Sequence[Table] = ()
    pictures: Mapping[str, Picture] = {}
    files: Mapping[str, str] = {}


class Study(NamedTuple):
    """What a study's file declares.

    members: what the values of each metric belong to: a seed, a fold, ...
    measure: fits and compares; programs that it calls through the stopwatch get a row in the table of times
    """

    members: Sequence[Mapping[str, Any]]
    measure: Callable[[Stopwatch], Findings]


class Plan(NamedTuple):
    """A study that has passed every check, with nothing written yet."""

    name: str
    command: str
    settings: Any
    study: Study
    directory: Path


def main(
    config: type,
    build: Callable[[Any], Study],
    tiny: Mapping[str, Any],
    arguments: Sequence[str] | None = None,
    file: str | None = None,
) -> dict[str, Any]:
    """Run the study that `build` makes of `config`, a `StudySettings`, as its flags say; returns the summary.

    tiny: the defaults that `--tiny` puts in place of the usual ones. Exits with 2 and one line on a bad argument, and
    with 130 when it is interrupted.
    """
    name, command, settings = read_call(config, {"tiny": tiny}, arguments, file)
    try:
        planned = plan(name, command, settings, build)
    except (ValueError, OSError, ImportError) as error:
        fail(str(error))
    say(f"{name}: {len(planned.study.members)} members, into {short(planned.directory)}")
    try:
        summary = run(planned, say)
    except run_dir.Busy as busy:
        fail(str(busy))
    except KeyboardInterrupt:
        say("interrupted: nothing was kept; a study starts again from its beginning")
        sys.exit(130)
    print_summary(summary, planned.directory)
    return summary


def plan(name: str, command: str, settings: Any, build: Callable[[Any], Study]) -> Plan:
    """Check the settings and the folder, load the data. Writes nothing.

    Raises ValueError or FileNotFoundError, in one line, for whatever cannot be run.
    """
    check(settings)
    directory = run_dir.choose(name, settings.out)
    run_dir.check(directory, name, as_plain(settings), settings.resume)
    return Plan(name, command, settings, build(settings), directory)


def check(settings: Any) -> None:
    """Raises ValueError, in one line that names the flag, for a value that no study can be run with."""
    check_members(settings, {})
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"--{field.name.replace('_', '-')}: got nan, a number is needed")


def check_least(settings: Any, **least: float) -> None:
    """Raises ValueError for the first of these flags that is below its least value."""
    for name, smallest in least.items():
        if not getattr(settings, name) >= smallest:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag}: got {getattr(settings, name)}, must be at least {smallest}")


def run(planned: Plan, say: Say = print) -> dict[str, Any]:
    """Measure, write what was found into the folder, and return the summary; a finished run is left as it is."""
    directory = planned.directory
    finished = run_dir.summary(directory)
    if finished is not None:
        say("this run has finished already: nothing to do")
        page.write(directory)
        return finished
    began = time.perf_counter()
    with run_dir.owned(directory):
        run_dir.write_json(directory / run_dir.CONFIG, _config(planned))
        watch = Stopwatch()
        found = planned.study.measure(watch)
        for name, content in found.files.items():
            atomic.write(directory / name, content.encode())
        draw(directory, {name: picture.figure for name, picture in found.pictures.items()})
        summary = _summary(planned, found, watch.laps, time.perf_counter() - began)
        run_dir.write_json(directory / run_dir.SUMMARY, summary)
    page.write(directory)
    return summary


def _config(planned: Plan) -> dict[str, Any]:
    return {
        "experiment": planned.name,
        "command": planned.command,
        "config": as_plain(replace(planned.settings, out=planned.directory)),
        "members": list(planned.study.members),
        "hypers": {},
        "versions": versions(DEPENDS_ON),
    }


def _summary(planned: Plan, found: Findings, laps: Sequence[Lap], wall_s: float) -> dict[str, Any]:
    tables = [*found.tables, *([_times(laps)] if laps else [])]
    return {
        "experiment": planned.name,
        "seeds": planned.settings.seeds,
        "metrics": {name: interval(values) for name, values in found.metrics.items()},
        "tables": [_table(*table) for table in tables],
        "figures": {name: picture.caption for name, picture in found.pictures.items()},
        "wall_s": round(wall_s, 2),
        "compile_s": round(sum(lap.compile_s for lap in laps), 2),
        "device": describe_devices(1),
        "versions": versions(DEPENDS_ON),
    }


def _times(laps: Sequence[Lap]) -> Table:
    """Time by program, for a compiled one split into its first call and the calls after it."""
    rows = [(lap.name, _duration(lap.first_s), _duration(lap.steady_s)) for lap in laps]
    return Table("Time", ("what", "first call, compiling included", "steady state"), rows)


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    unit, scale = ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{seconds * scale:.3g} {unit}"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A table as JSON can hold it."""
    return {"title": title, "columns": list(columns), "rows": [[_plain(cell) for cell in row] for row in rows]}


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, str | Mapping):
        return cell
    number = np.asarray(cell).item()
    return None if isinstance(number, float) and not math.isfinite(number) else number
