"""An experiment, and the one function that runs any of them: sweep, train, watch, evaluate, report."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core import parallel
from mlr_jax.core.hypers import members
from mlr_jax.core.sweep import MEMBER_AXIS, sweep
from mlr_jax.core.types import Batch, Hook, Hypers, Learner, Resident, Source, State
from mlr_jax.experiment import run_dir
from mlr_jax.experiment.settings import Settings, as_plain, check, parse_sweeps
from mlr_jax.report import page, records
from mlr_jax.report.statistics import group_by_hypers, interval
from mlr_jax.train import hooks
from mlr_jax.train.checkpoint import Checkpoints
from mlr_jax.train.evaluate import evaluate
from mlr_jax.train.loop import Timing, fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Say = Callable[[str], None]


def no_figures(state: State) -> Mapping[str, "Figure"]:
    """No pictures beside the curves."""
    return {}


def no_curves(history: Sequence[records.Record], members: Sequence[Mapping[str, Any]]) -> Mapping[str, "Figure"]:
    """No curves beside those that every report has."""
    return {}


def no_scores(split: str, state: State) -> Mapping[str, np.ndarray]:
    """Nothing beside the means over rows."""
    return {}


class Experiment(NamedTuple):
    """What an experiment file declares; `run` joins it with everything else.

    learner:        of one member
    source:         where its batches come from
    hypers:         its hyper-parameters, any field of which `--sweep` may vary
    evaluations:    by split, () -> every row once in padded batches
    items_per_step: how many `unit`s one member consumes in a step
    figures:        state of all members -> pictures for the report, by name
    curves:         records of the run, seed and swept values of each member -> more of them
    scores:         split, state of all members -> metrics [M] of the whole split that are no means over its rows, such
                    as average precision; part of every evaluation
    """

    learner: Learner
    source: Source | Resident
    hypers: Hypers
    evaluations: Mapping[str, Callable[[], Iterator[Batch]]]
    items_per_step: int
    unit: str
    figures: Callable[[State], Mapping[str, "Figure"]] = no_figures
    curves: Callable[[Sequence[records.Record], Sequence[Mapping[str, Any]]], Mapping[str, "Figure"]] = no_curves
    scores: Callable[[str, State], Mapping[str, np.ndarray]] = no_scores


class Plan(NamedTuple):
    """A run that has passed every check, with nothing written yet."""

    name: str
    command: str
    settings: Settings
    experiment: Experiment
    learner: Learner
    keys: jax.Array
    hypers: Hypers
    members: Sequence[Mapping[str, float]]
    directory: Path


def plan(name: str, command: str, settings: Settings, build: Callable[[Any], Experiment]) -> Plan:
    """Check the settings, load the data, build the learner, trace one step of it. Writes nothing.

    Raises ValueError or FileNotFoundError, in one line, for whatever cannot be run.
    """
    check(settings)
    directory = run_dir.choose(name, settings.out)
    run_dir.check(directory, name, as_plain(settings), settings.resume)
    experiment = build(settings)
    values = parse_sweeps(settings.sweep, experiment.hypers._fields)
    for field, numbers in values.items():
        for number in numbers if hasattr(settings, field) else ():
            changed: Any = {field: number}
            check(replace(settings, **changed))
    seeds = range(settings.seed, settings.seed + settings.seeds)
    keys, hypers, swept = members(jax.vmap(jax.random.key)(jnp.array(seeds)), experiment.hypers, values)
    if settings.devices > 1 and settings.parallel == "members":
        if keys.shape[0] % settings.devices:
            raise ValueError(f"--devices: got {settings.devices}, must divide the {keys.shape[0]} members of the sweep")
        mesh = parallel.device_mesh(settings.devices, MEMBER_AXIS)
        learner = sweep(experiment.learner, "devices", mesh, on_each=settings.layout)
    else:
        learner = sweep(experiment.learner, settings.layout)
    rows = [{"seed": seeds[index % len(seeds)], **row} for index, row in enumerate(swept)]
    planned = Plan(name, command, settings, experiment, learner, keys, hypers, rows, directory)
    _trace(planned)
    return planned


def _trace(planned: Plan) -> None:
    """Trace one step and one evaluation without running them: what cannot work fails here."""
    source = planned.experiment.source
    batch = source.batch if isinstance(source, Resident) else next(source.stream(0))
    state = jax.eval_shape(planned.learner.init, planned.keys, planned.hypers)
    jax.eval_shape(planned.learner.step, state, batch)
    for batches in planned.experiment.evaluations.values():
        jax.eval_shape(planned.learner.evaluate, state, next(batches()))


def run(planned: Plan, say: Say = print) -> dict[str, Any]:
    """Train, with everything the settings ask for, and return the summary that is written to the folder.

    Raises `hooks.Preempted` when a signal has ended the run in order, `hooks.NonFinite` when every member diverged.
    """
    settings, experiment, directory = planned.settings, planned.experiment, planned.directory
    finished = run_dir.summary(directory)
    if finished is not None:
        say("this run has finished already: nothing to do")
        page.write(directory)
        return finished
    began = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(run_dir.owned(directory))
        if not (directory / run_dir.CONFIG).exists():  # first of all: without it a killed run is no run
            run_dir.write_json(directory / run_dir.CONFIG, _config(planned))
        checkpoints = Checkpoints(directory / "checkpoints", warn=say)
        stack.callback(checkpoints.close)
        init, init_s = compiled(planned.learner.init, planned.keys, planned.hypers, once=True)
        state = init(planned.keys, planned.hypers)
        start, state = checkpoints.restore(state) or (0, state)
        history = run_dir.history(directory, start)
        if settings.resume:
            say(f"resuming from step {start} of {settings.steps}" if start else "nothing to resume from: starting anew")
        write = _writer(planned, history, start, began, stack)
        evaluations, evaluate_s = _evaluations(planned, state)
        on_results = _result_hooks(planned, history, start, stack, say)
        evaluation = hooks.evaluate_splits(evaluations, write, on_results)
        watching: list[Hook] = [
            hooks.nan_guard(say),
            stack.enter_context(_progress(planned, start)),
            hooks.record_training(write),
            *([stack.enter_context(hooks.Profile(directory / "profile", say))] if settings.profile else []),
            hooks.every(settings.eval_every, evaluation, start=start, last=settings.steps),
            # After the records of its step, so that a checkpoint never outruns them.
            hooks.every(
                settings.checkpoint_every, hooks.save_checkpoints(checkpoints), start=start, last=settings.steps
            ),
            stack.enter_context(hooks.Preemption()).hook(checkpoints),
        ]
        state, timing = fit(
            planned.learner, state, experiment.source,
            num_steps=start if _was_stopped(settings, history) else settings.steps,
            chunk=settings.chunk, start=start, hooks=watching,
        )  # fmt: skip
        steps = start + timing.steps
        checkpoints.save(steps, state)
        timing = timing._replace(compile_s=timing.compile_s + init_s + evaluate_s)
        history = records.read(directory / run_dir.RECORDS)
        summary = _summary(planned, timing, steps, history)
        draw(directory, {**experiment.curves(history, planned.members), **experiment.figures(state)})
    run_dir.write_json(directory / run_dir.SUMMARY, summary)
    page.write(directory)
    return summary


def compiled(function: Callable, *arguments: Any, once: bool = False) -> tuple[Callable, float]:
    """The program and the seconds that compiling it took. What runs only once is not worth making fast on a CPU."""
    since = time.perf_counter()
    options: dict[str, Any] = {"xla_backend_optimization_level": 0} if once and jax.default_backend() == "cpu" else {}
    return jax.jit(function).lower(*arguments).compile(options), time.perf_counter() - since


def _evaluations(planned: Plan, state: State) -> tuple[dict[str, Callable[[State], Any]], float]:
    """For each split a function of the state, compiled, and the seconds that compiling took."""
    functions: dict[str, Callable[[State], Any]] = {}
    seconds = 0.0
    for split, batches in planned.experiment.evaluations.items():
        program, compile_s = compiled(planned.learner.evaluate, state, next(batches()))
        functions[split] = _evaluation(program, batches, partial(planned.experiment.scores, split))
        seconds += compile_s
    return functions, seconds


def _evaluation(
    program: Callable, batches: Callable[[], Iterator[Batch]], scores: Callable[[State], Mapping[str, np.ndarray]]
) -> Callable[[State], Any]:
    return lambda state: {**evaluate(program, state, batches()), **scores(state)}


def _was_stopped(settings: Settings, history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a run that is being resumed had already been ended by `--patience`."""
    return 0 < settings.patience <= hooks.Improvement("val_loss").replay(history).stale_for


