"""The command line of an experiment file: typed flags in, one line and exit code 2 for what cannot be run."""

import contextlib
import io
import logging
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import tyro

from mlr_jax.experiment import run_dir
from mlr_jax.experiment.run import Experiment, plan, run
from mlr_jax.experiment.settings import Settings
from mlr_jax.terminal import fail, say
from mlr_jax.train import hooks
from mlr_jax.train.checkpoint import CheckpointError


class Call(NamedTuple):
    """How an experiment file was called: its name, the command that does so again, and the flags it was given."""

    name: str
    command: str
    settings: Any


def main(
    config: type[Settings],
    build: Callable[[Any], Experiment],
    tiny: Mapping[str, Any],
    arguments: Sequence[str] | None = None,
    file: str | None = None,
    *,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Run the experiment that `build` makes of `config`, as its flags say; returns the summary.

    tiny: the defaults that `--tiny` puts in place of the usual ones. presets: the same for other flags, each a bool
    field of `config` of that name. Exits with 2 and one line on a bad argument, and
    with 128 + N when signal N has ended the run in order.
    """
    name, command, settings = read_call(config, {**(presets or {}), "tiny": tiny}, arguments, file)
    try:
        planned = plan(name, command, settings, build)
    except (ValueError, OSError, ImportError) as error:
        fail(str(error))
    say(f"{name}: {len(planned.members)} members, {settings.steps} steps, into {short(planned.directory)}")
    try:
        summary = run(planned, say)
    except run_dir.Busy as busy:
        fail(str(busy))
    except hooks.Preempted as preempted:
        say(f"{preempted}; go on with: {_resuming(planned.command, planned.directory)}")
        sys.exit(128 + preempted.signal_number)
    except CheckpointError as error:
        fail(str(error), code=1)
    except hooks.NonFinite as error:
        fail(f"{error} (the newest good checkpoint is in {short(planned.directory / 'checkpoints')})", code=1)
    print_summary(summary, planned.directory)
    return summary


def read_call(
    config: type[Any],
    presets: Mapping[str, Mapping[str, Any]],
    arguments: Sequence[str] | None = None,
    file: str | None = None,
) -> Call:
    """The call of this process, or of `arguments` and `file`, with the compilation cache and quiet libraries set up."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    path = Path(file or sys.argv[0]).resolve()
    settings = parse(config, presets, arguments, f"{path.stem}.py")
    use_compilation_cache()
    logging.getLogger("absl").setLevel(logging.ERROR)  # libraries' warnings stand in the way of our one line
    command = shlex.join([short(Path(sys.executable)), short(path), *arguments])
    return Call(f"{path.parent.name}/{path.stem}", command, settings)


def parse(config: type[Any], presets: Mapping[str, Mapping[str, Any]], arguments: Sequence[str], program: str) -> Any:
    """The flags as a config; a bad one exits with 2 and a single line.

    presets: by flag, in the order in which they overrule one another, the defaults that it changes.
    """
    changed: dict[str, Any] = {}
    for flag, values in presets.items():
        changed |= {**values, flag: True} if f"--{flag.replace('_', '-')}" in arguments else {}
    default = config(**changed)
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            return tyro.cli(config, prog=program, args=list(arguments), default=default)
    except SystemExit as stopped:
        if not stopped.code:
            raise
        fail(_one_line(output.getvalue()))


def _one_line(box: str) -> str:
    """The message inside the frame that the parser draws."""
    lines = [re.sub(r"[│╭╮╰╯─|]|-{3,}", "", line).strip() for line in box.splitlines()]
    lines = [line for line in lines if line]
    kept: list[str] = []
    for line in lines[1:]:
        if line.startswith(("For full helptext", "Argument helptext")):
            break
        kept.append(line)
    return " ".join(kept) or "the arguments could not be read; --help lists them"


def use_compilation_cache() -> None:
    """Keep compiled programs from one start to the next, in JAX_COMPILATION_CACHE_DIR or the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mlr_jax" / "xla"
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _resuming(command: str, directory: Path) -> str:
    words = [word for word in shlex.split(command) if word != "--resume"]
    if not any(word == "--out" or word.startswith("--out=") for word in words):
        words += ["--out", short(directory)]
    return shlex.join([*words, "--resume"])


def short(path: Path) -> str:
    """The path as seen from the current folder, where it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def print_summary(summary: Mapping[str, Any], directory: Path) -> None:
    """The metrics, the tables of a study, what the run took and where its report lies, on the error stream."""
    from rich.console import Console
    from rich.table import Table

    from mlr_jax.report.formatting import cell, interval

    console = Console(stderr=True)
    if summary["metrics"]:
        table = Table("metric", "mean over members", box=None)
        for name, entry in summary["metrics"].items():
            if not name.startswith("train_gradient"):
                table.add_row(name, interval(entry))
        console.print(table)
    for entry in summary.get("tables", []):
        table = Table(title=entry["title"], title_justify="left", box=None)
        for index, column in enumerate(entry["columns"]):
            table.add_column(column, justify="right" if index else "left")
        for row in entry["rows"]:
            table.add_row(*map(cell, row))
        console.print(table)
    rate = f", {summary['items_per_s']:,.0f} {summary['unit']}/s" if summary.get("items_per_s") else ""
    say(f"{summary['wall_s']:.1f} s, of which compiling {summary['compile_s']:.1f} s{rate} on {summary['device']}")
    say(f"report: {short(directory / 'report.html')}")
