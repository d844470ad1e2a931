"""The language cases: a network of ours and the same in PyTorch, on the same made tokens; writing from a cache."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import language_peers
from benchmarks.in_turn import Call, Case
from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import scan
from mlr_jax.core.types import Batch, Learner, Task
from mlr_jax.language.causal_lm import Hypers, causal_lm
from mlr_jax.language.decode import Prompts, Sampling, generate
from mlr_jax.language.masked_lm import Words, masked_lm
from mlr_jax.nn.bert import BERT, MaskedLM
from mlr_jax.nn.gpt import GPT
from mlr_jax.nn.recurrent_lm import CellName, RecurrentLM

CHARACTERS, PIECES, STEPS = 65, 8192, 4
PROMPT, WRITTEN = 16, 200


def lstm(with_peers: bool = True) -> Case:
    """Two LSTMs of 256 on one another, batches of 32 windows of 128 characters."""
    return _recurrent("lstm", with_peers)


def gru(with_peers: bool = True) -> Case:
    """The same of GRUs."""
    return _recurrent("gru", with_peers)


def gpt_small(with_peers: bool = True) -> Case:
    """A GPT of 4 blocks, 4 heads, 128 wide, batches of 16 windows of 128 characters."""
    return _gpt(4, 4, 128, rows=16, length=128, with_peers=with_peers)


def gpt_medium(with_peers: bool = True) -> Case:
    """A GPT of 6 blocks, 6 heads, 384 wide, batches of 8 windows of 256 characters."""
    return _gpt(6, 6, 384, rows=8, length=256, with_peers=with_peers)


def bert(with_peers: bool = True) -> Case:
    """A BERT of 4 blocks, 4 heads, 256 wide, batches of 16 texts of 128 tokens, 15 % of them hidden."""
    model = MaskedLM(BERT(PIECES, 128, 4, 4, 256))
    task = masked_lm(model, Words(0, 1, PIECES))
    return _beside(task, PIECES, (16, 128), lambda: language_peers.masked_lm(PIECES, 128, 4, 4, 256), with_peers)


def generate_1(with_peers: bool = True) -> Case:
    """The GPT of `gpt_medium` writes 200 characters behind a prompt of 16."""
    return _writing(1, with_peers)


def generate_16(with_peers: bool = True) -> Case:
    """The same for 16 prompts."""
    return _writing(16, with_peers)


CASES: dict[str, Callable[[bool], Case]] = {
    "lstm": lstm,
    "gru": gru,
    "gpt_small": gpt_small,
    "gpt_medium": gpt_medium,
    "bert": bert,
    "generate_1": generate_1,
    "generate_16": generate_16,
}


def _recurrent(cell: CellName, with_peers: bool) -> Case:
    model = RecurrentLM(CHARACTERS, cell, 2, 256, 256)
    peer = lambda: language_peers.recurrent_lm(CHARACTERS, cell, 2, 256)  # noqa: E731
    return _beside(causal_lm(model), CHARACTERS, (32, 128), peer, with_peers)


def _gpt(depth: int, heads: int, width: int, *, rows: int, length: int, with_peers: bool) -> Case:
    model = GPT(CHARACTERS, length, depth, heads, width)
    peer = lambda: language_peers.gpt(CHARACTERS, length, depth, heads, width)  # noqa: E731
    return _beside(causal_lm(model), CHARACTERS, (rows, length), peer, with_peers)


def _beside(task: Task, vocabulary: int, shape: tuple[int, int], peer: Callable[[], Any], with_peers: bool) -> Case:
    """Training steps of AdamW: ours one a call and scanned, PyTorch's eager and compiled."""
    learner = gradient_learner(task, adamw())
    tokens = np.random.default_rng(0).integers(1, vocabulary, (STEPS, shape[0], shape[1] + 1))
    batches = {"x": jnp.asarray(tokens[..., :-1], jnp.int32), "y": jnp.asarray(tokens[..., 1:], jnp.int32)}
    contestants = {"ours, one step a call": _one_by_one(learner, batches), "ours, scanned": _scanned(learner, batches)}
    if with_peers and find_spec("torch"):
        contestants["PyTorch"] = language_peers.trained(peer(), tokens, compiled=False)
        contestants["PyTorch, compiled"] = language_peers.trained(peer(), tokens, compiled=True)
    return Case(contestants, STEPS, shape[0] * shape[1])


def _scanned(learner: Learner, batches: Batch) -> Call:
    state, program = _first_state(learner), scan(learner, STEPS)

    def call() -> float:
        nonlocal state
        state, metrics = program(state, batches)
        return float(metrics["loss"][-1])

    return call


def _one_by_one(learner: Learner, batches: Batch) -> Call:
    state, step = _first_state(learner), jax.jit(learner.step, donate_argnums=0)
    each = [jax.tree.map(lambda leaf, index=index: leaf[index], batches) for index in range(STEPS)]

    def call() -> float:
        nonlocal state
        for batch in each:
            state, metrics = step(state, batch)
        return float(metrics["loss"])

    return call


def _first_state(learner: Learner) -> Any:
    return jax.jit(learner.init)(jax.random.key(0), Hypers(language_peers.RATE, language_peers.DECAY, 1.0))


def _writing(rows: int, with_peers: bool) -> Case:
    """The likeliest tokens, one after another; the number that shows it is the same work is how many they are."""
    model = GPT(CHARACTERS, 256, 6, 6, 384)
    tokens = jnp.asarray(np.random.default_rng(0).integers(CHARACTERS, size=(rows, PROMPT)), jnp.int32)
    variables = jax.jit(model.init)(jax.random.key(0), tokens)
    prompts, sampling = Prompts(tokens, jnp.full(rows, PROMPT)), Sampling(0.0)

    def ours() -> float:
        tokens = generate(model, variables, prompts, jax.random.key(0), sampling, steps=WRITTEN)
        return float(jnp.sum(tokens >= 0))

    contestants = {"ours, cached": ours}
    if with_peers and find_spec("torch"):
        peer = language_peers.gpt(CHARACTERS, 256, 6, 6, 384)
        contestants["PyTorch, cached"] = language_peers.written(peer, np.asarray(tokens), WRITTEN)
    return Case(contestants, WRITTEN, rows)
