"""What can write: the language model of a finished run, or published weights, with the way from text to tokens."""

import itertools
import json
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.cli import experiments
from mlr_jax.core.hypers import members
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Key, State, TrainState, Variables
from mlr_jax.data import text as characters
from mlr_jax.experiment import run_dir
from mlr_jax.experiment.language_model import TextSettings, text_of
from mlr_jax.experiment.run import Experiment, compiled
from mlr_jax.experiment.settings import parse_sweeps
from mlr_jax.language.decode import NEVER, Sampling, beam_search, prompts_of, stream
from mlr_jax.nn.gpt import GPT
from mlr_jax.train.checkpoint import Checkpoints

END_OF_TEXT = "<|endoftext|>"


class Writer(NamedTuple):
    """A language model and its tokens: encode: text -> [N], decode: [N] -> text; `stop` ends a text."""

    model: Any
    variables: Variables
    encode: Callable[[str], np.ndarray]
    decode: Callable[[Sequence[int]], str]
    stop: int | None = None


def of_run(
    folder: Path, *, data: str | None = None, network: str | None = None, member: int = 0, last: bool = False
) -> Writer:
    """A run of `experiments/language/char_gpt.py` or `char_rnn.py`, at its best step, or its `last`.

    data: where the text that it was trained on lies now, for its characters; network: which one of several; member: of
    a sweep. Raises ValueError or FileNotFoundError, in one line, for what is no such run, or has no checkpoint yet.
    """
    config = _config_of(folder)
    name = config["experiment"]
    files = experiments()
    module = runpy.run_path(str(files[name])) if name in files and name.startswith("language/") else {}
    if "networks" not in module:
        raise ValueError(f"{folder}: is a run of {name}, which does not write; language/char_gpt and char_rnn do")
    settings = _settings(module["Config"], {**config["config"], **({"data": data} if data else {})})
    vocabulary = text_of(settings).vocabulary
    models: Mapping[str, Any] = module["networks"](settings, len(vocabulary))
    chosen = network or next(iter(models))
    if chosen not in models:
        raise ValueError(f"network: got {chosen!r}, the run has {', '.join(models)}")
    if not 0 <= member < len(config["members"]):
        raise ValueError(f"member: got {member}, the run has {len(config['members'])}, from 0 on")
    state = _restored(folder, settings, module["build"](settings), last).inner
    state = state if isinstance(state, TrainState) else state[chosen]
    return Writer(
        models[chosen],
        {"params": jax.tree.map(lambda leaf: leaf[member], state.params)},
        lambda text: characters.encode(text, vocabulary),
        lambda tokens: characters.decode(np.asarray(tokens), vocabulary),
    )


def of_weights(folder: Path) -> Writer:
    """A GPT-2 as it is published (`transfer/published_text.py: load_gpt2`). Raises as that does."""
    from mlr_jax.transfer.published_text import load_gpt2

    model, variables, tokenizer = load_gpt2(folder)
    return Writer(model, variables, tokenizer.encode, tokenizer.decode, tokenizer.special.get(END_OF_TEXT))


def untrained() -> Writer:
    """A small GPT that knows nothing, of printable characters."""
    vocabulary = ("\n", *map(chr, range(32, 127)))
    model = GPT(len(vocabulary), 32, depth=1, heads=2, width=16)
    return Writer(
        model, jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1), jnp.int32)),
        lambda text: characters.encode(text, vocabulary),
        lambda tokens: characters.decode(np.asarray(tokens), vocabulary),
    )  # fmt: skip


def written(writer: Writer, prompt: np.ndarray, key: Key, sampling: Sampling) -> Iterator[int]:
    """Tokens behind a prompt [N], one by one, to the end of the text or for ever.

    Whenever the context of the model is full, the last half of it is read anew. Raises ValueError for a prompt without
    a token, and for one that leaves no room in the context.
    """
    text = [int(token) for token in prompt]
    for index in itertools.count():
        prompts = prompts_of([text], writer.model.context - 1)
        for drawn in stream(writer.model, writer.variables, prompts, jax.random.fold_in(key, index), sampling):
            token = int(drawn[0])
            if token == writer.stop:
                return
            text.append(token)
            yield token
        text = text[-max(writer.model.context // 2, 1) :]


def likeliest(writer: Writer, prompt: np.ndarray, steps: int, beams: int) -> list[int]:
    """The likeliest `steps` tokens behind a prompt [N] that so many beams find. Raises ValueError as `beam_search`."""
    prompts = prompts_of([prompt], writer.model.context - steps)
    found = beam_search(writer.model, writer.variables, prompts, steps=steps, beams=beams, stop=writer.stop)
    return [int(token) for token in found.tokens[0, 0] if token not in (NEVER, writer.stop)]


def nats_per_token(writer: Writer, tokens: Sequence[int]) -> float:
    """The mean of -log p of each token after the first, of as many as the model's context holds."""
    kept = jnp.asarray(tokens, jnp.int32)[None, -min(writer.model.context, len(tokens)) :]
    if kept.shape[1] < 2:
        return float("nan")
    log_probs = jax.nn.log_softmax(jax.jit(writer.model.apply)(writer.variables, kept[:, :-1]))
    return float(-jnp.mean(jnp.take_along_axis(log_probs, kept[:, 1:, None], axis=-1)))


def _config_of(folder: Path) -> dict[str, Any]:
    path = folder / run_dir.CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: no run is there, it has no {run_dir.CONFIG}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(config, dict) or not {"experiment", "config", "members"} <= config.keys():
        raise ValueError(f"{path}: is not what a run writes")
    return config


def _settings(config: type, values: Mapping[str, Any]) -> TextSettings:
    """The settings of a run as they were; where it lies does not matter."""
    known = {field.name for field in fields(config)} - {"out", "resume", "devices", "parallel"}
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    kept = {name: float("inf") if value == "inf" else value for name, value in plain.items() if name in known}
    settings: TextSettings = config(**kept)
    return settings


def _restored(folder: Path, settings: TextSettings, experiment: Experiment, last: bool) -> State:
    """The state of all members at its best or last checkpoint."""
    best, newest = folder / "best", folder / "checkpoints"
    place = newest if last or not best.is_dir() else best
    values = parse_sweeps(settings.sweep, experiment.hypers._fields)
    seeds = jnp.arange(settings.seed, settings.seed + settings.seeds)
    keys, hypers, _ = members(jax.vmap(jax.random.key)(seeds), experiment.hypers, values)
    init, _ = compiled(sweep(experiment.learner, settings.layout).init, keys, hypers, once=True)
    with run_dir.owned(folder):  # Orbax tidies up in the folder that it reads
        checkpoints = Checkpoints(place)
        try:
            found = checkpoints.restore(init(keys, hypers))
        finally:
            checkpoints.close()
    if found is None:
        raise ValueError(f"{folder}: the run has no checkpoint yet")
    return found[1]
