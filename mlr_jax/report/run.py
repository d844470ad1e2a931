"""One run directory, read and checked: what the page and the comparison start from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlr_jax.report import records
from mlr_jax.report.records import Record


class Run(NamedTuple):
    """The files of a run directory.

    directory: where they lie
    config:    experiment, command, config, members, hypers, versions
    records:   metrics over time, empty if the run has written none
    summary:   final metrics, cost and device; None if the run has not ended
    """

    directory: Path
    config: Mapping[str, Any]
    records: list[Record]
    summary: Mapping[str, Any] | None


def read(directory: str | Path) -> Run:
    """Read a run directory; only `config.json` must be there, because a run may have been stopped at any time.

    Raises FileNotFoundError, naming what is missing, for a directory that holds no run, and ValueError for a file that
    is not what its name says.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory}: no such run directory")
    if not (directory / "config.json").is_file():
        raise FileNotFoundError(f"{directory}: not a run directory, config.json is missing")
    log, summary = directory / "records.jsonl", directory / "summary.json"
    return Run(
        directory=directory,
        config=_object(directory / "config.json", {"experiment": str, "config": dict, "members": list}),
        records=list(records.read(log)) if log.is_file() else [],
        summary=_object(summary, {"metrics": dict}) if summary.is_file() else None,
    )


def _object(path: Path, required: Mapping[str, type]) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON object ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: wanted a JSON object, got a {type(content).__name__}")
    for name, kind in required.items():
        if not isinstance(content.get(name), kind):
            raise ValueError(f"{path}: {name!r} must be a {kind.__name__}, got {content.get(name)!r:.80}")
    return content
