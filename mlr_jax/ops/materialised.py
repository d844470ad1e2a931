"""A wall between operations that XLA:CPU would otherwise fuse into one loop, computing a value anew at each use."""

import jax
import jax.numpy as jnp
from jax import lax


def materialised(x: jax.Array) -> jax.Array:
    """x, written to memory before it is read again, and its cotangent likewise: the identity in mathematics.

    XLA:CPU fuses cheap elementwise work into whatever reads it. Where a gather or a broadcast reads each value many
    times, that multiplies the work: with two walls a step of GAT on Cora takes 60 % of the time. An optimization
    barrier alone does not help, since this backend drops barriers before it fuses; a branch on a number that is hidden
    by one does. Other backends leave x alone.
    """

    def behind_a_branch(x: jax.Array) -> jax.Array:
        is_hidden_true = lax.optimization_barrier(jnp.bool_(True))
        return lax.cond(is_hidden_true, lambda x: x, lambda x: -x, x)

    return lax.platform_dependent(x, cpu=behind_a_branch, default=lambda x: x)
