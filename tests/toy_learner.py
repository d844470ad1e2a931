"""A learner of a few numbers, whose every step can be redone in numpy, bit for bit."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Learner, Source


class Hypers(NamedTuple):
    """One traced number."""

    rate: float = 0.5


class State(NamedTuple):
    """A count, a typed key, the rate and a point."""

    step: jax.Array
    key: jax.Array
    hypers: Hypers
    x: jax.Array


def init(key, hypers):
    """A random point."""
    return State(jnp.int32(0), key, Hypers(jnp.float32(hypers.rate)), jax.random.normal(key, (3,)))


def step(state, batch):
    """Move towards the mean of the batch, with noise."""
    noise = jax.random.normal(jax.random.fold_in(state.key, state.step), (3,))
    gap = jnp.mean(batch["x"], axis=0) - state.x
    metrics = {"loss": jnp.sum(gap**2), "step": state.step.astype(jnp.float32)}
    return state._replace(step=state.step + 1, x=state.x + state.hypers.rate * gap + 0.01 * noise), metrics


def evaluate(state, batch):
    """The squared distance of each row."""
    return {"loss": jnp.sum((batch["x"] - state.x[None]) ** 2, axis=-1)}


learner = Learner(init, step, evaluate)


def batch_of(index: int) -> dict[str, np.ndarray]:
    """The batch of a step."""
    return {"x": np.random.default_rng(index).normal(size=(4, 3)).astype(np.float32)}


def stream(start: int):
    """Batches from a step on, without end."""
    while True:
        yield batch_of(start)
        start += 1


source = Source(stream, lambda: iter(()))


def words(tree: Any) -> list[np.ndarray]:
    """Every array as numpy, keys by their words."""
    return [np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf) for leaf in jax.tree.leaves(tree)]


def is_key(leaf: Any) -> bool:
    """Whether it is an array of typed keys."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def assert_same_bits(first: Any, second: Any) -> None:
    """Both trees hold the same arrays, to the last bit."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(words(first), words(second), strict=True):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
