from itertools import islice

import numpy as np
import pytest

from mlr_jax.data.sequences import by_length, padded

LENGTHS, CHUNK, B = (4, 8, 12), 3, 5
RNG = np.random.default_rng(0)
ROWS = [np.full(size, index + 1) for index, size in enumerate(RNG.integers(1, 15, 90))]
Y = np.arange(90, dtype=np.int32)
SOURCE = by_length(ROWS, Y, B, LENGTHS, chunk=CHUNK, seed=1)


def test_padding_is_marked_and_long_rows_are_cut():
    found = padded([np.array([3, 4]), np.arange(1, 6)], 4)
    np.testing.assert_array_equal(found["x"], [[3, 4, 0, 0], [1, 2, 3, 4]])
    np.testing.assert_array_equal(found["token_mask"], [[1, 1, 0, 0], [1, 1, 1, 1]])


def test_each_row_is_in_batches_of_its_own_length_and_a_chunk_has_one_length():
    batches = list(islice(SOURCE.stream(0), 60))
    widths = [batch["x"].shape[1] for batch in batches]
    assert all(len(set(widths[start : start + CHUNK])) == 1 for start in range(0, 60, CHUNK))
    assert set(widths) == set(LENGTHS)
    for batch in batches:
        for x, mask, y in zip(batch["x"], batch["token_mask"], batch["y"], strict=True):
            wanted = next((length for length in LENGTHS if len(ROWS[y]) <= length), LENGTHS[-1])
            assert len(x) == wanted
            np.testing.assert_array_equal(x[mask > 0], ROWS[y][:wanted])
            assert mask.sum() == min(len(ROWS[y]), wanted)


def test_all_rows_are_seen_equally_often_to_within_a_chunk_of_their_length():
    steps = 600
    counts = np.bincount(np.concatenate([b["y"] for b in islice(SOURCE.stream(0), steps)]), minlength=90)
    expected = steps * B / 90
    assert np.all(np.abs(counts - expected) <= 1 + CHUNK * B / 20)


def test_every_epoch_has_all_rows_in_an_order_of_its_own():
    source = by_length(ROWS[:20], Y[:20], B, (16,), chunk=CHUNK, seed=1)
    epochs = np.concatenate([batch["y"] for batch in islice(source.stream(0), 12)]).reshape(3, 20)
    np.testing.assert_array_equal(np.sort(epochs), [range(20)] * 3)
    assert len({tuple(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize("step", [1, 3, 7, 29])
def test_the_stream_can_be_entered_at_any_step(step):
    for found, wanted in zip(islice(SOURCE.stream(step), 8), islice(SOURCE.stream(0), step, step + 8), strict=True):
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])


def test_evaluation_has_every_row_once_in_one_shape():
    batches = list(SOURCE.evaluation())
    assert {batch["x"].shape for batch in batches} == {(B, 12)}
    assert [y for batch in batches for y in batch["y"][batch["mask"] > 0]] == list(range(90))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lengths": (8, 4)}, "lengths must rise"),
        ({"lengths": ()}, "lengths must rise"),
        ({"chunk": 0}, "lengths, chunk"),
        ({"rows": [*ROWS[:-1], np.zeros(0, int)]}, "none of them empty"),
        ({"rows": ROWS[:-1]}, "got 89 for 90 labels"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_what_makes_no_batches_is_refused(change, message):
    given = {"rows": ROWS, "y": Y, "batch_size": B, "lengths": LENGTHS, "chunk": CHUNK, "seed": 0, **change}
    with pytest.raises(ValueError, match=message):
        by_length(**given)
