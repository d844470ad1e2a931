import itertools

import numpy as np
import pytest

from mlr_jax.data.arrays import (
    check_arrays,
    check_batch_size,
    evaluation_batches,
    from_arrays,
    pad_rows,
    stratified_split,
)


def rows(count=10):
    return {"x": np.arange(count, dtype=np.float32)[:, None], "y": np.arange(count)}


def first(iterator, count):
    return [batch["y"].tolist() for batch in itertools.islice(iterator, count)]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 10])
@pytest.mark.parametrize("step", [0, 1, 2, 3, 7, 20])
def test_stream_from_step_k_is_the_stream_without_its_first_k_batches(step, batch_size, shuffle):
    source = from_arrays(rows(), batch_size, seed=5, shuffle=shuffle)
    assert first(source.stream(step), 6) == first(source.stream(0), step + 6)[step:]


def test_every_row_comes_once_an_epoch_in_a_new_order():
    batches = first(from_arrays(rows(), 4, seed=0).stream(0), 15)
    epochs = np.reshape(batches, (6, 10))
    assert (np.sort(epochs) == np.arange(10)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_rows_of_all_arrays_stay_together_and_keep_their_dtype():
    batch = next(from_arrays(rows(), 4, seed=0).stream(3))
    assert batch["x"].dtype == np.float32
    np.testing.assert_array_equal(batch["x"][:, 0], batch["y"])


def test_seed_decides_the_order_and_no_shuffle_keeps_it():
    def order(seed):
        return first(from_arrays(rows(), 10, seed=seed).stream(0), 1)

    assert order(1) == order(1) != order(2)
    assert first(from_arrays(rows(), 4, seed=0, shuffle=False).stream(0), 3) == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 0, 1],
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 16])
def test_evaluation_gives_every_row_once_in_order_whatever_the_batch_size(batch_size):
    batches = list(evaluation_batches(rows(), batch_size))
    assert {batch["x"].shape for batch in batches} == {(batch_size, 1)}
    mask = np.concatenate([batch["mask"] for batch in batches])
    labels = np.concatenate([batch["y"] for batch in batches])
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(labels[mask == 1], np.arange(10))
    assert not labels[mask == 0].any()
    assert len(batches) == -(-10 // batch_size)


def test_evaluation_of_a_source_is_evaluation_batches_and_can_be_repeated():
    source = from_arrays(rows(), 4, seed=0)
    assert first(source.evaluation(), 9) == first(source.evaluation(), 9) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0]]


def test_pad_rows():
    np.testing.assert_array_equal(pad_rows(np.ones((2, 3)), 4), [[1] * 3, [1] * 3, [0] * 3, [0] * 3])


@pytest.mark.parametrize(
    ("arrays", "num_classes", "message"),
    [
        (
            {"x": np.zeros(3), "y": np.zeros(4, int)},
            None,
            "set: arrays must have equal leading lengths.*'x': 3, 'y': 4",
        ),
        ({"x": np.zeros((0, 2))}, None, "set must hold at least one array, each with at least one row"),
        ({"x": np.float32(1)[()] * np.ones(())}, None, "set must hold at least one array"),
        ({}, None, "set must hold at least one array"),
        (
            {"x": np.array([[0, 0], [0, np.nan], [np.inf, np.nan]])},
            None,
            r'set\["x"\]: 3 values are NaN.*first in row 1$',
        ),
        ({"y": np.array([0, 1, 3, -1])}, 3, r'set\["y"\] must be in \[0, 3\), got 3 in row 2$'),
        ({"y": np.array([0, -1, 3])}, 3, r"must be in \[0, 3\), got -1 in row 1$"),
        ({"y": np.array([0.5, 1.0])}, 3, r"must be integers of shape \[N\], got float64.*the first is 0.5 in row 0$"),
        ({"x": np.zeros(2)}, 3, 'set: no labels "y" among'),
    ],
)
def test_check_arrays_names_what_is_wrong(arrays, num_classes, message):
    with pytest.raises(ValueError, match=message) as error:
        check_arrays(arrays, num_classes=num_classes, name="set")
    assert "\n" not in str(error.value)


def test_check_arrays_accepts_good_ones():
    check_arrays(rows(), num_classes=10)


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        check_batch_size(0)
    with pytest.raises(ValueError, match="batch_size must be at most the number of rows, 10, got 11"):
        from_arrays(rows(), 11, seed=0)
    with pytest.raises(ValueError, match=r"seed must be in \[0, 2\*\*32\), got -1"):
        from_arrays(rows(), 2, seed=-1)
    with pytest.raises(ValueError, match="reserved for the padding mask"):
        evaluation_batches({"mask": np.ones(3)}, 2)
    with pytest.raises(ValueError, match="values are NaN"):
        from_arrays({"x": np.array([np.nan])}, 1, seed=0)


@pytest.mark.parametrize(("size", "count"), [(0.25, 25), (30, 30), (1, 1), (0.999, None), (99, 99)])
def test_stratified_split_keeps_the_proportions(size, count):
    labels = np.repeat([7, 2, 5], [60, 30, 10])[np.random.default_rng(0).permutation(100)]
    if count is None:
        with pytest.raises(ValueError, match="must leave both parts of 100 rows non-empty"):
            stratified_split(labels, size, seed=0)
        return
    kept, held_out = stratified_split(labels, size, seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(100))
    assert len(held_out) == count
    for label, share in ((7, 0.6), (2, 0.3), (5, 0.1)):
        assert abs(np.sum(labels[held_out] == label) - share * count) < 1


def test_stratified_split_is_a_function_of_its_seed():
    labels = np.arange(40) % 4
    parts = [stratified_split(labels, 0.5, seed=seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize("size", [0, 40, 0.0, 1.0, -1])
def test_stratified_split_refuses_an_empty_part(size):
    with pytest.raises(ValueError, match="fraction_or_count must leave both parts"):
        stratified_split(np.arange(40) % 4, size, seed=0)


def test_stratified_split_refuses_labels_of_two_axes():
    with pytest.raises(ValueError, match=r"labels must have shape \[N\], got \[4, 1\]"):
        stratified_split(np.zeros((4, 1)), 1, seed=0)
