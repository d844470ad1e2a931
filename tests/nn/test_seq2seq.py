"""Attention of encoder-decoders: a step by hand in numpy, and the weights that are shown are those that are used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn import attention, encoder_decoder, seq2seq
from mlr_jax.nn.encoder_decoder import EncoderDecoder
from mlr_jax.nn.seq2seq import AttentiveStep, Memory, RecurrentEncoderDecoder

B, S, T, H = 2, 5, 3, 4
RNG = np.random.default_rng(0)
X, X_LENGTH, Y = RNG.integers(7, size=(B, S)), jnp.array([5, 2]), RNG.integers(7, size=(B, T))


def test_a_step_is_that_of_the_paper():
    s, y, annotations, keys = (RNG.normal(size=shape).astype(np.float32) for shape in
                               ((B, H), (B, 3), (B, S, 2 * H), (B, S, H)))  # fmt: skip
    memory = Memory(annotations, keys, np.arange(S)[None] < np.asarray(X_LENGTH)[:, None])
    step = AttentiveStep(H)
    after, outputs = step.apply(params := step.init(jax.random.key(0), s, y, memory), s, y, memory)
    p = jax.tree.map(np.asarray, params["params"])
    for row in range(B):
        query = s[row] @ p["query"]["kernel"] + p["query"]["bias"]
        e = [float((np.tanh(query + key) @ p["score"]["kernel"])[0]) for key in keys[row, : X_LENGTH[row]]]
        a = np.exp(e) / np.exp(e).sum()
        c = a @ annotations[row, : X_LENGTH[row]]
        z, r, n = np.split(np.concatenate([y[row], c]) @ p["cell"]["input"]["kernel"] + p["cell"]["input"]["bias"], 3)
        u_z, u_r, u_n = (s[row] @ p["cell"][f"recurrent_{gate}"] for gate in "zrn")
        z, r = 1 / (1 + np.exp(-z - u_z)), 1 / (1 + np.exp(-r - u_r))
        expected = (1 - z) * np.tanh(n + r * (u_n + p["cell"]["bias_n"])) + z * s[row]
        np.testing.assert_allclose(after[row], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(outputs[1][row], c, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(outputs[2][row], np.pad(a, (0, S - len(a))), rtol=1e-4, atol=1e-6)


def test_the_weights_that_are_shown_are_those_of_the_last_block(monkeypatch):
    model = EncoderDecoder(7, 7, 6, depth=2, heads=2, width=8)
    variables = jax.jit(model.init)(jax.random.key(0), X, X_LENGTH, Y)
    shown = encoder_decoder.alignment(model, variables, X, X_LENGTH, Y)
    seen, inner = [], attention.attention

    def recording(q, k, v, *, mask, change_weights):
        def keep(weights):
            seen.append(weights)
            return weights

        return inner(q, k, v, mask=mask, change_weights=keep)

    monkeypatch.setattr(attention, "attention", recording)
    model.apply(variables, X, X_LENGTH, Y)
    assert seen[-1].shape == (B, 2, T, S)
    np.testing.assert_allclose(shown, seen[-1].mean(1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", [RecurrentEncoderDecoder(7, 7, H), EncoderDecoder(7, 7, 6, 1, 2, 8)], ids=type)
def test_weights_are_of_what_is_real_and_sum_to_one(model):
    variables = jax.jit(model.init)(jax.random.key(1), X, X_LENGTH, Y)
    kind = seq2seq if isinstance(model, RecurrentEncoderDecoder) else encoder_decoder
    weights = np.asarray(kind.alignment(model, variables, X, X_LENGTH, Y))
    np.testing.assert_allclose(weights.sum(-1), np.ones((B, T)), rtol=1e-5)
    assert (weights[1, :, 2:] == 0).all()
    assert (weights[1, :, :2] > 0).all()


def test_dropout_needs_training_and_a_rate_below_one():
    model = RecurrentEncoderDecoder(7, 7, H, dropout=0.5)
    variables = jax.jit(model.init)(jax.random.key(0), X, X_LENGTH, Y)
    still = model.apply(variables, X, X_LENGTH, Y)
    dropped = model.apply(variables, X, X_LENGTH, Y, train=True, rngs={"dropout": jax.random.key(1)})
    assert np.abs(dropped - still).max() > 1e-3
    with pytest.raises(ValueError, match=r"dropout: got 1\.0"):
        RecurrentEncoderDecoder(7, 7, H, dropout=1.0).init(jax.random.key(0), X, X_LENGTH, Y)


def test_rows_of_a_transformer_that_are_cut_in_two_say_what_shorter_ones_say():
    model = EncoderDecoder(7, 7, 100, depth=1, heads=2, width=8)
    y = jnp.asarray(np.random.default_rng(2).integers(7, size=(len(X), 100)))
    variables, apply = jax.jit(model.init)(jax.random.key(0), X, X_LENGTH, y), jax.jit(model.apply)
    long, short = (apply(variables, X, X_LENGTH, part) for part in (y, y[:, :90]))
    np.testing.assert_allclose(long[:, :90], short, rtol=1e-4, atol=1e-4)
