"""Training as contestants of ours: the steps of a learner, one a call and many in one program."""

from collections.abc import Mapping
from typing import Any

import jax

from benchmarks.case import Program
from mlr_jax.core.scan import repeat, scan
from mlr_jax.core.types import Batch, Hypers, Learner

Programs = Mapping[str, Program]


def both_ways(learner: Learner, hypers: Hypers, batches: Batch) -> dict[str, Program]:
    """One step a call, on the first batch again and again, and all batches, leaves [n, B, ...], in one scan."""
    steps = jax.tree.leaves(batches)[0].shape[0]
    first = jax.tree.map(lambda leaf: leaf[0], batches)
    step = jax.jit(learner.step, donate_argnums=0)
    return {
        "ours, one step a call": Program(step, (state_of(learner, hypers), first), last_loss, True, steps),
        "ours, scanned": Program(scan(learner, steps), (state_of(learner, hypers), batches), last_loss, True),
    }


def repeated(learner: Learner, hypers: Hypers, data: Batch, steps: int) -> Program:
    """Steps in one scan, all of which are given the same data."""
    return Program(repeat(learner, steps), (state_of(learner, hypers), data), last_loss, carries=True)


def state_of(learner: Learner, hypers: Hypers) -> Any:
    """A first state, made in one program."""
    return jax.jit(learner.init)(jax.random.key(0), hypers)


def last_loss(metrics: Any) -> float:
    """Of the last step, and of the last member."""
    return float(metrics["loss"].reshape(-1)[-1])
