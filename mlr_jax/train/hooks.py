"""What watches a run, on the host, between compiled chunks. A hook is any `step, state, metrics -> None`."""

import math
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import jax
import numpy as np

from mlr_jax.core.types import Hook, Metrics, State
from mlr_jax.train.checkpoint import Checkpoints
from mlr_jax.train.loop import Stop

Write = Callable[[int, Mapping[str, Any]], None]
"""Takes a step and named values ([] or [M]): a JSONL file, TensorBoard, a list in a test."""


def every(period: int, hook: Hook, *, start: int = 0, last: int | None = None) -> Hook:
    """Calls `hook` when a multiple of `period` has been passed since the last call (or `start`), and at step `last`."""
    done = start

    def call(step: int, state: State, metrics: Metrics) -> None:
        nonlocal done
        if step // period > done // period or step == last:
            hook(step, state, metrics)
        done = step

    return call


def record_training(write: Write, prefix: str = "train_") -> Hook:
    """Writes the mean of each metric over the chunk."""

    def hook(step: int, state: State, metrics: Metrics) -> None:
        means = {name: np.mean(np.asarray(values, np.float64), axis=0) for name, values in metrics.items()}
        write(step, {prefix + name: value for name, value in means.items()})

    return hook


def evaluate_splits(
    evaluations: Mapping[str, Callable[[State], Mapping[str, np.ndarray]]], write: Write, hooks: Sequence[Hook] = ()
) -> Hook:
    """Evaluates each split, writes `SPLIT_NAME` values, and hands them on to `hooks` (early stopping, best)."""

    def hook(step: int, state: State, metrics: Metrics) -> None:
        results: dict[str, Any] = {
            f"{split}_{name}": value
            for split, evaluate in evaluations.items()
            for name, value in evaluate(state).items()
        }
        write(step, results)
        for then in hooks:
            then(step, state, results)

    return hook


class Improvement:
    """Whether a metric's (lower) median over the members is the best so far, and when it last was.

    A value that is not finite counts as the worst there is. A median, because in a sweep the mean is a matter of the
    worst members alone, and would improve when one of them is lost.
    """

    def __init__(self, metric: str, mode: Literal["min", "max"] = "min"):
        """Follow `metric`; the best is the least or the greatest."""
        self.metric, self.sign = metric, 1.0 if mode == "min" else -1.0
        self.best, self.step, self.stale_for = math.inf, 0, 0

    def __call__(self, step: int, metrics: Mapping[str, Any]) -> bool:
        """Take in new values; True where they are better than all before. Values not there change nothing."""
        if self.metric not in metrics:
            return False
        values = self.sign * np.asarray(metrics[self.metric], np.float64)
        value = float(np.quantile(np.where(np.isfinite(values), values, np.inf), 0.5, method="lower"))
        improved = value < self.best
        if improved:
            self.best, self.step = value, step
        self.stale_for = step - self.step
        return improved

    def replay(self, history: Iterable[Mapping[str, Any]]) -> "Improvement":
        """Take in the records of a run that is being resumed."""
        for record in history:
            self(int(record["step"]), record)
        return self


def early_stopping(improvement: Improvement, patience: int) -> Hook:
    """Ends the run when the metric has not improved for `patience` steps; give it to `evaluate_splits`."""

    def hook(step: int, state: State, metrics: Metrics) -> None:
        improvement(step, metrics)
        if improvement.stale_for >= patience:
            raise Stop(f"{improvement.metric} has not improved since step {improvement.step}")

    return hook


def keep_best(checkpoints: Checkpoints, improvement: Improvement) -> Hook:
    """Saves the state whenever the metric improves; give it to `evaluate_splits`.

    It waits for the disk: the run's own checkpoint of this step must not be there before the best state is, or a run
    killed between the two would remember a best state that it does not have.
    """

    def hook(step: int, state: State, metrics: Metrics) -> None:
        if improvement(step, metrics):
            checkpoints.save(step, state)
            checkpoints.wait()

    return hook


def save_checkpoints(checkpoints: Checkpoints) -> Hook:
    """Saves the state."""
    return lambda step, state, metrics: checkpoints.save(step, state)


