import itertools

import numpy as np
import pytest

from mlr_jax.data.text import evaluation_windows, from_tokens, read_characters

TOKENS = np.arange(23, dtype=np.uint16)


def first(iterator, count):
    return [batch["x"].tolist() for batch in itertools.islice(iterator, count)]


@pytest.mark.parametrize("step", [0, 1, 5])
def test_stream_from_step_k_is_the_stream_without_its_first_k_batches(step):
    source = from_tokens(TOKENS, 3, 4, seed=1)
    assert first(source.stream(step), 4) == first(source.stream(0), step + 4)[step:]


def test_targets_are_the_next_tokens_and_every_window_is_reached():
    starts = set()
    for batch in itertools.islice(from_tokens(TOKENS, 8, 4, seed=0).stream(0), 40):
        assert batch["x"].shape == batch["y"].shape == (8, 4)
        assert batch["x"].dtype == batch["y"].dtype == np.int32
        np.testing.assert_array_equal(batch["y"], batch["x"] + 1)
        starts |= set(batch["x"][:, 0].tolist())
    assert starts == set(range(23 - 4))


@pytest.mark.parametrize("context", [1, 4, 11, 22])
@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_evaluation_covers_every_target_exactly_once(batch_size, context):
    batches = list(evaluation_windows(TOKENS, batch_size, context))
    assert {batch["token_mask"].shape for batch in batches} == {(batch_size, context)}
    targets = [batch["y"][batch["token_mask"] == 1] for batch in batches]
    np.testing.assert_array_equal(np.concatenate(targets), np.arange(1, 23))
    for batch in batches:
        np.testing.assert_array_equal((batch["y"] - batch["x"])[batch["token_mask"] == 1], 1)
        np.testing.assert_array_equal(batch["mask"], batch["token_mask"].max(axis=1))


def test_evaluation_of_a_source_is_evaluation_windows():
    ours, theirs = list(from_tokens(TOKENS, 2, 4, seed=0).evaluation()), list(evaluation_windows(TOKENS, 2, 4))
    assert [batch["y"].tolist() for batch in ours] == [batch["y"].tolist() for batch in theirs]


@pytest.mark.parametrize(
    ("tokens", "batch_size", "context", "message"),
    [
        (np.arange(4), 1, 4, "tokens must be more than context, 4, to fill one window, got 4"),
        (np.arange(4.0), 1, 2, r"tokens must be integers of shape \[N\], got float64 of shape \[4\]"),
        (np.zeros((2, 4), int), 1, 2, r"got int64 of shape \[2, 4\]"),
        (np.array([0, 1, -5, 2]), 1, 2, "tokens must be at least 0, got -5 at position 2"),
        (np.arange(4), 0, 2, "batch_size must be at least 1, got 0"),
        (np.arange(4), 1, 0, "context must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(tokens, batch_size, context, message):
    with pytest.raises(ValueError, match=message):
        from_tokens(tokens, batch_size, context, seed=0)


def test_characters_make_a_round_trip(tmp_path):
    text = "to be, or not to bé 𝔸\r\n"
    (tmp_path / "a.txt").write_bytes(text.encode())
    tokens, vocabulary = read_characters(tmp_path / "a.txt")
    assert tokens.dtype == np.int32
    assert vocabulary == tuple(sorted(set(text)))
    assert "".join(vocabulary[token] for token in tokens) == text


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no text file at .*none\.txt"):
        read_characters(tmp_path / "none.txt")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ValueError, match=r"empty.txt is empty"):
        read_characters(tmp_path / "empty.txt")
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin.txt is not UTF-8: .* at byte offset 2 \(0xef\)"):
        read_characters(tmp_path / "latin.txt")
