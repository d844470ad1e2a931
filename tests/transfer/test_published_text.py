"""Folders of published language models, written here: what is read, and what is refused."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.language.tokenizer import train_bpe, train_wordpiece
from mlr_jax.transfer.published_text import bert_of, gpt2_of, load_bert, load_gpt2
from mlr_jax.transfer.transformers_names import bert_names, gpt2_names
from mlr_jax.transfer.weights import save_weights, to_tensors

TEXT = ["the quick brown fox jumps over the lazy dog"]
BERT_CONFIG = {
    "model_type": "bert", "vocab_size": 80, "max_position_embeddings": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 12, "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}  # fmt: skip
GPT_CONFIG = {
    "model_type": "gpt2",
    "vocab_size": 258,
    "n_positions": 16,
    "n_layer": 1,
    "n_head": 2,
    "n_embd": 8,
    "n_inner": None,
}


def random_variables(model):
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1), jnp.int32))
    return jax.tree.map(lambda leaf: leaf + 0.1, variables)


def write(folder, config, names, variables, tokenizer):
    (folder / "config.json").write_text(json.dumps(config))
    save_weights(folder / "model.safetensors", names, variables)
    tokenizer.save(folder / "tokenizer.json")


@pytest.fixture
def bert_folder(tmp_path):
    variables = random_variables(bert_of(BERT_CONFIG))
    write(tmp_path, BERT_CONFIG, bert_names(2), variables, train_wordpiece(TEXT, 60))
    return tmp_path, variables


def equal(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_a_bert_comes_back_with_its_tokenizer(bert_folder):
    folder, variables = bert_folder
    found = load_bert(folder, dropout=0.25)
    equal(found.variables, variables)
    assert (found.model.dropout, found.model.depth, found.model.hidden) == (0.25, 2, 12)
    assert found.tokenizer.decode(found.tokenizer.encode("The fox")) == "the fox"


def test_a_bert_within_a_larger_model_is_taken_out_of_it(bert_folder):
    from safetensors.numpy import save_file

    folder, variables = bert_folder
    tensors = {f"bert.{name}": tensor for name, tensor in to_tensors(variables, bert_names(2)).items()}
    save_file({**tensors, "classifier.weight": np.zeros((2, 8), np.float32)}, folder / "model.safetensors")
    equal(load_bert(folder).variables, variables)


def test_a_gpt2_comes_back_with_its_tokenizer(tmp_path):
    variables = random_variables(gpt2_of(GPT_CONFIG))
    write(tmp_path, GPT_CONFIG, gpt2_names(1), variables, train_bpe(TEXT, 258))
    found = load_gpt2(tmp_path)
    equal(found.variables, variables)
    assert found.model.feed_forward == "gelu_tanh"


def replaced(config, **values):
    return lambda folder: (folder / "config.json").write_text(json.dumps({**config, **values}))


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, "model.safetensors: a damaged .safetensors file"),
        (replaced(BERT_CONFIG, model_type="roberta"), "config.json: got model_type 'roberta', needed is 'bert'"),
        (replaced(BERT_CONFIG, hidden_act="relu"), "config.json: got hidden_act='relu'"),
        (replaced(BERT_CONFIG, hidden_size=16), r"(?s)model.safetensors: \d+ of the tensors do not fit.*got shape"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json: not JSON"),
        (lambda folder: train_bpe(TEXT, 270).save(folder / "tokenizer.json"), "270 tokens.*only 80 rows"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(bert_folder, change, message):
    change(bert_folder[0])
    with pytest.raises(ValueError, match=message):
        load_bert(bert_folder[0])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_there_is_named(bert_folder, name):
    (bert_folder[0] / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"no ({name} in|tokenizer at) "):
        load_bert(bert_folder[0])