def _writer(
    planned: Plan, history: Sequence[Mapping[str, Any]], start: int, began: float, stack: ExitStack
) -> hooks.Write:
    """Appends records to the file, and to TensorBoard where asked; the clock goes on where a resumed run left it."""
    path = planned.directory / run_dir.RECORDS
    began -= history[-1]["wall_s"] if history else 0.0
    board: Any = None
    if planned.settings.tensorboard:
        from tensorboardX import SummaryWriter

        board = SummaryWriter(str(planned.directory / "tensorboard"), purge_step=start)
        stack.callback(board.close)

    def write(step: int, values: Mapping[str, Any]) -> None:
        records.append(path, {"step": step, "wall_s": round(time.perf_counter() - began, 3), **values})
        for name, value in values.items() if board else ():
            board.add_scalar(name.replace("_", "/", 1), float(np.mean(value)), step)

    return write


def _result_hooks(
    planned: Plan, history: Sequence[Mapping[str, Any]], start: int, stack: ExitStack, say: Say
) -> list[Hook]:
    """What looks at the results of each evaluation: the best checkpoint and early stopping, by the validation loss."""
    patience = planned.settings.patience
    if "val" not in planned.experiment.evaluations:
        if patience:
            say("--patience has no effect without a validation split")
        return []
    best = Checkpoints(planned.directory / "best", keep=1, warn=say)
    stack.callback(best.close)
    best.drop_after(start)
    following: list[Hook] = [hooks.keep_best(best, hooks.Improvement("val_loss").replay(history))]
    if patience:
        following.append(hooks.early_stopping(hooks.Improvement("val_loss").replay(history), patience))
    return following


