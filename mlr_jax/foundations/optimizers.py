"""The optimizers of deep learning, written out; optax has them for daily use.

Each is a pair of functions on trees of parameters, gradient g and rate eta:

    state = init(theta)
    change, state = update(g, state, theta);    theta <- theta + change
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Scalar = jax.Array | float

Tree = Any
"""Arrays in any nesting of lists, dicts and tuples."""


class Optimizer(NamedTuple):
    """init: parameters -> state.    update: gradient, state, parameters -> change, state."""

    init: Callable[[Tree], Any]
    update: Callable[[Tree, Any, Tree], tuple[Tree, Any]]


class Moments(NamedTuple):
    """The number of steps, and the running means of the gradient and of its square."""

    step: jax.Array
    mean: Tree
    square: Tree


def sgd(rate: Scalar) -> Optimizer:
    """theta <- theta - eta g (Robbins & Monro, 1951; Cauchy, 1847)."""

    def update(g: Tree, state: tuple[()], theta: Tree) -> tuple[Tree, tuple[()]]:
        return jax.tree.map(lambda g: -rate * g, g), state

    return Optimizer(lambda theta: (), update)


def momentum(rate: Scalar, decay: Scalar = 0.9) -> Optimizer:
    """v <- decay v + g,    theta <- theta - eta v: a heavy ball (Polyak, 1964)."""

    def update(g: Tree, v: Tree, theta: Tree) -> tuple[Tree, Tree]:
        v = jax.tree.map(lambda v, g: decay * v + g, v, g)
        return jax.tree.map(lambda v: -rate * v, v), v

    return Optimizer(_zeros, update)


def nesterov(rate: Scalar, decay: Scalar = 0.9) -> Optimizer:
    """v <- decay v + g,    theta <- theta - eta (g + decay v).

    The gradient is taken where the ball is about to be (Nesterov, 1983); theta here is that point, which is how
    Sutskever et al. (2013) write it to need no second evaluation.
    """

    def update(g: Tree, v: Tree, theta: Tree) -> tuple[Tree, Tree]:
        v = jax.tree.map(lambda v, g: decay * v + g, v, g)
        return jax.tree.map(lambda v, g: -rate * (g + decay * v), v, g), v

    return Optimizer(_zeros, update)


def rmsprop(rate: Scalar, decay: Scalar = 0.9, eps: Scalar = 1e-8) -> Optimizer:
    """s <- decay s + (1 - decay) g^2,    theta <- theta - eta g / sqrt(s + eps) (Tieleman & Hinton, 2012).

    Each coordinate in units of its own usual gradient. (PyTorch adds eps outside of the root.)
    """

    def update(g: Tree, s: Tree, theta: Tree) -> tuple[Tree, Tree]:
        s = jax.tree.map(lambda s, g: decay * s + (1.0 - decay) * jnp.square(g), s, g)
        return jax.tree.map(lambda s, g: -rate * g / jnp.sqrt(s + eps), s, g), s

    return Optimizer(_zeros, update)


def adam(rate: Scalar, b1: Scalar = 0.9, b2: Scalar = 0.999, eps: Scalar = 1e-8) -> Optimizer:
    """Momentum and RMSProp together, both corrected for their start at zero (Kingma & Ba, 2015):

    m <- b1 m + (1 - b1) g,    s <- b2 s + (1 - b2) g^2,
    theta <- theta - eta (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps).
    """
    return adamw(rate, b1, b2, eps, weight_decay=0.0)


def adamw(
    rate: Scalar,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    weight_decay: Scalar = 1e-4,
) -> Optimizer:
    """Adam, and theta <- theta - eta weight_decay theta beside it (Loshchilov & Hutter, 2019).

    Added to the gradient instead, the decay would be divided by sqrt(s) and shrink most what changes least.
    """

    def init(theta: Tree) -> Moments:
        return Moments(jnp.int32(0), _zeros(theta), _zeros(theta))

    def update(g: Tree, state: Moments, theta: Tree) -> tuple[Tree, Moments]:
        t = state.step + 1
        mean = jax.tree.map(lambda m, g: b1 * m + (1.0 - b1) * g, state.mean, g)
        square = jax.tree.map(lambda s, g: b2 * s + (1.0 - b2) * jnp.square(g), state.square, g)

        def change(m: jax.Array, s: jax.Array, theta: jax.Array) -> jax.Array:
            direction = (m / (1.0 - b1**t)) / (jnp.sqrt(s / (1.0 - b2**t)) + eps)
            return -rate * (direction + weight_decay * theta)

        return jax.tree.map(change, mean, square, theta), Moments(t, mean, square)

    return Optimizer(init, update)


def minimize(objective: Callable[[Tree], jax.Array], optimizer: Optimizer, start: Tree, num_steps: int) -> Tree:
    """The path of the parameters: leaves [num_steps, ...], one entry after each step."""

    def step(carry: tuple[Tree, Any], _: None) -> tuple[tuple[Tree, Any], Tree]:
        theta, state = carry
        change, state = optimizer.update(jax.grad(objective)(theta), state, theta)
        theta = jax.tree.map(jnp.add, theta, change)
        return (theta, state), theta

    return lax.scan(step, (start, optimizer.init(start)), None, length=num_steps)[1]


def _zeros(theta: Tree) -> Tree:
    return jax.tree.map(jnp.zeros_like, theta)
