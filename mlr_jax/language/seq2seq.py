"""From one sequence to another: training with the right token before each, and writing one token after another."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.language.decode import NEVER, Beams, Prompts, Sampling, beam_search, generate
from mlr_jax.ops.losses import cross_entropy
from mlr_jax.ops.masked import blank_padding, masked_mean


class Hypers(NamedTuple):
    """What a sweep can vary: the first three are read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    label_smoothing: float = 0.0


def seq2seq(model: nn.Module, *, start: int) -> Task:
    """The task of minimising the mean over rows of -log p(y | x) = -sum_t log p(y_t | y_1 ... y_{t-1}, x), in nats.

    What stands before each token is the right one, not the one that the model would have written (teacher forcing).

    model: such as `nn/encoder_decoder.py: EncoderDecoder`, `model(x, x_length, shifted y, train=...)` are logits
    [B, T, V]. Batches hold x [B, S] and y [B, T] int, y with the token that ends it, how many of these are real,
    x_length and y_length [B], and may hold mask [B]. `start`: the token that stands before the first.

    Training metrics: accuracy. Evaluation, for each row [B]: loss; accuracy, the part of its tokens that are the
    likeliest; and exact_match, whether the likeliest tokens one after another are just y, which is so where each is the
    likeliest behind the right ones.
    """

    def init(key: Key) -> Variables:
        one = jnp.ones((1, 1), jnp.int32)
        return model.init({"params": key}, one, one[0], one)

    def of_rows(variables: Variables, rows: Any, smoothing: Any, **options: Any) -> Metrics:
        y, is_real = rows["y"], _is_real(rows, "y")
        logits: Any = model.apply(variables, rows["x"], rows["x_length"], shifted(y, start), **options)
        losses = jax.vmap(jax.vmap(partial(cross_entropy, smoothing=smoothing)))(logits, y)
        hits = jnp.argmax(logits, axis=-1) == y
        return {
            "loss": jnp.sum(jnp.where(is_real, losses, 0.0), axis=-1),
            "accuracy": jax.vmap(masked_mean)(hits, is_real),
            "exact_match": jnp.all(hits | ~is_real, axis=-1).astype(jnp.float32),
        }

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        rows, mask = _unpack(batch)
        found = of_rows(variables, rows, hypers.label_smoothing, train=True, rngs={"dropout": key})
        return masked_mean(found["loss"], mask), (variables, {"accuracy": masked_mean(found["accuracy"], mask)})

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        return of_rows(variables, _unpack(batch)[0], 0.0)

    return Task(init, loss, evaluate)


def shifted(y: jax.Array, start: int) -> jax.Array:
    """Before each token of y [B, T] stands the one before it, before the first `start`."""
    return jnp.concatenate([jnp.full_like(y[:, :1], start), y[:, :-1]], axis=1)


class Writer(nn.Module):
    """The decoder as a causal language model of the target: what `language/decode.py` can be given.

    What was read is in the variables "cache", as "memory", and so goes along with each text and each beam.
    """

    model: nn.Module
    context: int

    def __call__(self, tokens: jax.Array, *, positions: jax.Array | None = None, decode: bool = False) -> jax.Array:
        """Logits of the token that follows each of tokens [B, T]."""
        model: Any = self.model
        return model.decode(self.get_variable("cache", "memory"), tokens, positions=positions, decode=decode)


@partial(jax.jit, static_argnums=0, static_argnames=("steps", "start", "stop"))
def translate(
    model: nn.Module, variables: Variables, x: jax.Array, x_length: jax.Array, *, steps: int, start: int, stop: int
) -> jax.Array:
    """The likeliest token, again and again: at most `steps` for each x [B, S], `NEVER` behind `stop`; [B, steps].

    Raises ValueError for more steps than the model's context has room for behind `start`.
    """
    writer, variables, prompts = _begun(model, variables, (x, x_length), steps=steps, start=start)
    greedy = Sampling(temperature=0.0)
    return generate(writer, variables, prompts, jax.random.key(0), greedy, steps=steps, stop=stop)


@partial(jax.jit, static_argnums=0, static_argnames=("steps", "beams", "start", "stop"))
def translate_by_beams(
    model: nn.Module,
    variables: Variables,
    x: jax.Array,
    x_length: jax.Array,
    *,
    steps: int,
    beams: int,
    start: int,
    stop: int,
) -> Beams:
    """The likeliest of the targets that are found when, at each step, the best `beams` for each x [B, S] are kept.

    Raises ValueError as `translate` does, and for fewer than one beam.
    """
    writer, variables, prompts = _begun(model, variables, (x, x_length), steps=steps, start=start)
    return beam_search(writer, variables, prompts, steps=steps, beams=beams, stop=stop)


def best(found: Beams, penalty: float = 0.6) -> jax.Array:
    """Of the beams of each source the one with the greatest log p / ((5 + n) / 6)^penalty, n its tokens: [B, steps].

    Longer targets have more factors below one; with a penalty of 0 that counts against them. (Wu et al., 2016.)
    """
    count = jnp.sum(found.tokens != NEVER, axis=-1)
    chosen = jnp.argmax(found.log_probs / ((5.0 + count) / 6.0) ** penalty, axis=-1)
    return jnp.take_along_axis(found.tokens, chosen[:, None, None], axis=1)[:, 0]


def _begun(
    model: nn.Module, variables: Variables, source: tuple[jax.Array, jax.Array], *, steps: int, start: int
) -> tuple[Writer, Variables, Prompts]:
    memory = model.apply(variables, *source, method="encode")
    inner = {name: {"model": value} for name, value in variables.items()}
    prompts = Prompts(jnp.full((len(source[0]), 1), start), jnp.ones(len(source[0]), jnp.int32))
    context = getattr(model, "context", steps + 1)  # a recurrent network writes as far as it is told to
    return Writer(model, context), {**inner, "cache": {"memory": memory}}, prompts


def _unpack(batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
    """The rows, with zeros for what is padding, and their mask [B]."""
    mask = batch.get("mask")
    mask = jnp.ones(len(batch["y"])) if mask is None else mask
    rows: dict[str, jax.Array] = blank_padding({name: batch[name] for name in ("x", "x_length", "y", "y_length")}, mask)
    return {**rows, **{name: jnp.where(_is_real(rows, name), rows[name], 0) for name in ("x", "y")}}, mask


def _is_real(rows: Any, name: str) -> jax.Array:
    return jnp.arange(rows[name].shape[1])[None] < rows[f"{name}_length"][:, None]