def _progress(planned: Plan, start: int) -> hooks.Progress:
    items = planned.experiment.items_per_step * len(planned.members)
    return hooks.Progress(planned.settings.steps, start, items, planned.experiment.unit)


def _config(planned: Plan) -> dict[str, Any]:
    swept = {field for member in planned.members for field in member if field != "seed"}
    hypers = {field: value for field, value in planned.experiment.hypers._asdict().items() if field not in swept}
    return {
        "experiment": planned.name,
        "command": planned.command,
        "config": as_plain(replace(planned.settings, out=planned.directory)),
        "members": list(planned.members),
        "hypers": {field: value if np.isfinite(value) else str(value) for field, value in hypers.items()},
        "versions": versions(),
    }


def _summary(planned: Plan, timing: Timing, steps: int, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = {name: value for record in history for name, value in record.items() if name not in records.CLOCK}
    items = planned.experiment.items_per_step * len(planned.members) * timing.steps
    return {
        "experiment": planned.name,
        "seeds": planned.settings.seeds,
        "steps": steps,
        "metrics": {name: interval(values) for name, values in last.items()},
        "groups": group_by_hypers(planned.members, last),
        "wall_s": round(history[-1]["wall_s"], 2) if history else round(timing.total_s, 2),
        "compile_s": round(timing.compile_s, 2),
        "items_per_s": round(items / timing.compiled_s, 1) if timing.compiled_s else None,
        "unit": planned.experiment.unit,
        "device": describe_devices(planned.settings.devices),
        "versions": versions(),
    }


def draw(directory: Path, figures: Mapping[str, "Figure"]) -> None:
    """Write each figure to figures/NAME.png of the run's folder."""
    if figures:
        (directory / "figures").mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(directory / "figures" / f"{name}.png", dpi=110, bbox_inches="tight")


def describe_devices(count: int) -> str:
    """The devices in words: "cpu x 2"."""
    device = jax.devices()[0]
    kind = device.device_kind if device.device_kind.lower() != device.platform else device.platform
    return f"{kind} x {count}"


def versions(
    names: Sequence[str] = ("mlr-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy"),
) -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}
