"""Training as contestants of ours: the steps of a learner, one a call and many in one program."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.case import Program
from mlr_jax.core.scan import repeat, scan
from mlr_jax.core.types import Batch, Hypers, Learner

Programs = Mapping[str, Program]


def both_ways(learner: Learner, hypers: Hypers, batches: Batch) -> dict[str, Program]:
    """A step for each of the batches, leaves [n, B, ...]: one a call, and all in one scan."""
    steps = jax.tree.leaves(batches)[0].shape[0]
    turns = [(jax.tree.map(lambda leaf, index=index: leaf[index], batches),) for index in range(steps)]
    step = jax.jit(learner.step, donate_argnums=0)
    state = state_of(learner, hypers)
    return {
        "ours, one step a call": Program(step, (state,), last_loss, True, turns),
        "ours, scanned": Program(scan(learner, steps), (jax.tree.map(jnp.copy, state), batches), last_loss, True),
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
