"""Text as one long row of tokens, and the windows of it that a causal language model reads.

A window of `context` + 1 tokens gives the inputs x_1 ... x_T and, one place on, the targets y_t = x_{t+1}.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlr_jax.core.types import Batch, Source
from mlr_jax.data.arrays import check_batch_size, check_seed, evaluation_batches


def from_tokens(tokens: np.ndarray, batch_size: int, context: int, *, seed: int) -> Source:
    """Windows at random positions of `tokens` [N]: `{"x": [B, T], "y": [B, T]}`, int32, with T = `context`.

    Batch k is a function of (`seed`, k) alone. `evaluation()` is as `evaluation_windows`.

    Raises ValueError if `tokens` are not integers >= 0 of shape [N] with N > `context` >= 1, or `batch_size` < 1.
    """
    _check_tokens(tokens, context)
    check_batch_size(batch_size)
    check_seed(seed)
    num_starts = len(tokens) - context

    def stream(step: int) -> Iterator[Batch]:
        while True:
            starts = np.random.default_rng((seed, step)).integers(num_starts, size=batch_size)
            windows = tokens[starts[:, None] + np.arange(context + 1)].astype(np.int32)
            yield {"x": windows[:, :-1], "y": windows[:, 1:]}
            step += 1

    return Source(stream, lambda: evaluation_windows(tokens, batch_size, context))


def evaluation_windows(tokens: np.ndarray, batch_size: int, context: int) -> Iterator[Batch]:
    """Contiguous windows in which each of the N - 1 targets of `tokens` [N] occurs exactly once.

    Each batch holds `"x"` and `"y"` [B, T] int32, `"token_mask"` [B, T] float32, 0 where the last window runs past the
    end, and `"mask"` [B] float32, 0 for a row of padding (whose tokens are all masked too).

    Raises ValueError as `from_tokens`.
    """
    _check_tokens(tokens, context)
    num_targets = len(tokens) - 1
    num_windows = -(-num_targets // context)

    def windows(values: np.ndarray, dtype: type) -> np.ndarray:
        return np.pad(values.astype(dtype), (0, num_windows * context - num_targets)).reshape(num_windows, context)

    arrays = {
        "x": windows(tokens[:-1], np.int32),
        "y": windows(tokens[1:], np.int32),
        "token_mask": windows(np.ones(num_targets), np.float32),
    }
    return evaluation_batches(arrays, batch_size)


class Text(NamedTuple):
    """Characters as tokens, int32 [N]: the beginning to train on, the rest to judge by; token i is `vocabulary[i]`."""

    train: np.ndarray
    validation: np.ndarray
    vocabulary: tuple[str, ...]


def load_text(name: str, validation: float = 0.1) -> Text:
    """ "python", the help on Python's language that comes with it, or a UTF-8 file; its last part is for validation.

    Raises ValueError for a part that is not in (0, 1), and as `read_characters` does.
    """
    if not 0.0 < validation < 1.0:
        raise ValueError(f"validation: got {validation}, must be above 0 and below 1")
    tokens, vocabulary = as_tokens(_help_on_python()) if name == "python" else read_characters(name)
    end = int(len(tokens) * (1.0 - validation))
    return Text(tokens[:end], tokens[end:], vocabulary)


def read_characters(path: str | Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """A UTF-8 file as tokens, int32 [number of characters], and the sorted vocabulary: token i is `vocabulary[i]`.

    Raises FileNotFoundError if there is no such file, ValueError if it is empty or not UTF-8 (naming the byte offset).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no text file at {path}")
    content = path.read_bytes()
    if not content:
        raise ValueError(f"{path} is empty: a text file needs at least one character")
    try:
        return as_tokens(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8: {error.reason} at byte offset {error.start} (0x{content[error.start]:02x})"
        ) from error


def as_tokens(text: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each character's number in the sorted vocabulary, and the vocabulary."""
    code_points = np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))
    vocabulary, tokens = np.unique(code_points, return_inverse=True)
    return tokens.astype(np.int32), tuple(map(chr, vocabulary))


def encode(text: str, vocabulary: tuple[str, ...]) -> np.ndarray:
    """A text as tokens [N] of a vocabulary that is there already.

    Raises ValueError for an empty text and for a character that the vocabulary lacks.
    """
    if not text:
        raise ValueError("the text is empty, needed is at least one character")
    numbers = {character: index for index, character in enumerate(vocabulary)}
    for place, character in enumerate(text):
        if character not in numbers:
            raise ValueError(
                f"the character {character!r} at place {place} is not among the {len(vocabulary)} known ones"
            )
    return np.array([numbers[character] for character in text], np.int32)


def decode(tokens: np.ndarray, vocabulary: tuple[str, ...]) -> str:
    """Tokens [N] as a text; negative ones stand for nothing."""
    return "".join(vocabulary[token] for token in tokens if token >= 0)


def _help_on_python() -> str:
    from pydoc_data.topics import topics

    return "\n\n".join(topics.values())


def _check_tokens(tokens: np.ndarray, context: int) -> None:
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens must be integers of shape [N], got {tokens.dtype} of shape {list(tokens.shape)}")
    if context < 1:
        raise ValueError(f"context must be at least 1, got {context}")
    if len(tokens) <= context:
        raise ValueError(f"tokens must be more than context, {context}, to fill one window, got {len(tokens)}")
    if tokens.dtype.kind == "i" and tokens.min() < 0:
        row = int(np.argmax(tokens < 0))
        raise ValueError(f"tokens must be at least 0, got {tokens[row]} at position {row}")
