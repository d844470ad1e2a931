"""Ways from one latent vector to another: z_0, z_1 [..., L] and places t [T] in [0, 1] -> [T, ..., L]."""

import jax
import jax.numpy as jnp


def straight(z_0: jax.Array, z_1: jax.Array, t: jax.Array) -> jax.Array:
    """(1 - t) z_0 + t z_1."""
    t = t.reshape(-1, *(1 for _ in z_0.shape))
    return (1.0 - t) * z_0[None] + t * z_1[None]


def spherical(z_0: jax.Array, z_1: jax.Array, t: jax.Array) -> jax.Array:
    """(sin((1 - t) a) z_0 + sin(t a) z_1) / sin a, a the angle between them (Shoemake, 1985; White, 2016).

    In many dimensions normal vectors have nearly the same length, and the middle of a straight line is shorter than any
    of them; this way keeps the length. Where the angle is (nearly) 0 or half a turn it is the straight line.
    """
    lengths = jnp.linalg.norm(z_0, axis=-1, keepdims=True) * jnp.linalg.norm(z_1, axis=-1, keepdims=True)
    inner = jnp.sum(z_0 * z_1, axis=-1, keepdims=True)
    cosine = jnp.clip(inner / jnp.where(lengths > 0, lengths, 1.0), -1.0, 1.0)
    angle = jnp.arccos(cosine)
    is_flat = jnp.abs(jnp.sin(angle)) < 1e-3
    angle = jnp.where(is_flat, 1.0, angle)
    t = t.reshape(-1, *(1 for _ in z_0.shape))
    first, second = (jnp.sin(part * angle[None]) / jnp.sin(angle)[None] for part in (1.0 - t, t))
    return jnp.where(is_flat[None], straight(z_0, z_1, t.ravel()), first * z_0[None] + second * z_1[None])
