"""Recurrent networks over a batch of sequences: one scan, and in it no product but the one that must be there.

All of them are called alike: `cell(carry, x [T, B, D], starts, mask)` returns the carry after the last step and the
outputs h of all steps, [T, B, H]. Time is the first axis, as the scan wants it. `starts` [T, B] is True where another
sequence begins: what was carried is forgotten there. `mask` [T, B] is 0 where a sequence is padded: the carry stays as
it was and the output is 0, so padding never changes anything. Either may be None. `cell.initial(B)` is the carry before
anything was seen.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from mlr_jax.nn.checks import check_rate, check_widths
from mlr_jax.ops.flat_product import flat_dot_general

Carry = Any
"""h [B, H], or a tuple that begins with it."""

Step = Callable[[Any, Carry, jax.Array, jax.Array], Carry]
"""params, carry, inputs W x + b [B, G], products with the carried h U h [B, G] -> carry."""

UNROLL = 4
"""Steps that are written out in a loop's body."""


class _Cell(nn.Module):
    """What the cells share: one product for the inputs of all steps and all gates, one for the h of each step."""

    width: int

    GATES: ClassVar[str]
    """A letter for each part of the products."""

    @staticmethod
    @abstractmethod
    def step(params: Any, carry: Carry, inputs: jax.Array, from_h: jax.Array) -> Carry:
        """What is carried on: a `Step`."""

    @nn.compact
    def __call__(
        self, carry: Carry, x: jax.Array, starts: jax.Array | None = None, mask: jax.Array | None = None
    ) -> tuple[Carry, jax.Array]:
        """carry, x [T, B, D], starts and mask [T, B] or None -> the last carry, the outputs [T, B, H]."""
        check_widths("width", (self.width,))
        gates = len(self.GATES) * self.width
        inputs = nn.Dense(gates, bias_init=self.first_bias, dot_general=flat_dot_general, name="input")(x)
        orthogonal = nn.initializers.orthogonal()
        kernels = [self.param(f"recurrent_{gate}", orthogonal, (self.width, self.width)) for gate in self.GATES]
        params, inputs = self.prepare(inputs)
        never = jnp.zeros(x.shape[:2], bool)
        steps = Steps(inputs, never if starts is None else starts, ~never if mask is None else mask > 0)
        carry, h = recurrence(self.step, params, jnp.concatenate(kernels, axis=1), carry, steps)
        return carry, h if mask is None else jnp.where(mask[..., None] > 0, h, 0.0)

    def initial(self, rows: int) -> Carry:
        """Zeros [rows, H]."""
        return jnp.zeros((rows, self.width))

    def first_bias(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """Of the gates, at first."""
        return jnp.zeros(shape, dtype)

    def prepare(self, inputs: jax.Array) -> tuple[Any, jax.Array]:
        """Parameters that the step needs, and the inputs as it gets them."""
        return (), inputs


class Elman(_Cell):
    """h <- tanh(W x + U h + b) (Elman, 1990)."""

    GATES = "h"

    @staticmethod
    def step(params: Any, carry: Carry, inputs: jax.Array, from_h: jax.Array) -> Carry:
        """The new h."""
        return jnp.tanh(inputs + from_h)


class GRU(_Cell):
    """A gated recurrent unit (Cho et al., 2014), in the form whose products with h stand together.

    z, r = sigmoid(W_z x + U_z h + b_z), sigmoid(W_r x + U_r h + b_r)
    n    = tanh(W_n x + b_n + r (U_n h + c_n)),        h <- (1 - z) n + z h
    """

    GATES = "zrn"

    def prepare(self, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        """c_n [H], and the inputs."""
        return self.param("bias_n", nn.initializers.zeros_init(), (self.width,)), inputs

    @staticmethod
    def step(params: Any, carry: Carry, inputs: jax.Array, from_h: jax.Array) -> Carry:
        """The new h; `params` is c_n."""
        width = carry.shape[-1]
        (x_zr, x_n), (h_zr, h_n) = (jnp.split(part, [2 * width], axis=-1) for part in (inputs, from_h))
        z, r = jnp.split(nn.sigmoid(x_zr + h_zr), 2, axis=-1)
        n = jnp.tanh(x_n + r * (h_n + params[None]))
        return (1.0 - z) * n + z * carry


class LSTM(_Cell):
    """Long short-term memory (Hochreiter & Schmidhuber, 1997; with a forget gate: Gers et al., 2000). It carries h, c.

    i, f, o = sigmoid of W x + U h + b,    g = tanh(W_g x + U_g h + b_g),    c <- f c + i g,    h <- o tanh(c)

    The forget gate's bias begins at 1 (Jozefowicz et al., 2015).
    """

    GATES = "ifgo"

    def initial(self, rows: int) -> tuple[jax.Array, jax.Array]:
        """Zeros: h and c, [rows, H]."""
        return jnp.zeros((rows, self.width)), jnp.zeros((rows, self.width))

    def first_bias(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """1 for the forget gate, 0 for the others."""
        return jnp.zeros(shape, dtype).at[self.width : 2 * self.width].set(1.0)

    @staticmethod
    def step(params: Any, carry: Carry, inputs: jax.Array, from_h: jax.Array) -> Carry:
        """The new h and c."""
        c, o = _cell_of(carry[1], inputs + from_h)
        return o * jnp.tanh(c), c


class LayerNormLSTM(LSTM):
    """An LSTM whose W x, U h and c are normalised over their features, each with a gain (Ba, Kiros & Hinton, 2016)."""

    def prepare(self, inputs: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        """The gains and the biases of the three norms, and the inputs, normalised."""
        gates, ones, zeros = 4 * self.width, nn.initializers.ones_init(), nn.initializers.zeros_init()
        params = {
            "gain_h": self.param("gain_h", ones, (gates,)),
            "gain_c": self.param("gain_c", ones, (self.width,)),
            "bias": self.param("bias", self.first_bias, (gates,)),
            "bias_c": self.param("bias_c", zeros, (self.width,)),
        }
        return params, _normalised(inputs) * self.param("gain_x", ones, (gates,)).reshape(1, 1, -1)

    @staticmethod
    def step(params: Any, carry: Carry, inputs: jax.Array, from_h: jax.Array) -> Carry:
        """The new h and c."""
        gain_h, gain_c, bias, bias_c = (params[name][None] for name in ("gain_h", "gain_c", "bias", "bias_c"))
        c, o = _cell_of(carry[1], inputs + gain_h * _normalised(from_h) + bias)
        return o * jnp.tanh(gain_c * _normalised(c) + bias_c), c


def _cell_of(c: jax.Array, gates: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The new c, and o. One tanh for all gates, sigmoid(x) = (1 + tanh(x / 2)) / 2: fewer and longer loops."""
    width = c.shape[-1]
    halves = jnp.concatenate([jnp.full(2 * width, 0.5), jnp.ones(width), jnp.full(width, 0.5)])
    i, f, g, o = jnp.split(jnp.tanh(gates * halves[None].astype(gates.dtype)), 4, axis=-1)
    return (0.5 + 0.5 * f) * c + (0.5 + 0.5 * i) * g, 0.5 + 0.5 * o


def _normalised(x: jax.Array, epsilon: float = 1e-5) -> jax.Array:
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + epsilon)


class Steps(NamedTuple):
    """What enters at each step: inputs [T, B, G], and whether another sequence starts and the step is real [T, B]."""

    inputs: jax.Array
    starts: Any
    is_real: Any


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recurrence(step: Step, params: Any, kernel: jax.Array, carry: Carry, steps: Steps) -> tuple[Carry, jax.Array]:
    """carry <- step(params, carry, inputs_t, h U) for every t, U the kernel [H, G]: the last carry, all h [T, B, H].

    The gradient of the kernel is one product over all steps, where automatic differentiation would add up one for each.
    What the gradient needs of a step are the carry before it and the products h U; the rest is computed again.
    """

    def body(carry: Carry, now: Steps) -> tuple[Carry, jax.Array]:
        carry = _moved(step, params, carry, now, _product(kernel, carry, now))
        return carry, _h_of(carry)

    return lax.scan(body, carry, steps, unroll=UNROLL)


def _product(kernel: jax.Array, carry: Carry, now: Steps) -> jax.Array:
    return _reset(_h_of(carry), now.starts) @ kernel


def _moved(step: Step, params: Any, carry: Carry, now: Steps, from_h: jax.Array) -> Carry:
    """The carry after a step, which is that before it where the step is not real."""
    carry = _reset(carry, now.starts)
    new = step(params, carry, now.inputs, from_h)
    return jax.tree.map(lambda new, old: jnp.where(now.is_real[:, None], new, old), new, carry)


def _h_of(carry: Carry) -> jax.Array:
    return carry[0] if isinstance(carry, tuple) else carry


def _added_to_h(carry: Carry, more: jax.Array) -> Carry:
    return (carry[0] + more, *carry[1:]) if isinstance(carry, tuple) else carry + more


def _reset(carry: Carry, start: jax.Array) -> Carry:
    return jax.tree.map(lambda leaf: jnp.where(start[..., None], 0.0, leaf), carry)


def _forward(step: Step, params: Any, kernel: jax.Array, carry: Carry, steps: Steps) -> tuple[Any, Any]:
    def body(carry: Carry, now: Steps) -> tuple[Carry, Any]:
        from_h = _product(kernel, carry, now)
        new = _moved(step, params, carry, now, from_h)
        return new, (_h_of(new), carry, from_h)

    last, (h, carries, from_h) = lax.scan(body, carry, steps, unroll=UNROLL)
    return (last, h), (params, kernel, steps, carries, from_h)


def _backward(step: Step, kept: Any, cotangents: tuple[Carry, jax.Array]) -> tuple[Any, ...]:
    params, kernel, steps, carries, from_h = kept
    transposed = kernel.T

    def body(later: Any, at: Any) -> tuple[Any, Any]:
        of_carry, of_params = later
        now, carry, from_h, of_h = at

        def moved(params: Any, carry: Carry, inputs: jax.Array, from_h: jax.Array) -> Carry:
            return _moved(step, params, carry, now._replace(inputs=inputs), from_h)

        pullback = jax.vjp(moved, params, carry, now.inputs, from_h)[1]
        more_of_params, of_carry, of_inputs, of_products = pullback(_added_to_h(of_carry, of_h))
        through_kernel = _reset(of_products @ transposed, now.starts)
        of_params = jax.tree.map(jnp.add, of_params, more_of_params)
        return (_added_to_h(of_carry, through_kernel), of_params), (of_inputs, of_products)

    first = cotangents[0], jax.tree.map(jnp.zeros_like, params)
    (of_carry, of_params), (of_inputs, of_products) = lax.scan(
        body, first, (steps, carries, from_h, cotangents[1]), reverse=True
    )
    h_before = _reset(_h_of(carries), steps.starts)
    of_kernel = h_before.reshape(-1, kernel.shape[0]).T @ of_products.reshape(-1, kernel.shape[1])
    return of_params, of_kernel, of_carry, Steps(of_inputs, None, None)


recurrence.defvjp(_forward, _backward)


class Stack(nn.Module):
    """Cells on top of one another; the carry is a tuple of theirs.

    With dropout, units of the outputs of each cell are dropped, and the same ones at all steps of a sequence (Gal &
    Ghahramani, 2016, "variational").
    """

    cells: Sequence[nn.Module]
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        carry: tuple[Carry, ...],
        x: jax.Array,
        starts: jax.Array | None = None,
        mask: jax.Array | None = None,
        *,
        train: bool = False,
    ) -> tuple[tuple[Carry, ...], jax.Array]:
        """As a cell's."""
        check_rate("dropout", self.dropout)
        after = []
        for cell, own in zip(self.cells, carry, strict=True):
            then, x = cell(own, x, starts, mask)
            x = nn.Dropout(self.dropout, broadcast_dims=(0,), deterministic=not train)(x)
            after.append(then)
        return tuple(after), x

    def initial(self, rows: int) -> tuple[Carry, ...]:
        """What all cells carry at first."""
        return tuple(cell.initial(rows) for cell in self.cells)  # type: ignore[attr-defined]


class Bidirectional(nn.Module):
    """One cell reads each sequence from its beginning, another from its end; x [T, B, D] -> outputs [T, B, 2 H].

    Sequences have `lengths` [B]; what stands behind them is padding, whose outputs are 0.
    """

    forwards: nn.Module
    backwards: nn.Module

    @nn.compact
    def __call__(self, x: jax.Array, lengths: jax.Array) -> jax.Array:
        """Outputs of both cells side by side."""
        mask = mask_of(lengths, x.shape[0])
        forwards: Any = self.forwards
        backwards: Any = self.backwards
        _, there = forwards(forwards.initial(x.shape[1]), x, None, mask)
        _, back = backwards(backwards.initial(x.shape[1]), reversed_in_time(x, lengths), None, mask)
        return jnp.concatenate([there, reversed_in_time(back, lengths)], axis=-1)


def mask_of(lengths: jax.Array, steps: int) -> jax.Array:
    """1 for the steps of each sequence, 0 for the padding behind it: lengths [B] -> [T, B] float32."""
    return (jnp.arange(steps)[:, None] < lengths[None]).astype(jnp.float32)


def reversed_in_time(x: jax.Array, lengths: jax.Array) -> jax.Array:
    """Each sequence of x [T, B, ...] backwards, padding left where it is."""
    time = jnp.arange(x.shape[0])[:, None]
    source = jnp.where(time < lengths[None], lengths[None] - 1 - time, time)
    return jnp.take_along_axis(x, source.reshape(*source.shape, *(1,) * (x.ndim - 2)), axis=0)
