"""t-SNE: points in the plane whose neighbours are those of the rows (van der Maaten and Hinton, 2008).

    KL(P || Q) = sum_ij p_ij log(p_ij / q_ij),  q_ij = k_ij / sum_kl k_kl,  k_ij = (1 + |y_i - y_j|² / v)^(-(v + 1) / 2)

P is fixed by the rows (`tsne_affinities.py`), Q by the points y, which descend the gradient (`tsne_divergence.py`)

    dKL/dy_i = 2 (v + 1) / v  sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|² / v).

The tail of k, Student's with v = max(Q - 1, 1) degrees of freedom in Q dimensions, is heavy: what is moderately far
apart may be placed far apart, and clusters have room. This is the exact method: time and memory grow as N².
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.classical import pca
from mlr_jax.classical.kmeans_init import over_devices
from mlr_jax.classical.rows import as_rows, at_least_tiny, rows_of
from mlr_jax.classical.tsne_affinities import Affinities, affinities_of
from mlr_jax.classical.tsne_divergence import divergences, gradient_of
from mlr_jax.core.types import Batch, Key, Learner, Metrics

MIN_GAIN = 0.01
START_DEVIATION = 1e-4


class Hypers(NamedTuple):
    """What a sweep can vary."""

    perplexity: float = 30.0
    """Effective number of neighbours of each row, less than the number of rows."""

    learning_rate: float = 0.0
    """0 stands for max(N / (4 early_exaggeration), 50) (Belkina et al., 2019)."""

    early_exaggeration: float = 12.0
    """P is multiplied by this in the early iterations: rows of a cluster gather before clusters have to part."""

    early_momentum: float = 0.5
    momentum: float = 0.8


class Embedding(NamedTuple):
    """The points [N, Q], 0 for rows that are not there, and their KL(P || Q) in nats, []."""

    points: jax.Array
    kl: jax.Array


class Descent(NamedTuple):
    """Points, velocities and gains, all [N, Q]."""

    points: jax.Array
    velocity: jax.Array
    gains: jax.Array


def fit(
    hypers: Hypers,
    x: jax.typing.ArrayLike,
    weight: jax.typing.ArrayLike | None = None,
    *,
    start: jax.typing.ArrayLike | None = None,
    num_components: int = 2,
    iterations: int = 1000,
    early_iterations: int = 250,
    block: int = 512,
) -> Embedding:
    """The points of rows x [N, D] after a fixed number of iterations.

    Rows of weight 0 are not there; other weights are all the same to it. start [N, Q]: first points, the first
    principal components made small where none are given. The matrix P [N, N] is kept; of what is made from it and from
    the points, `block` rows exist at a time. Raises ValueError for a start of another shape, for numbers below 1, and
    without a start for more components than min(N, D).
    """
    x, _, weight = as_rows(x, None, weight)
    _check(block=block, num_components=num_components)
    rows, block = x.shape[0], min(block, x.shape[0])
    points = first_points(x, weight > 0, num_components) if start is None else jnp.asarray(start, x.dtype)
    if points.shape != (rows, num_components):
        raise ValueError(f"start: got shape {points.shape}, wanted [N, Q] = {(rows, num_components)}")
    padding = (0, -rows % block), (0, 0)
    x, points, is_present = jnp.pad(x, padding), jnp.pad(points, padding), jnp.pad(weight > 0, padding[0])
    affinities = affinities_of(x, is_present, hypers.perplexity, block)

    def iterate(descent: Descent, step: jax.Array) -> tuple[Descent, None]:
        return descend(hypers, descent, affinities, step, early_iterations=early_iterations, block=block), None

    descent = Descent(points, jnp.zeros_like(points), jnp.ones_like(points))
    descent, _ = lax.scan(iterate, descent, jnp.arange(iterations))
    kl = jnp.sum(divergences(descent.points, affinities, block))
    return Embedding(jnp.where(is_present[:, None], descent.points, 0.0)[:rows], kl)


def descend(
    hypers: Hypers, descent: Descent, affinities: Affinities, step: jax.Array, *, early_iterations: int, block: int
) -> Descent:
    """One iteration of gradient descent with momentum and a gain for each number (Jacobs, 1988).

    A gain grows by 0.2 where the gradient points against the velocity, else it shrinks by a fifth. Velocities and gains
    begin anew when the early iterations are over.
    """
    points, velocity, gains = descent
    hypers = jax.tree.map(lambda value: jnp.asarray(value, points.dtype), hypers)
    is_early, is_new = step < early_iterations, step == early_iterations
    velocity, gains = jnp.where(is_new, 0.0, velocity), jnp.where(is_new, 1.0, gains)
    exaggeration = jnp.where(is_early, hypers.early_exaggeration, 1.0)
    gradient = gradient_of(points, affinities, block, exaggeration)
    gains = jnp.maximum(jnp.where(velocity * gradient < 0, gains + 0.2, gains * 0.8), MIN_GAIN)
    automatic = jnp.maximum(jnp.sum(affinities.is_present) / (4.0 * hypers.early_exaggeration), 50.0)
    rate = jnp.where(hypers.learning_rate > 0, hypers.learning_rate, automatic)
    velocity = jnp.where(is_early, hypers.early_momentum, hypers.momentum) * velocity - rate * gains * gradient
    return Descent(points + velocity, velocity, gains)


def first_points(x: jax.Array, is_present: jax.Array, num_components: int) -> jax.Array:
    """The first principal components, scaled so that the first has a standard deviation of 1e-4: [N, Q]."""
    present = is_present.astype(x.dtype)
    model = pca.fit(pca.Hypers(), x, present, num_components=num_components)
    points = pca.transform(model, x) * present[:, None]
    variance = jnp.sum(points[:, 0] ** 2) / at_least_tiny(jnp.sum(present))
    return points * START_DEVIATION / jnp.where(variance > 0, jnp.sqrt(variance), 1.0)


class State(NamedTuple):
    """The steps taken [], the descent of the points [N, Q], and P [N, N]."""

    step: jax.Array
    key: Key
    hypers: Hypers
    descent: Descent
    joint: jax.Array


def tsne_learner(*, num_rows: int, num_components: int = 2, early_iterations: int = 250) -> Learner:
    """One iteration a step. The rows are its state: every step is given the same set of `num_rows` rows.

    Batches hold "x" [N, D] and may hold "weight" and "mask" [N]. Training metrics: KL(P || Q) before the step.
    Evaluation: each row's part of it, times the number of rows, so that the mean is KL(P || Q).
    """

    def init(key: Key, hypers: Hypers) -> State:
        zeros = jnp.zeros((num_rows, num_components))
        return State(jnp.int32(0), key, hypers, Descent(zeros, zeros, zeros), jnp.zeros((num_rows, num_rows)))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        x, is_present = whole_set(batch)
        descent, joint = beginning(state, x, is_present)
        affinities = Affinities(joint, is_present)
        kl = jnp.sum(divergences(descent.points, affinities, num_rows))
        descent = descend(
            state.hypers, descent, affinities, state.step, early_iterations=early_iterations, block=num_rows
        )
        return state._replace(step=state.step + 1, descent=descent, joint=joint), {"kl": kl}

    def beginning(state: State, x: jax.Array, is_present: jax.Array) -> tuple[Descent, jax.Array]:
        def start(_: tuple) -> tuple:
            points = first_points(x, is_present, num_components)
            descent = Descent(points, jnp.zeros_like(points), jnp.ones_like(points))
            return jnp.int32(1), descent, affinities_of(x, is_present, state.hypers.perplexity, num_rows).joint

        # A loop that runs once or not at all: under vmap a `cond` would look for P in every step.
        begun = lax.while_loop(lambda carry: carry[0] == 0, start, (state.step, state.descent, state.joint))
        return begun[1], begun[2]

    def evaluate(state: State, batch: Batch) -> Metrics:
        _, is_present = whole_set(batch)
        values = jnp.sum(is_present) * divergences(state.descent.points, Affinities(state.joint, is_present), num_rows)
        _, device = over_devices(state.step)
        rows = rows_of(batch)[0].shape[0]
        return {"kl": lax.dynamic_slice_in_dim(values, device * rows, rows)}

    def whole_set(batch: Batch) -> tuple[jax.Array, jax.Array]:
        # Every device computes all of it: any point moves every other.
        x, _, weight = rows_of(batch)
        x, is_present = over_devices(x)[0].reshape(-1, x.shape[1]), over_devices(weight > 0)[0].reshape(-1)
        if x.shape[0] != num_rows:
            raise ValueError(f"batch: got {x.shape[0]} rows, wanted the {num_rows} rows of the set in every step")
        return x, is_present

    return Learner(init, step, evaluate)


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}: got {count}, at least 1 is needed")
