"""Language models, beside the same in PyTorch on the same made tokens: steps of AdamW, and writing from a cache."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Asked, Case, Make, Program, Work
from benchmarks.peers import torch_language
from benchmarks.training import both_ways
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.types import Task
from mlr_jax.language.causal_lm import Hypers, causal_lm
from mlr_jax.language.decode import Prompts, Sampling, generate
from mlr_jax.language.masked_lm import Words, masked_lm
from mlr_jax.nn.bert import BERT, MaskedLM
from mlr_jax.nn.gpt import GPT
from mlr_jax.nn.recurrent_lm import RecurrentLM

CHARACTERS, PIECES, STEPS = 65, 8192, 4
HYPERS = Hypers(torch_language.RATE, torch_language.DECAY, 1.0)
PROMPT, WRITTEN = 16, 200


class Size(NamedTuple):
    """Of a transformer and its batches."""

    context: int
    depth: int
    heads: int
    width: int
    rows: int


SMALL, MEDIUM, SHORT = Size(128, 4, 4, 128, 16), Size(256, 6, 6, 384, 8), Size(32, 1, 2, 16, 2)


def lstm(asked: Asked) -> Case:
    """Two LSTMs of 256 on one another, batches of 32 windows of 128 characters."""
    return _recurrent(asked, "lstm")


def gru(asked: Asked) -> Case:
    """The same of GRUs."""
    return _recurrent(asked, "gru")


def gpt_small(asked: Asked) -> Case:
    """A GPT of 4 blocks, 4 heads, 128 wide, batches of 16 windows of 128 characters."""
    return _gpt(asked, SHORT if asked.short else SMALL)


def gpt_medium(asked: Asked) -> Case:
    """A GPT of 6 blocks, 6 heads, 384 wide, batches of 8 windows of 256 characters."""
    return _gpt(asked, SHORT if asked.short else MEDIUM)


def bert(asked: Asked) -> Case:
    """A BERT of 4 blocks, 4 heads, 256 wide, batches of 16 texts of 128 tokens, 15 % of them hidden."""
    pieces = asked.of(PIECES, 64)
    size = SHORT if asked.short else Size(128, 4, 4, 256, 16)
    task = masked_lm(MaskedLM(BERT(pieces, *size[:4])), Words(0, 1, pieces))
    return _training(
        asked, task, pieces, (size.rows, size.context), lambda: torch_language.masked_lm(pieces, *size[:4])
    )


def generate_1(asked: Asked) -> Case:
    """The GPT of `gpt_medium` writes 200 characters behind a prompt of 16."""
    return _writing(asked, 1)


def generate_16(asked: Asked) -> Case:
    """The same for 16 prompts."""
    return _writing(asked, 16)


CASES: dict[str, Make] = {
    "lstm": lstm,
    "gru": gru,
    "gpt_small": gpt_small,
    "gpt_medium": gpt_medium,
    "bert": bert,
    "generate_1": generate_1,
    "generate_16": generate_16,
}


def _recurrent(asked: Asked, cell: Literal["lstm", "gru"]) -> Case:
    width = asked.of(256, 8)
    shape = (asked.of(32, 2 * asked.devices), asked.of(128, 8))
    task = causal_lm(RecurrentLM(CHARACTERS, cell, 2, width, width))
    return _training(asked, task, CHARACTERS, shape, lambda: torch_language.recurrent_lm(CHARACTERS, cell, 2, width))


def _gpt(asked: Asked, size: Size) -> Case:
    task = causal_lm(GPT(CHARACTERS, *size[:4]))
    shape = (size.rows, size.context)
    return _training(asked, task, CHARACTERS, shape, lambda: torch_language.gpt(CHARACTERS, *size[:4]))


def _training(asked: Asked, task: Task, vocabulary: int, shape: tuple[int, int], peer: Callable[[], Any]) -> Case:
    learner, steps = asked.spread(gradient_learner(task, adamw())), asked.of(STEPS, 2)
    tokens = np.random.default_rng(0).integers(1, vocabulary, (steps, shape[0], shape[1] + 1))
    batches = {"x": jnp.asarray(tokens[..., :-1], jnp.int32), "y": jnp.asarray(tokens[..., 1:], jnp.int32)}
    peers = torch_language.both_ways(peer, tokens, short=asked.short) if asked.beside("torch") else {}
    return Case(both_ways(learner, HYPERS, batches), peers, steps * shape[0] * shape[1], "tokens", steps)


def _writing(asked: Asked, rows: int) -> Case:
    size, written = SHORT if asked.short else MEDIUM, asked.of(WRITTEN, 4)
    peers = {}
    if asked.beside("torch"):
        peer = torch_language.gpt(CHARACTERS, *size[:4])
        peers["PyTorch, cached"] = Work(torch_language.written(peer, np.asarray(_prompts(rows)), written))
    ours = writing(GPT(CHARACTERS, *size[:4]), rows, written)
    return Case({"ours, cached": ours}, peers, rows * written, "tokens", written)


def writing(model: GPT, rows: int, written: int) -> Program:
    """The likeliest tokens, one after another; the number that shows it is the same work is how many they are."""
    tokens = _prompts(rows)
    variables = jax.jit(model.init)(jax.random.key(0), tokens)
    write = jax.jit(
        lambda variables, prompts, key: generate(model, variables, prompts, key, Sampling(0.0), steps=written)
    )
    arguments = (variables, Prompts(tokens, jnp.full(rows, PROMPT)), jax.random.key(0))
    return Program(write, arguments, lambda tokens: jnp.sum(tokens >= 0))


def _prompts(rows: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).integers(CHARACTERS, size=(rows, PROMPT)), jnp.int32)
