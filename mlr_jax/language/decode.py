"""Texts from a causal language model: the prompt in one call, then one token after another from a cache.

Prompts of different lengths are a batch, padded behind. What stands in the padding is never seen, for a key is visible
to later positions only, and is overwritten as the text grows. Each function here is one compiled program for a shape
(B, P, steps); the settings of sampling are traced, and `prompts_of` gives prompts of any lengths one of a few P.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mlr_jax.core.types import Key, Variables

NEVER = -1
"""No token: what stands behind the end of a text."""


class Prompts(NamedTuple):
    """tokens [B, P] int, padded behind, and how many of them are real, lengths [B]."""

    tokens: jax.Array
    lengths: jax.Array


SHORTEST = 16
"""Tokens of the smallest bucket."""


def prompts_of(texts: Sequence[np.ndarray | Sequence[int]], room: int) -> Prompts:
    """Tokens of texts, padded behind to the next of 16, 32, 64, ... tokens, but to no more than `room`.

    So prompts of any length call one of a few compiled programs. For `generate` and `beam_search` the room is the
    context less the steps, for `stream` the context less 1. Raises ValueError for a text without a token, or longer.
    """
    lengths = np.array([len(text) for text in texts], np.int32)
    if not lengths.size or lengths.min() < 1 or lengths.max() > room:
        raise ValueError(f"prompt: got texts of {lengths.tolist()} tokens, each needs at least 1 and at most {room}")
    bucket = max(SHORTEST, 1 << (int(lengths.max()) - 1).bit_length())
    tokens = np.full((len(texts), min(bucket, room)), NEVER, np.int32)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = text
    return Prompts(jnp.asarray(tokens), jnp.asarray(lengths))


class Sampling(NamedTuple):
    """How the next token is drawn; numbers are traced.

    temperature:        logits are divided by it; 0 takes the likeliest token
    top_k:              only from so many likeliest tokens; 0 from all
    top_p:              only from the likeliest tokens whose probability is this together (Holtzman et al., 2020)
    repetition_penalty: logits of tokens that were there already are divided by it where they are positive, and
                        multiplied where they are negative (Keskar et al., 2019)
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0


class Text(NamedTuple):
    """Texts on the way: the cache of the model, how many tokens each has [B], and the logits of the next [B, V]."""

    cache: Any
    lengths: jax.Array
    logits: jax.Array


def prefill(model: nn.Module, variables: Variables, prompts: Prompts) -> Text:
    """Read the prompts, in one call."""
    tokens, lengths = prompts
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1])[None], tokens.shape)
    called: Any = model.apply(variables, tokens, positions=positions, decode=True, mutable=["cache"])
    logits, cache = called
    return Text(cache, lengths, logits[jnp.arange(len(tokens)), lengths - 1])


def extend(model: nn.Module, variables: Variables, text: Text, token: jax.Array) -> Text:
    """With one more token [B] in each text."""
    called: Any = model.apply(
        {**variables, **text.cache}, token[:, None], positions=text.lengths[:, None], decode=True, mutable=["cache"]
    )
    logits, cache = called
    return Text(cache, text.lengths + 1, logits[:, 0])


def adjusted(logits: jax.Array, was_there: jax.Array, sampling: Sampling) -> jax.Array:
    """Logits [V] of what `sampling` leaves, others minus infinity; was_there [V] bool."""
    penalised = jnp.where(logits > 0, logits / sampling.repetition_penalty, logits * sampling.repetition_penalty)
    logits = jnp.where(was_there, penalised, logits)
    logits = logits / jnp.where(sampling.temperature > 0, sampling.temperature, 1.0)
    ordered = jnp.sort(logits)[::-1]
    size = len(logits)
    top_k = jnp.where(sampling.top_k > 0, jnp.minimum(sampling.top_k, size), size)
    probabilities = jax.nn.softmax(jnp.where(jnp.arange(size) < top_k, ordered, -jnp.inf))
    before = jnp.cumsum(probabilities) - probabilities  # of all likelier tokens: the first one always stays
    count = jnp.clip(jnp.sum(before < sampling.top_p), 1, top_k)
    return jnp.where(logits >= ordered[count - 1], logits, -jnp.inf)


