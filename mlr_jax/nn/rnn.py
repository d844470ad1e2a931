"""Recurrent networks over one batch of sequences: the products with the input are taken out of the loop."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.nn.checks import check_widths


class GRU(nn.Module):
    """A gated recurrent unit (Cho et al., 2014), over sequences that may begin anew on the way.

    With h' = 0 where a sequence starts and h otherwise,

        z, r = sigmoid(W_z x + U_z h' + b_z), sigmoid(W_r x + U_r h' + b_r)
        n    = tanh(W_n x + b_n + r (U_n h' + c_n)),        h <- (1 - z) n + z h'

    Only the products with h depend on the step before, so W x is one product over all steps.
    Raises ValueError for a width that is not positive.
    """

    width: int

    @nn.compact
    def __call__(self, h: jax.Array, x: jax.Array, starts: jax.Array) -> tuple[jax.Array, jax.Array]:
        """h [B, H], x [T, B, D], starts [T, B] bool -> the last h [B, H], the outputs of all steps [T, B, H]."""
        check_widths("width", (self.width,))
        orthogonal, zeros = nn.initializers.orthogonal(), nn.initializers.zeros_init()
        inputs = nn.Dense(3 * self.width, name="input")(x)
        kernels = [self.param(f"recurrent_{gate}", orthogonal, (self.width, self.width)) for gate in "zrn"]
        recurrent = jnp.concatenate(kernels, axis=1)
        bias = self.param("bias_n", zeros, (self.width,))

        def step(h: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            inputs, start = now
            h = jnp.where(start[:, None], 0.0, h)
            zr, n = jnp.split(inputs, [2 * self.width], axis=-1)
            from_h = h @ recurrent
            z, r = jnp.split(nn.sigmoid(zr + from_h[:, : 2 * self.width]), 2, axis=-1)
            n = jnp.tanh(n + r * (from_h[:, 2 * self.width :] + bias[None]))
            h = (1.0 - z) * n + z * h
            return h, h

        return lax.scan(step, h, (inputs, starts))

    def initial(self, rows: int) -> jax.Array:
        """The memory before anything was seen: zeros [rows, H]."""
        return jnp.zeros((rows, self.width))
