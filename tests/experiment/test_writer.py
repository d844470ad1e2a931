"""What writes is what was trained: the losses of a run come out again; texts go on beyond the context, and end."""

import itertools
import json
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.cli import experiments
from mlr_jax.data.text import evaluation_windows, load_text
from mlr_jax.experiment.writer import likeliest, nats_per_token, of_run, of_weights, untrained, written
from mlr_jax.language.causal_lm import causal_lm
from mlr_jax.language.decode import Prompts, Sampling, generate
from mlr_jax.train.evaluate import evaluate

SURE = Sampling(temperature=0.0, repetition_penalty=100.0)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two members of a run with two networks, and what it says that their losses are."""
    folder = tmp_path_factory.mktemp("writer") / "run"
    module = runpy.run_path(str(experiments()["language/char_rnn"]))
    flags = ["--tiny", "--seeds", "2", "--out", str(folder)]
    return folder, module["main"](module["Config"], module["build"], module["TINY"], flags, "language/char_rnn.py")


@pytest.mark.parametrize(("network", "member"), [("gru", 0), ("elman", 1)])
def test_the_model_of_a_run_has_the_losses_that_the_run_reported(run, network, member):
    folder, summary = run
    writer = of_run(folder, network=network, member=member)
    text = load_text("python", validation=0.01)
    batches = evaluation_windows(text.validation, 128, 64)
    found = evaluate(jax.jit(causal_lm(writer.model).evaluate), writer.variables, batches)
    expected = summary["metrics"][f"val_{network}_loss"]["members"][member]
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    assert writer.decode(writer.encode("def f():\n")) == "def f():\n"


def test_what_is_no_such_run_is_an_error(run, tmp_path):
    folder, _ = run
    with pytest.raises(ValueError, match="network: got 'lstm', the run has gru, elman"):
        of_run(folder, network="lstm")
    with pytest.raises(ValueError, match="member: got 2, the run has 2, from 0 on"):
        of_run(folder, member=2)
    with pytest.raises(ValueError, match="--data: no text file at nowhere"):
        of_run(folder, data="nowhere")
    with pytest.raises(FileNotFoundError, match=r"no run is there, it has no config\.json"):
        of_run(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="the run has no checkpoint yet"):
        of_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "experiment": "language/bert_pretrain"}))
    with pytest.raises(ValueError, match=r"language/bert_pretrain, which does not write"):
        of_run(tmp_path)


def greedy(writer, tokens, steps):
    """The same by `generate`."""
    prompts = Prompts(jnp.asarray(tokens)[None], jnp.full(1, len(tokens)))
    return generate(writer.model, writer.variables, prompts, KEY, SURE, steps=steps)[0].tolist()


def test_a_text_goes_on_beyond_the_context_from_its_last_half():
    writer = untrained()  # whose context is 32
    prompt = writer.encode("Hello")
    found = list(itertools.islice(written(writer, prompt, KEY, SURE), 27 + 16 + 3))
    first = greedy(writer, prompt, 27)
    assert len(set(first)) > 9
    second = greedy(writer, [*prompt, *first][-16:], 16)
    assert found == [*first, *second, *greedy(writer, second, 3)]
    stop = found[2]
    ended = itertools.islice(written(writer._replace(stop=stop), prompt, KEY, SURE), 9)
    assert list(ended) == found[: found.index(stop)]
    with pytest.raises(ValueError, match="prompt: got texts of"):
        next(written(writer, prompt[:0], KEY, SURE))


def test_the_likeliest_text_is_likelier_than_another():
    writer = untrained()
    prompt = writer.encode("a")
    found = likeliest(writer, prompt, 4, 3)
    assert len(found) == 4
    drawn = list(itertools.islice(written(writer, prompt, KEY, Sampling()), 4))
    assert nats_per_token(writer, [*prompt, *found]) <= nats_per_token(writer, [*prompt, *drawn])
    logits = writer.model.apply(writer.variables, jnp.array([[*prompt, *found[:1]]]))
    by_hand = -jax.nn.log_softmax(logits[0, 0])[found[0]]
    np.testing.assert_allclose(nats_per_token(writer, [*prompt, found[0]]), by_hand, rtol=1e-5)


def test_gpt2_writes_with_its_own_tokens_and_ends_at_the_end_of_a_text(tmp_path):
    from mlr_jax.language.tokenizer import train_bpe
    from mlr_jax.transfer.published_text import gpt2_of
    from mlr_jax.transfer.transformers_names import gpt2_names
    from mlr_jax.transfer.weights import save_weights

    config = {"model_type": "gpt2", "vocab_size": 260, "n_positions": 16, "n_layer": 1, "n_head": 2, "n_embd": 8}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = gpt2_of(config)
    variables = jax.jit(model.init)(KEY, jnp.zeros((1, 1), jnp.int32))
    save_weights(tmp_path / "model.safetensors", gpt2_names(1), variables)
    train_bpe(["the quick brown fox the the"], 260).save(tmp_path / "tokenizer.json")
    writer = of_weights(tmp_path)
    assert writer.stop == 0
    tokens = list(itertools.islice(written(writer, writer.encode("the fox"), KEY, SURE), 5))
    assert tokens == greedy(writer, writer.encode("the fox"), 5)
    assert isinstance(writer.decode(tokens), str)
