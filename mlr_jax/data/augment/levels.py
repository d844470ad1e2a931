"""Grey levels as chance: an image of ones and zeros, or of numbers without gaps, drawn from an image in [0, 1].

Both are transforms for `augment`, which draws anew at every step; `drawn_once` draws a whole set in advance.
"""

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Key
from mlr_jax.data.augment.task import Transform
from mlr_jax.ops.pixels import as_floats


def binarise(key: Key, image: jax.Array) -> jax.Array:
    """Each number of [H, W, C] is 1 with the probability that it names, else 0.

    Drawn at each step it is the random binarisation of the literature, drawn once the static one (Salakhutdinov &
    Murray, 2008; Burda et al., 2016): log-likelihoods under one cannot be compared with those under the other.
    """
    image = as_floats(image)
    return jax.random.bernoulli(key, image).astype(image.dtype)


def dequantise(key: Key, image: jax.Array, levels: int = 256) -> jax.Array:
    """(k + u) / levels of the whole numbers k = image (levels - 1) and a uniform u, in [0, 1).

    A density fitted to it, averaged over u, is a probability of k (Theis et al., 2016); without u a density can be as
    high as one likes.
    """
    image = as_floats(image)
    noise = jax.random.uniform(key, image.shape, image.dtype)
    return (jnp.round(image * (levels - 1)) + noise) / levels


def drawn_once(transform: Transform, images: np.ndarray, seed: int) -> np.ndarray:
    """The images [N, H, W, C], each transformed by a key of its own: float32, always the same for a seed."""
    keys = jax.random.split(jax.random.key(seed), len(images))
    return np.asarray(jax.jit(jax.vmap(transform))(keys, images), np.float32)
