"""What is carried on, against the whole text in one call; how far back a gradient goes, against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.language.causal_lm import Hypers
from mlr_jax.language.decode import NEVER, Prompts, Sampling, beam_search, generate, prefill, stream
from mlr_jax.language.recurrent_lm import gradient_by_lag, recurrent_lm
from mlr_jax.nn.recurrent_lm import CELLS, RecurrentLM

V, B, T = 5, 2, 4
MODEL = RecurrentLM(V, "lstm", depth=2, width=6, embedded=3)
TASK = recurrent_lm(MODEL, B)
TEXT = np.random.default_rng(0).integers(V, size=(B, 3 * T + 1))
GREEDY = Sampling(temperature=0.0)


@pytest.fixture(scope="module")
def variables():
    variables = TASK.init(jax.random.key(0))
    rng = np.random.default_rng(1)
    noisy = jax.tree.map(lambda leaf: leaf + jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), variables["params"])
    return {**variables, "params": noisy}


@pytest.fixture(scope="module")
def log_probs(variables):
    """log p of the next token after each of a text, read at once from its beginning."""
    apply = jax.jit(lambda tokens: jax.nn.log_softmax(MODEL.apply({"params": variables["params"]}, tokens)))
    return lambda tokens: np.asarray(apply(jnp.asarray(tokens)))


def window(index):
    piece = TEXT[:, index * T : index * T + T + 1]
    return {"x": piece[:, :-1], "y": piece[:, 1:]}


def nats(log_probs, x, y):
    return -np.take_along_axis(log_probs(x), y[..., None], -1)[..., 0]


def test_windows_that_go_on_have_the_losses_of_the_whole_text(variables, log_probs):
    expected = nats(log_probs, TEXT[:, :-1], TEXT[:, 1:])
    loss = jax.jit(TASK.loss)
    for index in range(3):
        batch = {**window(index), "starts": np.full(B, index == 0)}
        found, (variables, _) = loss(variables, batch, jax.random.key(1), Hypers())
        np.testing.assert_allclose(found, expected[:, index * T : (index + 1) * T].mean(), rtol=1e-5)


def test_a_row_that_starts_forgets_and_the_others_do_not(variables, log_probs):
    loss = jax.jit(TASK.loss)
    _, (variables, _) = loss(variables, {**window(0), "starts": np.ones(B)}, jax.random.key(1), Hypers())
    batch = {**window(1), "starts": np.array([False, True])}
    going_on = nats(log_probs, TEXT[:1, : 2 * T], TEXT[:1, 1 : 2 * T + 1])[:, T:]
    anew = nats(log_probs, batch["x"][1:], batch["y"][1:])
    found, _ = loss(variables, batch, jax.random.key(1), Hypers())
    np.testing.assert_allclose(found, np.mean([going_on, anew]), rtol=1e-5)
    assert abs(going_on - nats(log_probs, batch["x"][:1], batch["y"][:1])).max() > 1e-3


def test_what_stands_in_a_row_of_padding_is_not_learned_from_nor_carried_on(variables, log_probs):
    gradient = jax.jit(jax.value_and_grad(TASK.loss, has_aux=True, allow_int=True))
    mask = np.array([1.0, 0.0], np.float32)

    def of(junk):
        batch = {**window(0), "starts": np.array([True, junk > 2]), "mask": mask}
        batch = {
            name: np.where(mask[:, None] > 0, rows, junk) if rows.ndim > 1 else rows for name, rows in batch.items()
        }
        return gradient(variables, batch, jax.random.key(1), Hypers())

    (loss, _), _ = first = of(1)
    jax.tree.map(np.testing.assert_array_equal, first, of(3))
    np.testing.assert_allclose(loss, nats(log_probs, window(0)["x"][:1], window(0)["y"][:1]).mean(), rtol=1e-5)


def test_evaluation_begins_from_nothing_whatever_is_carried(variables, log_probs):
    _, (after, _) = TASK.loss(variables, {**window(0), "starts": np.ones(B)}, jax.random.key(1), Hypers())
    found = TASK.evaluate(after, window(1))
    np.testing.assert_allclose(found["loss"], nats(log_probs, *window(1).values()).mean(1), rtol=1e-5)


def test_segments_of_a_row_are_texts_of_their_own(variables, log_probs):
    params = {"params": variables["params"]}
    tokens, segments = TEXT[:1, :7], jnp.array([[0, 0, 0, 1, 1, 1, 1]])
    packed = jax.nn.log_softmax(MODEL.apply(params, tokens, segments=segments))
    np.testing.assert_allclose(packed[:, :3], log_probs(tokens[:, :3]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(packed[:, 3:], log_probs(tokens[:, 3:]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_gradient_by_its_lag_is_that_of_differences(cell):
    with jax.enable_x64(True):
        model = RecurrentLM(V, cell, depth=1, width=4, embedded=2)
        tokens = np.array([[0, 1, 2, 3, 1]])  # every token of the text but the last stands once
        variables = jax.tree.map(lambda leaf: leaf.astype(float), model.init(jax.random.key(2), tokens))

        @jax.jit
        def last_loss(embedding):
            params = {**variables["params"], "embedding": {"embedding": embedding}}
            return -jax.nn.log_softmax(model.apply({"params": params}, tokens[:, :-1])[0, -1].astype(float))[1]

        embedding = variables["params"]["embedding"]["embedding"]
        by_hand = []
        for place in range(4):
            shifted = [embedding.at[tokens[0, 3 - place], axis].add(1e-3) for axis in range(2)]
            back = [embedding.at[tokens[0, 3 - place], axis].add(-1e-3) for axis in range(2)]
            slopes = [(last_loss(up) - last_loss(down)) / 2e-3 for up, down in zip(shifted, back, strict=True)]
            by_hand.append(np.linalg.norm(slopes))
        np.testing.assert_allclose(gradient_by_lag(model, variables, tokens), by_hand, rtol=1e-2, atol=1e-6)


def test_a_gradient_of_long_ago_is_small_but_not_nothing():
    model = RecurrentLM(V, "elman", depth=1, width=4, embedded=2)
    tokens = jnp.asarray(np.random.default_rng(4).integers(V, size=(2, 31)))
    variables = model.init(jax.random.key(2), tokens)
    weak = jax.tree.map(lambda leaf: 0.1 * leaf, variables)
    found = jax.jit(gradient_by_lag, static_argnums=0)(model, weak, tokens)
    assert (found > 0).all()
    assert found[25] < 1e-24  # whose square is nothing in single precision
    np.testing.assert_allclose(found[6] / found[5], found[26] / found[25], rtol=0.5)


def test_prompts_of_different_lengths_go_on_as_each_does_alone(variables, log_probs):
    params = {"params": variables["params"]}
    prompts = Prompts(jnp.array([[1, 2, 3], [4, NEVER, NEVER]]), jnp.array([3, 1]))
    found = generate(MODEL, params, prompts, jax.random.key(0), GREEDY, steps=5)
    for row, text in enumerate(([1, 2, 3], [4])):
        for token in found[row]:
            assert token == log_probs([text])[0, -1].argmax()
            text.append(int(token))
    read, alone = prefill(MODEL, params, prompts), prefill(MODEL, params, Prompts(jnp.array([[4]]), jnp.array([1])))
    for carry, own in zip(jax.tree.leaves(read.cache), jax.tree.leaves(alone.cache), strict=True):
        np.testing.assert_allclose(carry[1:], own, rtol=1e-5, atol=1e-6)
    coming = stream(MODEL, params, prompts, jax.random.key(0), GREEDY)
    np.testing.assert_array_equal(jnp.stack([next(coming) for _ in range(5)], axis=1), found)
    np.testing.assert_array_equal(beam_search(MODEL, params, prompts, steps=5, beams=1).tokens[:, 0], found)


def test_what_cannot_be_is_an_error():
    with pytest.raises(ValueError, match="cell: got 'qrnn', allowed are lstm, gru, elman, layer_norm_lstm"):
        RecurrentLM(V, "qrnn").init(jax.random.key(0), TEXT)
    with pytest.raises(ValueError, match=r"vocabulary, depth, width, embedded: got \(5, 0, 256, 64\)"):
        RecurrentLM(V, depth=0).init(jax.random.key(0), TEXT)
