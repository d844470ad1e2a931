"""Returns, advantages and corrected values of one trajectory; callers vmap over trajectories.

Times are in the names, as in rlax: `v_tm1` [T] are the values of the states that were acted in, and `r_t`, `discount_t`
and `v_t` [T] belong to what followed: the reward, the discount (gamma, or 0 where the episode terminated) and the value
of the next state. `v_t` is an array of its own, so a trajectory may hold several episodes: where one was cut off by a
time limit, `v_t` is the value of its last state (not of the first of the next episode), and `lambda_t` is 0 there, so
that nothing flows back across the border.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


def discounted_returns(r_t: jax.Array, discount_t: jax.Array, v_end: jax.Array) -> jax.Array:
    """G_t = r_t + discount_t G_{t+1}, with G_T = v_end [], the value after the last step. Returns [T]."""
    _check(r_t=r_t, discount_t=discount_t)
    return _backwards(lambda g, now: now[0] + now[1] * g, v_end, (r_t, discount_t))


def lambda_returns(
    r_t: jax.Array, discount_t: jax.Array, v_t: jax.Array, lambda_t: jax.typing.ArrayLike = 1.0
) -> jax.Array:
    """G_t = r_t + discount_t ((1 - lambda_t) v_t + lambda_t G_{t+1}), with G_T = v_T (Sutton & Barto, 2018, 12.1).

    lambda_t [T] or []. Returns [T].
    """
    lambda_t = jnp.broadcast_to(jnp.asarray(lambda_t, r_t.dtype), r_t.shape)
    _check(r_t=r_t, discount_t=discount_t, v_t=v_t, lambda_t=lambda_t)

    def step(g: jax.Array, now: tuple[jax.Array, ...]) -> jax.Array:
        r, discount, v, trace = now
        return r + discount * ((1.0 - trace) * v + trace * g)

    return _backwards(step, v_t[-1], (r_t, discount_t, v_t, lambda_t))


def gae(
    r_t: jax.Array, discount_t: jax.Array, v_tm1: jax.Array, v_t: jax.Array, lambda_t: jax.typing.ArrayLike
) -> jax.Array:
    """Generalised advantage estimates (Schulman et al., 2016). lambda_t [T] or []; returns [T].

    A_t = delta_t + discount_t lambda_t A_{t+1},  delta_t = r_t + discount_t v_t - v_tm1
    """
    lambda_t = jnp.broadcast_to(jnp.asarray(lambda_t, r_t.dtype), r_t.shape)
    _check(r_t=r_t, discount_t=discount_t, v_tm1=v_tm1, v_t=v_t, lambda_t=lambda_t)
    delta_t = r_t + discount_t * v_t - v_tm1
    return _backwards(lambda a, now: now[0] + now[1] * a, jnp.zeros_like(r_t[0]), (delta_t, discount_t * lambda_t))


def n_step_returns(
    r_t: jax.Array, discount_t: jax.Array, v_t: jax.Array, n: int, lambda_t: jax.typing.ArrayLike = 1.0
) -> jax.Array:
    """The rewards of n steps and then the value of the state reached; fewer at the end of the trajectory. Returns [T].

    G_t = r_t + discount_t (r_{t+1} + discount_{t+1} (... + discount_{t+n-1} v_{t+n-1})). Where lambda_t [T] is 0 the
    value stands in already there.

    Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"n: got {n}, must be at least 1")
    lambda_t = jnp.broadcast_to(jnp.asarray(lambda_t, r_t.dtype), r_t.shape)
    _check(r_t=r_t, discount_t=discount_t, v_t=v_t, lambda_t=lambda_t)
    length, more = r_t.shape[0], n - 1

    def padded(x: jax.Array, value: jax.typing.ArrayLike) -> jax.Array:
        return jnp.concatenate([x, jnp.full((more,), value, x.dtype)])

    # Beyond the end nothing is earned and nothing discounted, so that the last value is handed back unchanged.
    r, discount, trace, v = padded(r_t, 0), padded(discount_t, 1), padded(lambda_t, 1), padded(v_t, v_t[-1])
    g = lax.slice_in_dim(v, more, more + length)
    for ahead in reversed(range(n)):
        r_, discount_, trace_, v_ = (lax.slice_in_dim(x, ahead, ahead + length) for x in (r, discount, trace, v))
        g = r_ + discount_ * ((1.0 - trace_) * v_ + trace_ * g)
    return g


class VTrace(NamedTuple):
    """v_tm1: corrected values to learn, [T]; advantage_tm1: what the policy's gradient is weighed by, [T]."""

    v_tm1: jax.Array
    advantage_tm1: jax.Array


def vtrace(
    r_t: jax.Array,
    discount_t: jax.Array,
    v_tm1: jax.Array,
    v_t: jax.Array,
    ratio_tm1: jax.Array,
    *,
    lambda_t: jax.typing.ArrayLike = 1.0,
    clip: float = 1.0,
) -> VTrace:
    """Values of the policy being learned from steps of another (Espeholt et al., 2018, "IMPALA").

    ratio_tm1 [T] is pi(a | s) / mu(a | s) of the action taken. With rho_t = min(clip, ratio_t) and
    c_t = lambda_t min(1, ratio_t),

        vs_t = v_t + delta_t + discount_t c_t (vs_{t+1} - v_{t+1}),   delta_t = rho_t (r_t + discount_t v_{t+1} - v_t)
        advantage_t = rho_t (r_t + discount_t vs_{t+1} - v_t)

    where vs_{t+1} is mixed with v_{t+1} by lambda_t, as in rlax. With ratio 1, v_tm1 is the lambda-return.
    """
    lambda_t = jnp.broadcast_to(jnp.asarray(lambda_t, r_t.dtype), r_t.shape)
    _check(r_t=r_t, discount_t=discount_t, v_tm1=v_tm1, v_t=v_t, ratio_tm1=ratio_tm1, lambda_t=lambda_t)
    rho = jnp.minimum(clip, ratio_tm1)
    delta = rho * (r_t + discount_t * v_t - v_tm1)
    trace = discount_t * lambda_t * jnp.minimum(1.0, ratio_tm1)
    errors = _backwards(lambda e, now: now[0] + now[1] * e, jnp.zeros_like(r_t[0]), (delta, trace))
    corrected = v_tm1 + errors
    following = jnp.concatenate([lambda_t[:-1] * corrected[1:] + (1.0 - lambda_t[:-1]) * v_t[:-1], v_t[-1:]])
    return VTrace(corrected, rho * (r_t + discount_t * following - v_tm1))


def _backwards(step: Callable, last: jax.Array, sequence: tuple[jax.Array, ...]) -> jax.Array:
    """y_t = step(y_{t+1}, x_t) from the end to the beginning."""

    def body(carry: jax.Array, now: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        carry = step(carry, now)
        return carry, carry

    first = jnp.asarray(last, sequence[0].dtype)
    return lax.scan(body, first, sequence, reverse=True, unroll=8)[1]


def _check(**arrays: jax.Array) -> None:
    shapes = {name: array.shape for name, array in arrays.items()}
    expected = shapes["r_t"]
    if len(expected) != 1 or expected[0] < 1 or set(shapes.values()) != {expected}:
        raise ValueError(f"a trajectory: got {shapes}, needed is one shape [T] with T >= 1 for all")