def draw(logits: jax.Array, was_there: jax.Array, sampling: Sampling, key: Key) -> jax.Array:
    """The next token of each text: logits and was_there [B, V] -> [B]."""
    left = jax.vmap(adjusted, (0, 0, None))(logits, was_there, sampling)
    drawn = jax.random.categorical(key, left)
    return jnp.where(sampling.temperature > 0, drawn, jnp.argmax(left, axis=-1)).astype(jnp.int32)


@partial(jax.jit, static_argnums=0, static_argnames=("steps", "stop"))
def generate(
    model: nn.Module,
    variables: Variables,
    prompts: Prompts,
    key: Key,
    sampling: Sampling,
    *,
    steps: int,
    stop: int | None = None,
) -> jax.Array:
    """`steps` further tokens of each prompt: [B, steps], `NEVER` behind the token `stop`.

    Raises ValueError for prompts without a token, and where prompts and steps are more than the model's context.
    """
    check_room(model, prompts, steps)

    def step(carry: tuple[Text, jax.Array, jax.Array], key: Key) -> tuple[Any, jax.Array]:
        text, was_there, has_ended = carry
        token, text, was_there = _next(model, variables, text, was_there, (sampling, key))
        shown = jnp.where(has_ended, NEVER, token)
        has_ended = has_ended | (token == stop) if stop is not None else has_ended
        return (text, was_there, has_ended), shown

    text, was_there = _begin(model, variables, prompts)
    none_ended = jnp.zeros(len(was_there), bool)
    return lax.scan(step, (text, was_there, none_ended), jax.random.split(key, steps))[1].T


