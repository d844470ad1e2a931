"""The perceptron (Rosenblatt, 1958): learning from mistakes only.

For each row in turn: where sign(w' x + b) is not the label s = +-1, add s x to w and s to b. If some plane separates
the classes, this finds one after at most (R / gamma)^2 mistakes, whatever the order of the rows (Novikoff, 1962).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Separator(NamedTuple):
    """The plane w' x + b = 0: weights [D] and bias []."""

    weights: jax.Array
    bias: jax.Array


class Perceptron(NamedTuple):
    """The last plane, the average of the planes after each row, and how the learning went.

    The average (Freund & Schapire, 1999) is the one to use where nothing separates the classes: the last then keeps
    changing for ever.
    """

    last: Separator
    average: Separator
    mistakes: jax.Array
    passes: jax.Array
    converged: jax.Array


def fit(x: jax.Array, y: jax.Array, *, max_passes: int = 1000) -> Perceptron:
    """Learn to tell x [N, D] with y [N] = 1 from those with 0, in passes over the rows until one is without mistake.

    `converged` says whether that came before `max_passes`: it never does where the classes cannot be separated. Raises
    ValueError unless x is [N, D] and y [N].
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"x, y: got shapes {x.shape} and {y.shape}, wanted [N, D] and [N]")
    signed_rows = _signs(x, y)[:, None] * _with_one(x)

    def learn(carry: tuple[Any, ...], row: jax.Array) -> tuple[Any, None]:
        w, total, mistakes = carry
        is_mistake = w @ row <= 0
        w = w + jnp.where(is_mistake, row, 0.0)
        return (w, total + w, mistakes + is_mistake), None

    def run_pass(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        w, total, mistakes, passes, _ = carry
        (w, total, new_mistakes), _ = lax.scan(learn, (w, total, mistakes), signed_rows)
        return w, total, new_mistakes, passes + 1, new_mistakes == mistakes

    def unfinished(carry: tuple[Any, ...]) -> jax.Array:
        *_, passes, converged = carry
        return ~converged & (passes < max_passes)

    zero = jnp.zeros(x.shape[1] + 1, signed_rows.dtype)
    start = (zero, zero, jnp.int32(0), jnp.int32(0), jnp.bool_(False))
    w, total, mistakes, passes, converged = lax.while_loop(unfinished, run_pass, start)
    average = total / jnp.maximum(passes * x.shape[0], 1)
    return Perceptron(Separator(w[:-1], w[-1]), Separator(average[:-1], average[-1]), mistakes, passes, converged)


def scores(separator: Separator, x: jax.Array) -> jax.Array:
    """w' x + b of x [N, D], [N]."""
    return x @ separator.weights + separator.bias


def predict(separator: Separator, x: jax.Array) -> jax.Array:
    """1 where the score is positive, else 0: [N] int."""
    return (scores(separator, x) > 0).astype(jnp.int32)


def mistake_bound(separator: Separator, x: jax.Array, y: jax.Array) -> jax.Array:
    """(R / gamma)^2 for any plane that separates; infinity for one that does not.

    R is the length of the longest row (x, 1), and gamma = min_n s_n (w' x_n + b) / |(w, b)| the margin. The proof: each
    mistake adds at least gamma to the part of w along the separator, and at most R^2 to |w|^2; so after M mistakes
    M gamma <= |w| <= sqrt(M) R.
    """
    norm = jnp.sqrt(separator.weights @ separator.weights + jnp.square(separator.bias))
    margin = jnp.min(_signs(x, y) * scores(separator, x)) / jnp.where(norm > 0, norm, 1.0)
    longest = jnp.max(jnp.linalg.norm(_with_one(x), axis=1))
    return jnp.where(margin > 0, jnp.square(longest / jnp.where(margin > 0, margin, 1.0)), jnp.inf)


def _signs(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.where(y > 0, 1.0, -1.0).astype(jnp.result_type(x, jnp.float32))


def _with_one(x: jax.Array) -> jax.Array:
    """The bias as the weight of a column of ones."""
    return jnp.concatenate([x, jnp.ones_like(x[:, :1])], axis=1)
