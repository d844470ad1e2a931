"""The report of one run as a single HTML file: what was run, what came out, and how it got there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlr_jax.report import atomic, formatting, markup, run
from mlr_jax.report.figures import curves, png, sweep_plot
from mlr_jax.report.learning_curves import by_metric
from mlr_jax.report.records import metric_names, series
from mlr_jax.report.run import Run
from mlr_jax.report.statistics import group_by_hypers, interval
from mlr_jax.report.sweeps import swept_fields

FILE_NAME = "report.html"


def write(run_dir: str | Path) -> Path:
    """Write `report.html` into a run directory and return its path.

    The page holds its pictures, needs no other file and runs no script. A run without `summary.json` is shown as
    unfinished, with the last values of its records. Raises what `run.read` raises for a directory that holds no run,
    and ValueError for a picture that is not a PNG.
    """
    found = run.read(run_dir)
    path = found.directory / FILE_NAME
    atomic.write(path, render(found).encode("utf-8"))
    return path


def render(found: Run) -> str:
    """The page as text."""
    title = str(found.config["experiment"])
    metrics, groups = _results(found)
    body = [
        markup.element("h1", title),
        markup.element("pre", str(found.config.get("command", ""))),
        *_status(found),
        _facts(found),
        _metrics(found, metrics),
        *_groups(groups),
        *_tables(found),
        *_curves(found),
        *_sweep(groups),
        *_pictures(found),
        *_members(found, metrics),
        *_settings(found),
    ]
    return markup.document(title, body)


def _results(found: Run) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Metrics and groups of the summary, or of the last record of each metric while there is none."""
    if found.summary is not None:
        return found.summary["metrics"], found.summary.get("groups", [])
    last = {name: series(found.records, name)[1][-1] for name in metric_names(found.records)}
    return {name: interval(values) for name, values in last.items()}, group_by_hypers(found.config["members"], last)


def _status(found: Run) -> list[str]:
    if found.summary is not None:
        return []
    reached = f"records reach step {found.records[-1]['step']}" if found.records else "there are no records yet"
    return [markup.element("p", f"This run has not finished (no summary.json); {reached}.", "notice")]


def _facts(found: Run) -> str:
    summary = found.summary or {}
    facts = {"Members": str(len(found.config["members"]))}
    if isinstance(summary.get("seeds"), list):
        facts["Seeds"] = ", ".join(map(str, summary["seeds"]))
    elif "seeds" in summary:
        facts["Seeds"] = formatting.number(summary["seeds"])
    facts |= {name: text for name, text in cost(summary).items() if text != formatting.MISSING}
    return markup.facts(facts)


def cost(summary: Mapping[str, Any]) -> dict[str, str]:
    """What a run took, in words: steps, times in seconds, throughput and device."""

    def unit(name: str, of: str) -> str:
        value = summary.get(name)
        return formatting.MISSING if value is None else f"{formatting.number(float(value))} {of}"

    return {
        "Steps": formatting.number(summary.get("steps")),
        "Wall time": unit("wall_s", "s"),
        "Compile time": unit("compile_s", "s"),
        "Throughput": unit("items_per_s", f"{summary.get('unit', 'items')}/s"),
        "Device": formatting.number(summary.get("device")),
    }


def _metrics(found: Run, metrics: Mapping[str, Any]) -> str:
    title = "Results" if found.summary is not None else "Latest values"
    if not metrics:
        return markup.section(title, markup.element("p", "No metrics."))
    rows = [[name, formatting.interval(entry), *_range(entry["members"])] for name, entry in metrics.items()]
    return markup.section(title, markup.table(["Metric", "Mean ± 95 % interval", "Lowest", "Highest"], rows))


def _range(members: Sequence[float | None]) -> list[str]:
    known = [float(value) for value in members if value is not None]
    return [formatting.number(min(known)), formatting.number(max(known))] if known else [formatting.MISSING] * 2


def _groups(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    fields = swept_fields(groups)
    if not fields:
        return []
    metrics = list(dict.fromkeys(name for group in groups for name in group["metrics"]))
    rows = [
        [formatting.number(group["hypers"].get(field)) for field in fields]
        + [_cell(group["metrics"], metric) for metric in metrics]
        for group in groups
    ]
    return [markup.section("By setting", markup.table([*fields, *metrics], rows, words=len(fields)))]


def _cell(metrics: Mapping[str, Any], metric: str) -> str:
    return formatting.interval(metrics[metric]) if metric in metrics else formatting.MISSING


def _tables(found: Run) -> list[str]:
    return [
        markup.section(table["title"], markup.table(table["columns"], [[*map(formatting.cell, row)] for row in rows]))
        for table in (found.summary or {}).get("tables", [])
        if (rows := table["rows"])
    ]


def _curves(found: Run) -> list[str]:
    panels = by_metric(metric_names(found.records))
    drawn = []
    for names in (list(splits.values()) for splits in panels.values()):
        figure = curves(found.records, names, found.config["members"])
        drawn.append(markup.figure(png(figure), ", ".join(names)))
    return [markup.section("Learning curves", markup.figures(drawn))] if drawn else []


def _sweep(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    if not swept_fields(groups):
        return []
    shared = [name for name in groups[0]["metrics"] if all(name in group["metrics"] for group in groups)]
    drawn = [markup.figure(png(sweep_plot(groups, name)), name) for name in shared]
    return [markup.section("Sweep", markup.figures(drawn))] if drawn else []


def _pictures(found: Run) -> list[str]:
    """The run's own figures: those with a caption in the order of the summary, then the others by name."""
    captions = (found.summary or {}).get("figures", {})
    paths = {path.stem: path for path in sorted((found.directory / "figures").glob("*.png"))}
    names = [*(name for name in captions if name in paths), *(name for name in paths if name not in captions)]
    drawn = [markup.figure(paths[name].read_bytes(), captions.get(name) or formatting.words(name)) for name in names]
    return [markup.section("Figures", markup.figures(drawn))] if drawn else []


def _members(found: Run, metrics: Mapping[str, Any]) -> list[str]:
    members = found.config["members"]
    names = [name for name, entry in metrics.items() if len(entry["members"]) == len(members)]
    if len(members) < 2 or not names:
        return []
    fields = list(dict.fromkeys(field for member in members for field in member))
    rows = [
        [formatting.number(member.get(field)) for field in fields]
        + [formatting.number(metrics[name]["members"][index]) for name in names]
        for index, member in enumerate(members)
    ]
    listing = markup.table([*fields, *names], rows, words=len(fields))
    return [markup.section("Members", markup.details(f"All {len(members)} members", listing))]


def _settings(found: Run) -> list[str]:
    versions = (found.summary or {}).get("versions") or found.config.get("versions")
    parts = {
        "Settings": found.config["config"],
        "Hyper-parameters held fixed": found.config.get("hypers"),
        "Versions": versions,
    }
    return [markup.section(title, markup.settings(values)) for title, values in parts.items() if values]
