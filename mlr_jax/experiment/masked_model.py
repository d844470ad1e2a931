"""What an experiment that trains a BERT on a text is made of: its tokens, its windows, the blanks that it fills."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import State, Variables
from mlr_jax.data.text import decode
from mlr_jax.experiment.image_classifier import naming
from mlr_jax.experiment.language_model import TextSettings, on_windows, params_of_first, text_of
from mlr_jax.experiment.run import Experiment
from mlr_jax.experiment.study import check_least
from mlr_jax.language.masked_lm import Words, hide, key_of_text, masked_lm
from mlr_jax.nn.bert import BERT, MaskedLM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MASK = "[MASK]"


@dataclass(frozen=True)
class MaskedSettings(TextSettings):
    """Flags of a masked language model; `context` and `batch_size` count tokens and windows."""

    tokens: Literal["characters", "bpe"] = "characters"
    """Characters, or byte pairs that are learned from the part of the text to train on."""
    vocabulary: int = 1024
    """How many different byte pairs, bytes included."""
    share: float = 0.15
    """The part of tokens that is hidden."""
    depth: int = 2
    """Blocks."""
    heads: int = 4
    """Heads of attention in each."""
    width: int = 128
    """Numbers that stand for a token."""


class TokenText(NamedTuple):
    """A text as tokens, int32 [N]: the beginning to train on, the rest to judge by; `piece` writes one of them."""

    train: np.ndarray
    validation: np.ndarray
    size: int
    words: Words
    piece: Callable[[int], str]


def tokens_of(config: MaskedSettings) -> TokenText:
    """The text in its tokens. Raises ValueError as `text_of` does, and for a vocabulary that is too small."""
    text = text_of(config)
    if config.tokens == "characters":
        size = len(text.vocabulary)
        return TokenText(text.train, text.validation, size + 1, Words(size, 0, size), text.vocabulary.__getitem__)
    from mlr_jax.language.tokenizer import train_bpe

    train, validation = (decode(part, text.vocabulary) for part in (text.train, text.validation))
    tokenizer = naming("--vocabulary", train_bpe, train.splitlines(keepends=True), config.vocabulary, (MASK,))
    encoded = tokenizer.encode(train), tokenizer.encode(validation)
    shortest = min(map(len, encoded))
    if config.context >= shortest:
        raise ValueError(f"--context: got {config.context}, allowed are 1 to {shortest - 1} tokens of this text")
    return TokenText(*encoded, tokenizer.size, Words(0, 1, tokenizer.size), lambda token: tokenizer.decode([token]))


def masked_model(config: MaskedSettings) -> Experiment:
    """An experiment that trains a BERT to tell what is hidden in windows of the text.

    Raises ValueError as `tokens_of` does.
    """
    check_least(config, depth=1, heads=1, width=1)
    text = tokens_of(config)
    model = MaskedLM(
        BERT(text.size, config.context, config.depth, config.heads, config.width, dropout=config.dropout)
    )  # fmt: skip
    task = naming("--share", masked_lm, model, text.words, share=config.share)

    def figures(state: State) -> dict[str, "Figure"]:
        return {"blanks": _blanks(config, model, params_of_first(state.inner), text)}

    return on_windows(config, task, (text.train, text.validation), figures)


def _blanks(config: MaskedSettings, model: MaskedLM, variables: Variables, text: TokenText) -> "Figure":
    """A piece of the text that was not trained on with words hidden, with them filled in, and as it is."""
    from mlr_jax.report.texts import draw_text

    tokens = jnp.asarray(text.validation[: config.context])

    @jax.jit
    def fill(variables: Variables, tokens: jax.Array) -> Any:
        blanks = hide(key_of_text(tokens), tokens, jnp.ones(len(tokens)), text.words, config.share)
        logits: Any = model.apply(variables, blanks.shown[None])
        return blanks, tokens.at[blanks.places].set(jnp.argmax(logits[0, blanks.places], axis=-1))

    blanks, filled = jax.device_get(fill(variables, tokens))
    truth = [text.piece(int(token)) for token in tokens]
    hidden = set(blanks.places.tolist())
    shown = ["_" * len(piece) if place in hidden else piece for place, piece in enumerate(truth)]
    guessed = [text.piece(int(token)) or "_" for token in filled]
    right = int(np.sum(np.asarray(filled) == np.asarray(tokens)) - len(tokens) + len(hidden))
    parts = ["".join(shown), f"--- filled in, {right} of {len(hidden)} right:", "".join(guessed), "--- as it is:",
             "".join(truth)]  # fmt: skip
    return draw_text("\n".join(parts))
