"""Settings of language models that cannot be: each is refused with the flag's name before anything is compiled."""

import runpy
from dataclasses import replace

import pytest

from mlr_jax.cli import experiments


@pytest.fixture(scope="module")
def modules():
    names = ("char_gpt", "char_rnn", "bert_pretrain", "generate")
    return {name: runpy.run_path(str(experiments()[f"language/{name}"])) for name in names}


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("char_gpt", {"data": "nowhere"}, "--data: no text file at nowhere"),
        ("char_gpt", {"validation": 0.0}, "--data: validation: got 0.0"),
        ("char_gpt", {"context": 0}, "--context: got 0"),
        ("char_gpt", {"batch_size": 0}, "--batch-size: got 0"),
        ("char_gpt", {"prompt": ""}, "--prompt: the text is empty"),
        ("char_gpt", {"prompt": "a\u2603"}, "--prompt: the character '\u2603' at place 1"),
        ("char_gpt", {"final_rate": 2.0}, "--warmup: schedule: got"),
        ("char_rnn", {"cells": ()}, "--cells: got none"),
        ("char_rnn", {"cells": ("gru", "gru")}, "--cells: got gru gru"),
        ("char_rnn", {"width": 0}, "--width: got 0, must be at least 1"),
        ("char_rnn", {"lags": 0}, "--lags: got 0, must be at least 1"),
        ("char_rnn", {"batch_size": 200000}, "--batch-size, --context: got 200000, 8; streams of that need 1600008"),
        ("bert_pretrain", {"share": 0.0}, "--share: share: got 0.0"),
        ("bert_pretrain", {"tokens": "bpe", "vocabulary": 100}, "--vocabulary: size: got 100"),
        ("bert_pretrain", {"depth": 0}, "--depth: got 0, must be at least 1"),
        ("generate", {"model": ""}, "--model: got none"),
        ("generate", {"length": 0}, "--length: got 0, must be at least 1"),
        ("generate", {"temperature": -1.0}, "--temperature: got -1.0, must be at least 0"),
        ("generate", {"repetition_penalty": 0.0}, "--repetition-penalty: got 0.0, must be above 0"),
        ("generate", {"prompt": ""}, "--prompt: the text is empty"),
        ("generate", {"prompt": "a" * 32}, "--prompt, --length: got 32 tokens and 1 more, the context has room for 32"),
        ("generate", {"beams": 2}, "--prompt, --length: got 1 tokens and 40 more"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(modules, name, flags, message):
    module = modules[name]
    config = module["Config"](**module["TINY"])
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        module["build"](replace(config, **flags))
