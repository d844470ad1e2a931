"""From one sequence to another: training with the right token before each, and writing one token after another."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Batch, Key, Metrics, Task, Variables
from mlr_jax.language.decode import Beams, Prompts, Sampling, beam_search, generate
from mlr_jax.ops.losses import cross_entropy
from mlr_jax.ops.masked import blank_padding, masked_mean


class Hypers(NamedTuple):
    """What a sweep can vary: the first three are read by the optimizer (`core/optimizers.py: adamw`)."""

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    label_smoothing: float = 0.0


def seq2seq(model: nn.Module, *, start: int) -> Task:
    """The task of minimising the mean over tokens of -log p(y_t | y_1 ... y_{t-1}, x), in nats (teacher forcing).

    model: such as `nn/encoder_decoder.py: EncoderDecoder`, `model(x, x_length, shifted y, train=...)` are logits
    [B, T, V]. Batches hold x [B, S] and y [B, T] int, y with the token that ends it, how many of these are real,
    x_length and y_length [B], and may hold mask [B]. `start`: the token that stands before the first.

    Training metrics: accuracy of tokens. Evaluation, for each row [B]: loss and accuracy, the mean over its tokens, and
    exact_match, whether the likeliest tokens one after another are just y: it is so where each of them is the likeliest
    behind the right ones.
    """

    def init(key: Key) -> Variables:
        one = jnp.ones((1, 1), jnp.int32)
        return model.init({"params": key}, one, one[0], one)

    def of_tokens(variables: Variables, rows: Any, smoothing: Any, **options: Any) -> tuple[jax.Array, jax.Array]:
        """Losses and hits, [B, T] each."""
        y = rows["y"]
        logits: Any = model.apply(variables, rows["x"], rows["x_length"], shifted(y, start), **options)
        losses = jax.vmap(jax.vmap(partial(cross_entropy, smoothing=smoothing)))(logits, y)
        return losses, jnp.argmax(logits, axis=-1) == y

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        rows, mask = _unpack(batch)
        losses, hits = of_tokens(variables, rows, hypers.label_smoothing, train=True, rngs={"dropout": key})
        flat = mask.reshape(-1)
        metrics = {"accuracy": masked_mean(hits.reshape(-1), flat)}
        return masked_mean(losses.reshape(-1), flat), (variables, metrics)

    def evaluate(variables: Variables, batch: Batch) -> Metrics:
        rows, mask = _unpack(batch)
        losses, hits = of_tokens(variables, rows, 0.0)
        means = jax.vmap(masked_mean)
        exact = jnp.all(hits | (mask == 0), axis=-1).astype(jnp.float32)
        return {"loss": means(losses, mask), "accuracy": means(hits, mask), "exact_match": exact}

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
    """The likeliest token, again and again: at most `steps` for each x [B, S], `NEVER` behind `stop`; [B, steps]."""
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
    """The likeliest of the targets that are found when, at each step, the best `beams` for each x [B, S] are kept."""
    writer, variables, prompts = _begun(model, variables, (x, x_length), steps=steps, start=start)
    return beam_search(writer, variables, prompts, steps=steps, beams=beams, stop=stop)


def _begun(
    model: nn.Module, variables: Variables, source: tuple[jax.Array, jax.Array], *, steps: int, start: int
) -> tuple[Writer, Variables, Prompts]:
    memory = model.apply(variables, *source, method="encode")
    inner = {name: {"model": value} for name, value in variables.items()}
    prompts = Prompts(jnp.full((len(source[0]), 1), start), jnp.ones(len(source[0]), jnp.int32))
    return Writer(model, steps + 1), {**inner, "cache": {"memory": memory}}, prompts


def _unpack(batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
    """The rows, with nothing but zeros in their padding, and which of the tokens of y count, [B, T] float32."""
    rows = {name: batch[name] for name in ("x", "x_length", "y", "y_length")}
    mask = batch.get("mask")
    if mask is not None:
        rows = blank_padding(rows, mask)
    is_real = {name: jnp.arange(rows[name].shape[1])[None] < rows[f"{name}_length"][:, None] for name in ("x", "y")}
    rows |= {name: jnp.where(real, rows[name], 0) for name, real in is_real.items()}
    return rows, is_real["y"].astype(jnp.float32)
