"""Published language models as they lie in a folder: the numbers of the architecture, the weights, the tokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mlr_jax.core.types import Variables
from mlr_jax.language.tokenizer import Tokenizer, check_fits, load_tokenizer
from mlr_jax.nn.bert import BERT, EPSILON
from mlr_jax.nn.gpt import GPT
from mlr_jax.transfer.names import Names
from mlr_jax.transfer.transformers_names import bert_names, gpt2_names
from mlr_jax.transfer.weights import from_tensors, read_tensors

CONFIG, WEIGHTS = "config.json", "model.safetensors"

BERT_MUST = {
    "hidden_act": "gelu", "position_embedding_type": "absolute", "layer_norm_eps": EPSILON, "is_decoder": False,
}  # fmt: skip
GPT2_MUST = {
    "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False, "tie_word_embeddings": True,
}  # fmt: skip
"""What a configuration must say, where it says anything of it."""


class Published(NamedTuple):
    """A trained model: what computes it, its parameters, and the tokenizer that it was trained with."""

    model: Any
    variables: Variables
    tokenizer: Tokenizer


def load_bert(folder: str | Path, **options: Any) -> Published:
    """A BERT's encoder, from `config.json`, `model.safetensors` and `tokenizer.json` as transformers writes them.

    options are fields of `nn/bert.py: BERT`, such as dropout. Layers on top of it that were trained for another task
    are left out. Raises FileNotFoundError for a file that is not there, and ValueError for another architecture, for
    tensors that are damaged or do not fit, and for a tokenizer that has more tokens than the model.
    """
    folder = Path(folder)
    config = read_config(folder, "bert", BERT_MUST)
    model = bert_of(config, **options)
    return _published(folder, model, bert_names(model.depth), "bert.")


def load_gpt2(folder: str | Path, **options: Any) -> Published:
    """A GPT-2, likewise; options are fields of `nn/gpt.py: GPT`. Raises as `load_bert` does."""
    folder = Path(folder)
    config = read_config(folder, "gpt2", GPT2_MUST)
    model = gpt2_of(config, **options)
    return _published(folder, model, gpt2_names(model.depth), "transformer.")


def bert_of(config: Mapping[str, Any], **options: Any) -> BERT:
    """The encoder that a configuration of transformers describes."""
    return BERT(
        config["vocab_size"], config["max_position_embeddings"], config["num_hidden_layers"],
        config["num_attention_heads"], config["hidden_size"], config["intermediate_size"],
        config.get("type_vocab_size", 2), **options,
    )  # fmt: skip


def gpt2_of(config: Mapping[str, Any], **options: Any) -> GPT:
    """The GPT-2 that a configuration of transformers describes."""
    return GPT(
        config["vocab_size"], config["n_positions"], config["n_layer"], config["n_head"], config["n_embd"],
        hidden=config.get("n_inner"), feed_forward="gelu_tanh", **options,
    )  # fmt: skip


def read_config(folder: Path, kind: str, must: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration in a folder. Raises FileNotFoundError or ValueError where it is not one of this kind."""
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no {CONFIG} in {folder}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(config, dict) or config.get("model_type") != kind:
        found = config.get("model_type") if isinstance(config, dict) else config
        raise ValueError(f"{path}: got model_type {found!r}, needed is {kind!r}")
    wrong = [f"{name}={config[name]!r}" for name, value in must.items() if config.get(name, value) != value]
    if wrong:
        needed = ", ".join(f"{name}={value!r}" for name, value in must.items())
        raise ValueError(f"{path}: got {', '.join(wrong)}; the model here has {needed}")
    return config


def _published(folder: Path, model: nn.Module, names: Names, prefix: str) -> Published:
    """The weights of the model itself, whose names may begin with a prefix within a larger one."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"no {WEIGHTS} in {folder}")
    like = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 1), jnp.int32))
    tensors = read_tensors(path)
    inner = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    try:
        variables = from_tensors(inner or tensors, names, like)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    tokenizer = load_tokenizer(folder)
    try:
        check_fits(tokenizer, variables)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    return Published(model, variables, tokenizer)
