"""Made images with made labels: what is timed does not depend on what they show."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

CLASSES = 10


def images(count: int, rows: int, shape: tuple[int, ...]) -> dict[str, jax.Array]:
    """Batches x [count, rows, *shape] in [0, 1] and y [count, rows]."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(count, rows, *shape)).astype(np.float32)
    return {"x": jnp.asarray(x), "y": jnp.asarray(rng.integers(CLASSES, size=(count, rows)), jnp.int32)}


def numpy_of(batches: Mapping[str, jax.Array]) -> dict[str, np.ndarray]:
    """For peers."""
    return {name: np.asarray(value) for name, value in batches.items()}
