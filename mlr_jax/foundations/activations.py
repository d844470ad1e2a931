"""Activation functions and their derivatives, elementwise, without overflow at either end.

At a kink the derivative is the one that `jax.nn` takes, on one side or the other: both are subgradients.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Elementwise = Callable[[jax.Array], jax.Array]


class Activation(NamedTuple):
    """f and df/dx, both elementwise."""

    value: Elementwise
    derivative: Elementwise


def _sigmoid(x: jax.Array) -> jax.Array:
    small = jnp.exp(-jnp.abs(x))  # at most 1: neither end overflows, and the left end keeps its digits
    return jnp.where(x < 0, small, 1.0) / (1.0 + small)


def _normal_density(x: jax.Array) -> jax.Array:
    return jnp.exp(-0.5 * jnp.square(x)) / math.sqrt(2.0 * math.pi)


def _normal_distribution(x: jax.Array) -> jax.Array:
    return 0.5 * jax.lax.erfc(-x / math.sqrt(2.0))


sigmoid = Activation(
    value=_sigmoid,
    derivative=lambda x: _sigmoid(x) * _sigmoid(-x),
)
"""s(x) = 1 / (1 + e^-x),    s' = s (1 - s), where 1 - s(x) = s(-x)."""

tanh = Activation(
    value=lambda x: jnp.sign(x) * -jnp.expm1(-2.0 * jnp.abs(x)) / (1.0 + jnp.exp(-2.0 * jnp.abs(x))),
    derivative=lambda x: 4.0 * _sigmoid(2.0 * x) * _sigmoid(-2.0 * x),
)
"""tanh x = (e^x - e^-x) / (e^x + e^-x) = 2 s(2x) - 1,    tanh' = 1 - tanh^2."""

relu = Activation(
    value=lambda x: jnp.maximum(x, 0.0),
    derivative=lambda x: jnp.where(x > 0, 1.0, 0.0),
)
"""max(x, 0),    1 where x > 0 (Fukushima, 1969; Nair & Hinton, 2010)."""


def leaky_relu(slope: jax.typing.ArrayLike = 0.01) -> Activation:
    """x where x >= 0, slope x elsewhere: no unit is ever dead (Maas et al., 2013)."""
    return Activation(
        value=lambda x: jnp.where(x >= 0, x, slope * x),
        derivative=lambda x: jnp.where(x >= 0, 1.0, slope),
    )


def elu(alpha: jax.typing.ArrayLike = 1.0) -> Activation:
    """x where x > 0, alpha (e^x - 1) elsewhere (Clevert et al., 2016)."""
    return Activation(
        value=lambda x: jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0))),
        derivative=lambda x: jnp.where(x > 0, 1.0, alpha * jnp.exp(jnp.minimum(x, 0.0))),
    )


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

selu = Activation(
    value=lambda x: _SELU_SCALE * elu(_SELU_ALPHA).value(x),
    derivative=lambda x: _SELU_SCALE * elu(_SELU_ALPHA).derivative(x),
)
"""scale elu(x; alpha), which keeps N(0, 1) at mean 0 and variance 1: two equations that give the two numbers
(Klambauer et al., 2017)."""

gelu = Activation(
    value=lambda x: x * _normal_distribution(x),
    derivative=lambda x: _normal_distribution(x) + x * _normal_density(x),
)
"""x P(Z <= x) for Z ~ N(0, 1),    P(Z <= x) + x p(x) (Hendrycks & Gimpel, 2016)."""


def _gelu_argument(x: jax.Array) -> jax.Array:
    return math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)


def _gelu_tanh_derivative(x: jax.Array) -> jax.Array:
    slope = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * jnp.square(x))
    curve = tanh.derivative(_gelu_argument(x))
    return _sigmoid(2.0 * _gelu_argument(x)) + jnp.where(curve > 0, 0.5 * x * curve * slope, 0.0)


gelu_tanh = Activation(
    value=lambda x: x * _sigmoid(2.0 * _gelu_argument(x)),
    derivative=_gelu_tanh_derivative,
)
"""x (1 + tanh u) / 2 = x s(2u) with u = sqrt(2 / pi) (x + 0.044715 x^3): within 5e-4 of gelu, without erf."""

silu = Activation(
    value=lambda x: x * _sigmoid(x),
    derivative=lambda x: _sigmoid(x) * (1.0 + x * _sigmoid(-x)),
)
"""x s(x), also called swish,    s + x s (1 - s) (Elfwing et al., 2018)."""

softplus = Activation(
    value=lambda x: jnp.maximum(x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(x))),
    derivative=_sigmoid,
)
"""log(1 + e^x),    s(x): a relu without kink (Dugas et al., 2001)."""


def softmax(x: jax.Array) -> jax.Array:
    """e^x_k / sum_j e^x_j of x [K], [K]. The greatest is subtracted first: it cancels, and e^(x - max) <= 1."""
    exponentials = jnp.exp(x - jnp.max(x))
    return exponentials / jnp.sum(exponentials)


def softmax_jacobian(x: jax.Array) -> jax.Array:
    """dp_i / dx_j = p_i ([i = j] - p_j), [K, K]: symmetric, positive semi-definite, rows sum to zero."""
    p = softmax(x)
    return jnp.diag(p) - jnp.outer(p, p)