class NonFinite(ArithmeticError):
    """The run has diverged: a metric is infinite or not a number."""


def nan_guard(warn: Callable[[str], None] = print) -> Hook:
    """Announces each member of a sweep whose metrics are no longer finite, and raises `NonFinite` when all are lost.

    Put it before what saves: then the newest checkpoint is the last good state.
    """
    lost: set[int] = set()

    def hook(step: int, state: State, metrics: Metrics) -> None:
        culprits: dict[int, str] = {}
        members = 0
        for name, values in metrics.items():
            finite = np.atleast_1d(np.isfinite(np.asarray(values, np.float64)).all(axis=0))
            members = finite.size
            for member in np.flatnonzero(~finite).tolist():
                culprits.setdefault(member, name)
        if culprits and len(culprits) == members:
            raise NonFinite(f"{culprits[0]} is not finite by step {step}: the run has diverged")
        for member in sorted(culprits.keys() - lost):
            lost.add(member)
            warn(f"member {member}: {culprits[member]} is not finite by step {step}; the other members go on")

    return hook


class Preempted(Exception):
    """A signal has asked the run to end, and its state has been saved at `step`."""

    def __init__(self, signal_number: int, step: int):
        """Ended by `signal_number` with the state of `step` on the disk."""
        super().__init__(f"{signal.Signals(signal_number).name}: saved at step {step}")
        self.signal_number, self.step = signal_number, step


class Preemption:
    """Turns SIGTERM and SIGINT into an orderly end: `with Preemption() as preemption: fit(..., hooks=[..., hook])`.

    The first signal lets the chunk finish, saves and raises `Preempted`; a second one ends the process as usual.
    """

    def __init__(self) -> None:
        """No signal has come yet."""
        self.signal_number = 0

    def __enter__(self) -> "Preemption":
        """Take over the two signals."""
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        signal.signal(number, self._previous[signal.Signals(number)])

    def hook(self, checkpoints: Checkpoints) -> Hook:
        """Saves and raises `Preempted` once a signal has come."""

        def hook(step: int, state: State, metrics: Metrics) -> None:
            if self.signal_number:
                checkpoints.save(step, state)
                checkpoints.wait()
                raise Preempted(self.signal_number, step)

        return hook


class Progress:
    """A progress bar with the rate, the time left and one metric; `with Progress(...) as hook`."""

    def __init__(self, num_steps: int, start: int, items_per_step: int, unit: str, metric: str = "loss"):
        """The rate is in `unit` a second, `items_per_step` of them a step."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._items, self._metric = items_per_step, metric
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._unit = unit
        self._task = self._bar.add_task("training", total=num_steps, completed=start, status="compiling")

    def __enter__(self) -> "Progress":
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self._bar.stop()

    def __call__(self, step: int, state: State, metrics: Metrics) -> None:
        """Advance to `step`."""
        rate = self._bar.tasks[self._task].speed
        status = (
            f"{self._metric} {np.mean(np.asarray(metrics[self._metric])[-1]):.4g}" if self._metric in metrics else ""
        )
        if rate:
            status += f"  {rate * self._items:,.0f} {self._unit}/s"
        self._bar.update(self._task, completed=step, status=status)


class Profile:
    """Traces from the end of the first chunk, which compiles, to the end of the second, for TensorBoard or Perfetto.

    The hooks after the first chunk are in it, and compiling where the second chunk has another length.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = print):
        """The trace goes to `folder`; `warn` is told of a run that ended before its second chunk did."""
        self._folder, self._warn, self._calls = folder, warn, 0

    def __enter__(self) -> "Profile":
        """Nothing is traced yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End a trace that is still open."""
        if self._calls == 1:
            jax.profiler.stop_trace()
        if self._calls < 2:
            self._warn("no chunk was traced: the run ended before its second one")

    def __call__(self, step: int, state: State, metrics: Metrics) -> None:
        """Start after the first chunk, stop after the second."""
        self._calls += 1
        if self._calls == 1:
            jax.profiler.start_trace(str(self._folder))
        elif self._calls == 2:
            jax.profiler.stop_trace()
