"""Recurrent cells against their equations, written out in numpy, and against Flax's and PyTorch's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mlr_jax.nn.rnn import (
    GRU,
    LSTM,
    Bidirectional,
    Elman,
    LayerNormLSTM,
    Stack,
    mask_of,
    reversed_in_time,
)

T, B, D, H = 6, 3, 2, 4
CELLS = [Elman, GRU, LSTM, LayerNormLSTM]
every_cell = pytest.mark.parametrize("kind", CELLS)


def case(kind):
    """Variables that are all random, a carry, inputs, and a sequence that begins at step 2 of row 1."""
    keys = jax.random.split(jax.random.key(0), 4)
    cell = kind(H)
    carry = jax.tree.map(lambda leaf: jax.random.normal(keys[0], leaf.shape), cell.initial(B))
    x = jax.random.normal(keys[1], (T, B, D))
    variables = cell.init(keys[2], carry, x)
    variables = jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(keys[3], leaf.shape), variables)
    return cell, variables, carry, x, jnp.zeros((T, B), bool).at[2, 1].set(True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normalised(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def one_step(kind, params, carry, x):
    """The equations, gate by gate."""
    kernel, bias = params["input"]["kernel"], params["input"]["bias"]
    h = carry if kind in (Elman, GRU) else carry[0]
    from_h = np.concatenate([h @ params[f"recurrent_{gate}"] for gate in kind.GATES], axis=1)
    from_x = x @ kernel + bias
    if kind is Elman:
        return np.tanh(from_x + from_h)
    if kind is GRU:
        (xz, xr, xn), (hz, hr, hn) = np.split(from_x, 3, 1), np.split(from_h, 3, 1)
        z = sigmoid(xz + hz)
        return (1 - z) * np.tanh(xn + sigmoid(xr + hr) * (hn + params["bias_n"])) + z * h
    if kind is LayerNormLSTM:
        from_x = params["gain_x"] * normalised(from_x)
        from_h = params["gain_h"] * normalised(from_h) + params["bias"]
    i, f, g, o = np.split(from_x + from_h, 4, 1)
    c = sigmoid(f) * carry[1] + sigmoid(i) * np.tanh(g)
    shown = params["gain_c"] * normalised(c) + params["bias_c"] if kind is LayerNormLSTM else c
    return sigmoid(o) * np.tanh(shown), c


def by_hand(kind, variables, carry, x, starts):
    params, carry = jax.tree.map(np.asarray, (variables["params"], carry))
    outputs = []
    for now, start in zip(np.asarray(x), np.asarray(starts), strict=True):
        carry = jax.tree.map(lambda leaf, start=start: np.where(start[:, None], 0, leaf), carry)
        carry = one_step(kind, params, carry, now)
        outputs.append(carry[0] if isinstance(carry, tuple) else carry)
    return carry, np.stack(outputs)


@every_cell
def test_a_cell_follows_its_equations(kind):
    cell, variables, *arguments = case(kind)
    ours, expected = cell.apply(variables, *arguments), by_hand(kind, variables, *arguments)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), ours, expected)


@every_cell
def test_a_start_forgets_what_was_before(kind):
    cell, variables, carry, x, starts = case(kind)
    _, outputs = cell.apply(variables, carry, x, starts)
    _, others = cell.apply(variables, carry, x.at[:2].add(1.0), starts)
    np.testing.assert_array_equal(outputs[2:, 1], others[2:, 1])
    assert (outputs[2:, 0] != others[2:, 0]).any()


@every_cell
def test_padding_changes_nothing_and_gives_nothing(kind):
    cell, variables, carry, x, _ = case(kind)
    lengths = jnp.array([6, 4, 1])
    mask = mask_of(lengths, T)
    padded, outputs = cell.apply(variables, carry, jnp.where(mask[..., None] > 0, x, 1e3), None, mask)
    for row, length in enumerate(lengths):
        own = jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], carry)
        alone, shown = cell.apply(variables, own, x[:length, row : row + 1])
        np.testing.assert_allclose(outputs[:length, row], shown[:, 0], rtol=1e-5, atol=1e-6)
        assert not outputs[length:, row].any()
        jax.tree.map(lambda a, b, r=row: np.testing.assert_allclose(a[r], b[0], rtol=1e-5, atol=1e-6), padded, alone)


@every_cell
def test_gradients_are_those_of_automatic_differentiation(kind):
    """A finite difference of the loss along a random direction, in 64 bits, for everything that enters."""
    with jax.enable_x64(True):
        cell, variables, carry, x, starts = case(kind)
        arguments = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), (variables, carry, x))
        mask = mask_of(jnp.array([6, 5, 3]), T)

        @jax.jit
        def loss(variables, carry, x):
            carry, outputs = cell.apply(variables, carry, x, starts, mask)
            return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves((carry, outputs)))

        gradients = jax.grad(loss, argnums=(0, 1, 2))(*arguments)
        leaves, tree = jax.tree.flatten(arguments)
        for index, (leaf, gradient) in enumerate(zip(leaves, jax.tree.leaves(gradients), strict=True)):
            direction = jax.random.normal(jax.random.key(index), leaf.shape, jnp.float64)

            def moved(by, index=index, direction=direction):
                return loss(*tree.unflatten([*leaves[:index], leaves[index] + by * direction, *leaves[index + 1 :]]))

            slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
            np.testing.assert_allclose(jnp.sum(gradient * direction), slope, rtol=1e-5, atol=1e-7)


def test_the_gradient_of_the_kernel_is_one_product():
    cell, variables, carry, x, _ = case(LSTM)

    def loss(variables):
        return jnp.sum(cell.apply(variables, carry, x)[1])

    [backwards] = [
        equation.params["jaxpr"].jaxpr
        for equation in jax.make_jaxpr(jax.grad(loss))(variables).jaxpr.eqns
        if equation.primitive is lax.scan_p and equation.params["reverse"]
    ]
    products = [equation for equation in backwards.eqns if equation.primitive is lax.dot_general_p]
    assert [equation.outvars[0].aval.shape for equation in products] == [(B, H)]


def test_members_side_by_side_are_each_their_own_run():
    cell, variables, carry, x, starts = case(GRU)

    def gradient(scale):
        return jax.grad(lambda v: jnp.sum(cell.apply(v, carry, x * scale, starts)[1]))(variables)

    together = jax.vmap(gradient)(jnp.array([1.0, 0.5]))
    for member, scale in enumerate((1.0, 0.5)):
        jax.tree.map(
            lambda a, b, m=member: np.testing.assert_allclose(a[m], b, rtol=1e-5, atol=1e-6), together, gradient(scale)
        )


def test_a_gru_is_the_cell_of_flax():
    cell, variables, h, x, _ = case(GRU)
    ours = variables["params"]
    kernels = jnp.split(ours["input"]["kernel"], 3, axis=1)
    biases = jnp.split(ours["input"]["bias"], 3)
    theirs = {f"i{g}": {"kernel": k, "bias": b} for g, k, b in zip("zrn", kernels, biases, strict=True)}
    theirs |= {f"h{gate}": {"kernel": ours[f"recurrent_{gate}"]} for gate in "zr"}
    theirs["hn"] = {"kernel": ours["recurrent_n"], "bias": ours["bias_n"]}
    expected, _ = nn.GRUCell(H).apply({"params": theirs}, h, x[0])
    np.testing.assert_allclose(cell.apply(variables, h, x[:1])[1][0], expected, rtol=1e-5, atol=1e-6)


def test_an_lstm_is_the_cell_of_flax():
    cell, variables, (h, c), x, _ = case(LSTM)
    ours = variables["params"]
    kernels = jnp.split(ours["input"]["kernel"], 4, axis=1)
    biases = jnp.split(ours["input"]["bias"], 4)
    theirs = {f"i{gate}": {"kernel": kernel} for gate, kernel in zip("ifgo", kernels, strict=True)}
    theirs |= {f"h{g}": {"kernel": ours[f"recurrent_{g}"], "bias": b} for g, b in zip("ifgo", biases, strict=True)}
    (expected_c, expected_h), _ = nn.OptimizedLSTMCell(H).apply({"params": theirs}, (c, h), x[0])
    (ours_h, ours_c), _ = cell.apply(variables, (h, c), x[:1])
    np.testing.assert_allclose(ours_h, expected_h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours_c, expected_c, rtol=1e-5, atol=1e-6)


def test_the_forget_gate_begins_open():
    bias = LSTM(H).init(jax.random.key(0), LSTM(H).initial(B), jnp.zeros((T, B, D)))["params"]["input"]["bias"]
    np.testing.assert_array_equal(bias, [0] * H + [1] * H + [0] * 2 * H)


def test_a_stack_is_one_cell_after_the_other():
    stack = Stack([LSTM(H), GRU(3)])
    x = jax.random.normal(jax.random.key(1), (T, B, D))
    variables = stack.init(jax.random.key(0), stack.initial(B), x)
    carry, outputs = stack.apply(variables, stack.initial(B), x)
    first, second = ({"params": variables["params"][f"cells_{index}"]} for index in (0, 1))
    lower, between = LSTM(H).apply(first, LSTM(H).initial(B), x)
    upper, expected = GRU(3).apply(second, GRU(3).initial(B), between)
    np.testing.assert_array_equal(outputs, expected)
    jax.tree.map(np.testing.assert_array_equal, carry, (lower, upper))


def test_dropout_drops_the_same_units_at_all_steps_of_a_sequence():
    stack = Stack([Elman(64)], dropout=0.5)
    x = jax.random.normal(jax.random.key(1), (T, B, D))
    variables = stack.init(jax.random.key(0), stack.initial(B), x)
    _, outputs = stack.apply(variables, stack.initial(B), x, train=True, rngs={"dropout": jax.random.key(2)})
    dropped = np.asarray(outputs == 0)
    assert 0.3 < dropped.mean() < 0.7
    assert (dropped == dropped[:1]).all()
    assert (dropped[0, 0] != dropped[0, 1]).any()


def test_the_other_direction_reads_each_sequence_from_its_own_end():
    both = Bidirectional(Elman(H), Elman(3))
    x, lengths = jax.random.normal(jax.random.key(1), (T, B, D)), jnp.array([6, 4, 1])
    variables = both.init(jax.random.key(0), x, lengths)
    outputs = both.apply(variables, x, lengths)
    for row, length in enumerate(lengths):
        own = x[:length, row : row + 1]
        there = {"params": variables["params"]["forwards"]}
        back = {"params": variables["params"]["backwards"]}
        _, ahead = Elman(H).apply(there, jnp.zeros((1, H)), own)
        _, behind = Elman(3).apply(back, jnp.zeros((1, 3)), own[::-1])
        expected = jnp.concatenate([ahead, behind[::-1]], axis=-1)[:, 0]
        np.testing.assert_allclose(outputs[:length, row], expected, rtol=1e-5, atol=1e-6)
        assert not outputs[length:, row].any()


def test_sequences_are_turned_round_within_their_lengths():
    x = jnp.arange(4)[:, None] + jnp.array([[0, 10]])
    np.testing.assert_array_equal(reversed_in_time(x, jnp.array([3, 2])).T, [[2, 1, 0, 3], [11, 10, 12, 13]])


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="width"):
        GRU(0).init(jax.random.key(0), jnp.zeros((1, 0)), jnp.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match="dropout"):
        Stack([GRU(1)], dropout=1.0).init(jax.random.key(0), (jnp.zeros((1, 1)),), jnp.zeros((1, 1, 1)))
