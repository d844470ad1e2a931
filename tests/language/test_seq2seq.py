"""Both encoder-decoders: losses by hand, writing against loops over the whole model, beams against all texts."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.language.decode import NEVER, Beams
from mlr_jax.language.seq2seq import Hypers, best, seq2seq, shifted, translate, translate_by_beams
from mlr_jax.nn.encoder_decoder import EncoderDecoder
from mlr_jax.nn.seq2seq import RecurrentEncoderDecoder

START, STOP, V, S, T, B = 0, 1, 5, 6, 4, 3
MODELS = {
    "recurrent": RecurrentEncoderDecoder(9, V, 12),
    "transformer": EncoderDecoder(9, V, 8, depth=2, heads=2, width=12),
}
RNG = np.random.default_rng(0)
X, X_LENGTH = jnp.asarray(RNG.integers(9, size=(B, S))), jnp.array([6, 2, 4])
Y, Y_LENGTH = jnp.asarray(RNG.integers(1, V, size=(B, T))), jnp.array([3, 4, 1])
BATCH = {"x": X, "x_length": X_LENGTH, "y": Y, "y_length": Y_LENGTH}
WRITING = {"steps": T, "start": START, "stop": STOP}


@pytest.fixture(scope="module", params=MODELS)
def trained(request):
    """A model with random parameters large enough that it has opinions, and its logits as a compiled function."""
    model = MODELS[request.param]
    shapes = jax.eval_shape(seq2seq(model, start=START).init, jax.random.key(0))
    rng = np.random.default_rng(3)
    variables = jax.tree.map(lambda leaf: jnp.asarray(0.7 * rng.normal(size=leaf.shape), jnp.float32), shapes)
    return model, variables, jax.jit(lambda x, x_length, y: model.apply(variables, x, x_length, y))


def log_probs_of(trained):
    """Of the token that follows a list of tokens, for one row of X, by the whole model."""

    def of(row, text):
        y = np.zeros((B, T), int)
        y[:, : len(text) + 1] = [START, *text]
        return np.asarray(jax.nn.log_softmax(trained[2](X, X_LENGTH, y)))[row, len(text)]

    return of


def test_the_loss_of_a_row_is_the_sum_over_its_tokens_and_padding_rows_do_not_count(trained):
    model, variables, logits_of = trained
    task = seq2seq(model, start=START)
    before = np.array([[START, *row[:-1]] for row in np.asarray(Y)])
    logits = logits_of(X, X_LENGTH, before)
    nats = -np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), np.asarray(Y)[..., None], -1)[..., 0]
    hits = np.argmax(logits, -1) == np.asarray(Y)
    by_row = [(nats[row, :count].sum(), hits[row, :count].mean()) for row, count in enumerate(Y_LENGTH)]
    batch = {**BATCH, "mask": jnp.array([1.0, 0.0, 1.0])}
    loss, (_, metrics) = jax.jit(task.loss)(variables, batch, jax.random.key(1), Hypers())
    np.testing.assert_allclose([loss, metrics["accuracy"]], np.mean([by_row[0], by_row[2]], axis=0), rtol=1e-5)
    found = jax.jit(task.evaluate)(variables, batch)
    np.testing.assert_allclose([found["loss"][0], found["accuracy"][0]], by_row[0], rtol=1e-5)


def test_the_likeliest_tokens_are_those_of_the_whole_model_and_are_an_exact_match(trained):
    model, variables, _ = trained
    found = np.asarray(translate(model, variables, X, X_LENGTH, **WRITING))
    log_probs = log_probs_of(trained)
    for row in range(B):
        text = []
        while len(text) < T and STOP not in text:
            text.append(int(log_probs(row, text).argmax()))
        np.testing.assert_array_equal(found[row], text + [NEVER] * (T - len(text)))
    evaluate = jax.jit(seq2seq(model, start=START).evaluate)
    lengths = (found != NEVER).sum(-1)
    right = {"x": X, "x_length": X_LENGTH, "y": np.maximum(found, 0), "y_length": lengths}
    np.testing.assert_array_equal(evaluate(variables, right)["exact_match"], [1, 1, 1])
    shorter = {**right, "y": np.where(np.arange(T)[None] < 2, right["y"], 3), "y_length": np.minimum(lengths, 2)}
    np.testing.assert_array_equal(evaluate(variables, shorter)["exact_match"], [1, 1, 1])
    wrong = right["y"].copy()
    wrong[1, 0] = (wrong[1, 0] + 1) % V
    np.testing.assert_array_equal(evaluate(variables, {**right, "y": wrong})["exact_match"], [1, 0, 1])


def test_enough_beams_find_the_likeliest_of_all_texts(trained):
    model, variables, _ = trained
    found = translate_by_beams(model, variables, X, X_LENGTH, beams=V**2, **{**WRITING, "steps": 3})
    log_probs = log_probs_of(trained)
    for row in range(B):
        scores = {}
        for text in itertools.product(range(V), repeat=3):
            ended = text[: text.index(STOP) + 1] if STOP in text else text
            key = ended + (NEVER,) * (3 - len(ended))
            if key not in scores:
                scores[key] = sum(log_probs(row, list(ended[:i]))[token] for i, token in enumerate(ended))
        best = sorted(scores, key=scores.get, reverse=True)[:4]
        np.testing.assert_array_equal(found.tokens[row, :4], best)
        np.testing.assert_allclose(found.log_probs[row, :4], [scores[text] for text in best], rtol=1e-4)


def test_padding_of_the_source_and_what_comes_later_change_nothing(trained):
    _, _, logits_of = trained
    logits = np.asarray(logits_of(X, X_LENGTH, Y))
    wider = jnp.concatenate([jnp.where(jnp.arange(S)[None] < X_LENGTH[:, None], X, 7), jnp.full((B, 2), 5)], axis=1)
    np.testing.assert_allclose(logits_of(wider, X_LENGTH, Y), logits, atol=1e-5)
    other = np.asarray(logits_of(X, X_LENGTH, Y.at[:, 2].set(0)))
    np.testing.assert_allclose(other[:, :2], logits[:, :2], atol=1e-5)
    assert (np.abs(other - logits)[:, 2] > 1e-3).any(axis=-1).all()
    another = np.asarray(logits_of(X.at[:, 0].set((X[:, 0] + 1) % 9), X_LENGTH, Y))
    assert (np.abs(another - logits) > 1e-4).any(axis=-1).all()


def test_a_new_source_compiles_nothing_new(trained):
    model, variables, _ = trained
    before = translate._cache_size()
    for shift in range(2):
        translate(model, variables, (X + shift) % 9, X_LENGTH - shift, **{**WRITING, "steps": 2})
    assert translate._cache_size() == before + 1


def test_the_best_beam_is_the_likeliest_for_its_length():
    tokens = jnp.array([[[STOP, NEVER, NEVER], [2, 3, STOP]]] * 2)
    found = Beams(tokens, jnp.array([[-2.0, -2.2], [-2.0, -3.0]]))
    np.testing.assert_array_equal(best(found, 0.0), tokens[:, 0])
    assert -2.0 / (6 / 6) ** 0.6 < -2.2 / (8 / 6) ** 0.6
    assert -2.0 / (6 / 6) ** 0.6 > -3.0 / (8 / 6) ** 0.6
    np.testing.assert_array_equal(best(found), [tokens[0, 1], tokens[1, 0]])


def test_before_each_token_stands_the_one_before_it():
    np.testing.assert_array_equal(shifted(jnp.array([[5, 6, 7]]), 1), [[1, 5, 6]])


def test_more_than_the_context_is_an_error():
    model = EncoderDecoder(9, V, 2, depth=1, heads=2, width=4)
    with pytest.raises(ValueError, match="tokens: got 3 in a row, the context has room for 2"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 3), int), jnp.ones(1, int), jnp.zeros((1, 1), int))
    variables = jax.eval_shape(model.init, jax.random.key(0), X[:, :2], X_LENGTH, Y[:, :2])
    with pytest.raises(ValueError, match="steps: got 2 after prompts of 1 tokens"):
        jax.eval_shape(partial(translate, model, steps=2, start=START, stop=STOP), variables, X[:, :2], X_LENGTH)
