"""The GRU against the equations, step by step, and against Flax's cell."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.rnn import GRU

T, B, D, H = 5, 3, 2, 4


@pytest.fixture(scope="module")
def case():
    keys = jax.random.split(jax.random.key(0), 3)
    h, x = jax.random.normal(keys[0], (B, H)), jax.random.normal(keys[1], (T, B, D))
    starts = jnp.zeros((T, B), bool).at[2, 1].set(True)
    variables = GRU(H).init(keys[2], h, x, starts)
    return variables, h, x, starts


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(variables, h, x, starts):
    params = jax.tree.map(np.asarray, variables["params"])
    h, outputs = np.asarray(h), []
    for now, start in zip(np.asarray(x), np.asarray(starts), strict=True):
        h = np.where(start[:, None], 0, h)
        z, r, n = np.split(now @ params["input"]["kernel"] + params["input"]["bias"], 3, axis=1)
        z = sigmoid(z + h @ params["recurrent_z"])
        r = sigmoid(r + h @ params["recurrent_r"])
        n = np.tanh(n + r * (h @ params["recurrent_n"] + params["bias_n"]))
        h = (1 - z) * n + z * h
        outputs.append(h)
    return h, np.stack(outputs)


def test_follows_the_equations(case):
    variables, *arguments = case
    for ours, expected in zip(GRU(H).apply(variables, *arguments), by_hand(variables, *arguments), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_a_start_forgets_what_was_before(case):
    variables, h, x, starts = case
    _, outputs = GRU(H).apply(variables, h, x, starts)
    _, others = GRU(H).apply(variables, h, x.at[:2].add(1.0), starts)
    np.testing.assert_array_equal(outputs[2:, 1], others[2:, 1])
    assert (outputs[2:, 0] != others[2:, 0]).any()


def test_equal_to_the_cell_of_flax(case):
    variables, h, x, _ = case
    ours = variables["params"]
    kernels = jnp.split(ours["input"]["kernel"], 3, axis=1)
    theirs = {f"i{gate}": {"kernel": kernel, "bias": jnp.zeros(H)} for gate, kernel in zip("zrn", kernels, strict=True)}
    theirs |= {f"h{gate}": {"kernel": ours[f"recurrent_{gate}"]} for gate in "zr"}
    theirs["hn"] = {"kernel": ours["recurrent_n"], "bias": ours["bias_n"]}
    expected, _ = nn.GRUCell(H).apply({"params": theirs}, h, x[0])
    _, outputs = GRU(H).apply(variables, h, x[:1], jnp.zeros((1, B), bool))
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-5, atol=1e-6)


def test_no_width_is_an_error():
    with pytest.raises(ValueError, match="width"):
        GRU(0).init(jax.random.key(0), jnp.zeros((1, 0)), jnp.zeros((1, 1, 1)), jnp.zeros((1, 1), bool))