def generate_long(
    model: nn.Module, variables: Variables, tokens: jax.Array, key: Key, sampling: Sampling, *, steps: int
) -> jax.Array:
    """`steps` further tokens [B, steps] of prompts of one length, tokens [B, P], also beyond the model's context.

    Whenever the context is full, its last half is read anew as a prompt, which forgets what was before.
    """
    context: int = model.context  # type: ignore[attr-defined]
    half = max(context // 2, 1)
    found: list[jax.Array] = []
    while sum(part.shape[1] for part in found) < steps:
        prompt = jnp.concatenate([tokens, *found], axis=1)[:, -half:]
        prompts = Prompts(prompt, jnp.full(len(prompt), prompt.shape[1]))
        own_key = jax.random.fold_in(key, len(found))
        found.append(generate(model, variables, prompts, own_key, sampling, steps=context - half))
    return jnp.concatenate(found, axis=1)[:, :steps]


def stream(
    model: nn.Module, variables: Variables, prompts: Prompts, key: Key, sampling: Sampling
) -> Iterator[jax.Array]:
    """Further tokens as they come, [B] each, until the context is full; the program of a step is compiled once.

    Raises ValueError as `generate` does.
    """
    check_room(model, prompts, 1)
    room = model.context - int(jnp.max(prompts.lengths))  # type: ignore[attr-defined]
    text, was_there = _begin(model, variables, prompts)
    for index in range(room):
        token, text, was_there = _next(model, variables, text, was_there, (sampling, jax.random.fold_in(key, index)))
        yield token


@partial(jax.jit, static_argnums=0)
def _begin(model: nn.Module, variables: Variables, prompts: Prompts) -> tuple[Text, jax.Array]:
    text = prefill(model, variables, prompts)
    return text, tokens_there(prompts, text.logits.shape[-1])


@partial(jax.jit, static_argnums=0)
def _next(
    model: nn.Module, variables: Variables, text: Text, was_there: jax.Array, chance: tuple[Sampling, Key]
) -> tuple[jax.Array, Text, jax.Array]:
    sampling, key = chance
    token = draw(text.logits, was_there, sampling, key)
    was_there = was_there.at[jnp.arange(len(token)), token].set(True)
    return token, extend(model, variables, text, token), was_there


class Beams(NamedTuple):
    """K texts for each prompt: their tokens [B, K, steps], and the log-probability of each [B, K], greatest first."""

    tokens: jax.Array
    log_probs: jax.Array


@partial(jax.jit, static_argnums=0, static_argnames=("steps", "beams", "stop"))
def beam_search(
    model: nn.Module, variables: Variables, prompts: Prompts, *, steps: int, beams: int, stop: int | None = None
) -> Beams:
    """The most likely continuations that are found when, at each step, the `beams` best of all are kept.

    Raises ValueError where prompts and steps are more than the model's context, and for fewer than one beam.
    """
    check_room(model, prompts, steps)
    if beams < 1:
        raise ValueError(f"beams: got {beams}, must be at least 1")
    batch = len(prompts.tokens)
    text = taken(model, prefill(model, variables, prompts), jnp.repeat(jnp.arange(batch), beams))
    only_first = jnp.where(jnp.arange(beams) == 0, 0.0, -jnp.inf)  # all beams are the same at first

    def step(carry: Any, index: jax.Array) -> tuple[Any, None]:
        text, log_probs, found, has_ended = carry
        next_log_probs = jax.nn.log_softmax(text.logits).reshape(batch, beams, -1)
        vocabulary = next_log_probs.shape[-1]
        # A text that has ended goes on by one way only, which costs nothing.
        nothing_more = jnp.where(jnp.arange(vocabulary) == 0, 0.0, -jnp.inf)
        next_log_probs = jnp.where(has_ended[..., None], nothing_more, next_log_probs)
        totals = (log_probs[..., None] + next_log_probs).reshape(batch, -1)
        log_probs, chosen = lax.top_k(totals, beams)
        parent, token = chosen // vocabulary, chosen % vocabulary
        rows = (jnp.arange(batch)[:, None] * beams + parent).reshape(-1)
        text = taken(model, text, rows)
        found, has_ended = (jnp.take_along_axis(part, parent[..., None] if part.ndim > 2 else parent, axis=1)
                            for part in (found, has_ended))  # fmt: skip
        found = found.at[:, :, index].set(jnp.where(has_ended, NEVER, token))
        has_ended = has_ended | (token == stop) if stop is not None else has_ended
        return (extend(model, variables, text, token.reshape(-1)), log_probs, found, has_ended), None

    first = (
        text,
        jnp.broadcast_to(only_first, (batch, beams)),
        jnp.full((batch, beams, steps), NEVER),
        jnp.zeros((batch, beams), bool),
    )
    (_, log_probs, found, _), _ = lax.scan(step, first, jnp.arange(steps))
    return Beams(found, log_probs)


def taken(model: nn.Module, text: Text, rows: jax.Array) -> Text:
    """These rows [R] of the texts. A cache has a leading axis of layers where the model scans over them."""
    axis = 1 if getattr(model, "scan", False) else 0
    cache = jax.tree.map(lambda leaf: jnp.take(leaf, rows, axis=axis, mode="clip"), text.cache)
    return Text(cache, text.lengths[rows], text.logits[rows])


def tokens_there(prompts: Prompts, vocabulary: int) -> jax.Array:
    """Which tokens each prompt has: [B, V] bool."""
    tokens, lengths = prompts
    rows = jnp.arange(len(tokens))[:, None]
    is_real = jnp.arange(tokens.shape[1])[None] < lengths[:, None]
    return jnp.zeros((len(tokens), vocabulary), bool).at[rows, tokens].max(is_real)


def check_room(model: Any, prompts: Prompts, steps: int) -> None:
    """Raises ValueError where the context has no room for prompts and so many more tokens, or there is no prompt."""
    length = prompts.tokens.shape[1]
    shortest = length if isinstance(prompts.lengths, jax.core.Tracer) else int(jnp.min(prompts.lengths))
    if shortest < 1:
        raise ValueError("prompt: got no token, needed is at least 1")
    if steps < 1 or length + steps > model.context:
        raise ValueError(
            f"steps: got {steps} after prompts of {length} tokens, the context has room for {model.context} in all"
        )
