"""Masked language modelling: some tokens of a text are hidden, and told from all the others (Devlin et al., 2019)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mlr_jax.core.collectives import data_weighted_mean
from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.language.causal_lm import Hypers
from mlr_jax.nn.bert import MaskedLM
from mlr_jax.ops.masked import blank_padding, masked_mean
from mlr_jax.ops.vocabulary import token_losses


class Words(NamedTuple):
    """Which tokens may be hidden, and be drawn instead of others: first <= token < end. `mask` says: here is one."""

    mask: int
    first: int
    end: int


class Blanks(NamedTuple):
    """A text with tokens hidden: shown [L]; their places and what stood there [n]; counts [n], 0 for none at all."""

    shown: jax.Array
    places: jax.Array
    labels: jax.Array
    counts: jax.Array


def hide(key: Key, tokens: jax.Array, is_real: jax.Array, words: Words, share: float = 0.15) -> Blanks:
    """Hide a share of the real words of a text, at least one: tokens and is_real [L].

    Of the chosen ones 80 % become `words.mask`, 10 % a word drawn at random, and 10 % stay: the model cannot know that
    what it sees is right.
    """
    where_key, how_key, word_key = jax.random.split(key, 3)
    may_be = (is_real > 0) & (tokens >= words.first) & (tokens < words.end)
    most = max(round(share * len(tokens)), 1)
    places = jnp.argsort(jnp.where(may_be, jax.random.uniform(where_key, tokens.shape), 2.0))[:most]
    count = jnp.maximum(jnp.round(share * jnp.sum(may_be)), 1)
    counts = (jnp.arange(most) < count) & may_be[places]
    labels = tokens[places]
    how, word = jax.random.uniform(how_key, (most,)), jax.random.randint(word_key, (most,), words.first, words.end)
    instead = jnp.where(how < 0.8, words.mask, jnp.where(how < 0.9, word, labels))
    shown = tokens.at[places].set(jnp.where(counts, instead, labels))
    return Blanks(shown, places, labels, counts.astype(jnp.float32))


def masked_lm(model: MaskedLM, words: Words, *, share: float = 0.15, chunk: int | None = None) -> Task:
    """The task of minimising the mean over hidden tokens of -log p(x_t | all that is shown), in nats.

    Batches hold x [B, L] int, and may hold token_mask [B, L], 0 for padding, which nobody sees, and mask [B]. What is
    hidden is drawn anew in every step; in evaluation it is a function of the text alone, so that two evaluations ask
    the same. Logits are made of hidden tokens only, `chunk` at a time.

    Training metrics: accuracy. Evaluation: loss and accuracy of each row [B], the mean over its hidden tokens, and as
    their weight how many these are. Raises ValueError for words that are none and for a share outside (0, 1].
    """
    if not (0 <= words.first < words.end and words.mask >= 0):
        raise ValueError(f"words: got {words}, needed are 0 <= first < end and a mask of at least 0")
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share: got {share}, must be above 0 and at most 1")

    def init(key: Key) -> Variables:
        return model.init({"params": key}, jnp.zeros((1, 1), jnp.int32))

    def of_blanks(
        variables: Variables, rows: Batch, keys: Key, **options: Any
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Losses, hits and whether a blank is one, [B, n] each."""
        tokens, token_mask = rows["x"], rows.get("token_mask")
        is_real = jnp.ones(tokens.shape) if token_mask is None else token_mask
        blanks = jax.vmap(lambda key, row, is_real: hide(key, row, is_real, words, share))(keys, tokens, is_real)
        features: Any = model.apply(variables, blanks.shown, mask=token_mask, method="features", **options)
        hidden = jnp.take_along_axis(features, blanks.places[..., None], axis=1)

        def logits_of(features: jax.Array) -> jax.Array:
            logits: Any = model.apply(variables, features, method="logits")
            return logits

        flat = hidden.reshape(-1, hidden.shape[-1]), blanks.labels.reshape(-1)
        losses, hits = token_losses(logits_of, *flat, chunk=chunk)
        return losses.reshape(blanks.counts.shape), hits.reshape(blanks.counts.shape), blanks.counts

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        rows, mask = _unpack(batch)
        hide_key, drop_key = jax.random.split(key)
        keys = jax.random.split(hide_key, len(mask))
        losses, hits, counts = of_blanks(variables, rows, keys, train=True, rngs={"dropout": drop_key})

        def mean(values: jax.Array) -> jax.Array:
            return data_weighted_mean(values.reshape(-1), (counts * mask[:, None]).reshape(-1), batch)

        return mean(losses), (variables, {"accuracy": mean(hits)})

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        rows, _ = _unpack(batch)
        losses, hits, counts = of_blanks(variables, rows, jax.vmap(key_of_text)(rows["x"]))
        means = jax.vmap(masked_mean)
        return {"loss": means(losses, counts), "accuracy": means(hits, counts), "weight": jnp.sum(counts, axis=-1)}

    return Task(init, loss, evaluate)


def key_of_text(tokens: jax.Array) -> Key:
    """A key that depends on the tokens [L] of a text alone."""
    factors = (jnp.arange(len(tokens), dtype=jnp.uint32) * 2 + 1) * jnp.uint32(2_654_435_761)
    return jax.random.fold_in(jax.random.key(0), jnp.sum(tokens.astype(jnp.uint32) * factors, dtype=jnp.uint32))


def _unpack(batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
    mask = batch.get("mask")
    rows = {name: batch[name] for name in ("x", "token_mask") if name in batch}
    if mask is None:
        return rows, jnp.ones(len(batch["x"]))
    rows = blank_padding(rows, mask)
    if "token_mask" in rows:  # a row that sees nothing at all has no softmax
        rows["token_mask"] = jnp.where(mask[:, None] > 0, rows["token_mask"], 1.0)
    return rows, mask
