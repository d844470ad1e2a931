"""A multi-layer perceptron with its gradient by hand (Rumelhart, Hinton & Williams, 1986).

Forward, for the layers l = 1, ..., L and one example a_0 = x:

    z_l = a_(l-1) W_l + b_l,    a_l = f(z_l),    except for the last: logits z_L,    p = softmax(z_L)

Backward, with delta_l = d loss / d z_l of the loss -log p_y:

    delta_L = p - onehot(y),    delta_l = (delta_(l+1) W_(l+1)') * f'(z_l)
    d loss / d W_l = a_(l-1)' delta_l,    d loss / d b_l = delta_l
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.types import Key
from mlr_jax.foundations.activations import Activation, relu, softmax


class Layer(NamedTuple):
    """kernel [I, O] and bias [O]."""

    kernel: jax.Array
    bias: jax.Array


class Trace(NamedTuple):
    """What the way back needs of the way there: the input a_(l-1) and the output z_l of each layer, [B, width]."""

    inputs: list[jax.Array]
    outputs: list[jax.Array]


def init(key: Key, widths: Sequence[int]) -> list[Layer]:
    """Layers between the widths (inputs, hidden..., outputs): kernels from N(0, 2 / I), biases 0 (He et al., 2015)."""
    keys = jax.random.split(key, len(widths) - 1)
    return [
        Layer(jax.random.normal(layer_key, shape) * jnp.sqrt(2.0 / shape[0]), jnp.zeros(shape[1]))
        for layer_key, shape in zip(keys, pairwise(widths), strict=True)
    ]


def forward(layers: Sequence[Layer], x: jax.Array, activation: Activation = relu) -> Trace:
    """All inputs and outputs of the layers for x [B, I]; the last output holds the logits [B, K]."""
    inputs, outputs = [x], []
    for layer in layers:
        outputs.append(inputs[-1] @ layer.kernel + layer.bias[None])
        inputs.append(activation.value(outputs[-1]))
    return Trace(inputs[:-1], outputs)


def loss(layers: Sequence[Layer], x: jax.Array, y: jax.Array, activation: Activation = relu) -> jax.Array:
    """The mean of -log p(y | x) over x [B, I] and y [B] int, in nats."""
    logits = forward(layers, x, activation).outputs[-1]
    chosen = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - chosen)


def gradient(layers: Sequence[Layer], x: jax.Array, y: jax.Array, activation: Activation = relu) -> list[Layer]:
    """The gradient of `loss` in every kernel and bias, by the equations above."""
    inputs, outputs = forward(layers, x, activation)
    logits = outputs[-1]
    delta = (jax.vmap(softmax)(logits) - jax.nn.one_hot(y, logits.shape[1], dtype=logits.dtype)) / x.shape[0]
    gradients = []
    for index in reversed(range(len(layers))):
        gradients.append(Layer(inputs[index].T @ delta, jnp.sum(delta, axis=0)))
        if index > 0:
            delta = (delta @ layers[index].kernel.T) * activation.derivative(outputs[index - 1])
    return gradients[::-1]
