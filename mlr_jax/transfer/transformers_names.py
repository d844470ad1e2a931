"""Name maps of the language models that Hugging Face's transformers publishes: GPT-2 and BERT."""

from mlr_jax.transfer.names import SAME, TRANSPOSED, Entry, Names, dense, layer_norm


def gpt2_names(depth: int = 12) -> Names:
    """For `nn/gpt.py: gpt2`; transformers' GPT2LMHeadModel without its prefix "transformer."."""
    entries = [Entry("wte.weight", "params/embedding", SAME), Entry("wpe.weight", "params/positions", SAME)]
    for index in range(depth):
        name, path = f"h.{index}", f"layers/block{index}"
        entries += [
            *layer_norm(f"{name}.ln_1", f"{path}/attention_norm"),
            *dense(f"{name}.attn.c_attn", f"{path}/attention/qkv", SAME),  # [inputs, outputs] there too
            *dense(f"{name}.attn.c_proj", f"{path}/attention/out", SAME),
            *layer_norm(f"{name}.ln_2", f"{path}/mlp_norm"),
            *dense(f"{name}.mlp.c_fc", f"{path}/hidden", SAME),
            *dense(f"{name}.mlp.c_proj", f"{path}/output", SAME),
        ]
    # The masks of attention, and the embeddings once more.
    ignored = (".attn.bias", ".attn.masked_bias", "lm_head.weight")
    return Names((*entries, *layer_norm("ln_f", "norm")), ignored)


def bert_names(depth: int = 12, prefix: str = "") -> Names:
    """For `nn/bert.py: BERT`; transformers' BertModel, with "bert." before its names inside of other models."""
    path = "embeddings"
    entries = [
        Entry(f"{prefix}{path}.word_embeddings.weight", "params/embedding", SAME),
        Entry(f"{prefix}{path}.position_embeddings.weight", "params/positions", SAME),
        Entry(f"{prefix}{path}.token_type_embeddings.weight", "params/parts", SAME),
        *layer_norm(f"{prefix}{path}.LayerNorm", "embedding_norm"),
    ]
    for index in range(depth):
        name, path = f"{prefix}encoder.layer.{index}", f"layers/block{index}"
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        entries += [
            Entry(tuple(f"{part}.weight" for part in parts), f"params/{path}/attention/qkv/kernel", TRANSPOSED),
            Entry(tuple(f"{part}.bias" for part in parts), f"params/{path}/attention/qkv/bias", SAME),
            *dense(f"{name}.attention.output.dense", f"{path}/attention/out"),
            *layer_norm(f"{name}.attention.output.LayerNorm", f"{path}/attention_norm"),
            *dense(f"{name}.intermediate.dense", f"{path}/hidden"),
            *dense(f"{name}.output.dense", f"{path}/output"),
            *layer_norm(f"{name}.output.LayerNorm", f"{path}/mlp_norm"),
        ]
    # The numbers of positions, and a layer on the first token that is trained for another task.
    ignored = ("position_ids", "pooler.dense.weight", "pooler.dense.bias")
    return Names(tuple(entries), ignored)


def masked_lm_names(depth: int = 12) -> Names:
    """For `nn/bert.py: MaskedLM`; transformers' BertForMaskedLM."""
    inner = bert_names(depth, "bert.")
    entries = [entry._replace(path=entry.path.replace("params/", "params/encoder/", 1)) for entry in inner.entries]
    entries += [
        *dense("cls.predictions.transform.dense", "transform"),
        *layer_norm("cls.predictions.transform.LayerNorm", "norm"),
        Entry("cls.predictions.bias", "params/bias", SAME),
    ]
    # The embeddings once more, and the bias.
    return Names(tuple(entries), (*inner.ignored, "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"))
