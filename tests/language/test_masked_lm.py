"""What is hidden, by counting; the loss of it, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.language.causal_lm import Hypers
from mlr_jax.language.masked_lm import Words, hide, key_of_text, masked_lm
from mlr_jax.nn.bert import BERT, MaskedLM

V, L = 12, 40
WORDS = Words(mask=0, first=2, end=V)
MODEL = MaskedLM(BERT(V, L, depth=1, heads=2, width=8))
TASK = masked_lm(MODEL, WORDS, share=0.2)


def test_eight_of_ten_are_masked_one_is_another_and_one_stays():
    tokens = np.random.default_rng(0).integers(V, size=L)
    is_real = np.arange(L) < 35
    words = is_real & (tokens >= 2)
    blanks = jax.jit(jax.vmap(lambda key: hide(key, jnp.asarray(tokens), is_real, WORDS, 0.2)))(
        jax.random.split(jax.random.key(0), 5000)
    )
    counts = np.asarray(blanks.counts) > 0
    assert (counts.sum(1) == round(0.2 * words.sum())).all()
    rows, columns = np.nonzero(counts)
    places = np.asarray(blanks.places)[rows, columns]
    assert set(places) == set(np.flatnonzero(words))  # each word at some time, and nothing else
    assert all(len(set(row[kept])) == kept.sum() for row, kept in zip(np.asarray(blanks.places), counts, strict=True))
    np.testing.assert_array_equal(np.asarray(blanks.labels)[rows, columns], tokens[places])
    shown = np.asarray(blanks.shown)[rows, places]
    is_masked, is_same = shown == WORDS.mask, shown == tokens[places]
    assert abs(is_masked.mean() - 0.8) < 0.01
    assert abs(is_same.mean() - (0.1 + 0.1 / 10)) < 0.01
    others = shown[~is_masked & ~is_same]
    assert set(others) == set(range(2, V))
    untouched = np.ones(blanks.shown.shape, bool)
    untouched[rows, places] = False
    np.testing.assert_array_equal(np.asarray(blanks.shown)[untouched], np.tile(tokens, (5000, 1))[untouched])


def test_rows_of_padding_have_no_loss_though_their_tokens_are_words():
    task = masked_lm(MODEL, Words(mask=V - 1, first=0, end=V - 1))
    batch = {"x": np.zeros((2, L), np.int32), "mask": np.zeros(2, np.float32)}
    loss, (_, metrics) = task.loss(task.init(jax.random.key(0)), batch, jax.random.key(1), Hypers())
    assert loss == 0
    assert metrics["accuracy"] == 0


@pytest.fixture(scope="module")
def variables():
    variables = TASK.init(jax.random.key(0))
    return jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(1), leaf.shape), variables)


def test_evaluation_is_the_loss_of_the_hidden_words_and_padding_is_not_seen(variables):
    rng = np.random.default_rng(1)
    x, token_mask = rng.integers(2, V, size=(3, L)), np.ones((3, L), np.float32)
    token_mask[1, 25:] = 0
    found = jax.jit(TASK.evaluate)(variables, {"x": x, "token_mask": token_mask})
    for row, length in enumerate((L, 25, L)):
        blanks = hide(key_of_text(jnp.asarray(x[row])), jnp.asarray(x[row]), token_mask[row], WORDS, 0.2)
        log_probs = jax.nn.log_softmax(MODEL.apply(variables, blanks.shown[None, :length]))[0]
        places = np.asarray(blanks.places)[np.asarray(blanks.counts) > 0]
        assert found["weight"][row] == len(places) == round(0.2 * length)
        np.testing.assert_allclose(found["loss"][row], -log_probs[places, x[row, places]].mean(), rtol=1e-4)
        np.testing.assert_allclose(found["accuracy"][row], (log_probs[places].argmax(-1) == x[row, places]).mean())


def test_a_text_is_asked_the_same_in_every_evaluation_and_something_new_in_every_step(variables):
    x = np.random.default_rng(2).integers(2, V, size=(4, L))
    evaluate, loss = jax.jit(TASK.evaluate), jax.jit(TASK.loss)
    first, turned = evaluate(variables, {"x": x})["loss"], evaluate(variables, {"x": x[::-1]})["loss"]
    np.testing.assert_allclose(first, turned[::-1], rtol=1e-5)
    assert len({tuple(np.asarray(jax.random.key_data(key_of_text(jnp.asarray(row))))) for row in [*x, x[0, ::-1]]}) == 5
    one, again, other = (loss(variables, {"x": x}, jax.random.key(seed), Hypers())[0] for seed in (0, 0, 1))
    assert one == again != other


def test_a_text_without_words_counts_for_nothing():
    blanks = hide(jax.random.key(0), jnp.ones(L, int), jnp.ones(L), WORDS)
    assert not blanks.counts.any()
    np.testing.assert_array_equal(blanks.shown, 1)


@pytest.mark.parametrize(
    ("words", "share", "message"), [(Words(0, 3, 3), 0.1, "words: got"), (WORDS, 0.0, "share: got 0")]
)
def test_what_cannot_be_is_an_error(words, share, message):
    with pytest.raises(ValueError, match=message):
        masked_lm(MODEL, words, share=share)
