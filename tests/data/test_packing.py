"""Packing against first fit by trial of every row, and what a model says of packed texts against them alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlr_jax.data.packing import first_fit, pack, packed
from mlr_jax.nn.gpt import GPT


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_every_size_is_in_the_first_row_with_room_for_it(sizes):
    rows = []
    expected = []
    for size in sizes:
        row = next((i for i, used in enumerate(rows) if used + size <= 9), len(rows))
        rows += [0] * (row == len(rows))
        expected.append((row, rows[row]))
        rows[row] += size
    row, begin = first_fit(sizes, 9)
    assert list(zip(row, begin, strict=True)) == expected


def test_each_pair_of_a_text_occurs_once_and_texts_are_told_apart():
    texts = [np.arange(10, 14), np.arange(20, 26), np.array([1]), np.arange(30, 33), np.arange(40, 51)]
    arrays = pack(texts, 6)
    real = arrays["token_mask"] > 0
    found = sorted(zip(arrays["x"][real], arrays["y"][real], strict=True))
    assert found == sorted((text[i], text[i + 1]) for text in texts for i in range(len(text) - 1))
    assert (arrays["segments"] > 0).tolist() == real.tolist()
    np.testing.assert_array_equal(arrays["segments"][0], [1, 1, 1, 2, 2, 0])
    np.testing.assert_array_equal(arrays["positions"][0], [0, 1, 2, 0, 1, 0])
    assert real.sum() == 3 + 5 + 2 + 10
    assert len(real) == 4


def test_a_packed_text_gets_the_logits_that_it_has_alone():
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 7, size=size) for size in (4, 6, 3, 9, 2)]
    arrays = pack(texts, 8)
    assert arrays["segments"].max() > 1
    model = GPT(7, 8, depth=2, heads=2, width=8)
    shapes = jax.eval_shape(model.init, jax.random.key(0), arrays["x"])
    variables = jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32), shapes)
    together = model.apply(variables, arrays["x"], positions=arrays["positions"], segments=arrays["segments"])
    alone = jax.jit(lambda x: model.apply(variables, x))
    count = 0
    for row, segments in enumerate(arrays["segments"]):
        for segment in range(1, segments.max() + 1):
            place = segments == segment
            x = np.zeros((1, 8), np.int32)
            x[0, : place.sum()] = arrays["x"][row, place]
            np.testing.assert_allclose(together[row, place], alone(x)[0, : place.sum()], atol=1e-5)
            count += 1
    assert count == 5


def test_batches_are_a_function_of_the_step_and_an_epoch_has_every_pair():
    texts = [np.arange(size) + 10 * size for size in (3, 5, 2, 7, 4, 6)]
    source = packed(texts, 1, 8, seed=1)
    evaluated = list(source.evaluation())
    stream = source.stream(0)
    epoch = [next(stream) for _ in evaluated]
    np.testing.assert_array_equal(next(source.stream(2))["x"], epoch[2]["x"])
    expected = sorted(token for text in texts for token in text[1:])
    for batches in (epoch, evaluated):
        targets = np.concatenate([batch["y"][batch["token_mask"] > 0] for batch in batches])
        np.testing.assert_array_equal(sorted(targets), expected)


@pytest.mark.parametrize(
    ("texts", "length", "message"),
    [([np.arange(3)], 0, "length: got 0"), ([np.arange(1)], 4, "texts: got 1, none"), ([], 4, "texts: got 0, none")],
)
def test_what_cannot_be_packed_is_an_error(texts, length, message):
    with pytest.raises(ValueError, match=message):
        pack(texts, length)


def test_a_size_that_no_row_holds_is_an_error():
    with pytest.raises(ValueError, match="sizes: got 5, allowed are 1 to the length 4"):
        first_fit([1, 5], 4)
