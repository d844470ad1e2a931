"""The one protocol: what learns, what it learns from, and what watches it.

Every algorithm of the package, from ridge regression to PPO, is a `Learner`: a record of three pure functions. All
arrays live in the state, all functions in the record, so a state can be vmapped, sharded, donated and saved without
knowing which algorithm it belongs to.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax

Key = jax.Array
"""A typed PRNG key, as made by `jax.random.key`."""

Variables = Mapping[str, Any]
"""Linen variables by collection: `{"params": ..., "batch_stats": ...}`."""

Batch = Any
"""A pytree of arrays, usually a dict with a leading axis of B rows. A row whose `"mask"` is 0 is padding."""

Hypers = Any
"""A NamedTuple of numbers that only enter arithmetic: traced, so new values never compile anything new."""

State = Any
"""A pytree of arrays: everything that a run needs to go on, its key and hyper-parameters included."""

Metrics = Mapping[str, jax.Array]
"""Named numbers: scalars from `step`, one value per row, `[B]`, from `evaluate`."""


class Task(NamedTuple):
    """A differentiable objective: what most Linen models become.

    init:     key -> variables
    loss:     variables, batch, key, hypers -> loss [], (variables with updated collections, metrics)
              The loss, like every metric, is a mean over the rows whose mask is 1 (plus terms without the batch).
    evaluate: variables, batch -> metrics, every value [B]
    """

    init: Callable[[Key], Variables]
    loss: Callable[[Variables, Batch, Key, Hypers], tuple[jax.Array, tuple[Variables, Metrics]]]
    evaluate: Callable[[Variables, Batch], Metrics]


Step = Callable[[State, Batch], tuple[State, Metrics]]
"""The body of a `lax.scan`."""

Loop = Callable[[Step, State], tuple[State, Metrics]]
"""A step taken again and again from a state: the state after it, metrics with leaves [n, ...]."""


class Learner(NamedTuple):
    """Anything that learns.

    init:     key, hypers -> state
    step:     state, batch -> state, metrics; exactly the body of a `lax.scan`
    evaluate: state, batch -> metrics, every value [B]
    looped:   loop, state -> what `loop(step, state)` is, where there is a faster way to it
    """

    init: Callable[[Key, Hypers], State]
    step: Step
    evaluate: Callable[[State, Batch], Metrics]
    looped: Callable[[Loop, State], tuple[State, Metrics]] | None = None


class Estimator(NamedTuple):
    """What is fitted to a whole set at once: a closed form, a fixed point, a tree.

    fit:     key, hypers, x [N, D], y [N], weight [N] -> model, a pytree of arrays; a row of weight 0 is not there
    predict: model, x [N, D] -> what a metric compares with y: values [N] of a regressor, scores [N, K] of a
             classifier (probabilities where it has them), of which the greatest names the class
    """

    fit: Callable[[Key, Hypers, jax.Array, jax.Array, jax.Array], Any]
    predict: Callable[[Any, jax.Array], jax.Array]


class TrainState(NamedTuple):
    """The state of a gradient learner: arrays only, no optimizer and no model inside."""

    step: jax.Array
    key: Key
    hypers: Hypers
    params: Any
    collections: Mapping[str, Any]
    opt_state: Any


class Source(NamedTuple):
    """Batches that come from the host, one for each step.

    stream:     step k -> the batches of steps k, k + 1, ...: resuming is exact by construction
    evaluation: () -> every row once, in order, in batches of one shape padded with rows whose `"mask"` is 0
    """

    stream: Callable[[int], Iterator[Batch]]
    evaluation: Callable[[], Iterator[Batch]]


class Resident(NamedTuple):
    """Data that stays where the learner runs: every step is given the same `batch`.

    It is the whole set for `on_device` and for full-batch learners, and None for agents that make their own data.
    """

    batch: Batch


Hook = Callable[[int, State, Metrics], None]
"""Called on the host between compiled chunks with the step reached, the state, and the chunk's metrics, `[n, ...]`."""
